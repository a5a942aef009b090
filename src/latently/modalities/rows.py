"""Rows as they lie in memory, looked at some at a time; rows that are the same count as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sklearn.utils.validation import _check_sample_weight

from latently.errors import BadData

__all__ = ["CACHED", "Rows", "merged", "placed", "slices"]

Matrix = NDArray[np.float64]
Places = NDArray[np.int64]
CACHED = 2**17  # cells that stay in cache
AT_ONCE = 2**20  # cells of whole columns, or of rows, that are looked at together


class Rows:
    """Rows of a matrix of numbers in an order, as float64 a few rows or columns at a time: never a copy of them all.

    `index`: which rows of `x`, in their order; `start`: where the first of them stands in what was given.
    """

    def __init__(self, x: NDArray[Any], index: Places | None = None, start: int = 0) -> None:
        self.x, self.index, self.start = x, index, start
        self.shape = (len(x) if index is None else len(index), x.shape[1])

    @classmethod
    def of(cls, x: Any) -> Self:
        """The rows of a matrix; rows as they are."""
        return x if isinstance(x, cls) else cls(np.asarray(x))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self.lines(0, self.shape[1]).T.astype(dtype or np.float64, order="C")

    def take(self, places: Any) -> NDArray[Any]:
        """The rows at `places` (a slice, or numbers), of the type that they came in."""
        return np.asarray(self.x[places if self.index is None else self.index[places]])

    def lines(self, first: int, end: int) -> Matrix:
        """Some columns of all rows, `(columns, rows)`, without negative zeros."""
        part = self.x[:, first:end] if self.index is None else np.take(self.x[:, first:end], self.index, axis=0)
        return np.asarray(np.add(part.T, 0.0, dtype=np.float64, order="C"))

    def by_columns(self) -> Iterator[tuple[int, int]]:
        """Columns that are looked at together: first and end."""
        step = max(1, AT_ONCE // max(len(self), 1))
        return ((j, min(j + step, self.shape[1])) for j in range(0, self.shape[1], step))

    def by_rows(self, cells: int = CACHED) -> Iterator[slice]:
        """Rows that are looked at together."""
        return slices(len(self), max(1, cells // max(self.shape[1], 1)))


def slices(count: int, step: int) -> Iterator[slice]:
    """`count` things, `step` at a time."""
    return (slice(i, min(i + step, count)) for i in range(0, count, step))


def merged(x: NDArray[Any], weight: Any) -> tuple[NDArray[Any], Matrix | None]:
    """Rows in an order of their own (by a hash of their content), equal rows merged and weightless ones left out.

    So a weight of three is the same as three copies, the order of the rows means nothing, and no row sits on both sides
    of a validation split. Weights come back with mean one, or None when all are equal; `BadData` when nothing is left.
    """
    index, counts = placed(x, weight)
    return _clean(x[index]), counts


def placed(x: NDArray[Any], weight: Any, dtype: DTypeLike | None = None) -> tuple[Places, Matrix | None]:
    """Where the rows of `merged` stand in `x`, taken for numbers of `dtype`, and their weights."""
    if weight is not None:
        weight = _check_sample_weight(weight, x, ensure_non_negative=True)
    index, counts = _distinct(x, weight, np.dtype(dtype or x.dtype))
    if not len(index):
        raise BadData("every row has sample weight 0; give at least one row a positive weight.")
    return index, counts


def _distinct(x: NDArray[Any], weight: Matrix | None, dtype: np.dtype[Any]) -> tuple[Places, Matrix | None]:
    marks = _marks(x, dtype)
    order = np.argsort(marks, kind="stable")
    if weight is not None:
        order = order[weight[order] > 0]
    marks = marks[order]
    fresh = np.ones(len(order), bool)
    alike = np.flatnonzero(marks[1:] == marks[:-1])
    for at in slices(len(alike), max(1, AT_ONCE // max(x.shape[1], 1))):
        one, other = (_bits(x[order[alike[at] + i]], dtype) for i in (0, 1))
        fresh[alike[at] + 1] = (one != other).any(1)
    counts = np.ones(len(order)) if weight is None else weight[order]
    sums = np.add.reduceat(counts, np.flatnonzero(fresh)) if len(order) else counts
    weight = None if (sums == sums[:1]).all() else sums / sums.mean()
    return order[fresh], weight


def _clean(x: NDArray[Any]) -> NDArray[Any]:
    """In place: no negative zeros, no payloads of NaN."""
    x += x.dtype.type(0)
    if np.isnan(x.sum()):
        x[np.isnan(x)] = np.nan
    return x


def _bits(x: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return _clean(x.astype(dtype)).view(f"u{dtype.itemsize}")


def _marks(x: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[np.uint64]:
    """A 64-bit hash of every row: each cell scrambled (murmur's finaliser), then a sum with odd factors."""
    factors = np.random.Generator(np.random.PCG64(0)).integers(2**63, size=x.shape[1], dtype=np.uint64) * 2 + 1
    marks = np.empty(len(x), np.uint64)
    for at in slices(len(x), max(1, CACHED // max(x.shape[1], 1))):
        cell = _bits(x[at], dtype).astype(np.uint64, copy=False)
        cell ^= cell >> np.uint64(33)
        cell *= np.uint64(0xFF51AFD7ED558CCD)
        cell ^= cell >> np.uint64(33)
        marks[at] = cell @ factors
    return marks
