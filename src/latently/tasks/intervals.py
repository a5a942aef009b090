"""Why a series is strange: intervals of its steps, and when they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.modalities import Spells
from latently.modalities.frames import source

__all__ = ["Interval", "core", "times_of"]

Rows = NDArray[np.float64]

CORE = 0.9  # of what is strange within a stretch: its interval holds that much
USUAL = 4.0  # times the mean surprise of held-out steps: less is nothing strange


@dataclass(frozen=True)
class Interval:
    """Why a series is strange: a stretch of its steps."""

    start: int  #: first step, from 0
    stop: int  #: the step behind the last
    first: Any  #: times of the first and the last step, where the series has times; else None
    last: Any
    channels: dict[str, float]  #: the share of each channel, most first
    step: int  #: where the leading channel is furthest from what is expected
    observed: float  #: there, in user units; NaN in a gap
    expected: float  #: what the steps around the interval call for there
    share: float  #: of what all marked steps of the series are beyond the usual
    p_value: float  #: how often something as strange occurs where nothing is wrong
    nats: float  #: the greatest strangeness

    @property
    def channel(self) -> str:
        """The channel that tells most."""
        return next(iter(self.channels))

    def text(self) -> str:
        """In words, such as `steps 400-419: value 9.1 at step 402 (expected 1.2; p .002)`."""
        return f"{self._where()}: {self.channel} {self.observed:.4g} at step {self.step} ({self._usual()})"

    def _usual(self) -> str:
        return f"expected {self.expected:.4g}; p {self.p_value:.2g}"

    def _where(self) -> str:
        when = "" if self.first is None else f" ({self.first} to {self.last})"
        return f"steps {self.start}-{self.stop - 1}{when}"

    def told(self) -> dict[str, Any]:
        """For a report."""
        where = f"{self._where()}, {self.channel}"
        return {"column": where, "observed": self.observed, "expected": self.expected, "share": self.share}


def core(surprise: Rows) -> tuple[int, int]:
    """The shortest stretch that holds most of what goes beyond the usual."""
    line = min(USUAL, float((surprise.mean() + surprise.max()) / 2))
    beyond = np.append(0.0, np.cumsum(np.maximum(surprise - line, 0.0)))
    if beyond[-1] <= 0:
        return 0, len(surprise)
    stop = np.searchsorted(beyond, beyond + CORE * beyond[-1] * (1 - 1e-12))
    stop = np.where(stop < len(beyond), stop, 2 * len(beyond))
    start = int(np.argmin(stop - np.arange(len(stop))))
    return start, int(stop[start])


def times_of(X: Any, data: Spells) -> Callable[[NDArray[np.int64] | None, int], Any]:
    """When a step was, of an item whose rows in `X` are given (None: as they stand); None where `X` has no times."""
    if data.time is not None:
        found = source(X)
        column = found.arrow(found.names.index(data.time))
        return lambda rows, step: column[step if rows is None else int(rows[step])].as_py()
    index: Any = getattr(X, "index", None)
    if getattr(getattr(index, "dtype", None), "kind", "") not in ("M", "m"):
        return lambda rows, step: None
    return lambda rows, step: index[step if rows is None else int(rows[step])]
