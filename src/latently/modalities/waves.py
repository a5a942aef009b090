"""What arrays of samples are: their forms, what is wrong with them, one unit for all, another rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from latently.errors import BadData, UnsupportedInput

__all__ = ["Head", "Heads", "as_float", "as_samples", "channeled", "check", "fitted_to", "resampled", "upright"]

Samples = NDArray[Any]
FULL = {"uint8": 128.0, "int16": 32768.0, "int32": 2147483648.0}  # full scale is 1.0 of floats
FLOATS = ("float16", "float32", "float64")
MOST_CHANNELS = 64  # more are a clip that lies on its side
LARGEST = 1e15  # beyond it, squares of sums leave float32


@dataclass(frozen=True)
class Head:
    """What is known of one clip before it is decoded."""

    rate: int  #: samples a second
    channels: int
    length: int  #: samples of each channel
    dtype: str


@dataclass(frozen=True)
class Heads:
    """The headers of a whole set, a column each."""

    names: Sequence[str]
    rates: NDArray[np.int64]
    channels: NDArray[np.int64]
    lengths: NDArray[np.int64]
    dtypes: NDArray[Any]  #: their names

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, i: int) -> Head:
        return Head(int(self.rates[i]), int(self.channels[i]), int(self.lengths[i]), str(self.dtypes[i]))

    @property
    def seconds(self) -> NDArray[np.float64]:
        """How long each clip lasts."""
        return np.asarray(self.lengths / self.rates)


# ---------------------------------------------------------------------- what is wrong


def check(array: Samples, name: str) -> None:
    """Refuse what is no clip: other dtypes, other dimensions, no samples, numbers that are not finite."""
    if isinstance(array, np.ma.MaskedArray):
        raise UnsupportedInput(f"{name} is a masked array; expected plain samples. Try data.filled(0).")
    if array.dtype.name not in (*FULL, *FLOATS):
        raise UnsupportedInput(
            f"{name} has dtype {array.dtype}; expected {', '.join((*FULL, *FLOATS))}. Samples of 16 bits: "
            "data.astype('int16')."
        )
    if array.ndim not in (1, 2):
        raise UnsupportedInput(f"{name} has shape {array.shape}; expected one clip: (samples,) or (samples, channels).")
    if array.size == 0:
        raise BadData(f"{name} has shape {array.shape}: no samples. Leave it out.")
    if array.ndim == 2 and array.shape[1] > MOST_CHANNELS:
        raise BadData(
            f"{name} has shape {array.shape}, {array.shape[1]} channels; expected (samples, channels). "
            "Try data.T where channels come first."
        )
    check_finite(array, name)


def check_finite(array: Samples, name: str) -> None:
    """Refuse NaN, infinity, and numbers whose squares no model could hold."""
    if array.dtype.kind != "f":
        return
    with np.errstate(invalid="ignore"):
        fine = bool(np.abs(array).max(initial=0.0) < LARGEST)  # NaN comes through max
    if not fine:
        spot = tuple(int(i) for i in np.argwhere(~(np.abs(array) < LARGEST))[0])
        raise BadData(
            f"{name} holds {array[spot]} at sample {spot[0]}; expected finite numbers, full scale at 1.0. "
            "np.nan_to_num replaces what is missing, or leave the clip out."
        )


# ---------------------------------------------------------------------- one unit


def upright(array: Samples) -> Samples:
    """`(samples, channels)`."""
    return array[:, None] if array.ndim == 1 else array


def as_float(array: Samples) -> NDArray[np.float32]:
    """Samples in float32, full scale of integers at 1.0; floats as they are."""
    full = FULL.get(array.dtype.name)
    if full is None:
        return array.astype(np.float32, copy=False)
    middle = 128.0 if array.dtype.kind == "u" else 0.0
    return ((array.astype(np.float64) - middle) / full).astype(np.float32)


def as_samples(values: Samples, dtype: DTypeLike) -> Samples:
    """Samples of full scale 1.0 in a dtype: integers rounded and kept within their range, floats as they are."""
    wanted = np.dtype(dtype)
    full = FULL.get(wanted.name)
    if full is None:
        return values.astype(wanted)
    middle, ends = (128.0 if wanted.kind == "u" else 0.0), np.iinfo(wanted)
    whole: Samples = np.clip(np.rint(values.astype(np.float64) * full + middle), ends.min, ends.max)
    return np.asarray(whole.astype(wanted))


def channeled(values: Samples, channels: int) -> Samples:
    """`(samples, channels)` of so many: one becomes several by repetition, several become one by their mean."""
    have = values.shape[1]
    if have == channels:
        return values
    if have == 1:
        return np.repeat(values, channels, 1)
    if channels == 1:
        return np.asarray(values.mean(1, keepdims=True, dtype=np.float64), values.dtype)
    raise BadData(f"a clip of {have} channels cannot become one of {channels}; it can become mono, or come from mono.")


def resampled(values: Samples, rate: int, wanted: int) -> Samples:
    """`(samples, ...)` of floats at another rate, by a polyphase filter; `ceil(samples * wanted / rate)` of them."""
    if rate == wanted:
        return values
    from scipy.signal import resample_poly

    shared = gcd(rate, wanted)
    found: Samples = resample_poly(
        values, wanted // shared, rate // shared, axis=0, padtype="line" if len(values) > 1 else None
    )
    return np.asarray(found, values.dtype)


def fitted_to(values: Samples, length: int) -> Samples:
    """The first `length` samples; silence behind where there are fewer."""
    if len(values) >= length:
        return values[:length]
    return np.concatenate([values, np.zeros((length - len(values), *values.shape[1:]), values.dtype)])
