"""How the nats of a row, over one draw of its code or several, become the row's loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latently.parts.part import Part
from latently.values import Sizes

__all__ = ["Bound", "ImportanceWeighted", "Single"]


class Bound(Part):
    """From `(draws * rows,)` nats to `(rows,)` of loss. Penalties never enter: they are averaged over the draws."""

    draws: int = 1

    def forward(self, nats: Tensor) -> tuple[Tensor, Tensor | float]:
        """The loss of each row, and its derivative with respect to every draw's nats."""
        raise NotImplementedError


class Single(Bound):
    """One draw: the row's nats are its loss (with a variational code, the evidence bound)."""

    def forward(self, nats: Tensor) -> tuple[Tensor, Tensor | float]:
        """The nats themselves; derivative one."""
        return nats, 1.0


class ImportanceWeighted(Bound):
    """`-log (1/K) sum_k exp(-nats_k)` over `draws` = K draws (Burda 2016): tighter than the evidence bound."""

    def __init__(self, draws: int = 5) -> None:
        super().__init__()
        self.draws = draws

    def check(self, sizes: Sizes) -> None:
        """`draws >= 1`."""
        self.require(isinstance(self.draws, int) and self.draws >= 1, "draws", "a whole number, at least 1")

    def forward(self, nats: Tensor) -> tuple[Tensor, Tensor | float]:
        """The bound; its derivative is each draw's normalised importance."""
        each = -nats.view(self.draws, -1)
        value = math.log(self.draws) - torch.logsumexp(each, 0)
        return value, torch.softmax(each, 0).reshape(-1)
