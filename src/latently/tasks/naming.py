"""What the rows of an index are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData

__all__ = ["named", "sort_of"]

Names = NDArray[Any]


def named(names: Any, count: int | None) -> Names:
    """Names as an array of whole numbers or of texts; `BadData` when they are neither, not as many, or not unlike."""
    if isinstance(names, str) or not (isinstance(names, Sequence) or hasattr(names, "__array__")):
        raise BadData(f"names={names!r}: expected a list of texts or of whole numbers, one a row.")
    found = np.asarray(names)
    if found.ndim != 1 or (count is not None and len(found) != count):
        raise BadData(f"names have shape {found.shape}; expected one name for each of {count} rows.")
    if found.dtype.kind in "iu":
        found = found.astype(np.int64)
    elif all(isinstance(n, str) for n in found.tolist()):
        found = found.astype(object)
    else:
        raise BadData("names are neither all texts nor all whole numbers; keep to one sort.")
    different, times = np.unique(found, return_counts=True)
    if len(different) < len(found):
        raise BadData(f"{different[times > 1][0]!r} names more than one row; names must be unlike each other.")
    return found


def sort_of(names: Names) -> str:
    """In words."""
    return "whole numbers" if names.dtype.kind == "i" else "texts"
