"""Numbers as whole numbers from 0 up, and back to the last bit, or no farther off than was asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Form", "formed", "spread"]

Values = NDArray[Any]
Whole = NDArray[np.uint64]

MANTISSA = 1 << 53
LONGEST = 15  # digits behind the point that are looked for
SAMPLE, SHARES = 4096, 32
ODD = 0.25  # a share: with more cells that are no such decimals, floats are taken by their bits
SHRUNK, RARE = (1.0, 1 - 2.0**-20, 1 - 2.0**-8, 0.9), 0.01  # errors that are tried while more cells than these are odd
MOST = 1 << 62  # wider spans are kept exact


@dataclass(frozen=True)
class Form:
    """What whole numbers stand for; JSON values."""

    sort: str  #: "whole", "decimal", "grid" or "bits"
    dtype: str
    low: int = 0  #: what 0 stands for
    scale: int = 1  #: what lies between two of them, all over 10^digits
    digits: int = 0
    step: int = 1  #: of the grid that leaves none farther off than was asked for
    last: int = 0  #: the largest before that
    start: float = 0.0  #: of a grid of floats
    width: float = 0.0

    def values(self, whole: Whole) -> Values:
        """What they stand for."""
        dtype = np.dtype(self.dtype)
        if self.sort == "grid":
            return (self.start + whole.astype(np.float64) * self.width).astype(dtype)
        if self.step > 1:
            whole = np.minimum(whole * np.uint64(self.step), np.uint64(self.last))
        found = whole * np.uint64(self.scale) + np.uint64(self.low % (1 << 64))
        if self.sort == "bits":
            return _of_ordered(found, dtype)
        if self.sort == "decimal":
            return (found.view(np.int64).astype(np.float64) / 10.0**self.digits).astype(dtype)
        return found.view(np.int64).astype(dtype) if dtype.kind != "u" else found.astype(dtype)


def formed(values: Values, error: float) -> tuple[Form, Whole, NDArray[np.bool_]]:
    """The form of numbers in native byte order; whole numbers; where a cell is odd: it must be kept as it is.

    `error` 0: to the last bit; else no cell that is not odd comes back farther off.
    """
    if values.dtype.kind != "f":
        form, whole = _spaced(Form("whole", values.dtype.name), values.astype(np.int64).view(np.uint64), values, error)
        return form, whole, np.zeros(len(values), bool)
    fine = np.isfinite(values)
    for some in (error * shrunk for shrunk in (SHRUNK if error else SHRUNK[:1])):
        form, whole, odd = _formed_floats(values, fine, some)
        if error:  # rounding to the dtype may take a value a little farther
            odd[fine] = np.abs(form.values(whole[fine]).astype(np.float64) - values[fine].astype(np.float64)) > error
        if odd[fine].mean() <= RARE if fine.any() else True:
            break
    return (form, whole, odd) if odd[fine].sum() <= ODD * fine.sum() else formed(values, 0.0)


def _formed_floats(values: Values, fine: NDArray[np.bool_], error: float) -> tuple[Form, Whole, NDArray[np.bool_]]:
    x = values[fine].astype(np.float64)
    found = _decimal(values[fine], x, error)
    width = 2 * error
    if error and len(x) and (found is None or width * 10.0 ** found[0].digits > found[0].step * found[0].scale):
        start = float(x.min())
        with np.errstate(over="ignore", invalid="ignore"):
            places = np.rint((x - start) / width)
        if places.max(initial=0) < MANTISSA:
            found = Form("grid", values.dtype.name, start=start, width=width), places.astype(np.uint64)
    if found is None:
        whole = _ordered(values)
        form, whole = _spaced(Form("bits", values.dtype.name), whole, whole, 0.0)
        return form, whole, np.zeros(len(values), bool)
    form, some = found
    whole, odd = np.zeros(len(values), np.uint64), ~fine
    whole[fine] = some
    odd[fine] = _bits(form.values(some)) != _bits(values[fine])
    return form, whole, odd


def _spaced(form: Form, whole: Whole, order: Values, error: float) -> tuple[Form, Whole]:
    """Numbers modulo 2^64 from the least in `order` up, over what divides all; on a grid where an error is allowed."""
    if not len(whole):
        return form, whole
    low = int(order.min())
    whole = whole - np.uint64(low % (1 << 64))
    scale = max(int(np.gcd.reduce(whole)), 1)
    whole = whole // np.uint64(scale)
    last, most = int(whole.max()), error * (10.0**form.digits) / scale
    room = int(most * (1 + 1e-12)) if most < MOST else MOST
    step = 2 * min(room, last) + 1 if last < MOST else 1
    changed = {"low": low, "scale": scale, "step": step, "last": last}
    return Form(**vars(form) | changed), (whole + np.uint64(step // 2)) // np.uint64(step)


def _decimal(values: Values, x: NDArray[np.float64], error: float) -> tuple[Form, Whole] | None:
    """Finite floats as whole numbers over a power of ten, if these are shorter than their bits."""
    some = slice(None, None, max(1, len(x) // SAMPLE))
    if not len(x):
        return Form("decimal", values.dtype.name), np.zeros(0, np.uint64)
    ordered = _ordered(values[some])
    best, digits = spread(ordered), -1
    for d in range(LONGEST + 1):
        k, fits = _tens(values[some], x[some], d)
        share = 1 - fits.mean()
        if share <= ODD and fits.any():
            bits = (1 - share) * spread(k[fits]) + share * values.dtype.itemsize * 8 + _uncertain(share)
            best, digits = (bits, d) if bits < best else (best, digits)
        if not share or not (np.abs(k) < MANTISSA).any():
            break
    if digits < 0:
        return None
    k, fits = _tens(values, x, digits)
    if fits.mean() < 1 - ODD:
        return None
    k = np.where(fits, k, k[int(np.argmax(fits))]).astype(np.int64)
    return _spaced(Form("decimal", values.dtype.name, digits=digits), k.view(np.uint64), k, error)


def _tens(values: Values, x: NDArray[np.float64], digits: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The nearest whole numbers over a power of ten, and which of them are these very floats."""
    with np.errstate(over="ignore", invalid="ignore"):
        k = np.rint(x * 10.0**digits)
        back = (k / 10.0**digits).astype(values.dtype)
    return k, (np.abs(k) < MANTISSA) & (_bits(back + back.dtype.type(0)) == _bits(values))


def spread(values: NDArray[Any]) -> float:
    """About the bits of a whole number among these: that of its share of a sample, and its place within."""
    some = np.sort(values[:: max(1, len(values) // SAMPLE)]).astype(np.float64)
    cuts = some[np.arange(SHARES + 1) * (len(some) - 1) // SHARES]
    return float(np.log2(np.diff(cuts) + 1).mean()) + math.log2(SHARES)


def _uncertain(share: float) -> float:
    """Bits that it takes to say which cells are odd."""
    return -share * math.log2(share) - (1 - share) * math.log2(1 - share) if 0 < share < 1 else 0.0


def _bits(values: Values) -> Any:
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def _ordered(values: Values) -> Whole:
    """The bits of floats as whole numbers that rise with them."""
    bits = _bits(values).astype(np.uint64)
    top = np.uint64(1 << (8 * values.dtype.itemsize - 1))
    return np.asarray(np.where(bits & top, ~bits & np.uint64(2 * int(top) - 1), bits | top), np.uint64)


def _of_ordered(whole: Whole, dtype: np.dtype[Any]) -> Values:
    top = np.uint64(1 << (8 * dtype.itemsize - 1))
    bits = np.where(whole & top, whole ^ top, ~whole & np.uint64(2 * int(top) - 1))
    return bits.astype(f"u{dtype.itemsize}").view(dtype)
