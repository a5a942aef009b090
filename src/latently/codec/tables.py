"""Probability tables of whole numbers: what a symbol costs is the same on every machine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.coder import Reader, Writer, model_of

__all__ = ["BITS", "Tables", "laplace", "whole"]

BITS = 16  #: frequencies of a table sum to two to this power
PRIOR = 30.0  # symbols: how many seen ones outweigh the smooth shape that a table starts from

Counts = NDArray[np.float64]


def whole(counts: Counts) -> NDArray[np.int32]:
    """Frequencies of at least one, in proportion to the counts of each row, that sum to `2^BITS` exactly."""
    rows = np.atleast_2d(counts)
    free = (1 << BITS) - rows.shape[1]
    exact = rows / rows.sum(1, keepdims=True) * free
    found = np.floor(exact).astype(np.int64)
    for row, wanted in zip(found, exact, strict=True):
        short = free - int(row.sum())
        row[np.argsort(row - wanted, kind="stable")[:short]] += 1
    return np.asarray(found + 1, np.int32)


def laplace(scale: float, reach: int) -> Counts:
    """Shares of `-reach ... reach` and of all beyond, for a rounded Laplace variable of this mean magnitude."""
    edges = np.arange(reach + 1) + 0.5
    tail = 0.5 * np.exp(-edges / max(scale, 1e-3))  # beyond each edge, one side
    side = tail[:-1] - tail[1:]
    return np.concatenate([side[::-1], [1 - 2 * tail[0]], side, [2 * tail[-1]]])


@dataclass(frozen=True)
class Tables:
    """One table a row: frequencies of the symbols `-reach ... reach`, then of the escape that stands for any other."""

    frequencies: NDArray[np.int32]

    @classmethod
    def of(cls, counts: Counts) -> Tables:
        """Tables of counted symbols, each smoothed towards a Laplace of its own mean magnitude."""
        reach = counts.shape[1] // 2 - 1
        size = np.append(np.abs(np.arange(-reach, reach + 1)), reach + 1)
        smooth = np.zeros_like(counts)
        for shape, row in zip(smooth, counts, strict=True):
            mean = (row @ size + 0.05) / (row.sum() + 1.0)
            shape[:] = laplace(float(mean), reach)
        return cls(whole(counts + PRIOR * (0.9 * smooth + 0.1 / counts.shape[1])))

    @functools.cached_property
    def reach(self) -> int:
        """The largest magnitude that has a frequency of its own."""
        return int(self.frequencies.shape[1]) // 2 - 1

    @functools.cached_property
    def models(self) -> list[Any]:
        """The coder's model of each table."""
        return [model_of(row) for row in self.frequencies]

    @functools.cached_property
    def prices(self) -> NDArray[np.float32]:
        """Bits of every symbol in every table, an escape's digits counted as 12."""
        prices = (BITS - np.log2(self.frequencies)).astype(np.float32)
        prices[:, -1] += 12
        return prices

    def places(self, symbols: NDArray[np.int32]) -> NDArray[np.int32]:
        """Where each symbol stands in a table."""
        inside = np.abs(symbols) <= self.reach
        return np.where(inside, symbols + self.reach, 2 * self.reach + 1).astype(np.int32)

    def price(self, symbols: NDArray[np.int32], rows: NDArray[np.intp] | int) -> float:
        """Bits that it takes to write symbols by the tables `rows`."""
        return float(self.prices[rows, self.places(symbols)].sum(dtype=np.float64))

    def cheapest(self, values: NDArray[np.float32], rows: NDArray[np.intp], price: float) -> NDArray[np.int32]:
        """Of the whole numbers on both sides of each value, the one of least squared error plus price times bits."""
        size = np.abs(values)
        down = np.minimum(np.floor(size), 2**30)
        near = [np.copysign(down + up, values).astype(np.int32) for up in (0, 1)]
        low, high = (np.square(size - down - up) + price * self.prices[rows, self.places(near[up])] for up in (0, 1))
        return np.asarray(np.where(low <= high, near[0], near[1]))

    def write(self, writer: Writer, symbols: NDArray[np.int32], rows: NDArray[np.intp]) -> None:
        """Each symbol by the table of its row: table by table, then what escaped."""
        places = self.places(symbols)
        for row, index in _by_row(rows):
            writer.put(places[index], self.models[row])
        beyond = symbols[places == 2 * self.reach + 1].astype(np.int64)
        writer.numbers(2 * (np.abs(beyond) - self.reach - 1) + (beyond < 0))

    def read(self, reader: Reader, rows: NDArray[np.intp]) -> NDArray[np.int32]:
        """The symbols that `write` put, in their places."""
        symbols = np.empty(len(rows), np.int32)
        for row, index in _by_row(rows):
            symbols[index] = reader.take(len(index), self.models[row])
        symbols -= self.reach
        beyond = np.flatnonzero(symbols > self.reach)
        if len(beyond):
            value = reader.numbers(len(beyond))
            size = value // 2 + self.reach + 1
            symbols[beyond] = np.where(value % 2 == 1, -size, size)
        return symbols


def _by_row(rows: NDArray[np.intp]) -> list[tuple[int, NDArray[np.intp]]]:
    """The tables in use, each with the places of its symbols."""
    order = np.argsort(rows, kind="stable")
    cuts = np.flatnonzero(np.diff(rows[order])) + 1
    return [(int(rows[part[0]]), part) for part in np.split(order, cuts) if len(part)]
