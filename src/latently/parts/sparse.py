"""Codes of which most is off, by a price on what is on."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from latently.parts.bottlenecks import Bottleneck, Coefficients, wide
from latently.values import Code, Cost, Sizes, Sort, Weight

__all__ = ["L1", "KLSparse"]

LEAST = 1e-6  # a mean activation, for a price that is finite


class L1(Bottleneck):
    """Sparse code with the penalty `alpha sum_j |h_j|`.

    The code is rectified, so that units can be exactly zero; `alpha` is in units of the loss, which by default is a
    sum over features: on digits, 64 units, 0.1 leaves 70 % of the activations at zero.
    """

    activation = "relu"
    cure = "a smaller alpha"

    def __init__(self, alpha: float = 0.1) -> None:
        super().__init__()
        self.alpha = alpha

    def check(self, sizes: Sizes) -> None:
        """`alpha >= 0`."""
        self.require(self.alpha >= 0, "alpha", "at least 0")

    def weights(self) -> dict[str, Weight]:
        """`l1: alpha`."""
        return {"l1": Weight(self.alpha)}

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """`z = h` and the sum of its magnitudes."""
        return Code(h, {"l1": Cost(h.abs().sum(1), Sort.PENALTY)})

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same; the tape is `h`."""
        return self(h), h

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """`g + coefficient sign(h)`."""
        return g + cast(Tensor, tape).sign() * wide(coefficients["l1"])


class KLSparse(Bottleneck):
    """Units that are mostly off (Ng 2011): `beta sum_j KL(rho || rho^_j)`, `rho^_j` the mean activation of unit j.

    The code is a sigmoid, whatever the hidden activation, so that a mean activation is a probability. `rho^` is the
    mean over the training set, kept as a running mean whose gradient is the batch's.
    """

    activation = "sigmoid"
    cure = "a smaller beta or a larger rho"
    average: Tensor
    count: Tensor

    def __init__(self, rho: float = 0.05, beta: float = 1.0) -> None:
        super().__init__()
        self.rho, self.beta = rho, beta

    def check(self, sizes: Sizes) -> None:
        """`0 < rho < 1`, `beta >= 0`."""
        self.require(0 < self.rho < 1, "rho", "in (0, 1): it is the share of rows on which a unit is on")
        self.require(self.beta >= 0, "beta", "at least 0")

    def build(self, sizes: Sizes) -> None:
        """The running mean and how many rows it has seen (at most one training set's worth)."""
        self.register_buffer("average", torch.full((sizes.code,), self.rho))
        self.register_buffer("count", torch.zeros(()))
        self.rows = float(sizes.rows)

    def weights(self) -> dict[str, Weight]:
        """`kl_sparse: beta`."""
        return {"kl_sparse": Weight(self.beta)}

    def _blend(self, mean: Tensor, rows: int) -> Tensor:
        old = self.average.to(mean.dtype)
        return old + (mean - old) * (rows / (self.count.to(mean.dtype) + rows).clamp(max=max(self.rows, rows)))

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """`z = h` and the divergence of its running mean."""
        mean = h.mean(0)
        rate = self._blend(mean.detach(), len(h)) + (mean - mean.detach())
        return Code(h, {"kl_sparse": Cost(bernoulli_divergence(self.rho, rate), Sort.STATISTIC)})

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same by hand; the tape is the divergence's slope."""
        rate = self._blend(h.mean(0), len(h))
        inside = rate.clamp(LEAST, 1 - LEAST)
        slope = ((1 - self.rho) / (1 - inside) - self.rho / inside).mul_(inside == rate)
        return Code(h, {"kl_sparse": Cost(bernoulli_divergence(self.rho, rate), Sort.STATISTIC)}), slope

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """Every row's share of the slope."""
        return g + (coefficients["kl_sparse"] / len(g)) * cast(Tensor, tape)

    def observe(self, h: Tensor) -> None:
        """Move the running mean by this batch."""
        self.average.copy_(self._blend(h.mean(0), len(h)))
        self.count.add_(len(h)).clamp_(max=self.rows)


def bernoulli_divergence(rho: float, rate: Tensor) -> Tensor:
    """`sum_j rho log(rho / rate_j) + (1 - rho) log((1 - rho) / (1 - rate_j))`, safe at rates of 0 and 1."""
    rate = rate.clamp(LEAST, 1 - LEAST)
    own = rho * math.log(rho) + (1 - rho) * math.log(1 - rho)
    return (own - rho * rate.log() - (1 - rho) * (1 - rate).log()).sum()
