"""The contract of a likelihood: nats per cell, the mean that a user is shown, a draw."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from latently.parts.part import Part

__all__ = ["LIMIT", "Likelihood", "bounded"]

LIMIT = 8.0  #: nats


class Likelihood(Part):
    """`-log p(x | params)` of every cell. It alone decides what the decoder's output means."""

    linear = False  #: the mean is the decoder's output itself, so a linear start is a PCA
    measured = True  #: whether a squared error between cells and `expected` means anything

    def width(self, cells: int) -> int:
        """How many numbers the decoder must deliver for this many cells."""
        return cells

    def each(
        self, x: Float[Tensor, "rows *cells"], params: Float[Tensor, "rows *params"]
    ) -> Float[Tensor, "rows *cells"]:
        """Nats of every cell, differentiable."""
        raise NotImplementedError

    def mean(self, params: Tensor) -> Float[Tensor, "rows *cells"]:
        """The value to show for every cell, in model units."""
        return params

    def expected(self, params: Tensor) -> Float[Tensor, "rows features"]:
        """What a squared error can be taken of: means of numbers, probabilities of levels."""
        return self.mean(params).flatten(1)

    def features(self, cells: int) -> list[int]:
        """How many numbers of `expected` each cell has."""
        return [1] * cells

    def sample(self, params: Tensor, rng: torch.Generator) -> Float[Tensor, "rows *cells"]:
        """A draw for every cell."""
        raise NotImplementedError

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """`each` outside autograd, and a tape for `back`. `rng`: of a step of training, for a part that spoils it."""
        with torch.enable_grad():
            leaf = params.detach().requires_grad_()
            each = self.each(x, leaf)
        return each.detach(), (leaf, each)

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """The gradient at `params` when cell nats count `coefficient` (a number, or broadcastable to the cells)."""
        leaf, each = tape
        with torch.enable_grad():
            (each * coefficient).sum().backward()
        return leaf.grad  # type: ignore[no-any-return]


def bounded(raw: Tensor) -> Tensor:
    """A log-variance kept within +-`LIMIT` nats, smoothly."""
    return LIMIT * torch.tanh(raw / LIMIT)
