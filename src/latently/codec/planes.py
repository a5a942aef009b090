"""Planes of whole coefficients to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.coder import Reader, Writer, model_of
from latently.codec.contexts import Contexts, Scores, Weights, sites
from latently.codec.tables import Tables, laplace, whole

__all__ = ["PlaneCoder", "rounded"]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Grid = tuple[int, int, int]

STATIC = tuple(2.0**k for k in range(-5, 6))  # mean magnitudes of the tables for planes that contexts say little of
EMPTY, BY_CONTEXT = 0, 1  # how a plane is coded; from 2 on: by which static table
TABLES = 48  # by guess: 24 cost 0.4 % more (measured)
ACTIVE = 2e-4  # share of symbols that are not zero: rarer planes are left to the static tables
PER_PLANE, FEWEST = 8, 8  # blocks for each plane with a context: from fewer its weights cannot be told
MOST_REACH, LEAST_REACH = 255, 15
KEEP = 0.4  # a magnitude is rounded up from a fraction of 1 - this on: -0.35 dB for -11 % bits (step 40, measured)
RARE = 0.25  # groups of images, shared by the static tables: a plane that never needed one may


def rounded(values: NDArray[np.floating[Any]]) -> Ints:
    """Whole numbers, magnitudes rounded down a little further than to the nearest: large ones cost more bits."""
    return np.asarray(np.copysign(np.floor(np.abs(values) + KEEP), values), np.int32)


@dataclass(frozen=True)
class PlaneCoder:
    """Codes grids of integers, plane by plane; each plane is empty, by context, or by one static table."""

    contexts: Contexts
    tables: Tables
    static: Tables  #: rounded Laplace tables of fixed scales; kept, for another machine's `exp` may differ
    sorts: NDArray[np.int32]  #: (planes, 2 + static): frequencies of the ways to code each plane

    def chosen(self, values: Floats, price: float) -> Ints:
        """The symbols that `values`, in steps, are best written as: squared error plus `price` for each bit.

        Of the two whole numbers around a value the smaller magnitude is often so much cheaper that it is the better
        one; how much cheaper the contexts tell. What a choice does to the contexts of others is left out.
        """
        symbols = rounded(values)

        def visit(k: int, scores: Scores) -> Ints | None:
            plane = np.ascontiguousarray(symbols[..., k]).ravel()
            if not plane.any():
                return None
            exact = np.ascontiguousarray(values[..., k]).ravel()
            for half, where in enumerate(scores.owner.sites):
                rows = self.contexts.table(scores.of(half, plane))
                plane[where] = self.tables.cheapest(exact[where], rows, price)
            symbols[..., k] = plane.reshape(values.shape[:3])
            return plane

        self.contexts.walk(values.shape[:3], visit)
        return symbols

    @classmethod
    def fit(cls, symbols: list[Ints]) -> PlaneCoder:
        """Learn everything from the symbols of training images, each `(images, rows, columns, planes)`."""
        alive = np.mean([np.mean(s != 0, (0, 1, 2)) for s in symbols], 0)
        active = int(np.flatnonzero(alive > ACTIVE)[-1]) + 1 if (alive > ACTIVE).any() else 1
        blocks = sum(s[..., 0].size for s in symbols)
        active = min(active, max(FEWEST, blocks // PER_PLANE))
        contexts = Contexts.fit(symbols, active, TABLES)
        size = np.concatenate([np.abs(s).max((0, 1, 2), initial=0) for s in symbols])
        reach = int(np.clip(size.max(initial=0), LEAST_REACH, MOST_REACH))
        counts, full = np.zeros((len(contexts.thresholds) + 1, 2 * reach + 2)), np.zeros(len(alive))
        for s in symbols:
            _count(contexts, s, counts)
            full += (s != 0).any((0, 1, 2))
        stacks = len(symbols)
        sorts = np.zeros((len(alive), 2 + len(STATIC)))
        sorts[:, EMPTY], sorts[:, BY_CONTEXT] = stacks - full + RARE, full + RARE
        sorts[active:, BY_CONTEXT] = 0
        sorts[:, 2:] = (RARE + (np.arange(len(alive)) >= active) * full)[:, None] / len(STATIC)
        static = Tables(whole(np.stack([laplace(scale, reach) for scale in STATIC])))
        return cls(contexts, Tables.of(counts), static, whole(sorts))

    def encode(self, symbols: Ints) -> bytes:
        """The bytes of one group of images."""
        writer, grid = Writer(), symbols.shape[:3]

        def visit(k: int, scores: Scores | None) -> Ints | None:
            plane = np.ascontiguousarray(symbols[..., k]).ravel()
            sort = EMPTY
            if plane.any():
                prices = [self.static.price(plane, row) for row in range(len(STATIC))]
                sort = 2 + int(np.argmin(prices))
                rows = None if scores is None else self._rows(scores, plane)
                if rows is not None and self.tables.price(plane, rows) <= min(prices):
                    sort = BY_CONTEXT
            writer.put(np.array([sort], np.int32), model_of(self.sorts[k]))
            if sort == EMPTY:
                return None
            if sort == BY_CONTEXT:
                assert rows is not None
                for where in sites(grid):
                    self.tables.write(writer, plane[where], rows[where])
            else:
                self.static.write(writer, plane, np.full(len(plane), sort - 2))
            return plane

        self._visit_all(grid, visit)
        return writer.bytes()

    def decode(self, data: bytes, grid: Grid) -> Ints:
        """The symbols that `encode` saw."""
        reader, symbols = Reader(data), np.zeros((*grid, len(self.sorts)), np.int32)
        halves = sites(grid)

        def visit(k: int, scores: Scores | None) -> Ints | None:
            sort = int(reader.take(1, model_of(self.sorts[k]))[0])
            if sort == EMPTY:
                return None
            if sort == BY_CONTEXT and scores is not None:
                plane = np.zeros(grid[0] * grid[1] * grid[2], np.int32)
                for half, where in enumerate(halves):
                    rows = self.contexts.table(scores.of(half, plane))
                    plane[where] = self.tables.read(reader, rows)
            else:
                plane = self.static.read(reader, np.full(grid[0] * grid[1] * grid[2], max(sort - 2, 0)))
            symbols[..., k] = plane.reshape(grid)
            return plane

        self._visit_all(grid, visit)
        return symbols

    def _visit_all(self, grid: Grid, visit: Any) -> None:
        self.contexts.walk(grid, visit)
        for k in range(self.contexts.planes, len(self.sorts)):
            visit(k, None)

    def _rows(self, scores: Scores, plane: Ints) -> NDArray[np.intp]:
        rows = np.empty(len(plane), np.intp)
        for half, where in enumerate(scores.owner.sites):
            rows[where] = self.contexts.table(scores.of(half, plane))
        return rows

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that was learned."""
        found: dict[str, NDArray[Any]] = {
            "tables": self.tables.frequencies, "static": self.static.frequencies, "sorts": self.sorts,
            "thresholds": self.contexts.thresholds,
        }  # fmt: skip
        for half, w in enumerate(self.contexts.weights):
            found |= {f"own{half}": w.own.astype(np.int16), f"near{half}": w.near.astype(np.int16)}
            found[f"bias{half}"] = w.bias
        return found

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> PlaneCoder:
        """The coder that gave these arrays."""
        first, second = (
            Weights(arrays[f"own{h}"].astype(np.int32), arrays[f"near{h}"].astype(np.int32), arrays[f"bias{h}"])
            for h in (0, 1)
        )
        contexts = Contexts((first, second), arrays["thresholds"])
        return cls(contexts, Tables(arrays["tables"]), Tables(arrays["static"]), arrays["sorts"])


def _count(contexts: Contexts, symbols: Ints, counts: NDArray[np.float64]) -> None:
    """Add to `counts` how often each symbol came by each table."""
    reach = counts.shape[1] // 2 - 1

    def visit(k: int, scores: Scores) -> Ints | None:
        plane = np.ascontiguousarray(symbols[..., k]).ravel()
        if not plane.any():
            return None
        place = np.where(np.abs(plane) <= reach, plane + reach, 2 * reach + 1)
        for half, where in enumerate(scores.owner.sites):
            rows = contexts.table(scores.of(half, plane))
            np.add.at(counts, (rows, place[where]), 1)
        return plane

    contexts.walk(symbols.shape[:3], visit)
