"""Pieces of images at their own resolution: what a network that only looks at neighbourhoods learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData
from latently.modalities.base import Remember
from latently.modalities.image import Image
from latently.modalities.pictures import Pictures
from latently.modalities.pixels import Headers, common
from latently.parts.networks import Design, Pyramid
from latently.values import Batch

__all__ = ["Crops", "Pair", "mirrored"]

Pixels = NDArray[Any]
SIDE = 64  # pixels of a crop
MANY = 2**28  # pixels of all images: 22 photographs of 12 megapixels, a minute and a half of one core
NARROW = (24, 32, 48)  # channels: .6 of the work of the default
SHARES = 8  # times that the crops together cover the images
FEWEST = 1024  # crops
MOST = 2**26  # numbers in all crops together: 256 MiB


@dataclass(frozen=True)
class Pair:
    """The same images twice: as they are seen, and as they should be."""

    seen: Any
    wanted: Any


@dataclass
class Crops(Image):
    """Images as crops of at most 64 pixels a side, at the images' own resolution.

    Places are drawn evenly, the same ones at every fit. Crops of larger images are also turned and mirrored; images no
    larger than a crop are taken whole and as they stand. Smaller ones are mirrored at their edges.
    """

    cropped = True
    cut_from = "image"

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Never by itself: a task asks for crops."""
        return False

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """Crops of all images in one form, of a `Pair` with what is seen beside them."""
        seen = self.whole(data.seen if isinstance(data, Pair) else data)
        wanted = self.whole(data.wanted) if isinstance(data, Pair) else seen
        channels, dtype = common(_together(seen.headers(), wanted.headers()))
        self.channels_, self.dtype_ = int(channels), np.dtype(dtype).name
        heights, widths = seen.headers().heights, seen.headers().widths
        self.height_, self.width_ = (min(SIDE, int(np.median(sides))) for sides in (heights, widths))
        if wanted is not seen:
            _check_pair(seen.headers(), wanted.headers())
        rows = self._cut(wanted)
        self._measure(rows, None, natural)
        batch = self._batch(rows)
        if wanted is not seen:
            batch = replace(batch, given=self._batch(self._cut(seen)).x)
        return batch, lambda: self._sign(owner)

    def whole(self, data: Any) -> Pictures:
        """The images; those with holes are refused."""
        found, holes = self._source(data)
        if holes is not None and any(hole is not None and hole.any() for hole in holes):
            raise BadData("some pixels are missing. Fill them first: Imputer().fit_transform(images).")
        return found

    def network(self) -> Design:
        """Convolutions alone; narrower ones where there are many pixels to clean."""
        return Pyramid() if self.pixels_ <= MANY else Pyramid(widths=NARROW)

    def _cut(self, source: Pictures) -> NDArray[np.float32]:
        """`(crops, channels * height * width)` in user units."""
        headers, shape = source.headers(), (self.height_, self.width_)
        pixels = headers.heights * headers.widths
        self.whole_ = bool((headers.heights <= shape[0]).all() and (headers.widths <= shape[1]).all())
        wanted = max(FEWEST, len(source), SHARES * int(pixels.sum()) // (shape[0] * shape[1]))
        most = max(1, MOST // (self.channels_ * shape[0] * shape[1]))
        count = min(len(source) if self.whole_ else wanted, most)
        self.pixels_ = int(pixels.sum())
        ends = np.rint(np.cumsum(pixels) / pixels.sum() * count).astype(np.int64)
        rows = np.empty((count, self.channels_, *shape), np.float32)
        rng, done = np.random.Generator(np.random.PCG64(0)), 0
        for image, end in zip(source.each(lambda image: image), ends, strict=True):
            if done < end:
                flat = self.conformed(image)
                planes = flat[None] if flat.ndim == 2 else np.moveaxis(flat, 2, 0)
                for crop in self._pieces(planes, int(end) - done, rng):
                    rows[done] = crop
                    done += 1
        return rows.reshape(count, -1)

    def _pieces(self, planes: Pixels, count: int, rng: np.random.Generator) -> Iterator[Pixels]:
        """`count` crops of one image, `(channels, height, width)` each."""
        height, width = self.height_, self.width_
        spare = planes.shape[1] - height, planes.shape[2] - width
        for _ in range(count):
            y, x = (int(rng.integers(max(s, 0) + 1)) for s in spare)
            crop = planes[:, y : y + height, x : x + width]
            if min(spare) < 0:
                crop = crop[:, mirrored(np.arange(height), crop.shape[1])]
                crop = crop[:, :, mirrored(np.arange(width), crop.shape[2])]
            turn = int(rng.integers(8))
            if max(spare) > 0:
                crop = np.rot90(crop, turn % 4 if height == width else turn % 2 * 2, (1, 2))
                crop = crop[:, :, ::-1] if turn > 3 else crop
            yield crop


def mirrored(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Places beyond either end, folded back at the outermost pixels."""
    period = max(1, 2 * length - 2)
    folded = np.abs(places) % period
    return np.asarray(np.minimum(folded, period - folded)) if length > 1 else np.zeros_like(places)


def _together(*found: Headers) -> Headers:
    """The headers of both, floats where either has floats."""
    kinds = [np.dtype(d).kind for h in found for d in np.unique(h.dtypes)]
    joined = {n: np.concatenate([np.asarray(getattr(h, n)) for h in found]) for n in ("heights", "widths", "channels")}
    dtypes = np.concatenate([np.asarray(h.dtypes) for h in found])
    if "f" in kinds:
        dtypes = np.where([np.dtype(d).kind == "f" for d in dtypes], dtypes, "float32")
    return Headers([n for h in found for n in h.names], **joined, dtypes=dtypes)


def _check_pair(seen: Headers, wanted: Headers) -> None:
    a, b = ([(int(h.heights[i]), int(h.widths[i])) for i in range(len(h))] for h in (seen, wanted))
    if a != b:
        where = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), min(len(a), len(b)))
        raise BadData(
            f"{len(a)} noisy images and {len(b)} clean ones do not pair up, first at image {where}: each noisy image "
            "needs its clean one, at the same place and of the same size."
        )
