"""Rows that are the same count as one: an order of content, and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from latently.errors import BadData

__all__ = ["distinct", "merged"]

Matrix = NDArray[np.float64]


def merged(x: NDArray[Any], weight: Any) -> tuple[NDArray[Any], Matrix | None]:
    """`distinct` rows, by the sample weights that a user gave; `BadData` when nothing is left."""
    if weight is not None:
        weight = _check_sample_weight(weight, x, ensure_non_negative=True)
    rows, counts = distinct(x, weight)
    if not len(rows):
        raise BadData("every row has sample weight 0; give at least one row a positive weight.")
    return rows, counts


def distinct(x: NDArray[Any], weight: Matrix | None) -> tuple[NDArray[Any], Matrix | None]:
    """Rows in an order of their own (by a hash of their content), equal rows merged and weightless ones left out.

    So a weight of three is the same as three copies, the order of the rows means nothing, and no row sits on both sides
    of a validation split. Weights come back with mean one, or None when all are equal.
    """
    if weight is not None:
        x, weight = x[weight > 0], weight[weight > 0]
    x = x + 0.0  # no negative zeros
    if np.isnan(x.sum()):
        x[np.isnan(x)] = np.nan  # no payloads
    bits = x.view(f"u{x.dtype.itemsize}")
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


def _marks(bits: NDArray[Any]) -> NDArray[np.uint64]:
    """A 64-bit hash of every row: each cell scrambled (murmur's finaliser), then a sum with odd factors."""
    factors = np.random.Generator(np.random.PCG64(0)).integers(2**63, size=bits.shape[1], dtype=np.uint64) * 2 + 1
    marks = np.empty(len(bits), np.uint64)
    step = max(1, 65536 // max(bits.shape[1], 1))  # cells that stay in cache
    for i in range(0, len(bits), step):
        cell = bits[i : i + step].astype(np.uint64)
        cell ^= cell >> np.uint64(33)
        cell *= np.uint64(0xFF51AFD7ED558CCD)
        cell ^= cell >> np.uint64(33)
        marks[i : i + step] = cell @ factors
    return marks
