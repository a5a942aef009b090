"""Convolutional networks whose code is a pyramid of feature maps, the image itself at its foot.

Such a code is wider than the image: noise keeps the pair from copying, as in every denoising autoencoder. Every layer
is a convolution, so the same weights serve images of any size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.errors import BadParameter
from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.gemm import Gemm

__all__ = ["Climb", "Descent", "Pyramid"]

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Steps:
    """What both halves agree on: the image and, from the finest map to the coarsest, how many channels and blocks."""

    shape: Shape
    widths: tuple[int, ...]
    blocks: tuple[int, ...]

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width, rounded up so that every halving is exact."""
        unit = 2 ** len(self.widths)
        height, width = (-(-side // unit) * unit for side in self.shape[1:])
        return height, width

    @property
    def maps(self) -> list[Shape]:
        """Channels, height and width of each map; the finest has half the image's sides."""
        height, width = self.padded
        return [(c, height >> (i + 1), width >> (i + 1)) for i, c in enumerate(self.widths)]

    @property
    def code(self) -> int:
        """Numbers in the whole pyramid."""
        return math.prod(self.shape) + sum(math.prod(m) for m in self.maps)

    def work(self) -> int:
        """Multiplications of one image on the way up and down."""
        total, into = 0, 4 * self.shape[0]
        for (c, h, w), blocks in zip(self.maps, self.blocks, strict=True):
            total += 2 * h * w * (18 * c * c * blocks + 4 * into * c)
            into = c
        return total


class Convolution(nn.Module):
    """A convolution that computes in the precision of what comes in; its own numbers are float32."""

    def __init__(self, into: int, out: int, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, into, size, size))
        self.bias = nn.Parameter(torch.zeros(out))
        self.stride, self.padding = stride, (size - stride) // 2

    def start(self, rng: torch.Generator, gain: float = 1.0) -> Self:
        """Draw the weights: `gain` times the deviation that keeps variances."""
        fan = self.weight[0].numel()
        nn.init.normal_(self.weight, std=gain / math.sqrt(fan), generator=rng)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """`w * x + b`."""
        weight = self.weight.to(x.dtype, memory_format=torch.channels_last)
        return functional.conv2d(x, weight, self.bias.to(x.dtype), self.stride, self.padding)


class Block(nn.Module):
    """`x + V * relu(W * x)` (He 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Convolution(width, width), Convolution(width, width)

    def start(self, rng: torch.Generator) -> Self:
        """Near the identity."""
        self.first.start(rng, math.sqrt(2))
        self.second.start(rng, 0.3)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The input and a correction."""
        return x + self.second(functional.relu(self.first(x)))  # type: ignore[no-any-return]


class Convolutional(Network):
    """Flat rows in, flat rows out, images of one size between; where `gemm` says so, `run` computes in bfloat16."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps, self.gemm = steps, Gemm()

    def at(self, height: int, width: int) -> Self:
        """The same weights, shared, for images of another size."""
        other = type(self).__new__(type(self))
        other.__dict__ = self.__dict__ | {"steps": replace(self.steps, shape=(self.steps.shape[0], height, width))}
        other.inputs, other.outputs = other._ends()
        return other

    def _start_blocks(self, rng: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, Block):
                module.start(rng)

    def _ends(self) -> tuple[int, int]:
        raise NotImplementedError

    def _through(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """The map, convolutions computed in `dtype`."""
        raise NotImplementedError

    def plain(self, x: Tensor) -> Tensor:
        """The map in the precision of the rows."""
        return self._through(x, x.dtype)

    def run(self, x: Tensor) -> tuple[Tensor, Any]:
        """The map outside autograd; convolutions gain by bfloat16 at every size (1.5x measured)."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            y = self._through(leaf, x.dtype if self.gemm.low_from is None else torch.bfloat16)
        return y.detach(), (leaf, y)

    def back(self, tape: Any, g: Tensor, to_input: bool = True) -> Tensor | None:
        """As every network's; the gradient at the input is only made where it is asked for."""
        leaf, y = tape
        y.backward(g, inputs=[*self.parameters(), leaf] if to_input else list(self.parameters()))
        return leaf.grad if to_input else None


class Climb(Convolutional):
    """The encoder: pixels two by two become channels, then each map is half as wide as the one before."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(steps)
        self.inputs, self.outputs = self._ends()
        into = 4 * steps.shape[0]
        self.entries = nn.ModuleList([Convolution(into, steps.widths[0])])
        self.entries.extend(Convolution(a, b, 2, 2) for a, b in itertools.pairwise(steps.widths))
        self.levels = nn.ModuleList(
            nn.Sequential(*(Block(w) for _ in range(n))) for w, n in zip(steps.widths, steps.blocks, strict=True)
        )

    def _ends(self) -> tuple[int, int]:
        return math.prod(self.steps.shape), self.steps.code

    def start(self, rng: torch.Generator) -> Self:
        """Draw the weights."""
        self._start_blocks(rng)
        for entry in self.entries:
            assert isinstance(entry, Convolution)
            entry.start(rng)
        return self

    def _through(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.cat([x, *self._maps(x.view(-1, *self.steps.shape), dtype)], 1)

    def _maps(self, image: Tensor, dtype: torch.dtype) -> list[Tensor]:
        """The maps of images, from the finest to the coarsest, each flat, its channels last."""
        steps, kept, whole, (height, width) = self.steps, [], image.dtype, self.steps.padded
        if (height, width) != steps.shape[1:]:
            image = functional.pad(image, (0, width - steps.shape[2], 0, height - steps.shape[1]), mode="replicate")
        y = functional.pixel_unshuffle(image, 2).to(dtype, memory_format=torch.channels_last)
        for entry, level in zip(self.entries, self.levels, strict=True):
            y = level(entry(y))
            kept.append(y.permute(0, 2, 3, 1).reshape(len(y), -1).to(whole))
        return kept

    def stack(self) -> list[str]:
        """A line a map."""
        names = zip(self.steps.maps, self.steps.blocks, strict=True)
        return [f"{c} x {h} x {w}, {n} residual blocks" for (c, h, w), n in names]


class Descent(Convolutional):
    """The decoder: from the coarsest map down, each joined to the next finer, to a correction of the image.

    `x^ = x + gain * correction`. A `gain` below one is for training towards a target that is still noisy; without
    `residual` the image is not added: for training on pixels that the network was not shown.
    """

    def __init__(self, steps: Steps, gain: float = 1.0, residual: bool = True) -> None:
        super().__init__(steps)
        self.inputs, self.outputs = self._ends()
        self.gain, self.residual = gain, residual
        down = list(itertools.pairwise(reversed(steps.widths)))
        self.levels = nn.ModuleList(
            nn.Sequential(*(Block(w) for _ in range(n)))
            for w, n in zip(reversed(steps.widths), reversed(steps.blocks), strict=True)
        )
        self.exits = nn.ModuleList(Convolution(a, 4 * b, 1) for a, b in down)
        self.exits.append(Convolution(steps.widths[0], 4 * steps.shape[0]))

    def _ends(self) -> tuple[int, int]:
        return self.steps.code, math.prod(self.steps.shape)

    def start(self, rng: torch.Generator) -> Self:
        """Draw the weights; the last is zero, so that training starts at the image as it came."""
        self._start_blocks(rng)
        for out in self.exits:
            assert isinstance(out, Convolution)
            out.start(rng, 0.0 if out is self.exits[-1] else 1.0)
        return self

    def _through(self, z: Tensor, dtype: torch.dtype) -> Tensor:
        x, *maps = z.split([self.outputs, *(math.prod(m) for m in self.steps.maps)], 1)
        correction = self.gain * self._joined(maps, dtype).reshape(len(z), -1).to(z.dtype)
        return x + correction if self.residual else correction

    def _joined(self, maps: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
        steps = self.steps
        skips = [
            m.to(dtype).view(-1, h, w, c).permute(0, 3, 1, 2) for m, (c, h, w) in zip(maps, steps.maps, strict=True)
        ]
        y = skips.pop()
        for out, level in zip(self.exits, self.levels, strict=True):
            y = functional.pixel_shuffle(out(level(y)), 2)
            if skips:
                y = (y + skips.pop()).contiguous(memory_format=torch.channels_last)
        return y[:, :, : steps.shape[1], : steps.shape[2]]

    def stack(self) -> list[str]:
        """A line a map, and the exit."""
        names = zip(reversed(self.steps.maps), reversed(self.steps.blocks), strict=True)
        found = [f"{c} x {h} x {w}, {n} residual blocks" for (c, h, w), n in names]
        return [*found, "a correction added to the image" if self.residual else "an image"]


@dataclass
class Pyramid(Design):
    """A convolutional encoder and decoder that join at every scale (Ronneberger 2015), for denoising.

    `widths`: channels of the maps, from half the image's sides to the coarsest; `blocks`: residual blocks of each map,
    in the encoder and again in the decoder, one number or one a map. The code is every map, the image included: its
    width follows from the image's size, see `code`. `gain`: factor of the decoder's correction, below one to train
    towards images that are noisy themselves. `residual`: whether the decoder's output is added to the image.
    """

    widths: Sequence[int] = (32, 48, 64)
    blocks: Sequence[int] | int = 1
    gain: float = 1.0
    residual: bool = True

    def check(self) -> None:
        """Raise `BadParameter` on what are no whole positive numbers."""
        blocks = (self.blocks,) * len(self.widths) if isinstance(self.blocks, int) else self.blocks
        if not self.widths or not all(isinstance(w, int) and w > 0 for w in self.widths):
            raise BadParameter(f"widths={self.widths!r}: expected whole positive numbers, such as (32, 48, 64).")
        if len(blocks) != len(self.widths) or not all(isinstance(b, int) and b > 0 for b in blocks):
            raise BadParameter(
                f"blocks={self.blocks!r}: expected a whole positive number, or {len(self.widths)} of them, one a map."
            )

    def steps(self, shape: tuple[int, ...]) -> Steps:
        """The layers for images of this shape."""
        self.check()
        if len(shape) != 3:
            raise BadParameter(f"network=Pyramid() is for images, (channels, height, width); these rows are {shape}.")
        blocks = (self.blocks,) * len(self.widths) if isinstance(self.blocks, int) else tuple(self.blocks)
        return Steps((shape[0], shape[1], shape[2]), tuple(self.widths), blocks)

    def code(self, shape: tuple[int, ...]) -> int:
        """Width of the code of images of this shape."""
        return self.steps(shape).code

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        steps = self.steps(ends.shape)
        total = (36 * steps.shape[0] + 1) * steps.widths[0] + (9 * steps.widths[0] + 1) * 4 * steps.shape[0]
        total += sum((4 * a + 1) * b + (b + 1) * 4 * a for a, b in itertools.pairwise(steps.widths))
        return total + sum(4 * n * (9 * w + 1) * w for w, n in zip(steps.widths, steps.blocks, strict=True))

    def work(self, ends: Ends) -> int:
        """Multiplications of one image."""
        return self.steps(ends.shape).work()

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder; `BadParameter` where the code is not the pyramid's."""
        steps = self.steps(ends.shape)
        if ends.delivered != steps.code or ends.code != steps.code or ends.outputs != math.prod(steps.shape):
            raise BadParameter(
                f"a pyramid over images of {steps.shape} has a code of {steps.code} numbers, and gives one number a "
                f"pixel; here they are {ends.code} and {ends.outputs}. Leave n_components, kind and loss at 'auto'."
            )
        return Climb(steps).start(rng), Descent(steps, self.gain, self.residual).start(rng)
