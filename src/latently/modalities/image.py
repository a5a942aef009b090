"""Images: arrays, files and folders to rows of pixels and back, in the dtype, range and size they came in."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData, BadParameter
from latently.modalities.base import Remember
from latently.modalities.holes import Holes, filled, masks_of, shrunk, without_holes
from latently.modalities.intensities import as_pixels, banded
from latently.modalities.pictures import Pictures, accepts, pictures
from latently.modalities.pixels import WHITE, common, conform, is_length, resized
from latently.modalities.planes import COLOUR, Planes
from latently.modalities.rows import merged
from latently.values import Batch

__all__ = ["Image"]

Pixels = NDArray[Any]


@dataclass
class Image(Planes):
    """Images: stacks `(n, height, width[, channels])`, lists of arrays, a file, a folder, a glob, a zip.

    Every image is brought to one form before a model sees it: the channels and dtype that all can take without loss,
    and one size. Results come back in the form that each image came in.

    Parameters
    ----------
    size : "auto", int or (height, width)
        What the model sees, in pixels. "auto" is the images' own size where they share one and no side is over 96;
        else their median size, shrunk until its longer side is 96. A number is the longer side.
    missing : number or None
        A pixel value that means a hole, where all channels have it. NaN and masked pixels of arrays always do.
    skip : bool
        Leave out files that cannot be read, with a warning; otherwise the first one raises an error.
    """

    size: Any = "auto"
    missing: Any = None
    skip: bool = False
    readings: ClassVar[dict[str, str]] = {"denoise": "crops", "detect": "textures", "compress": "blocks"}
    noun: ClassVar[str] = "pixel"
    item: ClassVar[str] = "image"
    longest: ClassVar[int] = 96  #: pixels a side that a model sees when nobody says otherwise

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Arrays of three or four dimensions, lists of images, and paths that lead to some."""
        return accepts(data)

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """One form for all images, and the scale of their pixels; the images as rows, equal ones merged."""
        if isinstance(self.missing, bool) or not isinstance(self.missing, Real | None):
            raise BadParameter(f"missing={self.missing!r}: expected a pixel value that means a hole, or None.")
        source, holes = self._source(data)
        headers = source.headers()
        channels, dtype = common(headers)
        self.channels_, self.dtype_ = int(channels), np.dtype(dtype).name
        self.height_, self.width_ = self._sized(headers.heights, headers.widths)
        rows, counts = merged(self._rows(source, holes), weight)
        self._measure(rows, counts, natural)
        return self._batch(rows, counts), lambda: self._sign(owner)

    def take(self, owner: Any, data: Any) -> Batch:
        """Images as rows in model units; channels that the fit did not know are refused."""
        return self._batch(self._rows(*self._source(data)))

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Which pixels are holes, at the size that the model sees."""
        return np.isnan(self._rows(*self._source(data)))

    def pictures(self, data: Any) -> Pictures:
        """The images themselves, each read when asked for."""
        return self._source(data)[0]

    def _source(self, data: Any) -> tuple[Pictures, Holes | None]:
        """The images, and where their holes are (None: nowhere)."""
        masks = masks_of(data)
        plain = without_holes(data) if masks is not None or isinstance(data, np.ma.MaskedArray) else data
        found = pictures(plain, skip=self.skip)
        return found, None if masks is None and self.missing is None else Holes(found, masks, self.missing)

    def _sized(self, heights: NDArray[np.int64], widths: NDArray[np.int64]) -> tuple[int, int]:
        if isinstance(self.size, tuple):
            if len(self.size) != 2 or not all(map(is_length, self.size)):
                raise BadParameter(f"size={self.size!r}: expected (height, width), pixels.")
            return int(self.size[0]), int(self.size[1])
        if not (is_length(self.size) or (isinstance(self.size, str) and self.size == "auto")):
            raise BadParameter(f"size={self.size!r}: expected 'auto', a number of pixels, or (height, width).")
        height, width = int(np.median(heights)), int(np.median(widths))
        longest = max(height, width)
        wanted = min(longest, self.longest) if self.size == "auto" else int(self.size)
        return max(1, round(height * wanted / longest)), max(1, round(width * wanted / longest))

    def _rows(self, source: Pictures, holes: Holes | None) -> NDArray[np.float32]:
        """`(n, channels * height * width)` in user units; NaN in holes."""
        with np.errstate(over="ignore"):  # what becomes infinite is said below
            rows = self._read(source, holes)
        if np.isinf(rows).any():
            raise BadData("pixels lie beyond 3.4e38, the range of float32. Scale the images: images / images.max().")
        return rows

    def _read(self, source: Pictures, holes: Holes | None) -> NDArray[np.float32]:
        n, shape = len(source), (self.height_, self.width_)
        rows = np.empty((n, self.channels_, *shape), np.float32)
        stack = source.array
        if stack is not None and holes is None and stack.shape[1:3] == shape and self._same_form(stack):
            rows[:] = stack[:, None] if stack.ndim == 3 else np.moveaxis(stack, 3, 1)
            return rows.reshape(n, -1)
        for i, image in enumerate(source.each(self._brought)):
            rows[i] = image
            gap = None if holes is None else holes[i]
            if gap is not None:
                rows[i][:, shrunk(gap, shape)] = np.nan
        return rows.reshape(n, -1)

    def _same_form(self, stack: Pixels) -> bool:
        return stack.dtype.name == self.dtype_ and (stack.shape[3] if stack.ndim == 4 else 1) == self.channels_

    def _brought(self, image: Pixels) -> Pixels:
        """One image in the form of the fit, `(channels, height, width)` float32 in user units."""
        image = resized(self.conformed(image), self.height_, self.width_)
        return (image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)).astype(np.float32)

    def conformed(self, image: Pixels) -> Pixels:
        """One image at its own size with the channels and dtype of the fit; `BadData` where that would lose something.

        Floats are taken for integers of the same range where the fit was of integers, and the other way round.
        """
        if np.dtype(self.dtype_).kind == "f":
            return conform(image.astype(self.dtype_), self.channels_, self.dtype_)
        if image.dtype.kind != "f":
            return conform(image, self.channels_, self.dtype_)
        made = conform(image, self.channels_, image.dtype)
        if self.channels_ in (2, 4) and (image.ndim == 2 or image.shape[2] in (1, 3)):
            made[..., -1] = WHITE.get(self.dtype_, 1)  # opaque in the unit of the fit
        return made

    # ------------------------------------------------------------------ results out

    def tensor(self, image: Pixels) -> Tensor:
        """One image at its own size in model units, `(channels, height, width)`."""
        image = self.conformed(image).astype(np.float32)
        flat = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
        return torch.from_numpy((flat - self.shift_[:, None, None]) / self.scale_[:, None, None]).float()

    def array(self, cells: Tensor, like: Pixels) -> Pixels:
        """Model units `(channels, height, width)` of any size as an image of the dtype of `like`."""
        values = cells.cpu().numpy() * self.scale_[:, None, None] + self.shift_[:, None, None]
        return self._image(np.asarray(values), like)

    def shown(self, values: Pixels) -> Pixels:
        """Images `(n, height, width[, channels])` in the dtype of the fit."""
        made = as_pixels(self._within(values.reshape(-1, *self.shape)), self.dtype_, self.dtype_)
        return made[..., 0] if self.channels_ == 1 else made

    def _image(self, values: Pixels, like: Pixels) -> Pixels:
        """`(channels, height, width)` of any size in user units as an image of the form and size of `like`."""
        made = banded(self._within(values), 1 if like.ndim == 2 else like.shape[2])
        return as_pixels(resized(made, *like.shape[:2]), self.dtype_, like.dtype).reshape(like.shape)

    def rebuilt(self, values: Pixels, like: Any, changed: NDArray[np.bool_] | None = None) -> Any:
        """Images of `values` in the forms and sizes of `like`: a stack for a stack, a list for anything else.

        With `changed`, only in those pixels, holes as they lie in `like`; all others are bit for bit those of `like`.
        """
        source, holes = self._source(like)
        values, stack = values.reshape(-1, *self.shape), isinstance(like, np.ndarray)
        made = []
        for i, image in enumerate(source.each(lambda image: image)):
            old = like[i] if stack or (isinstance(like, (list, tuple)) and isinstance(like[i], np.ndarray)) else image
            fresh = self._image(values[i], old)
            if changed is not None:
                hole = None if holes is None else holes[i]
                fresh = filled(fresh, old, changed.reshape(-1, *self.shape)[i], hole)
            made.append(fresh)
        return (np.ma.stack if isinstance(made[0], np.ma.MaskedArray) else np.stack)(made) if stack else made

    # ------------------------------------------------------------------ what was decided

    @property
    def names(self) -> list[str]:
        """Where each pixel lies."""
        c, h, w = self.shape
        what = [""] if c == 1 else [f" channel {k}" for k in range(c)]
        return [f"row {i} column {j}{k}" for k in what for i in range(h) for j in range(w)]

    def schema(self) -> list[dict[str, Any]]:
        """What the model sees of an image."""
        return [{
            "name": "image", "sort": "image", "role": "learned", "why": "", "levels": 0, "missing": self.missing_,
            "channels": self.channels_, "height": self.height_, "width": self.width_, "dtype": self.dtype_,
            "cropped": self.cropped, "range": (float(self.low_.min()), float(self.high_.max())),
            "scaled": "one unit for all pixels" if self.channels_ <= COLOUR else "each channel by its spread",
        }]  # fmt: skip
