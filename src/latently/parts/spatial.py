"""Corruptions that know where a cell lies: among the pixels of an image, or in the order of a table's columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from latently.errors import BadParameter
from latently.parts.corruptions import Cells, Corruption, Known
from latently.values import Sizes

__all__ = ["BlindSpot", "Block", "Shift"]

LONGEST = 2.0  # sides of a block over those of one with the image's proportions


class _Placed(Corruption):
    def build(self, sizes: Sizes) -> None:
        """Channels, height and width; a table is one line."""
        self.shape = tuple(sizes.shape) if len(sizes.shape) == 3 else (1, 1, sizes.cells)


class Block(_Placed):
    """A rectangle of each image is hidden in all channels: zero, the filler, and unknown (Pathak 2016).

    `level` is the share of the image that it covers, up to rounding. `size="auto"` draws its proportions: each side is
    at most twice that of a block with the image's proportions. A number of pixels, or (height, width), fixes the sides
    instead, and `level` is not asked. Of a table, a run of neighbouring columns is hidden.
    """

    def __init__(self, level: float = 0.25, size: int | Sequence[int] | Literal["auto"] = "auto") -> None:
        super().__init__()
        self.level, self.size = level, size

    def check(self, sizes: Sizes) -> None:
        """`0 < level < 1`; sides of at least a pixel, no longer than the image's."""
        self.require(0 < self.level < 1, "level", "in (0, 1): the share of the image that is hidden")
        if isinstance(self.size, str):
            self.require(self.size == "auto", "size", "a number of pixels, (height, width), or 'auto'")
            return
        room = tuple(sizes.shape[1:]) if len(sizes.shape) == 3 else (1, sizes.cells)
        sides = self._sides(self.size, room)
        whole = len(sides) == 2 and all(isinstance(s, int) for s in sides)
        fits = whole and all(1 <= s <= r for s, r in zip(sides, room, strict=True))
        self.require(fits, "size", f"a whole number of pixels, or (height, width), at most {room}")

    def _sides(self, size: int | Sequence[int], room: Sequence[int]) -> tuple[int, ...]:
        if not isinstance(size, int):
            return tuple(size)
        return (size if room[0] > 1 else 1, size)

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Zero inside."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """What lies inside leaves `known` too."""
        gone = self._inside(x, rng).unsqueeze(1).expand(-1, self.shape[0], -1, -1).reshape(x.shape)
        return x.masked_fill(gone, 0.0), ~gone if known is None else known & ~gone

    def _inside(self, x: Tensor, rng: torch.Generator) -> Bool[Tensor, "rows height width"]:
        _, height, width = self.shape
        form, down, right = torch.rand(3, len(x), 1, generator=rng, device=x.device, dtype=torch.float64)
        if isinstance(self.size, str):
            side = math.sqrt(self.level)
            least, most = max(self.level, side / LONGEST), min(1.0, side * LONGEST)
            lowest = math.ceil(self.level * height)  # with fewer rows the width would not suffice
            tall = (height * least * (most / least) ** form).round().clamp(lowest, height)
            wide = (self.level * height * width / tall).round().clamp(1, width)
        else:
            tall, wide = (torch.full_like(form, s) for s in self._sides(self.size, (height, width)))
        top, left = (down * (height - tall + 1)).floor(), (right * (width - wide + 1)).floor()
        i, j = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
        rows: Tensor = (i >= top) & (i < top + tall)
        columns: Tensor = (j >= left) & (j < left + wide)
        return rows.unsqueeze(2) & columns.unsqueeze(1)


class BlindSpot(_Placed):
    """A few pixels of each image take the values of a neighbour: what Noise2Void learns from (Krull 2019).

    A share `level` of the pixels is chosen, and each takes the values, in all channels, of another pixel at most
    `radius` rows and columns away, any of them equally likely and never itself. With `emphasis=1.0` only these pixels
    count in the loss: the network is asked for a value that it was not shown, and noise that is independent from pixel
    to pixel cannot be learned. Columns of a table have no neighbours: there it is refused, and `Swap` does the like.
    """

    def __init__(self, level: float = 0.02, radius: int = 2) -> None:
        super().__init__()
        self.level, self.radius = level, radius

    def check(self, sizes: Sizes) -> None:
        """Images of at least two pixels, `0 < level < 1`, a whole radius of at least 1."""
        self.require(0 < self.level < 1, "level", "in (0, 1): the share of pixels that is replaced")
        whole = isinstance(self.radius, int) and self.radius >= 1
        self.require(whole, "radius", "a whole number of pixels, at least 1")
        if len(sizes.shape) != 3 or sizes.shape[1] * sizes.shape[2] < 2:
            raise BadParameter(
                f"{self} takes the place of pixels by their neighbours, and cells of shape {tuple(sizes.shape)} have "
                "none: it needs images of two pixels or more. For the columns of a table use Swap."
            )

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Some pixels from beside."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """The same among known cells: one whose source is unknown stays as it is."""
        channels, height, width = self.shape
        picked = torch.rand(len(x), height * width, generator=rng, device=x.device) < self.level
        row, pixel = picked.nonzero(as_tuple=True)
        source = self._beside(pixel, rng)
        after = x.reshape(len(x), channels, height * width).clone()
        values = after[row, :, source]
        if known is not None:
            told = known.reshape(after.shape)[row, :, source]
            values = torch.where(told, values, after[row, :, pixel])
        after[row, :, pixel] = values
        return after.view(x.shape), known

    def _beside(self, pixel: Int[Tensor, " picked"], rng: torch.Generator) -> Int[Tensor, " picked"]:
        """For each pixel one of the others in the window around it, as far as that lies in the image."""
        _, height, width = self.shape
        i, j = pixel // width, pixel % width
        top, left = (i - self.radius).clamp(min=0), (j - self.radius).clamp(min=0)
        wide = (j + self.radius).clamp(max=width - 1) - left + 1
        others = ((i + self.radius).clamp(max=height - 1) - top + 1) * wide - 1
        draw = torch.rand(len(pixel), generator=rng, device=pixel.device, dtype=torch.float64)
        at = (draw * others).long()
        at = at + (at >= (i - top) * wide + (j - left))  # the pixel itself is left out of the count
        return (top + at // wide) * width + left + at % wide


class Shift(_Placed):
    """Each image lies up to a share `level` of its sides away, in whole pixels: down or up, and right or left.

    What comes in at an edge repeats it. Images of fewer than `1 / level` pixels a side stay where they are, and so do
    the columns of a table.
    """

    def __init__(self, level: float = 1 / 16) -> None:
        super().__init__()
        self.level = level

    def check(self, sizes: Sizes) -> None:
        """`0 < level < 1`."""
        self.require(0 < self.level < 1, "level", "in (0, 1): the share of a side that an image is moved by at most")

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Cells from where they lay before."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """What is known moves with them."""
        channels, height, width = self.shape
        sides = ((height, 1, 2), (width, 2, 1)) if height > 1 else ()
        places = torch.arange(height * width, device=x.device).view(1, height, width).expand(len(x), -1, -1)
        for side, along, across in sides:
            most = int(side * self.level)
            step = torch.randint(-most, most + 1, (len(x), 1), generator=rng, device=x.device)
            at = (torch.arange(side, device=x.device) + step).clamp(0, side - 1)
            places = places.gather(along, at.unsqueeze(across).expand(-1, height, width))
        source = places.reshape(len(x), 1, -1).expand(-1, channels, -1)

        def moved(cells: Tensor) -> Tensor:
            return cells.reshape(source.shape).gather(2, source).view(cells.shape)

        return moved(x), None if known is None else moved(known)
