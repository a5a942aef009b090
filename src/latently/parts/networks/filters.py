"""Pieces of convolutional networks: filters, residual blocks, and images as grids of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.parts.networks.activations import Activation

__all__ = ["Block", "Filters", "Grid"]

Pair = tuple[int, int]
ENOUGH = 8  # pixels: a side that short needs no stride


@dataclass(frozen=True)
class Grid:
    """An image of any size as it shrinks, padded below and on the right so that every stride comes out even.

    The first stride is a fold: the pixels of a patch become channels, so that no filter runs at full size.
    """

    channels: int
    height: int
    width: int
    strides: tuple[Pair, ...]  #: of each stage; 1 on a side that is short already

    @classmethod
    def over(cls, shape: tuple[int, ...], patch: int | None, stages: int | None) -> Grid:
        """Folded by `patch`, then halved `stages` - 1 times, as far as sides last.

        None for `patch`: 4 on a side over 16, 2 on one over 8. None for `stages`: until no side is longer than 8.
        """
        channels, *sides = shape
        first = [min(patch, n) if patch else 4 if n > 2 * ENOUGH else 2 if n > ENOUGH else 1 for n in sides]
        strides, (h, w) = [first], (-(-n // p) for n, p in zip(sides, first, strict=True))
        least = ENOUGH if stages is None else 1
        while max(h, w) > least if stages is None else len(strides) < stages:
            step = [2 if n > least else 1 for n in (h, w)]
            strides.append(step)
            h, w = -(-h // step[0]), -(-w // step[1])
        return cls(channels, sides[0], sides[1], tuple((a, b) for a, b in strides))

    @property
    def cells(self) -> int:
        """Numbers of one image."""
        return self.channels * self.height * self.width

    def sizes(self) -> list[Pair]:
        """Height and width at each stage."""
        h, w = (math.prod(s[i] for s in self.strides) for i in (0, 1))
        h, w = -(-self.height // h) * h, -(-self.width // w) * w
        found = []
        for a, b in self.strides:
            h, w = h // a, w // b
            found.append((h, w))
        return found

    def widen(self, x: Tensor, stage: int) -> Tensor:
        """One stride undone: channels become the pixels of a patch, in channels-last memory."""
        (h, w), (a, b) = self.sizes()[stage], self.strides[stage]
        x = x.permute(0, 2, 3, 1).reshape(len(x), h, w, a, b, -1).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(len(x), h * a, w * b, -1).permute(0, 3, 1, 2)

    def fold(self, rows: Tensor) -> Tensor:
        """Flat rows (of any number of channels) as the folded image, in channels-last memory."""
        (h, w), (a, b) = self.sizes()[0], self.strides[0]
        x = rows.reshape(len(rows), -1, self.height, self.width)
        if (h * a, w * b) != (self.height, self.width):
            x = functional.pad(x, (0, w * b - self.width, 0, h * a - self.height))
        x = x.view(len(x), -1, h, a, w, b).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(len(x), h, w, -1).permute(0, 3, 1, 2)

    def unfold(self, x: Tensor) -> Tensor:
        """Flat rows from a folded image, the padding cut off; several numbers of a cell stand side by side."""
        (h, w), (a, b) = self.sizes()[0], self.strides[0]
        x = x.permute(0, 2, 3, 1).reshape(len(x), h, w, self.channels, -1, a, b)
        x = x.permute(0, 3, 1, 5, 2, 6, 4).reshape(len(x), self.channels, h * a, w * b, -1)
        return x[:, :, : self.height, : self.width].flatten(1)


class Filters(nn.Module):
    """`y = W * x + b`, W of odd `sides`, zeros beyond the edges, computed in the precision of `x`."""

    def __init__(self, inputs: int, outputs: int, sides: Pair = (3, 3), stride: Pair = (1, 1)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, *sides))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.stride, self.padding = stride, (sides[0] // 2, sides[1] // 2)

    def start(self, rng: torch.Generator, activation: str) -> None:
        """He (2015) before or after a rectifier and its like, Glorot (2010) elsewhere."""
        if activation in ("linear", "sigmoid", "tanh", "softsign"):
            nn.init.xavier_uniform_(self.weight, generator=rng)
        else:
            nn.init.kaiming_uniform_(self.weight, nonlinearity="relu", generator=rng)

    def forward(self, x: Tensor) -> Tensor:
        """The filtered image."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return functional.conv2d(x, weight, bias, self.stride, self.padding)


class Block(nn.Module):
    """`x + W2 * g(W1 * g(x))` (He 2016), W2 zero at the start, so that depth costs nothing at first."""

    def __init__(self, channels: int, activation: str, sides: Pair = (3, 3)) -> None:
        super().__init__()
        self.first, self.second = Filters(channels, channels, sides), Filters(channels, channels, sides)
        self.activation = Activation(activation)

    def start(self, rng: torch.Generator) -> None:
        """Draw W1."""
        self.first.start(rng, self.activation.name)

    def forward(self, x: Tensor) -> Tensor:
        """The image and what the filters add to it."""
        g = self.activation
        return x + self.second(g(self.first(g(x))))  # type: ignore[no-any-return]
