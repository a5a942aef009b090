"""Images of any size through a network of one size: tiles that overlap, blended where they do, row by row of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.modalities.crops import SIDE, mirrored

__all__ = ["Axis", "Grid", "joined", "through"]

LONGEST = 512  # pixels a side of a tile: memory stays bounded, and most images are one tile
MARGIN = 16  # pixels at every edge of a tile whose result is thrown away
BLEND = 16  # pixels over which one tile passes into the next
UNIT = 8  # sides are whole numbers of this

Function = Callable[[Tensor], Tensor]  #: tiles `(n, channels, height, width)` to as many of the same shape
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """Tiles along `length` places of an image or a clip, and how much of either end of a tile is left out."""

    length: int
    tile: int
    margin: int
    blend: int = BLEND  #: over which one tile passes into the next

    @classmethod
    def over(cls, length: int) -> Axis:
        """One tile where it can hold all; no margin where the image is no larger than what the network learned from."""
        if length <= SIDE:
            return cls(length, length, 0)
        return cls(length, min(-(-(length + 2 * MARGIN) // UNIT) * UNIT, LONGEST), MARGIN)

    @property
    def inner(self) -> int:
        """Pixels of a tile that count."""
        return self.tile - 2 * self.margin

    @property
    def step(self) -> int:
        """From the beginning of one tile to that of the next."""
        return self.inner - self.blend

    @property
    def count(self) -> int:
        """How many tiles it takes."""
        rest = self.length - self.inner
        return 1 if rest <= 0 else 1 - (-rest // self.step)

    def places(self, i: int) -> Places:
        """The pixels of the image that tile `i` shows; mirrored beyond its ends."""
        start = i * self.step - self.margin
        return mirrored(np.arange(start, start + self.tile), self.length)

    def kept(self, tile: Tensor, axis: int) -> Tensor:
        """A tile without its margins."""
        return tile.narrow(axis, self.margin, self.inner)


@dataclass(frozen=True)
class Grid:
    """The tiles of an image: they follow from its size alone."""

    rows: Axis
    columns: Axis

    @classmethod
    def over(cls, height: int, width: int) -> Grid:
        """The tiles of an image of this size."""
        return cls(Axis.over(height), Axis.over(width))

    @property
    def pixels(self) -> int:
        """Of one tile."""
        return self.rows.tile * self.columns.tile


def through(images: Callable[[Places], Tensor], grid: Grid, function: Function) -> Iterator[Tensor]:
    """Images of one size through `function`, from top to bottom, in bands `(n, channels, some rows, width)`.

    `images` gives rows of pixels, `(n, channels, rows, width)`, by their numbers: no more than one row of tiles is in
    memory.
    """
    bands = (_band(images(grid.rows.places(i)), grid, function) for i in range(grid.rows.count))
    yield from joined(bands, 2, grid.rows)


def _band(rows: Tensor, grid: Grid, function: Function) -> Tensor:
    """One row of tiles without the margins above and below."""

    def tile(i: int) -> Tensor:
        done = function(rows[..., torch.from_numpy(grid.columns.places(i))])
        return grid.columns.kept(grid.rows.kept(done, 2), 3)

    return torch.cat(list(joined((tile(i) for i in range(grid.columns.count)), 3, grid.columns)), 3)


def joined(pieces: Iterator[Tensor], axis: int, along: Axis) -> Iterator[Tensor]:
    """Pieces one after the other, the last places of each blended into the first of the next, `along.length` in all."""
    blend, length = along.blend, along.length
    ramp = torch.tensor([0.5 - 0.5 * math.cos(math.pi * (i + 0.5) / blend) for i in range(blend)])
    tail: Tensor | None = None
    for piece in pieces:
        if tail is not None:
            head, rest = piece.split([blend, piece.shape[axis] - blend], axis)
            weight = ramp.view(-1, *[1] * (piece.ndim - axis - 1))
            piece = torch.cat([tail.lerp(head, weight), rest], axis)
        done = min(max(piece.shape[axis] - blend, 0), length)
        length -= done
        if done:
            yield piece.narrow(axis, 0, done)
        tail = piece.narrow(axis, done, piece.shape[axis] - done)
    if tail is not None and length > 0:
        yield tail.narrow(axis, 0, length)
