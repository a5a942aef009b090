"""What a fully connected stack keeps of itself from step to step, and of its way there for the way back."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from latently import native
from latently.parts.networks.activations import Activation
from latently.parts.networks.gemm import Gemm

__all__ = ["Held", "Layer", "Looked", "Triple", "Walked"]

Triple = tuple[Tensor, Tensor, Tensor]  # of a layer: its input, its weights, what its activation needs


class Layer(NamedTuple):
    """What a step needs of a layer: weights and bias without their history, and where gradients are added."""

    w: Tensor
    b: Tensor
    w_grad: Tensor
    b_grad: Tensor
    act: Activation
    relu: bool
    direct: bool  #: whether its products go to oneDNN


class Held(NamedTuple):
    """The layers, and what tells that they are still in their place: the last bias's gradient, and where it lies."""

    layers: list[Layer]
    grad: Tensor | None
    place: int
    gemm: Gemm
    stack: native.Stack | None  #: the layers as our own kernels take them, where they do
    bare: list[native.Stack]  #: each layer's product alone, once somebody asks for it


class Walked(NamedTuple):
    """The tape of those kernels."""

    x: Tensor
    y: Tensor
    kept: Tensor
    low: bool

    def without_last(self, layer: Layer) -> tuple[Triple, Walked | None]:
        """Of the last layer what torch's tape, a list of triples, holds; the tape of the layers before."""
        rows, width = len(self.x), layer.w.shape[1]
        if not len(self.kept):
            return (self.x, layer.w, self.y), None
        start = len(self.kept) - rows * native.padded(width)
        x = self.kept[start:].view(rows, -1)[:, :width].contiguous()
        return (x, layer.w, self.y), Walked(self.x, x, self.kept[:start], self.low)


class Looked(NamedTuple):
    """The tape where the input had few entries: of the first layer, of those behind it."""

    first: Triple
    rest: Any
