"""Whether rows are still like those of the fit: each column's distribution beside the one it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latently.modalities.columns import Column
from latently.modalities.rows import Rows

__all__ = ["Drift", "Reference"]

Matrix = NDArray[np.float64]
MOST = 20_000  # rows of the fit that shares are taken of, drawn from all: they are then known to a third of a per cent
NUMBERS = 2**22  # in them: of a thousand columns 4,000 rows
PARTS = 10  # of a column of numbers, as many rows in each
MARKED = 0.1  # population stability index that is worth a word
CHANCE = 0.01  # that any column at all is called drifted when none is


@dataclass(frozen=True)
class Drift:
    """One column, now beside the fit."""

    column: str
    index: float  #: population stability index: sum of (now - then) ln(now / then) over parts of the column
    p_value: float  #: of such an index by chance
    outside: float  #: share of known cells beyond the range, or of levels never seen, in the fit
    missing: float  #: share of cells missing now
    missing_then: float
    drifted: bool


class Reference:
    """How the cells of every column were spread in the fit: shares of rows in its tenths, or at its levels."""

    def __init__(self, edges: Matrix, shares: Matrix, rows: float) -> None:
        self.edges, self.shares, self.rows = edges, shares, rows

    @classmethod
    def of(cls, x: Matrix | Rows, weight: Matrix | None, columns: Sequence[Column]) -> Reference:
        """The reference of rows of numbers with NaN where missing."""
        x = Rows.of(x)
        most = min(MOST, max(1000, NUMBERS // max(x.shape[1], 1)))
        if len(x) > most:
            few = np.sort(np.random.default_rng(0).choice(len(x), most, replace=False))
            x, weight = Rows(x.take(few)), None if weight is None else weight[few]
        cells = x.lines(0, x.shape[1])
        edges, shares = np.full((PARTS - 1, len(cells)), np.nan), []
        found = cls(edges, np.empty(0), float(len(x)))
        for j, column in enumerate(columns):
            known = np.sort(cells[j])
            known = known[: np.searchsorted(known, np.nan)]  # which is sorted behind all numbers
            if not column.width and len(known):
                edges[:, j] = _quantiles(known)
            if column.width or weight is not None:
                shares.append(found._spread(cells[j], j, column, weight))
            else:
                below = np.searchsorted(known, edges[:, j] if len(known) else np.zeros(PARTS - 1))
                shares.append(np.diff([0, *below, len(known), len(x)]) / len(x))
        found.shares = np.concatenate(shares)
        return found

    def _spread(self, cells: Matrix, j: int, column: Column, weight: Matrix | None = None) -> Matrix:
        """The share of rows in every part of a column; the last part is for missing cells."""
        count = _parts(column)
        gaps = np.isnan(cells)
        if column.width:
            place = np.where(gaps, count - 1, cells)
        else:
            place = np.where(gaps, count - 1, np.searchsorted(self.edges[:, j], cells, side="right"))
        found = np.bincount(place.astype(int), weights=weight, minlength=count)
        return np.asarray(found / max(found.sum(), 1e-300))

    def compare(self, x: Matrix, columns: Sequence[Column], low: Matrix, high: Matrix) -> list[Drift]:
        """Every column of these rows beside the fit's; a column of times moves on, and is never called drifted."""
        from scipy.stats import chi2

        found, start, noise = [], 0, 1 / self.rows + 1 / max(len(x), 1)
        for j, column in enumerate(columns):
            then = self.shares[start : start + _parts(column)]
            start += _parts(column)
            now = self._spread(x[:, j], j, column)
            used = (then > 0) | (now > 0)
            p, q = (np.maximum(v[used], 0.5 * noise) for v in (now, then))
            index = float(((p - q) * np.log(p / q)).sum())
            chance = float(chi2.sf(index / noise, max(int(used.sum()) - 1, 1)))
            known = x[~np.isnan(x[:, j]), j]
            away = known >= column.width if column.width else (known < low[j]) | (known > high[j])
            moved = index >= MARKED and chance < CHANCE / len(columns) and column.sort != "time"
            outside = float(away.mean()) if len(known) else 0.0
            gone = float(np.isnan(x[:, j]).mean())
            found.append(Drift(column.name, index, chance, outside, gone, float(then[-1]), moved))
        return found


def _quantiles(known: Matrix) -> Matrix:
    """The ends between tenths of sorted numbers, as numpy's `quantile` has them."""
    at = np.linspace(0, 1, PARTS + 1)[1:-1] * (len(known) - 1)
    low = at.astype(int)
    share, a, b = at - low, known[low], known[np.minimum(low + 1, len(known) - 1)]
    return np.asarray(np.where(share < 0.5, a + (b - a) * share, b - (b - a) * (1 - share)))


def _parts(column: Column) -> int:
    return (column.width + 1 if column.width else PARTS) + 1
