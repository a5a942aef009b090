"""A price on codes whose signs do not find the rows that are near: what search by bits asks of an encoder."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from latently.parts.neighbours import FEWEST, PIECE, TINY, affinities, squared_distances
from latently.parts.networks import Network
from latently.parts.penalties import Penalty
from latently.values import Sizes, Weight

__all__ = ["Signs"]

WARM = 0.075  # of the mean agreement, from -1 to 1: where the temperature settles when it is learned
STEEP = 2.0  # the slope of a sign's stand-in, for codes of mean square one (1 learns slower, 4 does no better)


class Signs(Penalty):
    """`alpha KL(p || q)`: the signs nearest to a row's numbers are those of the rows nearest to it.

    Within the rows of a batch `p_j|i` is that of t-SNE with `perplexity` neighbours, and `q_j|i ~ exp(a_ij / WARM)`
    with `a_ij` the mean over units of `z_i sign(z_j) / mean |z_i|`: what an asymmetric search ranks by. The gradient
    of a sign is that of `tanh(STEEP z)`.
    """

    name = "signs"
    outside = True
    turned = True
    plan: ClassVar = {"batch_rows": 512, "steps": 800, "learning_rate": 1e-3, "whole": True}

    def __init__(self, alpha: float = 1000.0, perplexity: float = 5.0) -> None:
        super().__init__()
        self.alpha, self.perplexity = alpha, perplexity

    def check(self, sizes: Sizes) -> None:
        """`alpha >= 0`, `perplexity > 1`."""
        self.require(self.alpha >= 0, "alpha", "at least 0")
        self.require(self.perplexity > 1, "perplexity", "more than 1: it is a number of neighbours")

    def weights(self) -> dict[str, Weight]:
        """`signs: alpha`."""
        return {self.name: Weight(self.alpha)}

    def forward(self, encoder: Network, features: Tensor, code: int, rng: torch.Generator | None) -> Tensor:
        """Each row's divergence, among the rows of its piece."""
        count = max(1, -(-len(features) // PIECE))
        return torch.cat([self._divergence(encoder, x, code) for x in features.chunk(count)])

    def _divergence(self, encoder: Network, x: Tensor, code: int) -> Tensor:
        with torch.no_grad():
            far = squared_distances(x).fill_diagonal_(math.inf)
            p = affinities(far, self.perplexity)
        z = encoder.plain(x)[:, :code]
        if len(x) < FEWEST:
            return 0 * z.sum(1)
        soft = torch.tanh(STEEP * z / z.detach().square().mean().sqrt().clamp_min(TINY))
        signs = soft + (torch.where(z >= 0, 1.0, -1.0) - soft).detach()
        asks = z / z.abs().mean(1, keepdim=True).clamp_min(TINY)
        agreed = (asks @ signs.t()) / (code * WARM)
        q = agreed.masked_fill(torch.eye(len(x), dtype=torch.bool, device=x.device), -math.inf).log_softmax(1)
        q = q.masked_fill(q.isneginf(), 0.0)
        return (p * (p.clamp_min(TINY).log() - q)).sum(1)
