"""Where pixels are missing: NaN, masked, or of a value that means a hole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.modalities.pictures import Pictures

__all__ = ["Holes", "filled", "masks_of", "shrunk", "without_holes"]

Mask = NDArray[np.bool_]


class Holes:
    """The holes of each image, `(height, width)`, or None; those of a value are looked for when asked."""

    def __init__(self, images: Pictures, masks: Sequence[Mask | None] | None, missing: Any) -> None:
        self.images, self.masks, self.missing = images, masks, missing

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Mask | None]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Mask | None:
        found = None if self.masks is None else self.masks[i]
        if self.missing is None:
            return found
        image = self.images[i]
        own = np.asarray(image == self.missing)
        own = own if image.ndim == 2 else np.asarray(own.all(2))
        return own if found is None else found | own


def masks_of(data: Any) -> list[Mask | None] | None:
    """The NaN and masked pixels `(height, width)` of each image of a stack or a list of arrays; None without any.

    A pixel is a hole where one of its channels is missing.
    """
    if isinstance(data, np.ndarray):
        if data.ndim not in (3, 4) or not _may_have(data):
            return None
        found = _gaps(data)
        return [np.asarray(f if data.ndim == 3 else f.any(2)) for f in found] if found.any() else None
    if not isinstance(data, (list, tuple)):
        return None
    each = [_of_one(image) if isinstance(image, np.ndarray) else None for image in data]
    return each if any(hole is not None for hole in each) else None


def _of_one(image: NDArray[Any]) -> Mask | None:
    if image.ndim not in (2, 3) or not _may_have(image):
        return None
    found = _gaps(image)
    return np.asarray(found if image.ndim == 2 else found.any(2)) if found.any() else None


def _may_have(data: NDArray[Any]) -> bool:
    return data.dtype.kind == "f" or isinstance(data, np.ma.MaskedArray)


def _gaps(data: NDArray[Any]) -> Mask:
    found = np.ma.getmaskarray(data).copy() if isinstance(data, np.ma.MaskedArray) else np.zeros(data.shape, bool)
    plain = np.ma.getdata(data)
    return found | np.isnan(plain) if plain.dtype.kind == "f" else found


def without_holes(data: Any) -> Any:
    """The same images with zeros for NaN and for what is masked."""
    if isinstance(data, np.ndarray):
        gaps = _gaps(data) if data.dtype.kind in "buif" and _may_have(data) else np.zeros((), bool)
        return np.where(gaps, np.zeros((), data.dtype), np.ma.getdata(data)) if gaps.any() else np.ma.getdata(data)
    if isinstance(data, Sequence):
        return [without_holes(image) if isinstance(image, np.ndarray) else image for image in data]
    return data


def shrunk(hole: Mask, shape: tuple[int, int]) -> Mask:
    """The hole at another size: every pixel that it touches, and where an image grows, those that it is mixed into."""
    if hole.shape == shape:
        return hole
    down, across = (_touching(have, wanted) for have, wanted in zip(hole.shape, shape, strict=True))
    return np.asarray(down @ hole.astype(np.float32) @ across.T > 0)


def _touching(have: int, wanted: int) -> NDArray[np.float32]:
    """`(wanted, have)`: which of `have` pixels overlap each of `wanted` along the same side."""
    reach = int(wanted > have)
    here, there = np.arange(have)[None], np.arange(wanted)[:, None]
    overlap = ((here - reach) * wanted < (there + 1) * have) & ((here + 1 + reach) * wanted > there * have)
    return overlap.astype(np.float32)


def filled(made: NDArray[Any], old: NDArray[Any], changed: Mask, hole: Mask | None) -> NDArray[Any]:
    """The image `old` with the pixels of `made` where `changed`, `(channels, height, width)` of any size, says so.

    Holes change as they lie in `old`, whole or not at all; all else stays bit for bit, masked pixels masked.
    """
    size, bands = old.shape[:2], old.shape[2] if old.ndim == 3 else 1
    each = changed if len(changed) == bands else np.asarray(changed.any(0, keepdims=True))
    if hole is None:
        where = np.stack([shrunk(band, size) for band in each], 2)
    else:
        there = shrunk(hole, changed.shape[1:])
        where = np.stack([shrunk(band & ~there, size) for band in each], 2)
        where[hole] = bool(changed[:, there].any())
    where = np.broadcast_to(where, (*size, bands)).reshape(old.shape)
    result = np.where(where, made, np.ma.getdata(old))
    if isinstance(old, np.ma.MaskedArray):
        return np.ma.array(result, mask=np.ma.getmaskarray(old) & ~where)
    return result
