"""Mixed rows as numbers that squared errors and PCA can be taken of, each column with variance one in all.

A category counts as its one-hots, scaled by the root of their summed variance (Gini's impurity), so that a column of
any sort has an error of 1 under the mean predictor.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from latently.model import Composition
from latently.parts.doors import Door
from latently.values import Batch

__all__ = ["View"]

NEAR = 0.01  # of one: the variance of a category this close is left alone
AT_ONCE = 2**22  # numbers of rows that are looked at together
SWITCH = 0.26  # a column of zeros and ones varies by a quarter at most; numbers that vary more were scaled already
NOTHING = 1e-6  # of one: what rounding leaves where all these rows hold the same, though others do not


@dataclass(frozen=True)
class View:
    """`door` opens categories; `scale` is per feature, None where every column has variance one already.

    `filler` is the mean of each scaled feature: what stands for a cell that is not known.
    """

    door: Door
    scale: Tensor | None
    filler: Tensor

    @classmethod
    @torch.no_grad()
    def over(cls, door: Door, rows: Batch) -> View:
        """The view whose scales these rows give; cells of one common unit are left as they are."""
        step = max(1, AT_ONCE // max(rows.cells, 1))
        parts = [slice(i, i + step) for i in range(0, len(rows), step)]

        def moment(centre: Tensor | float, power: int) -> Tensor:
            """The sum over all rows of a power of each feature, centred; each row by its weight."""
            sums = []
            for part in map(rows.take, parts):
                opened = door.targets(part)
                x = (opened.x.flatten(1) - centre).pow_(power)
                x = x if opened.known is None else x.mul_(opened.known.flatten(1))
                sums.append((x if part.weight is None else x.mul_(part.weight[:, None])).sum(0))
            return torch.stack(sums).sum(0)

        total = moment(0.0, 0).clamp(min=1e-12)
        mean = moment(0.0, 1) / total
        if door.common:
            return cls(door, None, mean)
        each = moment(mean, 2) / total
        owner = torch.arange(len(door.levels), device=mean.device).repeat_interleave(door.base)
        variance = torch.zeros(len(door.levels), device=mean.device).index_add_(0, owner, each)
        numbers = torch.tensor([n == 0 for n in door.levels], device=mean.device)
        scaled = torch.where(numbers, variance > SWITCH, (variance - 1).abs() < NEAR)
        alone = scaled | (variance < NOTHING)
        if bool(alone.all()):
            return cls(door, None, mean)
        scale = torch.where(alone, torch.ones_like(variance), variance).rsqrt()[owner]
        return cls(door, scale, mean * scale)

    def of(self, batch: Batch) -> Batch:
        """Rows as scaled features."""
        opened = self.door.targets(batch)
        x = opened.x.flatten(1) if self.scale is None else opened.x.flatten(1) * self.scale
        if opened.known is not None:
            x = torch.where(opened.known.flatten(1), x, self.filler)
        return Batch(x, opened.known, weight=opened.weight)

    def guess(self, model: Composition, batch: Batch) -> Tensor:
        """What the model makes of the rows, `(rows, features)`."""
        found = model.expect(model.encode(batch))
        return found if self.scale is None else found * self.scale

    def error(self, batch: Batch, guess: Tensor) -> float:
        """Squared error per known cell of rows as features, a row counting its weight."""
        each = (guess - batch.x.flatten(1)).square()
        cells = len(self.door.levels)
        if batch.known is None and batch.weight is None:
            return float(each.sum() / (len(each) * cells))
        known = torch.ones_like(each) if batch.known is None else batch.known.flatten(1).to(each.dtype)
        weight = torch.ones_like(each[:, :1]) if batch.weight is None else batch.weight[:, None]
        return float((each * known * weight).sum() / (known[:, self.door.lookup] * weight).sum().clamp(min=1e-12))
