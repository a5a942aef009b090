"""A second look at numbers: bent where they are far out, lest a long tail make all other rows look alike."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.modalities.scales import Scales
from latently.values import Batch

__all__ = ["Bend", "Bent"]

Vector = NDArray[np.float64]
QUARTILES = 1.349  # between the quartiles of a normal distribution, in deviations
LOOKED_AT = 2**17  # rows that tell the quartiles


@dataclass(frozen=True)
class Bend:
    """`asinh((x - middle) / unit)` of some cells, then mean 0 and variance 1; the others stay as they are.

    Straight within a deviation of the median, a logarithm far from it, and never flat: what lies ever further away
    stays ever further away, as it does not with ranks.
    """

    which: NDArray[np.bool_]  #: (cells,)
    middle: Vector  #: medians of the cells bent
    unit: Vector  #: what lies between their quartiles, in deviations of a normal one
    mean: Vector
    scale: Vector

    @classmethod
    def of(cls, rows: Batch, which: NDArray[np.bool_]) -> Bend:
        """Learned from rows in model units, each counting its weight."""
        step = -(-len(rows) // LOOKED_AT)
        some = rows.take(torch.arange(0, len(rows), step, device=rows.x.device))
        x = some.x.flatten(1).cpu().numpy()[:, which].astype(np.float64)
        seen = np.ones_like(x, bool) if some.known is None else some.known.flatten(1).cpu().numpy()[:, which]
        weight = np.ones(len(x)) if some.weight is None else some.weight.cpu().numpy().astype(np.float64)
        learned = [_learned(x[s, j], weight[s]) for j, s in enumerate(seen.T)]
        return cls(which, *np.array(learned).reshape(-1, 4).T.copy())

    def there(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Cells `(rows, bent cells)`, bent."""
        return np.asarray((np.arcsinh((x.astype(np.float64) - self.middle) / self.unit) - self.mean) / self.scale)

    def batch(self, rows: Batch) -> Batch:
        """Rows in model units with their cells bent; unknown cells stay zero."""
        x = rows.x.flatten(1).cpu().numpy().copy()
        x[:, self.which] = self.there(x[:, self.which])
        bent = torch.from_numpy(x).view_as(rows.x).to(rows.x.device)
        return replace(rows, x=bent if rows.known is None else bent.masked_fill_(~rows.known, 0.0))

    def state(self) -> dict[str, Any]:
        """Arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Bent(Scales):
    """The scales of the same columns for a network that sees them bent: ends bent, no bent copies beside."""

    def __init__(self, plain: Scales, bend: Bend) -> None:
        vars(self).update(vars(plain))
        self.bend = bend

    def bends(self) -> list[tuple[int, float, float, float]]:
        """None: the cells are bent already."""
        return []

    def limits(self) -> tuple[Vector, Vector]:
        """Least and greatest value of each column, bent."""
        low, high = super().limits()
        for end in (low, high):
            end[self.bend.which] = self.bend.there(end[None, self.bend.which])[0]
        return low, high


def _learned(x: Vector, weight: Vector) -> tuple[float, float, float, float]:
    """Middle, unit, mean and scale of one column, over its known cells."""
    if not len(x):
        return 0.0, 1.0, 0.0, 1.0
    order = np.argsort(x, kind="stable")
    reached = np.cumsum(weight[order])
    low, middle, high = (x[order][np.searchsorted(reached, q * reached[-1])] for q in (0.25, 0.5, 0.75))
    spread = np.sqrt(np.average(np.square(x - np.average(x, weights=weight)), weights=weight))
    unit = (high - low) / QUARTILES or spread or 1.0  # over half of the rows at one value: a spike
    bent = np.arcsinh((x - middle) / unit)
    mean = np.average(bent, weights=weight)
    scale = np.sqrt(np.average(np.square(bent - mean), weights=weight))
    return float(middle), float(unit), float(mean), float(scale) or 1.0
