"""Prices on the encoder as a map, beside what the bottleneck asks for its code."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latently.parts.networks import MLP, Network
from latently.parts.networks.contract import closed, gram, paths, probed
from latently.parts.part import Part
from latently.values import Sizes, Weight

__all__ = ["Contraction", "Penalty"]

ONE = 0x3F800000  # the bits of 1.0


class Penalty(Part):
    """A row's price, from the encoder and what it sees. `name` is its key among the costs."""

    name: str
    outside = False  #: whether it asks an encoder for codes alone, and so may be differentiated outside of it
    turned = False  #: whether a linear start should be turned so that signs lose least: the signs are the code

    def forward(
        self, encoder: Network, features: Float[Tensor, "rows in_"], code: int, rng: torch.Generator | None
    ) -> Float[Tensor, " rows"]:
        """The raw price of every row, differentiable in the encoder's parameters."""
        raise NotImplementedError

    def gradients(
        self, encoder: Network, features: Tensor, tape: Any, code: int, rng: torch.Generator, factor: Tensor | float
    ) -> tuple[Tensor, Tensor | None]:
        """The price of every row, detached, and what is to be added to the gradient at the encoder's output.

        What else `factor` of the price changes is added to the parameters' `.grad`. `tape`: what `encoder.run` has
        left of its pass over the features. By autograd, unless a subclass knows better.
        """
        walker = _Walker(encoder) if self.outside else None
        with torch.enable_grad():
            value = self(walker or encoder, features, code, rng)
            (value * factor).sum().backward()
        if walker is not None:
            walker.back_all()
        return value.detach(), None


class _Walker(Network):
    """An encoder whose passes go by hand: differentiation ends at what it delivers."""

    def __init__(self, encoder: Network) -> None:
        super().__init__()
        self.inputs, self.outputs = encoder.inputs, encoder.outputs
        self._walked, self._passes = [encoder], []  # type: tuple[list[Network], list[tuple[Tensor, Any]]]

    def plain(self, x: Tensor) -> Tensor:
        """A pass of which the way back is kept."""
        with torch.no_grad():
            y, tape = self._walked[0].run(x)
        self._passes.append((y.requires_grad_(), tape))
        return y

    def back_all(self) -> None:
        """Every pass back."""
        for y, tape in self._passes:
            if y.grad is not None:
                self._walked[0].back(tape, y.grad, to_input=False)


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
            found = closed(encoder, features)
            if found is not None:
                return found
            self.require(self.method == "auto", "method", "another one: this encoder has no closed form")
        if rng is not None and self.method in ("auto", "probe"):
            return self._probed(encoder, features, code, rng)
        if whole and isinstance(encoder, MLP):
            return gram(encoder, features)
        return encoder.jacobian(features)[:, :code].square().sum((1, 2))

    def gradients(
        self, encoder: Network, features: Tensor, tape: Any, code: int, rng: torch.Generator, factor: Tensor | float
    ) -> tuple[Tensor, Tensor | None]:
        """Closed forms and probes of fully connected stacks by hand."""
        ways = paths(encoder, tape)
        if len(ways) == 1 and encoder.outputs == code and self.method in ("auto", "closed"):
            found = ways[0].closed(factor)
            if found is not None:
                return found
        if not ways or self.method not in ("auto", "probe"):
            return super().gradients(encoder, features, tape, code, rng, factor)
        total, rest = features.new_zeros(len(features)), None
        for _ in range(self.probes):
            value, more = probed(ways, _signs(features, rng), code, factor / self.probes)
            total += value
            rest = more if rest is None or more is None else rest + more
        return total / self.probes, rest

    def _probed(self, encoder: Network, x: Tensor, code: int, rng: torch.Generator) -> Tensor:
        total = x.new_zeros(len(x))
        for _ in range(self.probes):
            total = total + encoder.tangent(x, _signs(x, rng))[:, :code].square().sum(1)
        return total / self.probes


def _signs(x: Tensor, rng: torch.Generator) -> Tensor:
    """Ones and minus ones by the toss of a coin, 64 tosses of a number drawn: the sign bits of floats."""
    drawn = torch.empty(-(-x.numel() // 64), dtype=torch.int64, device=x.device).random_(-(2**63), None, generator=rng)
    shifts = torch.arange(32, dtype=torch.int32, device=x.device)
    bits = (drawn.view(torch.int32).unsqueeze(1) << shifts).bitwise_and_(-(2**31)).bitwise_or_(ONE)
    return bits.view(torch.float32).flatten()[: x.numel()].view_as(x).to(x.dtype)
