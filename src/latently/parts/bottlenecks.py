"""What stands between encoder and decoder: it turns `h` into the code `z`, and may ask a price for it.

Each has a differentiable `forward`, and the pair `run` and `back` that the training step walks; the base class makes
the pair from `forward` by autograd on a detached leaf, the cheap ones write it by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from latently.parts.part import Part
from latently.values import Code, Cost, Sizes, Sort, Weight

__all__ = ["Bottleneck", "Coefficients", "Identity", "Normal", "wide"]

DEAD_SHARE = 0.1  # of the units: fewer are no cause for alarm
COLLAPSED = 0.01  # nats: a unit that carries less says nothing of the input

Coefficients = Mapping[str, Tensor | float]


def wide(coefficient: Tensor | float) -> Tensor | float:
    """One coefficient for all rows or one for each, as it multiplies rows of units."""
    return coefficient.unsqueeze(-1) if isinstance(coefficient, Tensor) and coefficient.ndim else coefficient


class Bottleneck(Part):
    """`h` to `z`. `activation` is the encoder's last one; None leaves it to the network (linear by default)."""

    activation: str | None = None
    whiten = False  #: whether a linear start should give the codes unit variance
    priced = True  #: whether an overcomplete code is restrained by this part
    settles = False  #: whether `settle` wants to see what a finished encoder delivers
    kept: int | None = None  #: how many units of a row may be on, where that is fixed
    cure = "a smaller learning_rate"  #: what to try against units that are dead

    def inputs(self, code: int) -> int:
        """How many numbers the encoder must deliver for a code of this width."""
        return code

    def forward(self, h: Float[Tensor, "rows in_"], rng: torch.Generator | None = None) -> Code:
        """The code and its raw costs; without `rng` nothing is drawn (the posterior mean)."""
        raise NotImplementedError

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """`forward` outside autograd, and a tape for `back`."""
        with torch.enable_grad():
            leaf = h.detach().requires_grad_()
            code = self(leaf, rng)
        outside = {name: Cost(c.value.detach(), c.sort) for name, c in code.costs.items()}
        return Code(code.z.detach(), outside), (leaf, code)

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """The gradient at `h`, from `g` at `z` and one coefficient for each cost (or a row of it)."""
        leaf, code = tape
        with torch.enable_grad():
            total = (code.z * g).sum()
            for name, cost in code.costs.items():
                total = total + (cost.value * coefficients[name]).sum()
            total.backward()
        return leaf.grad  # type: ignore[no-any-return]

    def observe(self, h: Tensor) -> None:
        """Take note of what the encoder delivered for a training batch (running means)."""

    def noted(self) -> dict[str, Tensor]:
        """Figures besides the costs that the history should keep of an epoch, as they are at its end."""
        return {}

    def settle(self, h: Float[Tensor, "rows in_"]) -> None:
        """Fix what inference needs to know, from what the finished encoder delivers for held-out rows, if there are."""

    def agree(self, others: Sequence[Bottleneck]) -> None:
        """Fix it instead as these did, of fits like this one that held out all rows between them."""

    def nearest(self, z: Float[Tensor, "rows code"]) -> Float[Tensor, "rows code"]:
        """What to decode instead of a code that no encoder made: the nearest one that the decoder may know."""
        return z

    def complaints(self, h: Tensor) -> list[tuple[str, str]]:
        """What is wrong with the units of a fitted model, as name and message with a cure; `h` of some rows."""
        z = self(h).z
        dead = int((z.std(0, correction=0) <= 1e-6 * z.abs().max()).sum())
        if dead <= DEAD_SHARE * z.shape[1]:
            return []
        message = f"{dead} of {z.shape[1]} units are the same for every row. Try {self.cure}, or fewer components."
        return [("dead units", message)]


class Identity(Bottleneck):
    """`z = h`, free of charge: the undercomplete autoencoder's."""

    priced = False

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """`z = h`."""
        return Code(h)

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """`z = h`."""
        return Code(h), None

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """The gradient itself."""
        return g


class Normal(Bottleneck):
    """A diagonal normal code, reparameterised: `z = mu + sigma eps`, priced `beta KL(q(z|x) || N(0, I))` nats.

    `warmup` is the share of the run over which beta grows from 0; `free_bits` is a floor, in nats a unit, under which
    the batch's mean KL costs nothing (Kingma 2016), with `pooled` the mean KL of all units together. With
    `analytic=False` the price is `log q(z|x) - log p(z)` at the drawn z, as importance weighting needs it.
    Log-variances are bounded to +-8 nats, smoothly.
    """

    whiten = True
    LIMIT = 8.0

    def __init__(
        self, beta: float = 1.0, warmup: float = 0.0, free_bits: float = 0.0, analytic: bool = True,
        pooled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.beta, self.warmup, self.free_bits, self.analytic, self.pooled = beta, warmup, free_bits, analytic, pooled

    def check(self, sizes: Sizes) -> None:
        """`beta >= 0`, `0 <= warmup <= 1`, `free_bits >= 0`."""
        self.require(self.beta >= 0, "beta", "at least 0")
        self.require(0 <= self.warmup <= 1, "warmup", "in [0, 1]: a share of the run")
        self.require(self.free_bits >= 0, "free_bits", "at least 0 nats a unit")

    def inputs(self, code: int) -> int:
        """Means, then log-variances."""
        return 2 * code

    def weights(self) -> dict[str, Weight]:
        """`kl: beta` and the same for the floor."""
        weight = Weight(self.beta, self.warmup)
        return {"kl": weight, "free_bits": weight} if self.free_bits else {"kl": weight}

    def moments(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """`mu` and the bounded log-variance."""
        mu, raw = h.chunk(2, dim=1)
        return mu, self.LIMIT * torch.tanh(raw / self.LIMIT)

    def complaints(self, h: Tensor) -> list[tuple[str, str]]:
        """Collapse: half of the units or more carry no information."""
        nats, units = self.each(h).mean(0), h.shape[1] // 2
        idle = int((nats < COLLAPSED).sum())
        if idle < units / 2 or (self.pooled and float(nats.mean()) >= COLLAPSED):
            return []
        cure = "more epochs" if self.free_bits else "a longer warmup, free_bits=0.1"
        return [(
            "posterior collapse",
            f"{idle} of {units} units carry less than {COLLAPSED} nats: they ignore the input. Try {cure}, "
            "a smaller beta, or fewer components.",
        )]  # fmt: skip

    def each(self, h: Tensor) -> Float[Tensor, "rows code"]:
        """`KL(q(z_j|x) || N(0, 1))` of every unit, nats."""
        mu, v = self.moments(h)
        return 0.5 * (mu.square() + v.exp() - 1 - v)

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """A draw (the mean without `rng`) and its price."""
        mu, v = self.moments(h)
        each = 0.5 * (mu.square() + v.exp() - 1 - v)
        z, price = mu, each.sum(1)
        if rng is not None:
            eps = torch.empty_like(mu).normal_(generator=rng)
            z = mu + (0.5 * v).exp() * eps
            if not self.analytic:
                price = 0.5 * (z.square() - v - eps.square()).sum(1)
        costs = {"kl": Cost(price, Sort.NATS)}
        if self.free_bits:
            short = self.free_bits - each.mean(0)
            costs["free_bits"] = Cost((short.sum() if self.pooled else short).relu().sum(), Sort.STATISTIC)
        return Code(z, costs)

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same by hand."""
        units, drawn = h.shape[1] // 2, rng is not None and not self.analytic
        mu, p = h[:, :units], (h[:, units:] * (2 / self.LIMIT)).sigmoid_()  # v = LIMIT (2 p - 1)
        half = torch.rsub(p, -0.5 * self.LIMIT, alpha=-self.LIMIT)  # of v
        s = half.exp()
        w = torch.zeros_like(s) if rng is None else torch.empty_like(s).normal_(generator=rng)
        lost = w.square().add_(half, alpha=2) if drawn else None
        z, over, floor = mu + w.mul_(s), s.square_().sub_(1), None
        twice = torch.addcmul(over, mu, mu).sub_(half, alpha=2)
        price = (twice if lost is None else z.square().sub_(lost)).sum(1).mul_(0.5)
        costs = {"kl": Cost(price, Sort.NATS)}
        if self.free_bits:
            short = self.free_bits - 0.5 * twice.mean(0)
            floor = (short.sum() if self.pooled else short).relu_()
            costs["free_bits"] = Cost(floor.sum(), Sort.STATISTIC)
        return Code(z, costs), (mu, p, over, w, z if drawn else None, floor)

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """`g + k mu`, and `(g sigma eps + k (sigma^2 - 1)) / 2` through the bound; k with what the floor takes away."""
        mu, p, over, w, z, floor = tape
        k = wide(coefficients["kl"])
        pull = k if z is None else 0.0
        if floor is not None:
            pull = pull - (coefficients["free_bits"] / len(g)) * floor.sign()
        g = g if z is None else g + k * z
        at_v = over.mul_(2 * pull).addcmul_(g, w, value=2)  # four times: the slope of v is 4 p (1 - p)
        if z is not None:
            at_v -= 2 * k
        return torch.cat(((mu * pull).add_(g), torch.ops.aten.sigmoid_backward(at_v, p)), 1)
