"""Whole images through a fitted denoiser: in tiles, several passes averaged, each image in its own form."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from latently import rng as chance
from latently.modalities.crops import Crops, Pixels
from latently.modalities.pictures import Pictures
from latently.model import Composition
from latently.parts.networks.pyramid import Convolutional
from latently.tasks.tiles import Grid, Places, through

__all__ = ["Cleaner"]

AT_ONCE = 2**16  # pixels of tiles that are computed together
LARGE = 2**22  # pixels of an image: beyond, a pass takes seconds, and several are only made when asked for


@dataclass(frozen=True)
class Cleaner:
    """The mean of `passes` predictions, each turned or mirrored where `turns`, and with noise of its own of `sigma`."""

    model: Composition
    data: Crops
    passes: int
    sigma: float  #: model units
    turns: bool  #: whether images of every orientation were learned from
    sparing: bool = False  #: whether large images are seen once, as they are

    def each(self, source: Pictures) -> Iterator[Pixels]:
        """The images in their order, clean; those of one size that follow each other are computed together."""
        headers = source.headers()
        sizes = zip(headers.heights.tolist(), headers.widths.tolist(), strict=True)
        for (height, width), group in itertools.groupby(enumerate(sizes), key=lambda pair: pair[1]):
            grid, members = Grid.over(height, width), [i for i, _ in group]
            count = max(1, AT_ONCE // grid.pixels)
            once = self.sparing and height * width > LARGE
            mine = replace(self, passes=1, sigma=0.0) if once else self
            for i in range(0, len(members), count):
                yield from mine._alike([source[j] for j in members[i : i + count]], grid, count)

    def _alike(self, images: list[Pixels], grid: Grid, count: int) -> list[Pixels]:
        """Images of one size, padded to `count` with the first: one shape for all, so that results repeat."""
        padded = images + images[:1] * (count - len(images))

        def rows(places: Places) -> Tensor:
            return torch.stack([self.data.tensor(image[places]) for image in padded])

        bands: list[list[Pixels]] = [[] for _ in images]
        done = 0
        for band in through(rows, grid, self._mean):
            place = slice(done, done + band.shape[2])
            for made, image, cells in zip(bands, images, band, strict=False):
                made.append(self.data.array(cells, image[place]))
            done = place.stop
        return [np.concatenate(made) for made in bands]

    @torch.no_grad()
    def _mean(self, tiles: Tensor) -> Tensor:
        total, device = torch.zeros_like(tiles), next(self.model.parameters()).device
        passes = self.passes if self.turns or self.sigma else 1
        for i in range(passes):
            seen, turn = tiles, i if self.turns else 0
            if self.sigma:  # the same for every tile of this shape: no result depends on the images beside it
                noise = torch.empty(tiles.shape[1:]).normal_(generator=chance.child(i, "noisier"))
                seen = tiles + self.sigma * noise
            total += _turned_back(self._once(_turned(seen, turn).to(device)).cpu(), turn)
        return total / passes

    def _once(self, tiles: Tensor) -> Tensor:
        """Through both networks at the tiles' own size."""
        z = self._net("encoder").at(*tiles.shape[2:]).plain(tiles.flatten(1))
        return self._net("decoder").at(*tiles.shape[2:]).plain(z).view(tiles.shape)

    def _net(self, name: str) -> Convolutional:
        net = getattr(self.model, name)
        assert isinstance(net, Convolutional)
        return net


def _turned(tiles: Tensor, i: int) -> Tensor:
    """One of the eight turns of the plane."""
    tiles = torch.rot90(tiles, i % 4, (2, 3))
    return tiles.flip(3) if i % 8 > 3 else tiles


def _turned_back(tiles: Tensor, i: int) -> Tensor:
    tiles = tiles.flip(3) if i % 8 > 3 else tiles
    return torch.rot90(tiles, -(i % 4), (2, 3))
