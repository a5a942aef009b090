"""Why an image or a sound is strange: a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Region"]


@dataclass(frozen=True)
class Region:
    """Why an image is strange: a part of it."""

    box: tuple[int, int, int, int]  #: top, left, bottom, right in the image's own pixels; bottom and right excluded
    share: float  #: of what the image's marked places, or its strangest, are beyond the usual
    p_value: float  #: how often an ordinary image has a place at least as strange
    seconds: tuple[float, float] | None = None  #: of a sound, whose box is in bands and frames: from when to when
    hertz: tuple[float, float] | None = None  #: and from which frequency to which

    def text(self) -> str:
        """In words, such as `rows 10-30, columns 5-9 (p .002)` or `0.31-0.35 s, 1200-2400 Hz (p .002)`."""
        return f"{self._where()} (p {self.p_value:.2g})"

    def _where(self) -> str:
        if self.seconds is not None and self.hertz is not None:
            (start, stop), (low, high) = self.seconds, self.hertz
            return f"{start:.2f}-{stop:.2f} s, {low:.0f}-{high:.0f} Hz"
        top, left, bottom, right = self.box
        return f"rows {top}-{bottom - 1}, columns {left}-{right - 1}"

    def told(self) -> dict[str, Any]:
        """For a report."""
        return {"column": self._where(), "observed": f"p {self.p_value:.2g}", "share": self.share}
