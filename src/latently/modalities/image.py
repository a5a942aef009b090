"""Images: arrays, files and folders to rows of pixels and back, in the dtype, range and size they came in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData, BadParameter
from latently.modalities.base import Modality, Remember
from latently.modalities.holes import holes_of, without_holes
from latently.modalities.pictures import Pictures, accepts, pictures
from latently.modalities.pixels import WHITE, common, conform, resized
from latently.modalities.rows import merged
from latently.parts.doors import Door
from latently.parts.likelihoods import Bernoulli, Gaussian, Likelihood
from latently.values import Batch

__all__ = ["Image"]

Pixels = NDArray[Any]
LONGEST = 96  # pixels a side that a model sees when nobody says otherwise: larger images are shrunk for it
AT_ONCE = 1024  # images whose sums are taken together
COLOUR = 4  # channels: up to here they are grey, colours and alpha, in one unit; beyond, each has its own


@dataclass
class Image(Modality):
    """Images: stacks `(n, height, width[, channels])`, lists of arrays, a file, a folder, a glob, a zip.

    Every image is brought to one form before a model sees it: the channels and dtype that all can take without loss,
    and one size. Results come back in the form that each image came in.

    Parameters
    ----------
    size : "auto", int or (height, width)
        What the model sees, in pixels. "auto" is the images' own size where they share one and no side is over 96;
        else their median size, shrunk until its longer side is 96. A number is the longer side.
    missing : number or None
        A pixel value that means a hole, in all channels. NaN and masked pixels always do.
    skip : bool
        Leave out files that cannot be read, with a warning; otherwise the first one raises an error.
    """

    size: int | tuple[int, int] | Literal["auto"] = "auto"
    missing: float | None = None
    skip: bool = False

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Arrays of three or four dimensions, lists of images, and paths that lead to some."""
        return accepts(data)

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """One form for all images, and the scale of their pixels; the images as rows, equal ones merged."""
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

    def _source(self, data: Any) -> tuple[Pictures, list[NDArray[np.bool_] | None] | None]:
        """The images, and where their holes are (None: nowhere)."""
        holes = holes_of(data, self.missing)
        return pictures(data if holes is None else without_holes(data), skip=self.skip), holes

    def _sized(self, heights: NDArray[np.int64], widths: NDArray[np.int64]) -> tuple[int, int]:
        if isinstance(self.size, tuple):
            if len(self.size) != 2 or not all(isinstance(s, int) and s > 0 for s in self.size):
                raise BadParameter(f"size={self.size!r}: expected (height, width), pixels.")
            return self.size
        if not (self.size == "auto" or (isinstance(self.size, int) and self.size > 0)):
            raise BadParameter(f"size={self.size!r}: expected 'auto', a number of pixels, or (height, width).")
        height, width = int(np.median(heights)), int(np.median(widths))
        longest = max(height, width)
        wanted = min(longest, LONGEST) if self.size == "auto" else int(self.size)
        return max(1, round(height * wanted / longest)), max(1, round(width * wanted / longest))

    def _rows(self, source: Pictures, holes: list[NDArray[np.bool_] | None] | None) -> NDArray[np.float32]:
        """`(n, channels * height * width)` in user units; NaN in holes."""
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
                gap = gap if gap.shape == shape else resized(gap.astype(np.float32), *shape) > 0
                rows[i][:, gap] = np.nan
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
        if image.dtype.kind == "f" or np.dtype(self.dtype_).kind == "f":
            return conform(image.astype(self.dtype_), self.channels_, self.dtype_)
        return conform(image, self.channels_, self.dtype_)

    def _measure(self, rows: NDArray[np.float32], counts: NDArray[np.float64] | None, natural: bool) -> None:
        """Shift and scale of the pixels, their limits, and whether any was missing."""
        each = rows.reshape(len(rows), self.channels_, -1)
        groups = [slice(None)] if self.channels_ <= COLOUR else [slice(c, c + 1) for c in range(self.channels_)]
        self.shift_, self.scale_, self.low_, self.high_ = (np.zeros(self.channels_) for _ in range(4))
        for group in groups:
            mean, deviation = _moments(each[:, group], counts)
            self.shift_[group], self.scale_[group] = mean, deviation
            self.low_[group], self.high_[group] = np.nanmin(each[:, group]), np.nanmax(each[:, group])
        self.masked_ = bool(np.isnan(rows).any())
        top = float(self.high_.max())
        self.binary_ = natural and top > 0 and bool(np.isin(rows, (0, top)).all())
        if self.binary_:
            self.shift_[:], self.scale_[:] = 0.0, top

    def _batch(self, rows: NDArray[np.float32], counts: NDArray[np.float64] | None = None) -> Batch:
        each = rows.reshape(len(rows), self.channels_, -1)
        each -= self.shift_[:, None].astype(np.float32)
        each /= self.scale_[:, None].astype(np.float32)
        cells = torch.from_numpy(rows)
        gaps = torch.isnan(cells) if bool(cells.sum(dtype=torch.float64).isnan()) else None
        weight = None if counts is None else torch.from_numpy(counts.astype(np.float32))
        if gaps is None:
            return Batch(cells, weight=weight)
        return Batch(cells.masked_fill(gaps, 0.0), ~gaps, weight=weight)

    def _sign(self, owner: Any) -> None:
        owner.n_features_in_ = self.cells
        vars(owner).pop("feature_names_in_", None)

    # ------------------------------------------------------------------ what it calls for

    @property
    def cells(self) -> int:
        """Numbers an image."""
        return self.channels_ * self.height_ * self.width_

    @property
    def shape(self) -> tuple[int, ...]:
        """`(channels, height, width)` as the model sees images."""
        return self.channels_, self.height_, self.width_

    def door(self, masked: bool) -> Door:
        """Pixels as they are, and which are known."""
        return Door(self.levels, self.masked_ or masked, common=True)

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """`numbers`; a normal with a learned spread if None, Bernoulli of black and white."""
        return numbers if numbers is not None else Bernoulli() if self.binary_ else Gaussian()

    def limits(self) -> tuple[Tensor, Tensor]:
        """Least and greatest value of each pixel in model units."""
        ends = ((end - self.shift_) / self.scale_ for end in (self.low_, self.high_))
        low, high = (torch.from_numpy(self._spread(end).astype(np.float32)) for end in ends)
        return low, high

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest value of each pixel in user units."""
        return self._spread(self.low_), self._spread(self.high_)

    def _spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(values, self.height_ * self.width_)

    # ------------------------------------------------------------------ results out

    def tensor(self, image: Pixels) -> Tensor:
        """One image at its own size in model units, `(channels, height, width)`."""
        image = self.conformed(image).astype(np.float32)
        flat = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
        return torch.from_numpy((flat - self.shift_[:, None, None]) / self.scale_[:, None, None]).float()

    def array(self, cells: Tensor, like: Pixels) -> Pixels:
        """Model units `(channels, height, width)` of any size as an image of the dtype of `like`."""
        values = cells.cpu().numpy() * self.scale_[:, None, None] + self.shift_[:, None, None]
        return self._pixels(np.asarray(values), like.dtype, like.ndim == 2)

    def values(self, cells: Tensor) -> NDArray[np.float32]:
        """Rows in user units, `(n, channels * height * width)`."""
        each = cells.cpu().numpy().reshape(len(cells), self.channels_, -1)
        values = each * self.scale_[:, None].astype(np.float32) + self.shift_[:, None].astype(np.float32)
        return np.asarray(values.reshape(len(cells), -1), np.float32)

    def _pixels(self, values: Pixels, dtype: np.dtype[Any], flat: bool) -> Pixels:
        """`(..., channels, height, width)` in user units as images of this dtype, within its range."""
        made = np.moveaxis(values, -3, -1)
        have = np.dtype(self.dtype_)
        if dtype.name in WHITE and have.name in WHITE and dtype != have:
            made = made * (WHITE[dtype.name] / WHITE[have.name])
        if dtype.kind in "iu":
            made = np.clip(np.rint(made), np.iinfo(dtype).min, np.iinfo(dtype).max)
        elif dtype.kind == "b":
            made = made > 0.5
        else:
            made = np.clip(made, self.low_, self.high_)
        return made[..., 0].astype(dtype) if self.channels_ == 1 and flat else made.astype(dtype)

    def shown(self, values: Pixels) -> Pixels:
        """Images `(n, height, width[, channels])` in the dtype of the fit."""
        return self._pixels(values.reshape(-1, *self.shape), np.dtype(self.dtype_), flat=True)

    def rebuilt(self, values: Pixels, like: Any, changed: NDArray[np.bool_] | None = None) -> Any:
        """Images of `values` in the dtypes and sizes of `like`: a stack for a stack, a list for anything else.

        With `changed`, only in those pixels; all others are bit for bit those of `like`.
        """
        source, _ = self._source(like)
        values = values.reshape(-1, *self.shape)
        masks = None if changed is None else changed.reshape(-1, *self.shape)
        made = [
            self._again(image, values[i], None if masks is None else masks[i])
            for i, image in enumerate(source.each(lambda image: image))
        ]
        return np.stack(made).reshape(like.shape) if isinstance(like, np.ndarray) else made

    def _again(self, image: Pixels, values: Pixels, mask: NDArray[np.bool_] | None) -> Pixels:
        made = self._pixels(values, image.dtype, image.ndim == 2)
        made = resized(made, *image.shape[:2])
        if mask is None:
            return made
        gap = np.asarray(mask.any(0))
        if gap.shape != image.shape[:2]:
            gap = resized(gap.astype(np.float32), *image.shape[:2]) > 0
        return np.where(gap if image.ndim == 2 else gap[..., None], made, image)

    def batches(self, data: Any, rows: int) -> Iterator[Batch]:
        """Images as batches of at most `rows`, read one after the other."""
        source = self.pictures(data)
        for i in range(0, len(source), rows):
            yield self._batch(self._rows(source.take(range(i, min(i + rows, len(source)))), None))

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
            "name": "image", "sort": "image", "role": "learned", "why": "", "levels": 0, "missing": 0.0,
            "channels": self.channels_, "height": self.height_, "width": self.width_, "dtype": self.dtype_,
            "range": (float(self.low_.min()), float(self.high_.max())),
            "scaled": "one unit for all pixels" if self.channels_ <= COLOUR else "each channel by its spread",
        }]  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Form, size, scale and limits."""
        return {n[:-1]: getattr(self, n) for n in self._learned}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        for name in self._learned:
            setattr(self, name, state[name[:-1]])
        return self

    _learned = ("channels_", "dtype_", "height_", "width_", "shift_", "scale_", "low_", "high_", "masked_", "binary_")


def _moments(each: NDArray[np.float32], counts: NDArray[np.float64] | None) -> tuple[float, float]:
    """Mean and standard deviation of all known numbers, 1 in place of no deviation; images count `counts`."""
    sums = np.zeros(3)
    for i in range(0, len(each), AT_ONCE):
        piece = each[i : i + AT_ONCE].reshape(len(each[i : i + AT_ONCE]), -1).astype(np.float64)
        known = ~np.isnan(piece)
        piece[~known] = 0.0
        weight = np.ones(len(piece)) if counts is None else counts[i : i + AT_ONCE]
        sums += [weight @ known.sum(1), weight @ piece.sum(1), weight @ np.square(piece).sum(1)]
    if not sums[0]:
        raise BadData("no pixel is known in any image; nothing can be learned from holes.")
    mean = sums[1] / sums[0]
    deviation = float(np.sqrt(max(sums[2] / sums[0] - mean**2, 0.0)))
    return float(mean), deviation if deviation > 1e-6 * abs(mean) else 1.0
