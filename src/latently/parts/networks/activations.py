"""Activation functions: forward, backward by hand, and a slope that can itself be differentiated."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from latently.errors import BadParameter

__all__ = ["ACTIVATIONS", "Activation"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda a: a,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "celu": functional.celu,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "hardtanh": functional.hardtanh,
    "leaky_relu": functional.leaky_relu,
    "logsigmoid": functional.logsigmoid,
    "mish": functional.mish,
    "relu6": functional.relu6,
    "selu": functional.selu,
    "silu": functional.silu,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "tanhshrink": functional.tanhshrink,
}
_BACK: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "linear": lambda g, y: g,
    "relu": lambda g, y: torch.ops.aten.threshold_backward(g, y, 0),
    "sigmoid": lambda g, y: torch.ops.aten.sigmoid_backward(g, y),
    "tanh": lambda g, y: torch.ops.aten.tanh_backward(g, y),
}
_SLOPE: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": torch.ones_like,
    "relu": lambda a: (a > 0).to(a.dtype),
    "sigmoid": lambda a: torch.sigmoid(a) * (1 - torch.sigmoid(a)),
    "tanh": lambda a: 1 - torch.tanh(a).square(),
}


class Activation:
    """An elementwise function `y = g(a)` known by name."""

    def __init__(self, name: str) -> None:
        if name not in ACTIVATIONS:
            raise BadParameter(f"unknown activation {name!r}; known: {', '.join(sorted(ACTIVATIONS))}.")
        self.name = name
        self.from_output = name in _BACK  # g' is a function of y alone, so `a` need not be kept

    def __call__(self, a: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](a)

    def back(self, g: Tensor, kept: Tensor) -> Tensor:
        """The gradient at `a`, from the one at `y`; `kept` is y where `from_output`, else a."""
        if self.from_output:
            return _BACK[self.name](g, kept)
        with torch.enable_grad():
            leaf = kept.detach().requires_grad_()
            return torch.autograd.grad(self(leaf), leaf, g)[0]

    def slope(self, a: Tensor) -> Tensor:
        """`g'(a)`, differentiable."""
        if self.name in _SLOPE:
            return _SLOPE[self.name](a)
        with torch.enable_grad():
            leaf = a if a.requires_grad else a.detach().requires_grad_()
            return torch.autograd.grad(self(leaf).sum(), leaf, create_graph=True)[0]
