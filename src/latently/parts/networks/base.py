"""The contract between a network and the training step."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latently.errors import BadParameter
from latently.parts.networks.gemm import Gemm

__all__ = ["Design", "Ends", "Network", "Wrapped"]


class Network(nn.Module):
    """A differentiable map of rows. A subclass writes `plain`; the rest follows by autograd, or is written by hand."""

    inputs: int
    outputs: int
    gemm = Gemm()  #: how products are computed while training
    even = False  #: whether a linear start gives all components of the code one variance
    apart = 0  #: numbers, the last of its output, that are not learned and that no line reaches

    def plain(self, x: Float[Tensor, "rows in_"]) -> Float[Tensor, "rows out"]:
        """The map in ordinary differentiable torch."""
        raise NotImplementedError

    def settle(self, features: Tensor) -> None:
        """Look at training rows, as the door shows them, before the first step."""

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

    def linear(self) -> Network | None:
        """The linear layer that spans input to output, if there is one: where a linear solution may be put."""
        return None

    def begin(self, mean: Float[Tensor, " out"]) -> None:
        """Where outputs may begin: the mean of what they should be."""

    def heads(self) -> list[Network]:
        """The fully connected stacks that end in a code, summed, or begin at one; empty where other layers do."""
        return []

    def forget(self) -> None:
        """Let go of what was kept for `run` and `back` from one step to the next."""

    def low(self, rows: int) -> bool:
        """Whether `run` computes in bfloat16 on batches of `rows`, and takes them so."""
        return False

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


@dataclass(frozen=True)
class Ends:
    """What a pair of networks has to join: numbers in and out, and what is known of the rows."""

    inputs: int  #: features at the door
    delivered: int  #: what the encoder hands the bottleneck
    code: int  #: what the decoder gets
    outputs: int  #: parameters of the likelihood
    rows: int = 1  #: training rows
    last: str | None = None  #: the encoder's last activation, where the bottleneck needs one
    shape: tuple[int, ...] = ()  #: of a row's cells: (channels, height, width) of images
    levels: tuple[int, ...] = ()  #: of each cell that names a category, 0 for numbers
    free: bool = False  #: whether nothing prices, bends or draws the code


@dataclass
class Design:
    """An encoder and a decoder described as data. Subclasses are dataclasses: fields are the options."""

    registry: ClassVar[dict[str, type[Design]]] = {}
    key: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.key = cls.__name__.lower()
        Design.registry[cls.key] = cls

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Options by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Change options; an unknown one raises `BadParameter`."""
        for name, value in params.items():
            if name not in self.get_params():
                known = ", ".join(self.get_params())
                raise BadParameter(f"{type(self).__name__} has no option {name!r}; options: {known}.")
            setattr(self, name, value)
        return self

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        raise NotImplementedError

    def work(self, ends: Ends) -> int:
        """Multiplications a row in one pass through both, for choosing threads."""
        return self.count(ends)

    def plan(self, ends: Ends) -> dict[str, Any]:
        """What "auto" stands for in a plan of training, where these networks ask for something."""
        return {}

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder with fresh weights."""
        raise NotImplementedError
