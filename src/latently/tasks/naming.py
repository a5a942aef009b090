"""What the rows of an index are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter

__all__ = ["fresh", "named", "sort_of", "standing"]

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


def fresh(names: Any, count: int, held: Names, next_number: int) -> Names:
    """Names of `count` more rows beside those held: numbered on from `next_number` where None are given."""
    if names is None and len(held) and held.dtype.kind != "i":
        raise BadData("the rows of this index have names that are texts; give names for these, too.")
    found = np.arange(next_number, next_number + count) if names is None else named(names, count)
    if len(held) and found.dtype.kind != held.dtype.kind:
        raise BadData(f"names are {sort_of(held)} here, and these are {sort_of(found)}; keep to one sort.")
    known = np.isin(found, held)
    if known.any():
        raise BadData(f"the index has a row named {found[known][0]!r} already; remove it first, or name this anew.")
    return found


def standing(names: Any, held: Names) -> NDArray[np.int64]:
    """Where among the names held these stand."""
    wanted = names if isinstance(names, (list, tuple, np.ndarray)) else [names]
    place = {name: i for i, name in enumerate(held.tolist())}
    strange = [n for n in wanted if n not in place]
    if strange:
        more = f" and {len(strange) - 1} more" if strange[1:] else ""
        raise BadParameter(f"no row of the index is named {strange[0]!r}{more}; names_ lists them.")
    return np.array([place[n] for n in wanted], np.int64)
