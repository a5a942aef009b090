"""Convolutional encoder and decoder for images of any size, beside a linear path, described as data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.errors import BadParameter
from latently.parts.networks.activations import ACTIVATIONS, Activation
from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.filters import Block, Filters, Grid
from latently.parts.networks.mlp import MLP, Skip

__all__ = ["Conv", "Reader", "Writer"]

HIDDEN = 512  # units between filters and code, half as many with few rows
FEW = 5000
BATCH = 128  # rows: more steps of fewer rows learn more in the same time
BUDGET = 3.6e13  # operations of a default fit: 240 s at 150 a nanosecond, what a core of 2025 makes of small filters
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


class Reader(_Filtering):
    """From an image to `head`'s numbers: a fold, filters, and for each halving residual blocks and a stride."""

    def __init__(self, grid: Grid, ends: Ends, layers: Layers, last: str) -> None:
        super().__init__()
        widths, activation = layers.widths, layers.activation
        self.grid, self.inputs, self.outputs = grid, ends.inputs, ends.delivered
        patch = ends.inputs // (grid.height * grid.width) * grid.strides[0][0] * grid.strides[0][1]
        (h, w), self.activation = grid.sizes()[-1], Activation(activation)
        pairs = zip(widths, widths[1:], grid.strides[1:], strict=False)
        self.down = nn.ModuleList([Filters(patch, widths[0]), *(Filters(a, b, stride=s) for a, b, s in pairs)])
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
        """The last layer, a product."""
        return [self.head]

    def work(self) -> int:
        """Multiplications a row."""
        return _work(self) + sum(w.numel() for w in self.head.matrices())

    def stack(self) -> list[str]:
        """The image's shape after each halving."""
        sizes = [f"{f.weight.shape[0]}x{h}x{w}" for f, (h, w) in zip(self.joints(), self.grid.sizes(), strict=True)]
        shape = f"{self.inputs // (self.grid.height * self.grid.width)}x{self.grid.height}x{self.grid.width}"
        sides = [shape, *sizes, *map(str, self.head.widths[1:-1]), f"{self.outputs} {self.head.activations[-1].name}"]
        return [f"{a} -> {b}" for a, b in itertools.pairwise(sides)]


class Writer(_Filtering):
    """From a code to an image: `head`'s product, residual blocks, and for each doubling a 1x1 filter and a resize."""

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
            [Filters(widths[0], patch), *(Filters(b, a * s[0] * s[1], side=1) for a, b, s in pairs)]
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
        """The first layer, a product."""
        return [self.head]

    def work(self) -> int:
        """Multiplications a row."""
        return _work(self) + sum(w.numel() for w in self.head.matrices())

    def stack(self) -> list[str]:
        """The image's shape after each doubling."""
        sizes = [f"{f.weight.shape[1]}x{h}x{w}" for f, (h, w) in zip(self.joints(), self.grid.sizes(), strict=True)]
        sides = [*map(str, self.head.widths[:-1]), *reversed(sizes), f"{self.outputs}"]
        return [f"{a} -> {b}" for a, b in itertools.pairwise(sides)]


def _stages(layers: Layers) -> nn.ModuleList:
    g, n = layers.activation, range(layers.blocks)
    return nn.ModuleList([nn.Sequential(*(Block(width, g) for _ in n)) for width in layers.widths])


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


@dataclass
class Conv(Design):
    """Filters for images of any size: strided residual stages into the code, and resized ones out of it.

    `patch`: pixels a side that become channels before the first filters; "auto": 4 where a side is over 16, 2 over 8.
    `channels`: filters of each stage; every stage but the first halves the sides. A number: as many in each. "auto": as
    many stages as bring both sides to 8, 32 filters doubling up to 128. `blocks`: residual blocks a stage, of two 3x3
    filters each. `hidden`: width of a fully connected layer between filters and code; 0 has none. `activation`: between
    layers. `code_activation`: of the code; None leaves it to the kind (linear unless the kind needs another). `line`: a
    linear path beside the filters, from image to code and from code to image, so that training starts at PCA; "auto"
    has one where the code is linear and narrower than the image.
    """

    channels: Sequence[int] | int | Literal["auto"] = "auto"
    patch: int | Literal["auto"] = "auto"
    blocks: int = 1
    hidden: int | Literal["auto"] = "auto"
    activation: str = "silu"
    code_activation: str | None = None
    line: bool | Literal["auto"] = "auto"

    def check(self) -> None:
        """Raise `BadParameter` on numbers of filters or blocks that cannot be, and on unknown activations."""
        if isinstance(self.channels, str):
            widths = [1] if self.channels == "auto" else []
        else:
            widths = [self.channels] if isinstance(self.channels, int) else list(self.channels)
        if not widths or not all(_whole(n) and n > 0 for n in widths):
            raise BadParameter(
                f"channels={self.channels!r}: expected a whole positive number of filters, one for each stage such as "
                "(32, 64), or 'auto'."
            )
        if not _whole(self.blocks) or self.blocks < 0:
            raise BadParameter(f"blocks={self.blocks!r}: expected a whole number of residual blocks a stage, from 0.")
        if self.patch != "auto" and (not _whole(self.patch) or self.patch < 1):
            raise BadParameter(f"patch={self.patch!r}: expected pixels a side, from 1, or 'auto'.")
        if self.hidden != "auto" and (not _whole(self.hidden) or self.hidden < 0):
            raise BadParameter(f"hidden={self.hidden!r}: expected the width of a layer before the code, 0, or 'auto'.")
        for name in (self.activation, self.code_activation or "linear"):
            if name not in ACTIVATIONS:
                raise BadParameter(f"unknown activation {name!r}; known: {', '.join(sorted(ACTIVATIONS))}.")

    def _given(self) -> list[int] | None:
        """The filters of each stage, as far as the user says how many stages there are."""
        return None if isinstance(self.channels, (str, int)) else list(self.channels)

    def widths(self, stages: int) -> list[int]:
        """The filters of each stage; "auto": 32, doubled from stage to stage up to 128."""
        if isinstance(self.channels, int):
            return [self.channels] * stages
        return self._given() or [min(128, 32 << i) for i in range(stages)]

    def has_line(self, ends: Ends, last: str) -> bool:
        """Whether there is a linear path."""
        return ends.code < ends.inputs and last == "linear" if self.line == "auto" else bool(self.line)

    def _pair(self, ends: Ends) -> tuple[Reader, Writer, str]:
        """Both branches, weights not drawn, and the activation of the code."""
        self.check()
        if len(ends.shape) != 3 or ends.inputs % (ends.shape[1] * ends.shape[2]) or ends.outputs % _cells(ends):
            raise BadParameter(
                f"network=Conv(...) needs images (channels, height, width); these rows have shape {ends.shape}, "
                f"{ends.inputs} features and {ends.outputs} outputs. Use Dense(...) for columns."
            )
        if ends.last and self.code_activation not in (None, ends.last):
            raise BadParameter(
                f"code_activation={self.code_activation!r}: this kind's code is {ends.last} whatever the rest is; "
                "leave code_activation at None."
            )
        last = ends.last or self.code_activation or "linear"
        given = self._given()
        grid = Grid.over(
            ends.shape, None if self.patch == "auto" else self.patch, None if given is None else len(given)
        )
        hidden = (HIDDEN if ends.rows > FEW else HIDDEN // 2) if self.hidden == "auto" else self.hidden
        widths = tuple(self.widths(len(grid.strides)))
        layers = Layers(widths, self.blocks, (hidden,) if hidden else (), self.activation)
        return Reader(grid, ends, layers, last), Writer(grid, ends, layers), last

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        with torch.device("meta"):
            reader, writer, last = self._pair(ends)
        own = sum(p.numel() for n in (reader, writer) for p in n.parameters())
        straight = (ends.inputs + 1) * ends.delivered + (ends.code + 1) * ends.outputs
        return own + (straight if self.has_line(ends, last) else 0)

    def work(self, ends: Ends) -> int:
        """Multiplications a row in one pass through both, for choosing threads."""
        with torch.device("meta"):
            reader, writer, _ = self._pair(ends)
        return reader.work() + writer.work()

    def plan(self, ends: Ends) -> dict[str, Any]:
        """Batches of 128 at most, a step for every four rows but at least 6,000, within minutes of one core."""
        rows = {"batch_rows": BATCH} if ends.rows > 40 * BATCH else {}
        most = int(BUDGET / (6 * BATCH * self.work(ends)))
        return rows | {"learning_rate": 3e-3, "steps": min(most, max(6000, ends.rows // 4))}

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder with fresh weights; `BadParameter` on options that cannot join these ends."""
        reader, writer, last = self._pair(ends)
        line = self.has_line(ends, last)
        reader.start(rng, zero_last=line)
        writer.start(rng, zero_last=line)
        if not line:
            return reader, writer
        straight = MLP((ends.inputs, ends.delivered)).start(rng)
        return Skip(straight, reader), Skip(MLP((ends.code, ends.outputs)).start(rng), writer)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _cells(ends: Ends) -> int:
    return ends.shape[0] * ends.shape[1] * ends.shape[2]
