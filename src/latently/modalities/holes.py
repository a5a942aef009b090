"""Where pixels are missing: NaN, masked, or of a value that means a hole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["holes_of", "without_holes"]

Holes = list[NDArray[np.bool_] | None]


def holes_of(data: Any, missing: float | None) -> Holes | None:
    """The holes `(height, width)` of each image of a stack or a list of arrays; None where there are none.

    A pixel is a hole where one of its channels is missing.
    """
    if isinstance(data, np.ndarray):
        if data.ndim not in (3, 4) or not _may_have(data, missing):
            return None
        found = _holes(data, missing)
        return [np.asarray(f if data.ndim == 3 else f.any(2)) for f in found] if found.any() else None
    if not isinstance(data, (list, tuple)):
        return None
    each = [_of_one(image, missing) if isinstance(image, np.ndarray) else None for image in data]
    return each if any(hole is not None for hole in each) else None


def _of_one(image: NDArray[Any], missing: float | None) -> NDArray[np.bool_] | None:
    if image.ndim not in (2, 3) or not _may_have(image, missing):
        return None
    found = _holes(image, missing)
    return np.asarray(found if image.ndim == 2 else found.any(2)) if found.any() else None


def _may_have(data: NDArray[Any], missing: float | None) -> bool:
    return missing is not None or data.dtype.kind == "f" or isinstance(data, np.ma.MaskedArray)


def _holes(data: NDArray[Any], missing: float | None) -> NDArray[np.bool_]:
    found = np.ma.getmaskarray(data).copy() if isinstance(data, np.ma.MaskedArray) else np.zeros(data.shape, bool)
    plain = np.ma.getdata(data)
    if plain.dtype.kind == "f":
        found |= np.isnan(plain)
    return found if missing is None else found | (plain == missing)


def without_holes(data: Any) -> Any:
    """The same images with zeros for NaN and without masks."""
    if isinstance(data, np.ndarray):
        plain = np.ma.getdata(data)
        return np.where(np.isnan(plain), 0, plain).astype(plain.dtype) if plain.dtype.kind == "f" else plain
    if isinstance(data, Sequence):
        return [without_holes(image) if isinstance(image, np.ndarray) else image for image in data]
    return data
