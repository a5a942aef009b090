"""Images as a detector sees them: what every place looks like, beside what is usual there."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from latently.modalities.base import Remember
from latently.modalities.image import Image
from latently.modalities.planes import Planes
from latently.parts.doors import Door
from latently.parts.filters import Filters, kernel
from latently.parts.likelihoods import Gaussian, Likelihood
from latently.parts.networks import Dense, Design
from latently.values import Batch

__all__ = ["Textured", "Textures"]

AT_ONCE = 64  # images whose places are in memory together, where images are read one after the other
FILTERED = 8  # images a call of the filters
MOST_PLACES = 32  # a side of the grid
SPACING = 4  # pixels between places, where the grid then has no more of them
DARK = 0.04  # of the range of pixels: added before the logarithm, so that black is no pit
FAINT = 0.1  # of a feature's median energy: added before the logarithm
OWN = 10.0  # images' worth of what is usual everywhere, mixed into what is usual at a place
BATCH, STEPS = 1024, 800  # places a step, and steps of a fit
EVEN = 0.05  # of the mean variance: added to that of every place


@functools.lru_cache(maxsize=8)
def bank(size: tuple[int, int], grid: tuple[int, int]) -> Filters:
    """The filters for images of one size."""
    return Filters(size, grid)


class Textured(Planes, abstract=True):
    """What reads planes, seen as places: rows are the places of an evenly spaced grid, one image after the other.

    A place is told by `parts.filters.Filters` of the logarithm of the image, so that light and exposure shift features
    instead of stretching them; energies as logarithms; every feature beside its mean and spread at this place over the
    training images. Further channels enter as their difference from the mean of all.
    """

    judge: ClassVar[str] = "regions"
    noun: ClassVar[str] = "feature"
    item: ClassVar[str] = "image"
    cropped = True

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Never by itself: a detector reads images this way."""
        return False

    def sizes(self, data: Any) -> list[tuple[int, int]]:
        """Height and width of everything given, in its own pixels."""
        raise NotImplementedError

    def whole(self, size: tuple[int, int]) -> tuple[int, int]:
        """What the grid lies over, where something of this size was given."""
        return size

    def spot(self, box: tuple[int, int, int, int]) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Seconds and Hz of a box, where it has them."""
        return None

    def _items(self, data: Any) -> Any:
        """What was given, as something that can be sliced."""
        raise NotImplementedError

    def _light(self, piece: Tensor) -> Tensor:
        """Cells of planes, from 0 for the least seen in the fit to 1 for the greatest, as they are filtered."""
        return torch.log(piece.clamp(min=0) + DARK)

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """As for planes, and what is usual at every place."""
        images, remember = super().learn(owner, data, weight, natural)
        found = self._filtered(images)
        self.faint_ = self._faint(found)
        found = self._logarithms(found)
        count = torch.ones(len(found)) if images.weight is None else images.weight
        seen = self._seen(images.known).view(len(found), *self.grid) if images.known is not None else None
        self.usual_, self.spread_ = (v.numpy() for v in self._usual(found, count, seen))
        return self._rows_of(found, images), remember

    def take(self, owner: Any, data: Any) -> Batch:
        """The places of images, beside what is usual there."""
        images = super().take(owner, data)
        return self._rows_of(self._logarithms(self._filtered(images)), images)

    def portions(self, owner: Any, data: Any) -> Iterator[Batch]:
        """As `take`, some images at a time."""
        whole = self._items(data)
        for i in range(0, max(len(whole), 1), AT_ONCE):
            yield self.take(owner, whole[i : i + AT_ONCE])

    @property
    def grid(self) -> tuple[int, int]:
        """Places down and across."""
        longest = max(self.height_, self.width_)
        spacing = max(1.0, min(SPACING, longest / 8), longest / MOST_PLACES)
        return max(1, round(self.height_ / spacing)), max(1, round(self.width_ / spacing))

    @property
    def places(self) -> int:
        """Rows an image."""
        down, across = self.grid
        return down * across

    def _bank(self) -> Filters:
        return bank((self.height_, self.width_), self.grid)

    @torch.no_grad()
    def _filtered(self, images: Batch) -> Float[Tensor, "n features down across"]:
        """Responses to the logarithm of images, a piece of one fixed shape at a time."""
        bank, done = self._bank(), []
        low, reach = self.low_.min(), max(float(self.high_.max() - self.low_.min()), 1e-12)
        shift, scale = (torch.from_numpy(v.astype(np.float32))[:, None, None] for v in (self.shift_, self.scale_))
        for i in range(0, len(images), FILTERED):
            piece = images.x[i : i + FILTERED].view(-1, self.channels_, self.height_, self.width_)
            count = len(piece)
            piece = piece[torch.arange(FILTERED).remainder(count)]
            light = self._light((piece * scale + shift - low) / reach)
            mean = light.mean(1, keepdim=True)
            done.append(bank(torch.cat([mean, light - mean], 1) if self.channels_ > 1 else light)[:count])
        return torch.cat(done)

    def _energies(self) -> Tensor:
        bands = 1 if self.channels_ == 1 else 1 + self.channels_
        return torch.tensor(self._bank().energies(bands))

    def _faint(self, found: Tensor) -> NDArray[np.float32]:
        middle = found.transpose(0, 1).flatten(1).median(1).values
        return (FAINT * middle + 1e-9).numpy()

    def _logarithms(self, found: Tensor) -> Tensor:
        """Energies as logarithms, levels as they are."""
        faint = torch.from_numpy(self.faint_)[:, None, None]
        which = self._energies()[:, None, None]
        return torch.where(which, torch.log(found.clamp(min=0) + faint.clamp(min=1e-9)), found)

    def _usual(self, found: Tensor, count: Tensor, seen: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and deviation of every feature at every place, smoothed, with some of what is usual everywhere."""
        weight = count[:, None, None, None].expand(-1, 1, *self.grid)
        weight = weight if seen is None else weight * seen[:, None]
        here = self._smooth(weight.sum(0))
        own, here = here / (here + OWN), here.clamp(min=1e-6)
        total = weight.sum().clamp(min=1e-6)
        whole = (found * weight).sum((0, 2, 3))[:, None, None] / total
        mean = own * self._smooth((found * weight).sum(0)) / here + (1 - own) * whole
        square = (found - mean).square() * weight
        whole = square.sum((0, 2, 3))[:, None, None] / total
        square = own * self._smooth(square.sum(0)) / here + (1 - own + EVEN) * whole
        return mean, square.clamp(min=1e-12).sqrt()

    def _smooth(self, maps: Tensor) -> Tensor:
        down, across = (kernel(n, n, 1.0, 0) for n in self.grid)
        return down @ maps @ across.t()

    def _rows_of(self, found: Tensor, images: Batch) -> Batch:
        x = (found - torch.from_numpy(self.usual_)) / torch.from_numpy(self.spread_)
        x = x.flatten(2).transpose(1, 2).reshape(-1, x.shape[1]).contiguous()
        weight = None if images.weight is None else images.weight.repeat_interleave(self.places)
        known = None if images.known is None else self._seen(images.known)[:, None].expand_as(x).contiguous()
        return Batch(x if known is None else x.masked_fill(~known, 0.0), known, weight=weight)

    def _seen(self, known: Tensor) -> Tensor:
        """Places in whose window no pixel is missing."""
        gaps = (~known).view(-1, *self.shape_of_images).any(1).float()
        reach = max(self._bank().scales)
        down, across = (kernel(n, m, reach, 0) for n, m in zip(self.shape_of_images[1:], self.grid, strict=True))
        return ((down > 0).float() @ gaps @ (across > 0).float().t() == 0).flatten()

    # ------------------------------------------------------------------ what it calls for

    @property
    def shape_of_images(self) -> tuple[int, int, int]:
        """`(channels, height, width)` of the images that are filtered."""
        return self.channels_, self.height_, self.width_

    @property
    def cells(self) -> int:
        """Features a place."""
        return len(self.faint_)

    @property
    def shape(self) -> tuple[int, ...]:
        """A list of features."""
        return ()

    @property
    def names(self) -> list[str]:
        """What each feature measures."""
        return self._bank().names(1 if self.channels_ == 1 else 1 + self.channels_)

    def plan(self, rows: int) -> dict[str, int]:
        """Places are many and alike: few steps of many."""
        return {"batch_rows": BATCH, "epochs": min(400, max(1, round(STEPS * BATCH / rows)))}

    def network(self) -> Design:
        """Layers of places, each by itself."""
        return Dense()

    def door(self, masked: bool) -> Door:
        """Features as they are, and whether the place was seen."""
        return Door(self.levels, self.masked_ or masked)

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """`numbers`; a normal with a learned spread if None."""
        return Gaussian() if numbers is None else numbers

    def limits(self) -> tuple[Tensor, Tensor]:
        """Three deviations either way."""
        return torch.full((self.cells,), -3.0), torch.full((self.cells,), 3.0)

    def _sign(self, owner: Any) -> None:
        owner.n_features_in_ = self.channels_ * self.height_ * self.width_
        vars(owner).pop("feature_names_in_", None)

    def state(self) -> dict[str, Any]:
        """As of planes, and what is usual."""
        return super().state() | {"faint": self.faint_, "usual": self.usual_, "spread": self.spread_}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        self.faint_, self.usual_, self.spread_ = state["faint"], state["usual"], state["spread"]
        return super().restore(state)


@dataclass
class Textures(Textured, Image):
    """Images as a detector sees them; see `Textured`."""

    longest: ClassVar[int] = 256

    def sizes(self, data: Any) -> list[tuple[int, int]]:
        """Height and width of each image."""
        headers = self.pictures(data).headers()
        return list(zip(headers.heights.tolist(), headers.widths.tolist(), strict=True))

    def _items(self, data: Any) -> Any:
        return data if isinstance(data, (np.ndarray, list)) else self.pictures(data)
