"""Series as rows of one length: which piece of which item a row is, and rows put together again step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadParameter
from latently.modalities.pixels import is_length

__all__ = ["Windows", "sized"]

Matrix = NDArray[np.float64]
LONGEST = 512  # steps: items up to here are rows as they are
WINDOW = 128  # steps of a window, where longer series are cut
LEAST = 8  # windows that lie end to end in the longest series, where it is short itself
SHORT = 8  # steps of a window that is a share of the longest series, at least
OVERLAP = 4  # windows that hold each step


@dataclass(frozen=True)
class Windows:
    """Row i is `length` steps of item `item[i]` from step `start[i]`; an item that is shorter is padded behind."""

    length: int
    item: NDArray[np.int64]
    start: NDArray[np.int64]
    steps: NDArray[np.int64]  #: of each item

    @classmethod
    def over(cls, steps: Sequence[int], length: int, stride: int) -> Windows:
        """Windows at most `stride` steps apart, the first at the start of its item and the last at its end."""
        item, start = [], []
        for i, n in enumerate(steps):
            spare = max(0, n - length)
            begins = np.rint(np.linspace(0, spare, 1 + -(-spare // stride))).astype(np.int64)
            item.append(np.full(len(begins), i))
            start.append(begins)
        return cls(length, np.concatenate(item), np.concatenate(start), np.array(steps, np.int64))

    def __len__(self) -> int:
        return len(self.item)

    @property
    def whole(self) -> bool:
        """Whether every item is one row."""
        return len(self) == len(self.steps)

    def cut(self, arrays: Sequence[Matrix]) -> NDArray[np.float32]:
        """`(rows, channels * length)`, channels first, of arrays `(time, channels)`; NaN where an item is padded."""
        rows = np.full((len(self), arrays[0].shape[1], self.length), np.nan, np.float32)
        for row, i, a in zip(rows, self.item, self.start, strict=True):
            piece = arrays[i][a : a + self.length]
            row[:, : len(piece)] = piece.T
        return rows.reshape(len(self), -1)

    def joined(self, values: NDArray[np.floating]) -> list[Matrix]:
        """What each step of each item has in all its windows on average, `(time, channels)`; cells as of `cut`.

        A window counts more towards its middle, where it knows both sides, than at its ends.
        """
        each = values.reshape(len(self), -1, self.length)
        ramp = np.minimum(np.arange(self.length), np.arange(self.length)[::-1]) + 1.0
        sums = [np.zeros((each.shape[1], n)) for n in self.steps]
        weights = [np.zeros(n) for n in self.steps]
        for row, i, a in zip(each, self.item, self.start, strict=True):
            size = min(self.length, int(self.steps[i]) - a)
            sums[i][:, a : a + size] += row[:, :size] * ramp[:size]
            weights[i][a : a + size] += ramp[:size]
        return [(s / w).T for s, w in zip(sums, weights, strict=True)]


def sized(window: Any, stride: Any, steps: Sequence[int]) -> tuple[int, int]:
    """Steps of a row, and from one to the next, for items of so many; `BadParameter` on what cannot be."""
    share = isinstance(window, float) and 0 < window < 1
    if not (share or is_length(window) or (isinstance(window, str) and window == "auto")):
        raise BadParameter(f"window={window!r}: expected a number of steps, a share in (0, 1), or 'auto'.")
    if not (is_length(stride) or (isinstance(stride, str) and stride == "auto")):
        raise BadParameter(f"stride={stride!r}: expected a number of steps, from 1, or 'auto'.")
    longest = max(steps)
    if window == "auto":
        length = longest if len(steps) > 1 and longest <= LONGEST else max(1, min(WINDOW, longest // LEAST))
    elif share:
        length = min(longest, max(SHORT, round(window * longest)))
    else:
        length = int(window)
    if length > longest:
        raise BadParameter(
            f"window={length} steps, and the longest series has {longest}. Try window={max(1, longest // LEAST)}, or "
            "'auto'."
        )
    if stride != "auto" and stride > length:
        raise BadParameter(f"stride={stride} steps, and a window has {length}: some steps would be in none.")
    return length, max(1, length // OVERLAP) if stride == "auto" else int(stride)
