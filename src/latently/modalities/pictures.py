"""Pictures: whatever holds images, as one lazy sequence of arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, UnsupportedInput
from latently.modalities.collection import Collection, tried, with_others
from latently.modalities.folders import find, leads_to_images
from latently.modalities.pixels import Headers, check, check_stack
from latently.modalities.stores import Shelf, Stack

__all__ = ["Pictures", "accepts", "pictures"]

Pixels = NDArray[Any]
FEW = 4  # columns: a list of arrays as narrow as this holds series, not images
SURE = ("bool", "uint8", "uint16")  # dtypes of images, and of little else


class Pictures(Collection):
    """Images in order, each decoded when it is asked for, as it is seen and in its own dtype.

    `pictures[i]` is (height, width), or (height, width, channels) with alpha last; it is not to be written into.
    """

    what = "image"

    @property
    def array(self) -> Pixels | None:
        """The array that holds all images, as it was given; None where there is none."""
        return self._store.array if isinstance(self._store, Stack) else None

    def headers(self) -> Headers:
        """Size, channels and dtype of each image; no pixels are decoded; the first bad one is named, others counted."""
        return self._headers

    @cached_property
    def _headers(self) -> Headers:
        n = len(self)
        if isinstance(self._store, Stack) and n:
            first = self._store.header(0, "")
            sizes: Any = [np.broadcast_to(np.int64(v), n) for v in (first.height, first.width, first.channels)]
            return Headers(self.names, sizes[0], sizes[1], sizes[2], np.broadcast_to(np.array(first.dtype), n))
        found = self._heads()
        sizes = np.array([(h.height, h.width, h.channels) for h in found], np.int64).reshape(n, 3)
        return Headers(
            self.names, sizes[:, 0], sizes[:, 1], sizes[:, 2], np.array([h.dtype for h in found], dtype=np.str_)
        )


# ---------------------------------------------------------------------- the door


def pictures(data: Any, skip: bool = False) -> Pictures:
    """Images out of whatever holds them.

    Args:
        data: an array (n, height, width) or (n, height, width, channels); a list of arrays or of Pillow's images; the
            path of an image, a folder, a .zip or a glob; a list of paths. Each page of a TIFF is an image.
        skip: leave out files that cannot be read, with a warning. It decodes every file once to know them.
    """
    if isinstance(data, Pictures):
        found = data
    elif isinstance(data, (str, os.PathLike)):
        found = _of_files(data)
    elif isinstance(data, (list, tuple)):
        found = _of_list(list(data))
    else:
        found = _of_array(data)
    return found.readable() if skip and found.paths is not None else found


def _of_files(place: Any) -> Pictures:
    found = find(place)
    return Pictures(Shelf(found.files), [f.name for f in found.files], found.labels, found.ignored)


def _of_array(data: Any) -> Pictures:
    if not hasattr(data, "ndim") or not hasattr(data, "__array__"):
        raise UnsupportedInput(
            f"got {type(data).__name__}; expected images: an array (n, height, width[, channels]), a list of arrays, "
            "or paths."
        )
    array = data if isinstance(data, np.ndarray) else np.asarray(data)
    check_stack(array)
    return Pictures(Stack(array))


def _of_list(items: list[Any]) -> Pictures:
    if not items:
        raise BadData("got an empty list: no images. Give at least one.")
    if isinstance(items[0], (str, os.PathLike)):
        return _of_files(items)
    for i, item in enumerate(items):
        if not (isinstance(item, np.ndarray) or _is_pillow(item)):
            raise UnsupportedInput(
                f"image {i} is a {type(item).__name__}; expected a list of arrays (height, width[, channels]), of "
                "Pillow's images, or of paths."
            )
    arrays = [i for i, item in enumerate(items) if isinstance(item, np.ndarray)]
    _, bad = tried(arrays, lambda i: check(items[i], f"image {i}"))
    if bad:
        raise with_others([problem for _, problem in bad], len(items))
    return Pictures(Shelf(items))


def _is_pillow(item: Any) -> bool:
    return hasattr(item, "getbands") and hasattr(item, "tobytes")


def accepts(data: Any) -> bool:
    """Whether this is images, at a glance; raises `UnsupportedInput` where it may as well be series.

    Arrays of 3 or 4 dimensions are images, and so are lists of 3-D arrays, of Pillow's images, and of 2-D arrays of
    bool, uint8 or uint16. Lists of other 2-D arrays are images when their columns differ in number (series share their
    channels), series when all have the same few columns, and else nobody can tell.
    """
    if isinstance(data, Pictures):
        return True
    if isinstance(data, (str, os.PathLike)):
        return leads_to_images(data)
    if not isinstance(data, (list, tuple)):
        dtype = getattr(data, "dtype", None)
        return getattr(data, "ndim", 0) in (3, 4) and getattr(dtype, "kind", "f") in "buif"
    if not data:
        return False
    first = data[0]
    if isinstance(first, (str, os.PathLike)):
        return leads_to_images(first)
    if isinstance(first, np.ndarray):
        return _list_of_images(data)
    return _is_pillow(first)


def _list_of_images(data: Sequence[Any]) -> bool:
    first = data[0]
    if first.ndim != 2 or first.dtype.kind not in "buif":
        return bool(first.ndim == 3 and first.dtype.kind in "buif")
    if first.dtype.name in SURE:
        return True
    widths = {item.shape[1] for item in data if isinstance(item, np.ndarray) and item.ndim == 2}
    if len(widths) > 1:
        return True
    if first.shape[1] <= FEW:
        return False
    raise UnsupportedInput(
        f"got a list of 2-D arrays of {first.dtype} with {first.shape[1]} columns each, which may be images (height, "
        "width) or series (time, channels). Say which: data=Image() or data=Series(); images of one size may also be "
        "stacked: np.stack(images)."
    )
