"""Prices on the encoder as a map, beside what the bottleneck asks for its code."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latently.parts.networks import MLP, Network
from latently.parts.part import Part
from latently.values import Sizes, Weight

__all__ = ["Contraction", "Penalty"]


class Penalty(Part):
    """A row's price, from the encoder and what it sees. `name` is its key among the costs."""

    name: str
    turned = False  #: whether a linear start should be turned so that signs lose least: the signs are the code

    def forward(
        self, encoder: Network, features: Float[Tensor, "rows in_"], code: int, rng: torch.Generator | None
    ) -> Float[Tensor, " rows"]:
        """The raw price of every row, differentiable in the encoder's parameters."""
        raise NotImplementedError


class Contraction(Penalty):
    """`alpha ||J||_F^2`, J the Jacobian of the code with respect to the input (Rifai 2011).

    `method`: "exact" computes it for any network; "closed" uses the closed form of one layer, or of two layers with a
    linear code; "probe" takes `probes` Rademacher vectors v and averages `||J v||^2`, unbiased, one more forward pass
    each; "auto" is closed where that exists, else one probe. Without a generator the exact value is computed.
    """

    name = "contraction"

    def __init__(
        self,
        alpha: float = 0.1,
        method: Literal["auto", "closed", "exact", "probe"] = "auto",
        probes: int = 1,
    ) -> None:
        super().__init__()
        self.alpha, self.method, self.probes = alpha, method, probes

    def check(self, sizes: Sizes) -> None:
        """`alpha >= 0`, a known method, at least one probe."""
        self.require(self.alpha >= 0, "alpha", "at least 0")
        self.require(self.method in ("auto", "closed", "exact", "probe"), "method", "auto, closed, exact or probe")
        self.require(self.probes >= 1, "probes", "at least 1")

    def weights(self) -> dict[str, Weight]:
        """`contraction: alpha`."""
        return {self.name: Weight(self.alpha)}

    def forward(self, encoder: Network, features: Tensor, code: int, rng: torch.Generator | None) -> Tensor:
        """By the method asked for. An encoder that also delivers variances is measured on its means."""
        whole = encoder.outputs == code
        if whole and self.method in ("auto", "closed"):
            closed = encoder.contraction(features)
            if closed is not None:
                return closed
            self.require(self.method == "auto", "method", "another one: this encoder has no closed form")
        if rng is not None and self.method in ("auto", "probe"):
            return self._probed(encoder, features, code, rng)
        if whole and isinstance(encoder, MLP):
            return encoder.gram(features)
        return encoder.jacobian(features)[:, :code].square().sum((1, 2))

    def _probed(self, encoder: Network, x: Tensor, code: int, rng: torch.Generator) -> Tensor:
        total = x.new_zeros(len(x))
        for _ in range(self.probes):
            v = torch.empty_like(x).bernoulli_(0.5, generator=rng).mul_(2).sub_(1)
            total = total + encoder.tangent(x, v)[:, :code].square().sum(1)
        return total / self.probes
