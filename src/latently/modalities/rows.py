"""Rows that are the same count as one: an order of content, and weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["distinct"]

Matrix = NDArray[np.float64]


def distinct(x: Matrix, weight: Matrix | None) -> tuple[Matrix, Matrix | None]:
    """Rows in an order of their own (by a hash of their content), equal rows merged and weightless ones left out.

    So a weight of three is the same as three copies, the order of the rows means nothing, and no row sits on both sides
    of a validation split. Weights come back with mean one, or None when all are equal.
    """
    if weight is not None:
        x, weight = x[weight > 0], weight[weight > 0]
    x = x + 0.0  # no negative zeros
    if np.isnan(x.sum()):
        x[np.isnan(x)] = np.nan  # no payloads
    bits = x.view(np.uint64)
    marks = _marks(bits)
    order = np.argsort(marks, kind="stable")
    marks = marks[order]
    fresh = np.ones(len(x), bool)
    alike = np.flatnonzero(marks[1:] == marks[:-1])
    fresh[alike + 1] = (bits[order[alike]] != bits[order[alike + 1]]).any(1)
    counts = np.ones(len(x)) if weight is None else weight[order]
    sums = np.add.reduceat(counts, np.flatnonzero(fresh)) if len(x) else counts
    weight = None if (sums == sums[:1]).all() else sums / sums.mean()
    return x[order[fresh]], weight


def _marks(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A 64-bit hash of every row: each cell scrambled (murmur's finaliser), then a sum with odd factors."""
    factors = np.random.Generator(np.random.PCG64(0)).integers(2**63, size=bits.shape[1], dtype=np.uint64) * 2 + 1
    marks = np.empty(len(bits), np.uint64)
    step = max(1, 65536 // max(bits.shape[1], 1))  # cells that stay in cache
    for i in range(0, len(bits), step):
        cell = bits[i : i + step].copy()
        cell ^= cell >> np.uint64(33)
        cell *= np.uint64(0xFF51AFD7ED558CCD)
        cell ^= cell >> np.uint64(33)
        marks[i : i + step] = cell @ factors
    return marks
