"""Channels of series: their unit, their limits, and how much of each is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, warn

__all__ = ["Channels", "moments"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Channels:
    """Of each channel, over all known steps; where none is known shift 0, scale 1 and no limits (NaN)."""

    shift: Matrix
    scale: Matrix  #: never 0
    low: Matrix
    high: Matrix
    missing: Matrix  #: shares

    @classmethod
    def of(cls, arrays: Sequence[Matrix], names: Sequence[str] = ()) -> Channels:
        """The channels of arrays `(time, channels)`; `BadData` where nothing is known at all.

        Those of `names` that hold nothing are warned of.
        """
        whole = np.concatenate(list(arrays))
        known = ~np.isnan(whole)
        if not known.any():
            raise BadData("no step is known in any channel; nothing can be learned from gaps.")
        empty = [repr(n) for n, some in zip(names, known.any(0), strict=False) if not some]
        if empty:
            why = "nothing can be learned of that, and it stays missing in what comes back. Leave it out, or fit again."
            warn(f"no step is known of {', '.join(empty)}: {why}")
        low, high = np.where(known, whole, np.inf).min(0), np.where(known, whole, -np.inf).max(0)
        low, high = (np.where(known.any(0), end, np.nan) for end in (low, high))
        return cls(*moments(whole), low, high, 1 - known.mean(0))


def moments(steps: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and spread of each channel's known steps: 1 in place of no spread, 0 and 1 where nothing is known."""
    known = ~np.isnan(steps)
    count, filled = np.maximum(known.sum(0), 1), np.where(known, steps, 0.0)
    mean = filled.sum(0) / count
    spread = np.sqrt((np.where(known, steps - mean, 0.0) ** 2).sum(0) / count)
    return mean, np.where(spread > 1e-6 * np.abs(mean), spread, 1.0)
