"""From user units to model units, column by column, and back: shifts, spreads, tails, bounds, steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData
from latently.modalities.columns import Column
from latently.modalities.rows import Rows

__all__ = ["Scales"]

Matrix = NDArray[np.float64]
TAIL, HEAVY, FEWEST = 0.01, 0.5, 100  # the share of rows, the share of variance, the rows it takes to tell
REPEATED = 0.01  # share of rows that sit at a limit: it is a bound, not merely the last value seen
STEPS = (86400.0, 3600.0, 60.0, 1.0)  # seconds: dates, hours, minutes


class Scales:
    """Shift and scale of every column to mean 0 and variance 1 over its known cells.

    A column whose farthest hundredth of rows holds over half of its variance has a heavy tail: the encoder also sees it
    bent, `asinh((x - median) / spread)`, or most of its rows would look alike. Targets stay straight: bent ones cost
    more error in user units than they save. With `natural`, zeros and ones stay as they are; categories always keep the
    places of their levels. A constant column is only shifted. What leaves is bounded where the fit's rows pile up at a
    limit, or none of them is negative; in a frame, that is: an array of numbers has no such bounds.
    """

    def fit(
        self, x: Matrix | Rows, weight: Matrix | None, columns: Sequence[Column], natural: bool, bounded: bool
    ) -> Scales:
        """Learn from rows of numbers with NaN where missing, a few columns at a time."""
        rows = Rows.of(x)
        parts = [
            vars(Scales()._learn(rows.columns(i, j), weight, columns[i:j], (natural, bounded, i)))
            for i, j in rows.by_columns()
        ]
        self.masked = any(part.pop("masked") for part in parts)
        vars(self).update({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        return self

    def _learn(
        self, x: Matrix, weight: Matrix | None, columns: Sequence[Column], how: tuple[bool, bool, int]
    ) -> Scales:
        """All of it, of the columns from the `how[2]`-th on."""
        natural, bounded, first = how
        gaps = np.isnan(x)
        self.masked, self.gaps = bool(gaps.any()), gaps.mean(0)
        safe = np.where(gaps, 0.0, x) if self.masked else x
        self.coded = np.array([bool(c.width) for c in columns])
        self.binary = np.zeros(len(columns), bool)
        if natural:
            self.binary = ((safe == 0) | (safe == 1)).all(0) & (safe != safe[:1]).any(0) & ~self.coded
        self._limits(x, gaps)
        self._bounds(x, columns, bounded)
        self._tails(x, gaps)
        known: Matrix | float = (~gaps).astype(np.float64) if self.masked else 1.0
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean, self.spread = _moments(safe, known if weight is None else known * weight[:, None])
        self._refuse_huge(x, first)
        self._settle()
        self.step = np.array([_step(x[:, j]) if c.sort == "time" else 0.0 for j, c in enumerate(columns)])
        return self

    def _settle(self) -> None:
        kept = self.binary | self.coded
        self.mean = np.where(kept, 0.0, self.mean)
        flat = self.spread <= 1e-7 * np.maximum(np.abs(self.mean), 1e-300)
        self.scale = np.where(kept | flat, 1.0, self.spread)

    def _limits(self, x: Matrix, gaps: NDArray[np.bool_]) -> None:
        low = np.where(gaps, np.inf, x) if self.masked else x
        high = np.where(gaps, -np.inf, x) if self.masked else x
        self.low, self.high = low.min(0, initial=np.inf), high.max(0, initial=-np.inf)
        self.empty = self.low > self.high

    def _bounds(self, x: Matrix, columns: Sequence[Column], bounded: bool) -> None:
        self.floor, self.ceiling = np.full(len(columns), -np.inf), np.full(len(columns), np.inf)
        if not bounded:
            return
        need = np.maximum(2, REPEATED * (1 - self.gaps) * len(x))
        whole = np.array([c.sort not in ("number", "time", "duration") for c in columns])
        self.floor = np.where((x == self.low).sum(0) >= need, self.low, -np.inf)
        self.floor = np.where(whole, self.low, np.maximum(self.floor, np.where(self.low >= 0, 0.0, -np.inf)))
        most = ((x == self.high).sum(0) >= need) & ~self.coded  # a level never seen stays beyond the others
        self.ceiling = np.where(whole & ~self.coded | most, self.high, np.inf)

    def _tails(self, x: Matrix, gaps: NDArray[np.bool_]) -> None:
        self.heavy, self.middle, self.unit = (np.full(x.shape[1], v) for v in (False, 0.0, 1.0))
        for j in np.flatnonzero(~self.binary & ~self.coded):
            self._tail(int(j), x[~gaps[:, j], j] if self.masked else x[:, j])

    def _tail(self, j: int, known: Matrix) -> None:
        if len(known) < FEWEST:
            return
        mean, far = known.mean(), int(np.ceil(TAIL * len(known)))
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.square(known - mean)
            total, most = squares.sum(), squares.max()
        if not np.isfinite(total) or far * most < HEAVY * total:  # were they all as far away as the farthest
            return
        if np.partition(squares, -far)[-far:].sum() <= HEAVY * total:
            return
        middle = np.median(known)
        half = np.median(np.abs(known - middle))
        if half > 0:  # else over half of the rows sit at one value: a spike, not a tail
            self.heavy[j], self.middle[j], self.unit[j] = True, middle, half

    def bends(self) -> list[tuple[int, float, float, float]]:
        """(column, middle, unit, size) of columns with a heavy tail, in model units: `asinh((x - middle) / unit)`."""
        found = []
        for j in np.flatnonzero(self.heavy):
            ends = np.arcsinh((np.array([self.low[j], self.high[j]]) - self.middle[j]) / self.unit[j])
            at, unit = (self.middle[j] - self.mean[j]) / self.scale[j], self.unit[j] / self.scale[j]
            found.append((int(j), float(at), float(unit), float(np.abs(ends).max()) / 3))
        return found

    def _refuse_huge(self, x: Matrix, first: int) -> None:
        if not (np.isfinite(self.spread).all() and np.isfinite(self.mean).all()):
            column = int(np.flatnonzero(~np.isfinite(self.spread) | ~np.isfinite(self.mean))[0])
            raise BadData(
                f"column {first + column} holds {np.nanmax(np.abs(x[:, column])):.3g}, whose square no float64 "
                "can hold. Rescale the column, or put NaN for what is no measurement."
            )

    # ------------------------------------------------------------------ there and back

    def apply(self, x: Matrix) -> Matrix:
        """Cells in model units."""
        units = x - self.mean
        units /= self.scale
        return units

    def into(self, out: Tensor, x: NDArray[Any]) -> None:
        """The cells of rows of any type, in model units, as the float32 of `out`."""
        units = torch.empty(out.shape, dtype=torch.float64)
        np.copyto(units.numpy(), x)
        out.copy_(units.sub_(torch.from_numpy(self.mean)).div_(torch.from_numpy(self.scale)))

    def undo(self, units: Matrix) -> Matrix:
        """Cells in user units, within bounds; NaN in columns of which nothing is known."""
        x = units * self.scale + self.mean
        for j in np.flatnonzero(self.step > 0):
            x[:, j] = np.rint(x[:, j] / self.step[j]) * self.step[j]
        if self.empty.any():
            x[:, self.empty] = np.nan
        return np.clip(x, self.floor, self.ceiling, out=x)

    def limits(self) -> tuple[Matrix, Matrix]:
        """Least and greatest value of each column in model units; zero where nothing is known."""
        ends = np.where(self.empty, 0.0, [self.low, self.high])
        low, high = self.apply(ends)
        return low, high

    def words(self, j: int) -> str:
        """How a column is scaled, in words."""
        if self.coded[j] or self.binary[j]:
            return "as it is"
        if self.empty[j]:
            return "nothing known"
        if self.low[j] == self.high[j]:
            return "constant"
        return "mean 0, variance 1; the encoder also sees it bent (asinh)" if self.heavy[j] else "mean 0, variance 1"

    def state(self) -> dict[str, Any]:
        """All that was learned, by name."""
        return dict(vars(self))


def _step(column: Matrix) -> float:
    """The coarsest unit of time that all cells are multiples of; 0 when finer than a second."""
    known = column[~np.isnan(column)]
    return next((s for s in STEPS if not np.mod(known, s).any()), 0.0) if len(known) else 0.0


def _moments(x: Matrix, weight: Matrix | float) -> tuple[Matrix, Matrix]:
    """Weighted mean and standard deviation of each column; unknown cells are zero and weightless."""
    if isinstance(weight, float):
        return x.mean(0), x.std(0)
    total = np.maximum((weight * np.ones(x.shape[1])).sum(0), 1e-300)
    mean = (x * weight).sum(0) / total
    return mean, np.sqrt(((x - mean) ** 2 * weight).sum(0) / total)
