"""Columns that are quotients of whole numbers: rooms a household, shares, means of counts.

Of `x = a / h` one of the two is often a column of the table, and the other one is a small whole number in hiding. Once
found, it may be what other columns are over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.numbers import Form, spread

__all__ = ["Quotient", "found", "quotient", "whole_of"]

Numbers = NDArray[np.float64]

SAMPLE = 512
MOST = 64  # columns that are tried on each side of a fraction
FITS = 0.98  # share of the cells
CLOSER = 2.0  # bits a cell that it must take off
EXACT = float(1 << 53)


@dataclass(frozen=True)
class Quotient:
    """What a column is: its own whole numbers over another column's, or another's over its own."""

    column: int
    of: int
    under: bool  #: its own numbers are below the line
    numbers: NDArray[np.int64]


def quotient(own: NDArray[np.int64], other: NDArray[np.int64], under: bool, dtype: Any) -> NDArray[Any]:
    """The fractions, rounded to the dtype: the same on every machine."""
    a, b = own.astype(np.float64), other.astype(np.float64)
    with np.errstate(all="ignore"):
        return (b / a if under else a / b).astype(dtype)


def whole_of(form: dict[str, Any], field: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The whole numbers of a column that has no digits behind the point."""
    told = Form("whole", "int64", low=form.get("low", 0), scale=form.get("scale", 1))
    return np.asarray(told.values(field), np.int64)


def found(floats: dict[int, NDArray[Any]], wholes: dict[int, NDArray[np.int64]]) -> Iterator[Quotient]:
    """Those of the columns `floats` that are quotients with one of `wholes`, or with one that was found before."""
    left, pool, before = dict(floats), dict(list(wholes.items())[:MOST]), -1
    while len(left) != before:
        before = len(left)
        for column, x in list(left.items())[:MOST]:
            best = max(_tried(column, x, pool), key=lambda one: one[0], default=None)
            if best is not None:
                pool[column] = best[1].numbers
                del left[column]
                yield best[1]


def _tried(column: int, x: NDArray[Any], pool: dict[int, NDArray[np.int64]]) -> Iterator[tuple[float, Quotient]]:
    """Fractions that fit, and the bits a cell that each takes off."""
    bits = f"u{x.dtype.itemsize}"
    every = slice(None, None, max(1, len(x) // SAMPLE))
    now = spread(x[every].view(bits))
    for of, other in pool.items():
        for under in (True, False):
            for some in (every, slice(None)):  # a sample, then all
                part, beside = x[some].astype(np.float64), other[some]
                with np.errstate(all="ignore"):
                    own = np.rint(beside / part if under else part * beside)
                own = np.where(np.abs(own) < EXACT, own, 0).astype(np.int64)
                fits = quotient(own, beside, under, x.dtype).view(bits) == x[some].view(bits)
                if fits.mean() < FITS or spread(own[fits][:: max(1, fits.sum() // SAMPLE)]) > now - CLOSER:
                    break
            else:
                yield now - spread(own[fits]), Quotient(column, of, under, own)
