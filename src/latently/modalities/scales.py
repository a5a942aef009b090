"""From user units to model units, column by column, and back: shifts, spreads, tails, bounds, steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently import native
from latently.errors import BadData
from latently.modalities.columns import Column
from latently.modalities.rows import CACHED, Rows

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

    mean: Matrix
    spread: Matrix

    def fit(
        self, x: Matrix | Rows, weight: Matrix | None, columns: Sequence[Column], natural: bool, bounded: bool
    ) -> Scales:
        """Learn from rows of numbers with NaN where missing, a few columns at a time."""
        rows = Rows.of(x)
        parts = []
        for first, end in rows.by_columns():
            lines, step = rows.lines(first, end), max(1, CACHED // max(len(rows), 1))
            for i, j in ((i, min(i + step, end)) for i in range(first, end, step)):
                how = natural, bounded, i
                parts.append(vars(Scales()._learn(lines[i - first : j - first], weight, columns[i:j], how)))
        self.masked = any(part.pop("masked") for part in parts)
        vars(self).update({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
        return self

    def _learn(
        self, x: Matrix, weight: Matrix | None, columns: Sequence[Column], how: tuple[bool, bool, int]
    ) -> Scales:
        """All of it, of some columns `(columns, rows)`, from the `how[2]`-th on."""
        natural, bounded, first = how
        with np.errstate(over="ignore", invalid="ignore"):
            gaps = np.isnan(x) if np.isnan(x.sum()) else None
        self.masked = gaps is not None and bool(gaps.any())
        self.gaps = np.zeros(len(x)) if gaps is None else gaps.mean(1)
        safe = x if gaps is None else np.where(gaps, 0.0, x)
        self.coded = np.array([bool(c.width) for c in columns])
        self.binary = np.zeros(len(columns), bool)
        if natural:
            self.binary = ((safe == 0) | (safe == 1)).all(1) & (safe != safe[:, :1]).any(1) & ~self.coded
        self._limits(x, gaps)
        self._bounds(x, columns, bounded)
        with np.errstate(over="ignore", invalid="ignore"):
            self._spreads(safe, gaps, weight)
        self._refuse_huge(x, first)
        self._settle()
        self.step = np.array([_step(line) if c.sort == "time" else 0.0 for line, c in zip(x, columns, strict=True)])
        return self

    def _settle(self) -> None:
        kept = self.binary | self.coded
        self.mean = np.where(kept, 0.0, self.mean)
        flat = self.spread <= 1e-7 * np.maximum(np.abs(self.mean), 1e-300)
        self.scale = np.where(kept | flat, 1.0, self.spread)

    def _limits(self, x: Matrix, gaps: NDArray[np.bool_] | None) -> None:
        low, high = (x, x) if gaps is None else (np.where(gaps, end, x) for end in (np.inf, -np.inf))
        self.low, self.high = low.min(1, initial=np.inf), high.max(1, initial=-np.inf)
        self.empty = self.low > self.high

    def _bounds(self, x: Matrix, columns: Sequence[Column], bounded: bool) -> None:
        self.floor, self.ceiling = np.full(len(columns), -np.inf), np.full(len(columns), np.inf)
        if not bounded:
            return
        need = np.maximum(2, REPEATED * (1 - self.gaps) * x.shape[1])
        whole = np.array([c.sort not in ("number", "time", "duration") for c in columns])
        self.floor = np.where((x == self.low[:, None]).sum(1) >= need, self.low, -np.inf)
        self.floor = np.where(whole, self.low, np.maximum(self.floor, np.where(self.low >= 0, 0.0, -np.inf)))
        most = ((x == self.high[:, None]).sum(1) >= need) & ~self.coded  # a level never seen stays beyond the others
        self.ceiling = np.where(whole & ~self.coded | most, self.high, np.inf)

    def _spreads(self, safe: Matrix, gaps: NDArray[np.bool_] | None, weight: Matrix | None) -> None:
        """Mean and spread by weight, unknown cells being zero and weightless; and which tails are heavy."""
        self.heavy, self.middle, self.unit = (np.full(len(safe), v) for v in (False, 0.0, 1.0))
        if gaps is None:
            self.mean = safe.mean(1)
            squares = np.square(safe - self.mean[:, None])
            for j in np.flatnonzero(~self.binary & ~self.coded & _far(squares)):
                self._tail(int(j), safe[j], squares[j])
            self.spread = np.sqrt(squares.mean(1))
        else:
            for j in np.flatnonzero(~self.binary & ~self.coded):
                known = safe[j, ~gaps[j]]
                squares = np.square(known - (known.mean() if len(known) else 0.0))
                if _far(squares[None])[0]:
                    self._tail(int(j), known, squares)
        if gaps is not None or weight is not None:
            one = np.ones(safe.shape[1]) if weight is None else weight
            counts = one if gaps is None else ~gaps * one
            total = np.maximum((counts * np.ones_like(safe)).sum(1), 1e-300)
            self.mean = (safe * counts).sum(1) / total
            self.spread = np.sqrt((np.square(safe - self.mean[:, None]) * counts).sum(1) / total)

    def _tail(self, j: int, known: Matrix, squares: Matrix) -> None:
        far = int(np.ceil(TAIL * len(known)))
        if np.partition(squares, -far)[-far:].sum() <= HEAVY * squares.sum():
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
                f"column {first + column} holds {np.nanmax(np.abs(x[column])):.3g}, whose square no float64 "
                "can hold. Rescale the column, or put NaN for what is no measurement."
            )

    # ------------------------------------------------------------------ there and back

    def apply(self, x: Matrix) -> Matrix:
        """Cells in model units."""
        units = x - self.mean
        units /= self.scale
        return units

    def into(self, out: Tensor, x: NDArray[Any]) -> bool:
        """Write the cells of rows of any numbers, in model units, as the float32 of `out`; whether all are finite."""
        sound = native.units(x, self.mean, self.scale, out)
        if sound is None:
            units = torch.empty(out.shape, dtype=torch.float64)
            np.copyto(units.numpy(), x)
            out.copy_(units.sub_(torch.from_numpy(self.mean)).div_(torch.from_numpy(self.scale)))
            sound = bool(out.isfinite().all())
        return sound

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


def _far(squares: Matrix) -> NDArray[np.bool_]:
    """Which lines may have a heavy tail: it would hold enough, were all of it as far away as the farthest cell."""
    count, total = squares.shape[1], squares.sum(1)
    if count < FEWEST:
        return np.zeros(len(squares), bool)
    return np.asarray(np.isfinite(total) & (np.ceil(TAIL * count) * squares.max(1) >= HEAVY * total))
