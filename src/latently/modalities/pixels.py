"""What arrays of pixels are: their forms, what is wrong with them, one form for all, another size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from latently.errors import BadData, BadParameter, UnsupportedInput

__all__ = ["WHITE", "Header", "Headers", "check", "check_stack", "common", "conform", "is_length", "resized"]

Pixels = NDArray[Any]
SCALED = ("bool", "uint8", "uint16")  # full scale is white in each, so each goes into the next without loss
WHITE = {"bool": 1, "uint8": 255, "uint16": 65535}


@dataclass(frozen=True)
class Header:
    """What is known of one image before its pixels are decoded, as it will be seen."""

    height: int
    width: int
    channels: int  #: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha, more: as they come
    dtype: str


@dataclass(frozen=True)
class Headers:
    """The headers of a whole set, a column each."""

    names: Sequence[str]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    channels: NDArray[np.int64]
    dtypes: NDArray[Any]  #: their names

    def __len__(self) -> int:
        return len(self.heights)

    def __getitem__(self, i: int) -> Header:
        return Header(int(self.heights[i]), int(self.widths[i]), int(self.channels[i]), str(self.dtypes[i]))


# ---------------------------------------------------------------------- what is wrong


def check(array: Pixels, name: str) -> None:
    """Refuse what is no image: other dtypes, other dimensions, no pixels, numbers that are not finite."""
    _check_dtype(array, name)
    if array.ndim not in (2, 3):
        raise UnsupportedInput(
            f"{name} has shape {array.shape}; expected one image: (height, width) or (height, width, channels)."
        )
    if array.size == 0:
        raise BadData(f"{name} has shape {array.shape}: no pixels. Leave it out.")
    if array.dtype.kind == "f" and not _finite(array):
        spot = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise BadData(
            f"{name} holds {array[spot]} at {spot}; expected finite numbers. "
            "np.nan_to_num replaces them, or leave the image out."
        )


def check_stack(array: Pixels) -> None:
    """Refuse an array that is no stack of images."""
    _check_dtype(array, "the array")
    if array.ndim not in (3, 4):
        hint = " One image alone: image[None]." if array.ndim == 2 else ""
        raise UnsupportedInput(
            f"got an array of shape {array.shape}; expected images: (n, height, width) or "
            f"(n, height, width, channels).{hint}"
        )
    if len(array) == 0:
        raise BadData(f"got an array of shape {array.shape}: no images. Give at least one.")
    if array.size == 0:
        raise BadData(f"got an array of shape {array.shape}: images without pixels.")
    if array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[2] > 4 and array.shape[3] > 16:
        raise BadData(
            f"got an array of shape {array.shape}, which seems to have its channels first; expected "
            "(n, height, width, channels). Try data.transpose(0, 2, 3, 1)."
        )
    if array.dtype.kind == "f" and not _finite(array):
        bad = [i for i, image in enumerate(array) if not _finite(image)]
        try:
            check(array[bad[0]], f"image {bad[0]}")
        except BadData as problem:
            raise BadData(f"{problem}{_others(len(bad) - 1)}") from None


def _check_dtype(array: Pixels, name: str) -> None:
    if isinstance(array, np.ma.MaskedArray):
        raise UnsupportedInput(f"{name} is a masked array; expected plain numbers. Try data.filled(0).")
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        hint = " Images of several sizes are a list of arrays." if array.dtype == object else ""
        raise UnsupportedInput(f"{name} has dtype {array.dtype}; expected bool, integers or floats.{hint}")


def _finite(array: Pixels) -> bool:
    with np.errstate(invalid="ignore"):  # NaN comes through min and max
        return bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def _others(count: int) -> str:
    return f" {count} more {'is' if count == 1 else 'are'} like it." if count else ""


# ---------------------------------------------------------------------- one form


def common(headers: Headers) -> tuple[int, np.dtype[Any]]:
    """The channels and the dtype that every image can be brought to without loss.

    Raises `BadData` naming the odd image where there are none: channels of a spectrum among colours, floats among
    integers.
    """
    channels = _common_channels({int(c) for c in np.unique(headers.channels)})
    dtype = _common_dtype({str(d) for d in np.unique(headers.dtypes)})
    if channels is None or dtype is None:
        raise _odd(headers)
    return channels, dtype


def _common_channels(found: set[int]) -> int | None:
    if len(found) == 1:
        return next(iter(found))
    if max(found) > 4:
        return None
    return 1 + 2 * (max(found) >= 3) + (not found.isdisjoint((2, 4)))


def _common_dtype(found: set[str]) -> np.dtype[Any] | None:
    if len(found) == 1:
        return np.dtype(next(iter(found)))
    if found <= set(SCALED):
        return np.dtype(max(found, key=SCALED.index))
    if all(np.dtype(d).kind == "f" for d in found):
        return np.result_type(*found)
    return None


def _odd(headers: Headers) -> BadData:
    forms = list(zip(headers.channels.tolist(), headers.dtypes.tolist(), strict=True))
    usual = Counter(forms).most_common(1)[0][0]
    odd = [
        i
        for i, (channels, dtype) in enumerate(forms)
        if _common_channels({channels, usual[0]}) is None or _common_dtype({dtype, usual[1]}) is None
    ]
    first = odd[0] if odd else next(i for i, form in enumerate(forms) if form != usual)
    return BadData(
        f"{headers.names[first]} has {_told(*forms[first])}, most others have {_told(*usual)}: they cannot be brought "
        f"to one form without loss.{_others(len(odd) - 1 if odd else 0)} "
        "Convert them to one form, or give each form a model of its own."
    )


def _told(channels: int, dtype: str) -> str:
    return f"{channels} channel{'' if channels == 1 else 's'} of {dtype}"


def conform(array: Pixels, channels: int, dtype: DTypeLike) -> Pixels:
    """The image with these channels and this dtype, without loss.

    Grey becomes colour by repetition, alpha is added opaque (1.0 in floats), 8 bits become 16 by 257. Raises `BadData`
    where something would be lost.
    """
    have, wanted = 1 if array.ndim == 2 else array.shape[2], np.dtype(dtype)
    if _common_channels({have, channels}) != channels or _common_dtype({array.dtype.name, wanted.name}) != wanted:
        raise BadData(
            f"an image of {_told(have, array.dtype.name)} cannot become {_told(channels, wanted.name)} without loss. "
            "Convert it, or fit on images like it."
        )
    if array.dtype != wanted:
        factor = WHITE[wanted.name] // WHITE[array.dtype.name] if wanted.kind == "u" else 1
        array = array.astype(wanted) * wanted.type(factor)
    if have == channels:
        return array
    bands = [array] if array.ndim == 2 else [array[..., j] for j in range(have)]
    alpha = bands.pop() if have in (2, 4) else np.full(array.shape[:2], WHITE.get(wanted.name, 1), wanted)
    if channels >= 3 and len(bands) == 1:
        bands *= 3
    return np.stack([*bands, alpha] if channels in (2, 4) else bands, axis=2)


# ---------------------------------------------------------------------- another size


def is_length(value: Any) -> bool:
    """Whether it may be a side of an image, in pixels."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


def resized(array: Pixels, height: int, width: int) -> Pixels:
    """The image at another size, in its dtype: a mean over areas where it shrinks, bicubic where it grows.

    Each channel is computed alone, in float32, and kept within the range of its values; halves are rounded to even.
    """
    if height < 1 or width < 1:
        raise BadParameter(f"got a size of {height} x {width}; expected at least 1 x 1 pixels.")
    if array.shape[:2] == (height, width):
        return array
    if array.ndim == 2:
        return _resized_band(array, height, width)
    bands = [_resized_band(array[..., j], height, width) for j in range(array.shape[2])]
    return np.stack(bands, axis=2)


def _resized_band(band: Pixels, height: int, width: int) -> Pixels:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(band, dtype=np.float32))
    for size, shrinks in (((width, band.shape[0]), width < band.shape[1]), ((width, height), height < band.shape[0])):
        image = image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
    found = np.asarray(image)
    found = np.clip(found, np.float32(band.min()), np.float32(band.max()))  # a cubic overshoots
    if band.dtype.kind == "b":
        return np.asarray(found > 0.5)
    rounded: Pixels = found if band.dtype.kind == "f" else np.rint(found)
    return rounded.astype(band.dtype)
