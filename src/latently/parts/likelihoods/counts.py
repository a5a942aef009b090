"""Likelihoods of counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from latently.parts.likelihoods.base import Likelihood
from latently.values import Sizes

__all__ = ["Multinomial"]


class Multinomial(Likelihood):
    """`-x_j log p_j`, `p = softmax(params + log usual)`: words drawn one after the other, in the order that they have.

    `length`: how many things a row holds in the mean, which is what `mean` and `sample` make, for the likelihood knows
    shares alone. `usual`: the share of each cell when nothing is known of a row, so that a decoder that says nothing
    says this; None: all alike.
    """

    base: Tensor
    unit: Tensor

    def __init__(self, length: float = 100.0, usual: Sequence[float] | None = None) -> None:
        super().__init__()
        self.length, self.usual = length, usual

    def check(self, sizes: Sizes) -> None:
        """A positive length; a positive share for each cell."""
        self.require(self.length > 0, "length", "positive")
        fits = self.usual is None or (len(self.usual) == sizes.cells and min(self.usual) > 0)
        self.require(fits, "usual", "a positive share for each cell")

    def build(self, sizes: Sizes) -> None:
        """Logarithms of the usual shares, and the unit of comparisons."""
        usual = torch.full((sizes.cells,), 1.0) if self.usual is None else torch.tensor(self.usual)
        usual = usual / usual.sum()
        self.register_buffer("base", usual.log(), persistent=False)
        self.register_buffer("unit", (self.length / usual).sqrt(), persistent=False)

    def extra_repr(self) -> str:
        """The length: shares are as many as cells."""
        return f"length={self.length!r}"

    def logs(self, params: Tensor) -> Tensor:
        """Log-probability of each cell."""
        return (params + self.base).log_softmax(1)

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Cross-entropy, as often as the cell counts."""
        return -x * self.logs(params)

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand."""
        logs = self.logs(params)
        return -x * logs, (x, logs)

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """`p` as often as the row counts, less the counts."""
        x, logs = tape
        x = x * coefficient
        return logs.exp_().mul_(x.sum(1, keepdim=True)).sub_(x)  # type: ignore[no-any-return]

    def mean(self, params: Tensor) -> Tensor:
        """Expected counts in a row of mean length."""
        return self.logs(params).exp() * self.length

    def expected(self, params: Tensor) -> Tensor:
        """Shares in units of what chance does to them, `(share_j / usual_j) sqrt(usual_j length)`."""
        return self.logs(params).exp() * self.unit

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """Counts of a row of mean length."""
        p = self.logs(params).exp()
        drawn = torch.multinomial(p, max(1, round(self.length)), replacement=True, generator=rng)
        return torch.zeros_like(p).scatter_add_(1, drawn, torch.ones_like(drawn, dtype=p.dtype))
