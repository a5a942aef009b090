"""A code of whole steps, priced by the bits that it takes to write it down."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latently.parts.bottlenecks import Bottleneck, Coefficients, wide
from latently.values import Code, Cost, Sizes, Sort, Weight

__all__ = ["Rounded"]

NARROWEST = 0.05  # of a step: units of less spread cost nothing worth counting, and their logarithms would overflow


class Rounded(Bottleneck):
    """`z = step round(h / step)`, priced by the nats of a factorised Laplace (Balle 2017: noise stands for rounding).

    While training, uniform noise of one step takes the place of rounding, so that rate and error are differentiable.
    Each unit's spread is its running mean magnitude, the Laplace scale of greatest likelihood (one step, until the
    first batch was seen). `step` is in units of
    the code. `beta="auto"` is `step^2 / 6`: with a summed squared error, the price at which a finer step would buy as
    much error as it costs rate (the error of rounding, `step^2 / 12`, falls by `e^-2` for each nat).
    """

    cure = "a smaller step"
    spread: Tensor
    count: Tensor

    def __init__(self, step: float = 0.25, beta: float | Literal["auto"] = "auto") -> None:
        super().__init__()
        self.step, self.beta = step, beta

    def check(self, sizes: Sizes) -> None:
        """`step > 0`, `beta >= 0`."""
        self.require(self.step > 0, "step", "positive")
        self.require(self.beta == "auto" or float(self.beta) >= 0, "beta", "at least 0, or 'auto'")

    def build(self, sizes: Sizes) -> None:
        """The spread of each unit, in steps, and how many rows it has seen (at most one training set's worth)."""
        self.register_buffer("spread", torch.ones(sizes.code))
        self.register_buffer("count", torch.zeros(()))
        self.rows = float(sizes.rows)

    def weights(self) -> dict[str, Weight]:
        """`rate: beta`."""
        return {"rate": Weight(self.step**2 / 6 if self.beta == "auto" else float(self.beta))}

    def symbols(self, h: Tensor) -> Float[Tensor, "rows code"]:
        """Whole numbers of steps."""
        return (h / self.step).round()

    def nats(self, z: Tensor, spread: Tensor) -> Float[Tensor, "rows code"]:
        """`-log P` of the step around each `z` when `|z| / step` has a mean of `spread`."""
        y, b = z.abs() / self.step, spread.clamp(min=NARROWEST)
        outer = (y - 0.5) / b + math.log(2) - torch.log1p(-torch.exp(-1 / b))
        near = y.clamp(max=0.5)
        inner = 0.5 * (torch.exp((near - 0.5) / b) + torch.exp(-(near + 0.5) / b))
        return torch.where(y > 0.5, outer, -torch.log1p(-inner))

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """The code rounded (its gradient passes straight through), or with noise, and its rate."""
        if rng is None:
            z = h + (self.symbols(h) * self.step - h).detach()
        else:
            z = h + self.step * (torch.rand(h.shape, generator=rng, dtype=h.dtype, device=h.device) - 0.5)
        return Code(z, {"rate": Cost(self.nats(z, self.spread.to(h.dtype)).sum(1), Sort.NATS)})

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same by hand; the tape is the code."""
        code = self(h, rng)
        return code, code.z

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """`g` and the slope of the rate."""
        z: Tensor = tape
        y, b = z.abs() / self.step, self.spread.to(z.dtype).clamp(min=NARROWEST)
        near = y.clamp(max=0.5)
        up, down = torch.exp((near - 0.5) / b), torch.exp(-(near + 0.5) / b)
        slope = torch.where(y > 0.5, 1.0, 0.5 * (up - down) / (1 - 0.5 * (up + down))) * z.sign() / (b * self.step)
        return g + slope * wide(coefficients["rate"])

    def observe(self, z: Tensor) -> None:
        """Move the running spread by this batch."""
        share = len(z) / (self.count + len(z)).clamp(max=max(self.rows, len(z)))
        self.spread.lerp_((z.abs().mean(0) / self.step).to(self.spread.dtype), share)
        self.count.add_(len(z)).clamp_(max=self.rows)
