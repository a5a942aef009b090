"""Square blocks of images at their own resolution: the rows of a transform that codes images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData
from latently.modalities.base import Remember
from latently.modalities.image import Image
from latently.modalities.pictures import Pictures
from latently.modalities.pixels import common
from latently.parts.networks import Dense, Design
from latently.values import Batch

__all__ = ["Blocks", "colours"]

Pixels = NDArray[Any]
MOST = 50_000  # blocks: a covariance of 768 pixels is known by then
SHARES = 2  # times that the blocks together cover the images
LARGE = 64  # pixels of the shorter side from which on blocks are of 16, else of 8 pixels a side


@dataclass
class Blocks(Image):
    """Images as square blocks, colours without alpha; a half of the blocks turned or mirrored, as in any world.

    Blocks have 16 pixels a side, in images with sides under 64 pixels 8. Their places are drawn evenly, the same ones
    at every fit.
    """

    cropped = True

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Never by itself: a task asks for blocks."""
        return False

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """Blocks of all images in one form."""
        source = self.pictures(data)
        headers = source.headers()
        channels, dtype = common(headers)
        if dtype != np.uint8 or channels > 4:
            raise BadData(
                f"these images have {channels} channels of {dtype}; a lossy model codes grey and colours of uint8. "
                "Compressor(quality='lossless') and Compressor(max_error=...) take any, and need no fit."
            )
        self.channels_, self.dtype_ = (1 if channels < 3 else 3), "uint8"
        shorter = int(np.median(np.minimum(headers.heights, headers.widths)))
        self.height_ = self.width_ = 16 if shorter >= LARGE else 8
        rows = self._drawn(source)
        self._measure(rows, None, natural)
        return self._batch(rows), lambda: self._sign(owner)

    def network(self) -> Design:
        """One linear layer and its transpose."""
        return Dense(hidden=(), tied=True)

    def _drawn(self, source: Pictures) -> NDArray[np.float32]:
        headers, side = source.headers(), self.height_
        pixels = headers.heights * headers.widths
        count = int(min(MOST, max(len(source), SHARES * int(pixels.sum()) // side**2)))
        ends = np.rint(np.cumsum(pixels) / pixels.sum() * count).astype(np.int64)
        rows = np.empty((count, self.channels_, side, side), np.float32)
        rng, done = np.random.Generator(np.random.PCG64(0)), 0
        for image, end in zip(source.each(lambda image: colours(image, self.channels_)), ends, strict=True):
            rest = [(0, max(side - n, 0)) for n in image.shape[:2]]
            windows = np.lib.stride_tricks.sliding_window_view(
                np.pad(image, [*rest, (0, 0)], mode="edge"), (side, side), axis=(0, 1)
            )
            y, x = (rng.integers(n, size=int(end) - done) for n in windows.shape[:2])
            rows[done:end] = windows[y, x]
            done = int(end)
        for turn in range(8):
            part = rows[turn::8]
            part = np.rot90(part, turn % 4, (2, 3))
            rows[turn::8] = part[..., ::-1] if turn > 3 else part
        return rows.reshape(count, -1)


def colours(image: Pixels, channels: int) -> Pixels:
    """`(height, width, channels)` of an image without its alpha: grey for one channel, or as many as asked for."""
    flat = image[..., None] if image.ndim == 2 else image
    flat = flat[..., : flat.shape[2] - (flat.shape[2] in (2, 4))]
    if flat.shape[2] > channels:
        raise BadData("the image has colours; this model was fitted on grey images. Fit it on images with colours.")
    return np.repeat(flat, channels, 2) if flat.shape[2] < channels else flat
