"""Tables of numbers: rows to batches and back, in user units."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.errors import BadData
from latently.parts.likelihoods import Bernoulli, Gaussian, Likelihood, Mixed
from latently.values import Batch

__all__ = ["Table", "distinct"]

Matrix = NDArray[np.float64]


class Table:
    """Numeric columns, each shifted and scaled to mean 0 and variance 1 over its known cells.

    A constant column is only shifted. Missing cells become the filler 0 (the mean) and leave `known`. With
    `natural=True`, columns of zeros and ones keep their values and get a Bernoulli likelihood.
    """

    def __init__(self, natural: bool = False) -> None:
        self.natural = natural

    def fit(self, x: Matrix, weight: Matrix | None = None) -> Table:
        """Learn shift, scale, limits and missingness from rows of float64 with NaN where missing."""
        gaps = np.isnan(x)
        self.masked = bool(gaps.any())
        known: Matrix | float = (~gaps).astype(np.float64) if self.masked else 1.0
        safe = np.where(gaps, 0.0, x) if self.masked else x
        w = known if weight is None else known * weight[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean, spread = _moments(safe, w)
        if not (np.isfinite(spread).all() and np.isfinite(self.mean).all()):
            column = int(np.flatnonzero(~np.isfinite(spread))[0])
            raise BadData(
                f"column {column} holds {np.nanmax(np.abs(x[:, column])):.3g}, whose square no float64 "
                "can hold. Rescale the column, or put NaN for what is no measurement."
            )
        self.scale = np.where(spread > 1e-7 * np.maximum(np.abs(self.mean), 1e-300), spread, 1.0)
        self.binary = np.zeros(x.shape[1], bool)
        if self.natural:
            self.binary = ((safe == 0) | (safe == 1)).all(0) & (spread > 0)
            self.mean, self.scale = np.where(self.binary, 0.0, self.mean), np.where(self.binary, 1.0, self.scale)
        filled = np.where(gaps, self.mean, x) if self.masked else x
        self.low, self.high = filled.min(0, initial=np.inf), filled.max(0, initial=-np.inf)
        return self

    @property
    def levels(self) -> tuple[int, ...]:
        """Categories of each column; all are numbers."""
        return (0,) * len(self.mean)

    def likelihood(self) -> Likelihood:
        """What suits these columns: normal with a learned spread, Bernoulli where there are only zeros and ones."""
        if not self.binary.any():
            return Gaussian()
        if self.binary.all():
            return Bernoulli()
        numbers, switches = np.flatnonzero(~self.binary).tolist(), np.flatnonzero(self.binary).tolist()
        return Mixed([(numbers, Gaussian()), (switches, Bernoulli())])

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Least and greatest value of each column in model units."""
        both = [(v - self.mean) / self.scale for v in (self.low, self.high)]
        return torch.as_tensor(both[0], dtype=torch.float32), torch.as_tensor(both[1], dtype=torch.float32)

    def batch(self, x: Matrix, weight: Matrix | None = None) -> Batch:
        """Rows in model units."""
        units = x - self.mean
        units /= self.scale
        with np.errstate(over="ignore"):
            cells = torch.from_numpy(units.astype(np.float32)).clone()  # aligned: products repeat to the bit
        if not bool(cells.sum(dtype=torch.float64).isfinite()) and bool(cells.isinf().any()):
            row, column = (int(i) for i in cells.isinf().nonzero()[0])
            raise BadData(
                f"row {row}, column {column} holds {x[row, column]:.3g}, further from the rows of the fit than float32 "
                "can say. Check its unit, or put NaN for what is no measurement."
            )
        gaps = torch.isnan(cells) if np.isnan(x.sum()) else None
        rows = None if weight is None else torch.from_numpy(weight.astype(np.float32))
        return Batch(
            cells if gaps is None else cells.masked_fill(gaps, 0.0), None if gaps is None else ~gaps, weight=rows
        )

    def values(self, cells: torch.Tensor) -> Matrix:
        """Cells in user units."""
        return np.asarray(cells.cpu().numpy().astype(np.float64) * self.scale + self.mean)

    def state(self) -> dict[str, Any]:
        """All that was learned, as arrays and JSON values."""
        return dict(vars(self))

    @classmethod
    def of(cls, state: dict[str, Any]) -> Table:
        """The table of a state."""
        table = cls()
        vars(table).update(state)
        return table


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


def _moments(x: Matrix, weight: Matrix | float) -> tuple[Matrix, Matrix]:
    """Weighted mean and standard deviation of each column; unknown cells are zero and weightless."""
    if isinstance(weight, float):
        return x.mean(0), x.std(0)
    total = np.maximum((weight * np.ones(x.shape[1])).sum(0), 1e-300)
    mean = (x * weight).sum(0) / total
    return mean, np.sqrt(((x - mean) ** 2 * weight).sum(0) / total)


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
