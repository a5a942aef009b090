"""Encoder and decoder of images: filters and strides into a code, and out of it again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.parts.networks.activations import Activation
from latently.parts.networks.base import Ends, Network
from latently.parts.networks.filters import Block, Filters, Grid
from latently.parts.networks.mlp import MLP

__all__ = ["Layers", "Reader", "Writer"]

LOW_FROM = 2**14  # cells of a batch: with fewer, casting to bfloat16 costs what it saves
AT_ONCE = 2**18  # cells predicted at once: activations of that many stay near the cache


class _Filtering(Network):
    """What encoder and decoder share: precision, a tape by autograd, prediction in pieces that fit the cache."""

    grid: Grid
    even = True  # learns faster: .68 of PCA's error in place of .70 after as many steps

    def _map(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def plain(self, x: Tensor) -> Tensor:
        """The map in ordinary torch; where nothing is to be differentiated, so many rows at a time."""
        size = max(1, AT_ONCE // self.grid.cells)
        size = 1 << (size.bit_length() - 1)  # the fixed shapes of inference are powers of two as well
        if torch.is_grad_enabled() or len(x) <= size:
            return self._map(x)
        return torch.cat([self._map(part) for part in x.split(size)])

    def low(self, rows: int) -> bool:
        """Whether `run` computes in bfloat16."""
        return self.gemm.low_from is not None and rows * self.grid.cells >= LOW_FROM

    def run(self, x: Tensor) -> tuple[Tensor, Any]:
        """Forward in the precision of training; the tape is autograd's."""
        low = x.dtype == torch.bfloat16 or self.low(len(x))
        with torch.enable_grad():
            leaf = (x.bfloat16() if low else x).detach().requires_grad_()
            y = self._map(leaf)
        return (y.detach().float() if low else y.detach()), (leaf, y)

    def back(self, tape: Any, g: Tensor, to_input: bool = True) -> Tensor | None:
        """Backward by autograd, the gradient at the input only where it is wanted."""
        leaf, y = tape
        wanted = [p for p in self.parameters() if p.requires_grad]
        torch.autograd.backward(y, g.to(y.dtype), inputs=[*wanted, leaf] if to_input else wanted)
        return leaf.grad.to(wanted[0].dtype) if to_input else None

    def work(self) -> int:
        """Multiplications a row."""
        raise NotImplementedError


def _dense(stack: MLP, x: Tensor) -> Tensor:
    """A fully connected stack in the precision of `x`."""
    for w, b, act in zip(stack.weights, stack.biases, stack.activations, strict=True):
        x = act(functional.linear(x, w.to(x.dtype), b.to(x.dtype)))
    return x


@dataclass(frozen=True)
class Layers:
    """What stands between image and code."""

    widths: tuple[int, ...]  #: filters of each stage
    blocks: int  #: residual blocks of each stage
    hidden: tuple[int, ...]  #: width of a fully connected layer, if there is one
    activation: str
    sides: tuple[int, int] = (3, 3)  #: of a filter


class Reader(_Filtering):
    """From an image to a code: a fold, filters, residual blocks and strides, `head`."""

    def __init__(self, grid: Grid, ends: Ends, layers: Layers, last: str) -> None:
        super().__init__()
        widths, activation = layers.widths, layers.activation
        self.grid, self.inputs, self.outputs = grid, ends.inputs, ends.delivered
        patch = ends.inputs // (grid.height * grid.width) * grid.strides[0][0] * grid.strides[0][1]
        (h, w), self.activation = grid.sizes()[-1], Activation(activation)
        pairs = zip(widths, widths[1:], grid.strides[1:], strict=False)
        self.down = nn.ModuleList(
            [Filters(patch, widths[0], layers.sides), *(Filters(a, b, layers.sides, s) for a, b, s in pairs)]
        )
        self.stages = _stages(layers)
        self.head = MLP((widths[-1] * h * w, *layers.hidden, ends.delivered), activation, last)

    def start(self, rng: torch.Generator, zero_last: bool) -> Reader:
        """Draw the weights; biases start at zero, and with `zero_last` the code does."""
        _start(self, rng, self.activation.name)
        self.head.start(rng, zero_last)
        return self

    def _map(self, x: Tensor) -> Tensor:
        x = self.grid.fold(x)
        for i, (down, blocks) in enumerate(zip(self.down, self.stages, strict=True)):
            x = blocks(down(self.activation(x) if i else x))
        return _dense(self.head, self.activation(x).permute(0, 2, 3, 1).flatten(1))

    def joints(self) -> list[Filters]:
        """The filters into each stage."""
        return cast(list[Filters], list(self.down))

    def heads(self) -> list[Network]:
        """The last layers, fully connected."""
        return [self.head]

    def work(self) -> int:
        """Multiplications a row."""
        return _work(self) + sum(w.numel() for w in self.head.matrices())

    def stack(self) -> list[str]:
        """The image's shape at each stage."""
        sizes = [f"{f.weight.shape[0]}x{h}x{w}" for f, (h, w) in zip(self.joints(), self.grid.sizes(), strict=True)]
        shape = f"{self.inputs // (self.grid.height * self.grid.width)}x{self.grid.height}x{self.grid.width}"
        sides = [shape, *sizes, *map(str, self.head.widths[1:-1]), f"{self.outputs} {self.head.activations[-1].name}"]
        return [f"{a} -> {b}" for a, b in itertools.pairwise(sides)]


class Writer(_Filtering):
    """From a code to an image: `head`, residual blocks, and 1x1 filters whose channels become pixels (Shi 2016)."""

    def __init__(self, grid: Grid, ends: Ends, layers: Layers) -> None:
        super().__init__()
        widths, activation = layers.widths, layers.activation
        self.grid, self.inputs, self.outputs = grid, ends.code, ends.outputs
        patch = ends.outputs // (grid.height * grid.width) * grid.strides[0][0] * grid.strides[0][1]
        (self.height, self.width), self.activation = grid.sizes()[-1], Activation(activation)
        flat = widths[-1] * self.height * self.width
        self.head = MLP((ends.code, *layers.hidden, flat), activation, activation)
        self.stages = _stages(layers)
        pairs = zip(widths, widths[1:], grid.strides[1:], strict=False)
        self.up = nn.ModuleList(
            [Filters(widths[0], patch, layers.sides), *(Filters(b, a * s[0] * s[1], (1, 1)) for a, b, s in pairs)]
        )

    def start(self, rng: torch.Generator, zero_last: bool) -> Writer:
        """Draw the weights; biases start at zero, and with `zero_last` the image does."""
        _start(self, rng, self.activation.name)
        self.head.start(rng)
        if zero_last:
            nn.init.zeros_(self.joints()[0].weight)
        return self

    def _map(self, x: Tensor) -> Tensor:
        x = _dense(self.head, x).view(len(x), self.height, self.width, -1).permute(0, 3, 1, 2)
        for i in range(len(self.stages) - 1, -1, -1):
            x = self.up[i](self.activation(self.stages[i](x)))
            x = self.grid.widen(x, i) if i else x
        return self.grid.unfold(x)

    def joints(self) -> list[Filters]:
        """The filters out of each stage."""
        return cast(list[Filters], list(self.up))

    def heads(self) -> list[Network]:
        """The first layers, fully connected."""
        return [self.head]

    def work(self) -> int:
        """Multiplications a row."""
        return _work(self) + sum(w.numel() for w in self.head.matrices())

    def stack(self) -> list[str]:
        """The image's shape at each stage."""
        sizes = [f"{f.weight.shape[1]}x{h}x{w}" for f, (h, w) in zip(self.joints(), self.grid.sizes(), strict=True)]
        sides = [*map(str, self.head.widths[:-1]), *reversed(sizes), f"{self.outputs}"]
        return [f"{a} -> {b}" for a, b in itertools.pairwise(sides)]


def _stages(layers: Layers) -> nn.ModuleList:
    g, n = layers.activation, range(layers.blocks)
    return nn.ModuleList([nn.Sequential(*(Block(width, g, layers.sides) for _ in n)) for width in layers.widths])


def _start(network: Reader | Writer, rng: torch.Generator, activation: str) -> None:
    for module in network.modules():
        if isinstance(module, Filters):
            module.start(rng, activation)
    for module in network.modules():
        if isinstance(module, Block):
            nn.init.zeros_(module.second.weight)


def _work(network: Reader | Writer) -> int:
    total, sizes = 0, network.grid.sizes()
    for joint, blocks, (h, w) in zip(network.joints(), network.stages, sizes, strict=True):
        total += h * w * sum(p.numel() for m in (joint, blocks) for p in m.parameters())
    return total
