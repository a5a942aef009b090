"""Likelihoods of numbers."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from latently.parts.likelihoods.base import LIMIT, Likelihood, bounded
from latently.values import Sizes

__all__ = ["AbsoluteError", "Gaussian", "Huber", "Laplace", "SquaredError"]

Scale = float | Literal["learned", "per_feature"]
Level = Tensor | float


class SquaredError(Likelihood):
    """`(x - x^)^2`, the lecture's `||x - x^||^2` when summed over a row.

    These are the nats of a normal of variance 1/2, up to a constant. With `mean=True` each is divided by the
    number of cells (`loss="mean_squared_error"`).
    """

    linear = True

    def __init__(self, mean: bool = False) -> None:
        super().__init__()
        self.divided = mean
        self.factor = 1.0

    def options(self) -> dict[str, Any]:
        """`mean`."""
        return {"mean": self.divided}

    def build(self, sizes: Sizes) -> None:
        """The factor of each cell."""
        self.factor = 1.0 / sizes.cells if self.divided else 1.0

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Squared difference."""
        each = (params - x).square()
        return each if self.factor == 1 else each * self.factor

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand."""
        r = params - x
        each = r.square()
        return (each if self.factor == 1 else each.mul_(self.factor)), r

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """`2 (x^ - x)`."""
        return tape.mul_(coefficient * (2 * self.factor))  # type: ignore[no-any-return]

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """The mean: a squared error names no spread worth drawing from."""
        return params


class AbsoluteError(Likelihood):
    """`|x - x^|`, the L1 loss: robust to gross errors in single cells."""

    linear = True

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Absolute difference."""
        return (params - x).abs()

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand."""
        r = params - x
        return r.abs(), r

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """The sign of the difference."""
        return tape.sign_().mul_(coefficient)  # type: ignore[no-any-return]

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """The median."""
        return params


class Huber(Likelihood):
    """`r^2 / 2` up to `|r| = delta`, then `delta (|r| - delta / 2)`; delta in model units."""

    linear = True

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = delta

    def check(self, sizes: Sizes) -> None:
        """`delta > 0`."""
        self.require(self.delta > 0, "delta", "positive")

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Huber's function of the difference."""
        return nn.functional.huber_loss(params, x, reduction="none", delta=self.delta)

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand."""
        return self.each(x, params), params - x

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """The difference, cut off at `delta`."""
        return tape.clamp_(-self.delta, self.delta).mul_(coefficient)  # type: ignore[no-any-return]

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """The location."""
        return params


class _Scaled(Likelihood):
    """A location family whose spread is given, learned as one number, or learned per feature."""

    linear = True
    spread: Tensor

    def __init__(self, scale: Scale = "learned") -> None:
        super().__init__()
        self.scale = scale

    def check(self, sizes: Sizes) -> None:
        """A positive number or one of two words."""
        known = self.scale in ("learned", "per_feature") if isinstance(self.scale, str) else self.scale > 0
        self.require(known, "scale", "a positive number, 'learned' or 'per_feature'")

    def build(self, sizes: Sizes) -> None:
        """The log of the squared scale: a constant or a parameter."""
        if isinstance(self.scale, str):
            self.spread = nn.Parameter(torch.zeros(sizes.cells if self.scale == "per_feature" else 1))
        else:
            self.register_buffer("spread", torch.tensor([2 * math.log(self.scale)]))

    def log_variance(self) -> Tensor:
        """Twice the log of the scale, bounded where it is learned."""
        return bounded(self.spread) if isinstance(self.scale, str) else self.spread

    def _level(self) -> Level:
        """`log_variance` outside autograd: a number where that is read at less cost than worked on."""
        if self.spread.numel() > 1 or self.spread.device.type != "cpu":
            return self.log_variance().detach()
        raw = self.spread.item()
        return LIMIT * math.tanh(raw / LIMIT) if isinstance(self.scale, str) else raw

    def _nats(self, r: Tensor, v: Level) -> Tensor:
        """Nats of differences `r`."""
        raise NotImplementedError

    def _slope(self, r: Tensor, v: Level, coefficient: Level) -> Tensor:
        """Their derivative in `r`, times the coefficient. That in `v` is half of what `r` times this lacks of one."""
        raise NotImplementedError

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand."""
        r, v = params - x, self._level()
        return self._nats(r, v), (r, v)

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """The slope, and the gradient of the scale."""
        r, v = tape
        g = self._slope(r, v, coefficient)
        if isinstance(self.scale, str):
            size, share = self.spread.shape, coefficient
            whole = share.expand_as(r).sum_to_size(size) if isinstance(share, Tensor) else share * r.numel() / size[0]
            found = torch.dot(r.view(-1), g.view(-1)) if size[0] == 1 else r.mul_(g).sum_to_size(size)
            lacks = float(whole) - float(found) if isinstance(v, float) else whole - found
            if self.spread.grad is None:
                self.spread.grad = torch.zeros_like(self.spread)
            self.spread.grad += lacks * (0.5 - 0.5 * (v / LIMIT) ** 2)
        return g


def _exp(v: Level) -> Level:
    return v.exp() if isinstance(v, Tensor) else math.exp(v)


class Gaussian(_Scaled):
    """`(x - mu)^2 / (2 s^2) + log s + log(2 pi) / 2`.

    `scale` is the standard deviation s in model units, or "learned" (one for all cells; the
    default, so that reconstruction and KL balance by themselves), or "per_feature".
    """

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Nats of a normal."""
        v = self.log_variance()
        return 0.5 * ((params - x).square() * (-v).exp() + v + math.log(2 * math.pi))

    def _nats(self, r: Tensor, v: Level) -> Tensor:
        return r.square().mul_(0.5 * _exp(-v)).add_(0.5 * (v + math.log(2 * math.pi)))

    def _slope(self, r: Tensor, v: Level, coefficient: Level) -> Tensor:
        return r * (_exp(-v) * coefficient)

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """A normal draw."""
        return params + (0.5 * self.log_variance()).exp() * torch.empty_like(params).normal_(generator=rng)


class Laplace(_Scaled):
    """`|x - mu| / b + log 2b`; `scale` is b."""

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Nats of a Laplace distribution."""
        half = 0.5 * self.log_variance()
        return (params - x).abs() * (-half).exp() + half + math.log(2)

    def _nats(self, r: Tensor, v: Level) -> Tensor:
        return r.abs().mul_(_exp(-0.5 * v)).add_(0.5 * v + math.log(2))

    def _slope(self, r: Tensor, v: Level, coefficient: Level) -> Tensor:
        return r.sign().mul_(_exp(-0.5 * v) * coefficient)

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """A Laplace draw, from the inverse of its distribution function."""
        u = torch.empty_like(params).uniform_(-1, 1, generator=rng)
        size = torch.log1p(-u.abs().clamp(max=1 - 1e-7))
        return params - (0.5 * self.log_variance()).exp() * u.sign() * size
