"""The contract between a network and the training step."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Network", "Wrapped"]


class Network(nn.Module):
    """A differentiable map of rows. A subclass writes `plain`; the rest follows by autograd, or is written by hand."""

    inputs: int
    outputs: int

    def plain(self, x: Float[Tensor, "rows in_"]) -> Float[Tensor, "rows out"]:
        """The map in ordinary differentiable torch."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """The same as `plain`."""
        return self.plain(x)

    def run(self, x: Tensor) -> tuple[Tensor, Any]:
        """The map outside autograd, and a tape that `back` can read."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            y = self.plain(leaf)
        return y.detach(), (leaf, y)

    def back(self, tape: Any, g: Tensor, to_input: bool = True) -> Tensor | None:
        """Add the gradients of the parameters to their `.grad`; return the gradient at the input."""
        leaf, y = tape
        y.backward(g)
        return leaf.grad if to_input else None

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """`J(x) v`, row by row, differentiable in the parameters."""
        return torch.func.jvp(self.plain, (x,), (v,))[1]  # type: ignore[no-any-return]

    def jacobian(self, x: Tensor) -> Float[Tensor, "rows out in_"]:
        """`dy/dx` of every row, differentiable in the parameters."""
        one = torch.func.jacrev(lambda row: self.plain(row[None])[0])
        return torch.func.vmap(one)(x)  # type: ignore[no-any-return]

    def contraction(self, x: Tensor) -> Tensor | None:
        """`||J(x)||_F^2` of every row in closed form, differentiable; None where there is none."""
        return None

    def linear(self) -> Network | None:
        """The linear layer that spans input to output, if there is one: where a linear solution may be put."""
        return None

    def stack(self) -> list[str]:
        """The layers, one line each, for people."""
        return [f"{self.inputs} -> {self.outputs} {type(self).__name__.lower()}"]


class Wrapped(Network):
    """Somebody's torch module as a network."""

    def __init__(self, module: nn.Module, inputs: int, outputs: int) -> None:
        super().__init__()
        self.module, self.inputs, self.outputs = module, inputs, outputs

    def plain(self, x: Tensor) -> Tensor:
        """The module's own forward, on a copy: its first layer may work in place."""
        return self.module(x.clone())  # type: ignore[no-any-return]
