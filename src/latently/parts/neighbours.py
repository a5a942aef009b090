"""Prices on codes that part neighbours: what t-SNE asks of a map, asked of an encoder, by distance or by angle."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from latently.parts.networks import Network
from latently.parts.order import ranked
from latently.parts.penalties import Penalty
from latently.values import Sizes, Weight

__all__ = ["Contrast", "Neighbours"]

PIECE = 512  # rows compared with each other: their distances are a square
SPREAD = 3.0  # codes start with a standard deviation near one; a map of t-SNE's kernel wants room (3 and 10 do alike)
REACH = 2.0  # of a bounded unit (1, 3 and 4 find less, by .01)
ROUNDS = 4  # of Newton: the perplexity is then met to 4 % on the heaviest tails tried, to 2e-4 on digits
STRIDE = 1.5  # greatest step in log beta
FEWEST = 3  # rows: two are each other's neighbours whatever the map
TINY = 1e-12


class Neighbours(Penalty):
    """`alpha n KL(P || Q)`: rows that are near each other get codes near each other (van der Maaten 2008, 2009).

    Within the rows of a batch, `p_j|i ~ exp(-beta_i ||x_i - x_j||^2)`, each `beta_i` set so that row i has
    `perplexity` neighbours, `P_ij = (p_j|i + p_i|j) / 2n`, and `Q_ij ~ 1 / (1 + ||s z_i - s z_j||^2)`. A row pays
    `n sum_j P_ij log(P_ij / Q_ij)`, in nats. While training, P is that of the rows and Q that of rows moved at
    random, each by about `noise` times its distance to the nearest row of the batch: so the map holds between the rows
    that it learned from, too. With `bounded`, z is seen through tanh: neighbours then differ in few signs.
    """

    name = "neighbours"
    outside = True
    plan: ClassVar = {
        "batch_rows": 256,
        "steps": 1600,
    }  # in fewer rows are fewer neighbours; 500 steps lost .03 of 1-NN

    def __init__(
        self, alpha: float = 300.0, perplexity: float = 10.0, noise: float = 0.6, bounded: bool = False
    ) -> None:
        super().__init__()
        self.alpha, self.perplexity, self.noise, self.bounded = alpha, perplexity, noise, bounded

    def check(self, sizes: Sizes) -> None:
        """`alpha >= 0`, `perplexity > 1`, `noise >= 0`."""
        self.require(self.alpha >= 0, "alpha", "at least 0")
        self.require(self.perplexity > 1, "perplexity", "more than 1: it is a number of neighbours")
        self.require(self.noise >= 0, "noise", "at least 0")

    def weights(self) -> dict[str, Weight]:
        """`neighbours: alpha`."""
        return {self.name: Weight(self.alpha)}

    def forward(self, encoder: Network, features: Tensor, code: int, rng: torch.Generator | None) -> Tensor:
        """Each row's share, among the rows of its piece (batches over `PIECE` rows are cut into even pieces)."""
        count = max(1, -(-len(features) // PIECE))
        with torch.no_grad():
            far = [squared_distances(x).fill_diagonal_(math.inf) for x in features.chunk(count)]
            p = [affinities(d, self.perplexity) for d in far]
            seen = features if rng is None or not self.noise else self._moved(features, far, rng)
        z = encoder.plain(seen)[:, :code]
        return torch.cat([self.divergence(a, b) for a, b in zip(p, z.chunk(count), strict=True)])

    def divergence(self, p: Float[Tensor, "rows rows"], z: Float[Tensor, "rows code"]) -> Float[Tensor, " rows"]:
        """Each row's share of the divergence of codes `z` from affinities `p`."""
        return _divergence(p, REACH * z.tanh() if self.bounded else SPREAD * z)

    def _moved(self, x: Tensor, far: list[Tensor], rng: torch.Generator) -> Tensor:
        nearest = torch.cat([d.amin(1) for d in far]).nan_to_num(posinf=0.0)  # a row alone stays where it is
        length = self.noise * (nearest / x.shape[1]).sqrt()
        return x + length[:, None] * torch.empty_like(x).normal_(generator=rng)


class Contrast(Neighbours):
    """`alpha d KL(p_i || q_i)`: the codes of a row and of its nearest rows point the same way, those of others do not.

    `q_j|i ~ exp(cos(z_i, z_j) / temperature)` over the other rows of the batch, d is the number of cells of a row, p,
    `perplexity` and `noise` are those of `Neighbours`: InfoNCE (van den Oord 2018), its pairs being neighbours. It says
    nothing of a code's length, which is left to the reconstruction. `alpha` is in units of the loss of one cell.
    """

    name = "contrast"
    plan: ClassVar = {"together": 256, "steps": 1600}

    def __init__(
        self, alpha: float = 0.25, perplexity: float = 3.0, noise: float = 0.6, temperature: float = 0.5
    ) -> None:
        super().__init__(alpha, perplexity, noise)
        self.temperature = temperature

    def check(self, sizes: Sizes) -> None:
        """`temperature > 0`, and what `Neighbours` asks for."""
        super().check(sizes)
        self.require(self.temperature > 0, "temperature", "positive")

    def build(self, sizes: Sizes) -> None:
        """The number of cells that `alpha` is a price for."""
        self.cells = sizes.cells

    def divergence(self, p: Tensor, z: Tensor) -> Tensor:
        """`d sum_j p_j|i log(p_j|i / q_j|i)` of every row."""
        if len(z) < FEWEST:
            return 0 * z.sum(1)
        z = z / (z.square().sum(1, keepdim=True) + TINY).sqrt()
        near = (z @ z.t() / self.temperature).masked_fill(
            torch.eye(len(z), dtype=torch.bool, device=z.device), -math.inf
        )
        missing = (p * (p.clamp_min(TINY).log() - near.log_softmax(1).masked_fill(p == 0, 0))).sum(1)
        return self.cells * missing


def _divergence(p: Tensor, z: Tensor) -> Float[Tensor, " rows"]:
    """`n sum_j P_ij log(P_ij / Q_ij)` of every row."""
    n = len(z)
    if n < FEWEST:
        return 0 * z.sum(1)
    p = (p + p.t()) / (2 * n)
    weight = 1 / (1 + squared_distances(z))
    weight = weight - torch.diag(weight.diagonal())
    entropy = (p * p.clamp_min(TINY).log()).sum(1)
    return n * (entropy - (p * weight.clamp_min(TINY).log()).sum(1) + p.sum(1) * weight.sum().log())


def squared_distances(x: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows rows"]:
    """Between all rows, none negative."""
    square = x.square().sum(1)
    return torch.addmm(square + square[:, None], x, x.t(), alpha=-2).clamp_min(0)


def affinities(far: Float[Tensor, "rows rows"], perplexity: float) -> Float[Tensor, "rows rows"]:
    """`p_j|i` from squared distances (infinite to oneself): rows sum to one, their entropy is `log(perplexity)`.

    Few rows have few neighbours: at most a third of them counts.
    """
    n = len(far)
    if n < FEWEST:
        return torch.zeros_like(far)
    target = math.log(min(perplexity, max(1.5, (n - 1) / 3)))
    far = (far - far.amin(1, keepdim=True)).fill_diagonal_(0)  # or the exponentials of a lonely row were all zero
    reach = ranked(far, min(n - 1, math.ceil(math.exp(target))))
    beta = 1.2 / (reach + 1e-6 * far.mean(1, keepdim=True) + TINY)
    for _ in range(ROUNDS):
        p = _weights(far, beta)
        near = far * p
        total = p.sum(1, keepdim=True) + TINY
        mean = near.sum(1, keepdim=True) / total
        spread = (far * near).sum(1, keepdim=True) / total - mean.square()
        excess = total.log() + beta * mean - target  # of the entropy, whose slope in log beta is -beta^2 spread
        beta = beta * (excess / (beta.square() * spread + TINY)).clamp(-STRIDE, STRIDE).exp()
    p = _weights(far, beta)
    return p / (p.sum(1, keepdim=True) + TINY)


def _weights(far: Tensor, beta: Tensor) -> Tensor:
    return torch.exp(-beta * far).fill_diagonal_(0)
