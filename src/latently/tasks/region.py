"""Why an image or a sound is strange: a part of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Look", "Region", "look"]


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


@dataclass(frozen=True)
class Look:
    """What a detector makes of images or sounds."""

    scores: NDArray[np.float64]  #: those of `score_samples`
    reasons: list[list[Region]]  #: those of `explain`
    heat: Callable[[int], NDArray[np.float32]]  #: one of `heat_map`, by its number


def look(detector: Any, X: Any, top: int = 3) -> Look:
    """All that a fitted detector has to say of images or sounds, each of them read and judged once."""
    found: Look = detector._judge.look(X, detector._batches(X), top)
    return found
