"""Series as rows of one length: which piece of which item a row is, and rows put together again step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Windows"]

Matrix = NDArray[np.float64]


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
