"""Exact search: the nearest of many rows, over numbers or packed bits, the same whatever is asked beside it.

A rough product in double precision leaves out what cannot be among the nearest; the distances of the rest are computed
pair by pair. So a result depends on the pair alone, not on the other queries, and ties go to the row that stands first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Bits", "Numbers", "Shelf", "Weighed", "nearest", "within"]

BLOCK = 2**14  # rows of an index looked at together: 2**16 takes two to four times the time, and four times the memory
AT_ONCE = 2**22  # rough distances held at a time
SLACK = 1e-12  # of the squared lengths: the rounding of a product of some 9,000 numbers

Places = NDArray[np.int64]
Far = NDArray[np.float64]
Packed = NDArray[np.uint8]


class Shelf(Protocol):
    """Rows that distances can be taken to. A distance here is whatever grows with it: squared, or a count."""

    def __len__(self) -> int: ...

    def rough(self, queries: NDArray[Any]) -> tuple[NDArray[Any], Far]:
        """Distances `(queries, rows)`, and by how much each query's may be wrong."""
        ...

    def exact(self, query: NDArray[Any], places: Places) -> Far:
        """Distances from one query to the rows at `places`, each computed alone."""
        ...


class Numbers:
    """Rows of float32 under squared Euclidean distance."""

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self.rows = rows
        self._doubled = torch.from_numpy(rows).double()
        self._squares = self._doubled.square().sum(1)
        self._longest = float(self._squares.max()) if len(rows) else 0.0

    def __len__(self) -> int:
        return len(self.rows)

    def rough(self, queries: NDArray[Any]) -> tuple[NDArray[Any], Far]:
        """By one product."""
        q = torch.from_numpy(queries).double()
        own = q.square().sum(1)
        far = torch.addmm(self._squares + own[:, None], q, self._doubled.t(), alpha=-2)
        return far.numpy(), SLACK * (own.numpy() + self._longest)

    def exact(self, query: NDArray[Any], places: Places) -> Far:
        """The sum of squared differences."""
        apart = self.rows[places].astype(np.float64) - query.astype(np.float64)
        return np.asarray(np.square(apart).sum(1))


class Bits:
    """Packed rows of bits under the number of bits that differ."""

    def __init__(self, rows: Packed) -> None:
        self._words = _words(rows)

    def __len__(self) -> int:
        return len(self._words)

    def rough(self, queries: NDArray[Any]) -> tuple[NDArray[Any], Far]:
        """The counts themselves."""
        words = _words(queries.astype(np.uint8, copy=False))
        far = np.zeros((len(words), len(self)), np.uint16)
        for j in range(words.shape[1]):
            far += _ones(words[:, j, None] ^ self._words[:, j])
        return far, np.zeros(len(words))

    def exact(self, query: NDArray[Any], places: Places) -> Far:
        """The same counts."""
        words = _words(query[None].astype(np.uint8, copy=False))
        return np.asarray(_ones(words ^ self._words[places]).sum(1, dtype=np.int64).astype(np.float64))


class Weighed:
    """Packed rows of bits under what the bits that differ from the signs of a query's numbers weigh: their sizes."""

    def __init__(self, rows: Packed) -> None:
        self._bits = np.unpackbits(rows, axis=1).astype(bool)
        self._signs = torch.from_numpy(np.where(self._bits, 1.0, -1.0))

    def __len__(self) -> int:
        return len(self._bits)

    def rough(self, queries: NDArray[Any]) -> tuple[NDArray[Any], Far]:
        """By one product."""
        q = torch.from_numpy(queries).double()
        own = q.abs().sum(1)
        return ((own[:, None] - q @ self._signs.t()) / 2).numpy(), SLACK * own.numpy()

    def exact(self, query: NDArray[Any], places: Places) -> Far:
        """The sum over bits that differ."""
        sizes = np.abs(query.astype(np.float64))
        return np.asarray(np.where(self._bits[places] != (query >= 0), sizes, 0.0).sum(1))


Make = Callable[[NDArray[Any]], Shelf]


def nearest(make: Make, rows: NDArray[Any], queries: NDArray[Any], k: int) -> tuple[Far, Places]:
    """The `k` nearest of `rows` to every query, nearest first, as distances and places `(queries, k)`."""
    far, places = np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(rows), BLOCK):
        shelf = make(rows[start : start + BLOCK])
        more, found = _nearest(shelf, queries, min(k, len(shelf)))
        far, places = np.concatenate([far, more], 1), np.concatenate([places, found + start], 1)
        order = np.argsort(far, axis=1, kind="stable")[:, :k]
        far, places = np.take_along_axis(far, order, 1), np.take_along_axis(places, order, 1)
    return far, places


def _nearest(shelf: Shelf, queries: NDArray[Any], k: int) -> tuple[Far, Places]:
    far, found = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)

    def limit(rough: NDArray[Any], slack: Far) -> Far:
        least = np.partition(rough, k - 1, axis=1)[:, k - 1].astype(np.float64)
        return least + 2 * slack

    for i, (distances, places) in enumerate(_candidates(shelf, queries, limit)):
        far[i], found[i] = distances[:k], places[:k]
    return far, found


def within(make: Make, rows: NDArray[Any], queries: NDArray[Any], radius: float) -> list[tuple[Far, Places]]:
    """All of `rows` at most `radius` away from each query, nearest first, as distances and places."""
    made: list[list[tuple[Far, Places]]] = [[(np.empty(0), np.empty(0, np.int64))] for _ in queries]
    for start in range(0, len(rows), BLOCK):
        shelf = make(rows[start : start + BLOCK])
        for i, (far, places) in enumerate(_candidates(shelf, queries, lambda _, slack: radius + slack)):
            count = int(np.searchsorted(far, radius, side="right"))
            made[i].append((far[:count], places[:count] + start))
    joined = [tuple(np.concatenate(part) for part in zip(*each, strict=True)) for each in made]
    orders = [np.argsort(far, kind="stable") for far, _ in joined]
    return [(far[order], places[order]) for (far, places), order in zip(joined, orders, strict=True)]


def _candidates(
    shelf: Shelf, queries: NDArray[Any], limit: Callable[[NDArray[Any], Far], Far]
) -> Iterator[tuple[Far, Places]]:
    """For every query the rows that may lie within its limit, sorted by exact distance, then by place."""
    step = max(1, AT_ONCE // max(len(shelf), 1))
    for i in range(0, len(queries), step):
        some = queries[i : i + step]
        rough, slack = shelf.rough(some)
        close = rough <= limit(rough, slack)[:, None]
        for query, row in zip(some, close, strict=True):
            places = np.flatnonzero(row)
            distances = shelf.exact(query, places)
            order = np.argsort(distances, kind="stable")
            yield distances[order], places[order]


def _words(packed: Packed) -> NDArray[np.uint64]:
    """Rows of bytes as 64-bit words, zeros behind the last byte."""
    short = -packed.shape[1] % 8
    whole = np.ascontiguousarray(np.pad(packed, ((0, 0), (0, short))) if short else packed)
    return whole.view(np.uint64)


_TABLE = np.array([bin(i).count("1") for i in range(2**16)], np.uint8)


def _looked_up(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits of each word are set, two bytes at a time."""
    halves = np.ascontiguousarray(words).view(np.uint16).reshape(*words.shape, 4)
    return np.asarray(_TABLE[halves].sum(-1, dtype=np.uint8))


_ones: Callable[[NDArray[np.uint64]], NDArray[np.uint8]] = getattr(np, "bitwise_count", _looked_up)  # numpy from 2.0
