"""Pictures: whatever holds images, as one lazy sequence of arrays."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latently.errors import BadData, FitAlarm, LatentlyError, UnsupportedInput
from latently.modalities.folders import File, find, leads_to_images
from latently.modalities.pixels import Headers, check, check_stack
from latently.modalities.stores import Shelf, Stack, Store

__all__ = ["Pictures", "accepts", "pictures"]

Pixels = NDArray[Any]
R = TypeVar("R")
FEW = 4  # columns: a list of arrays as narrow as this holds series, not images
SURE = ("bool", "uint8", "uint16")  # dtypes of images, and of little else


class Pictures:
    """Images in order, each decoded when it is asked for, as it is seen and in its own dtype.

    `pictures[i]` is (height, width), or (height, width, channels) with alpha last; it is not to be written into.
    """

    def __init__(
        self,
        store: Store,
        names: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        ignored: int = 0,
        skipped: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._store = store
        self._names = names
        self.labels = labels  #: the folder of each file; None where files lie in none, and for arrays
        self.ignored = ignored  #: how many files of the folder are no images
        self.skipped = tuple(skipped)  #: (name, reason) of each bad file that was left out

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[Pixels]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return self.take(range(*i.indices(len(self))))
        if not -len(self) <= i < len(self):
            raise IndexError(f"image {i} of {len(self)}")
        i = int(i) % len(self)
        return self._store.read(i, self._name(i))

    @cached_property
    def names(self) -> list[str]:
        """The path of each image below the folder, or "0", "1", ..."""
        return [str(i) for i in range(len(self))] if self._names is None else list(self._names)

    def _name(self, i: int) -> str:
        return f"image {i}" if self.paths is None and self._names is None else self.names[i]

    @cached_property
    def paths(self) -> list[Path] | None:
        """The file of each image (the pages of a file share it, so do the files of an archive); None for arrays."""
        items = self._store.items if isinstance(self._store, Shelf) else []
        return [Path(f.path) for f in items] if len(items) and isinstance(items[0], File) else None

    @property
    def array(self) -> Pixels | None:
        """The array that holds all images, as it was given; None where there is none."""
        return self._store.array if isinstance(self._store, Stack) else None

    def take(self, indexes: ArrayLike) -> Pictures:
        """Some of the images, by their numbers or a mask."""
        chosen = np.asarray(indexes)
        if chosen.dtype == bool:
            if len(chosen) != len(self):
                raise BadData(f"got a mask of {len(chosen)} for {len(self)} images.")
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.intp)
        if len(chosen) and not (-len(self) <= chosen.min() and chosen.max() < len(self)):
            raise IndexError(f"images {chosen.min()} to {chosen.max()} of {len(self)}")
        chosen = chosen % max(len(self), 1)
        labels = None if self.labels is None else [self.labels[i] for i in chosen]
        names = [self.names[i] for i in chosen]
        return Pictures(self._store.part(chosen), names, labels, self.ignored, self.skipped)

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
        found, bad = _tried(range(n), lambda i: self._store.header(i, self._name(i)))
        if bad:
            raise _with_others([problem for _, problem in bad], n)
        sizes = np.array([(h.height, h.width, h.channels) for h in found], np.int64).reshape(n, 3)
        return Headers(
            self.names, sizes[:, 0], sizes[:, 1], sizes[:, 2], np.array([h.dtype for h in found], dtype=np.str_)
        )

    def each(self, function: Callable[[Pixels], R], threads: int = 1) -> Iterator[R]:
        """`function` of each image, in order; decoding and `function` run in threads, a few images at a time.

        At most `threads + 2` results wait. An error comes at its image's turn; one of `function` carries the image's
        name as a note.
        """
        if threads <= 1:
            yield from (self._done(function, i) for i in range(len(self)))
            return
        waiting: deque[Future[R]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
        try:
            for i in range(len(self)):
                waiting.append(pool.submit(self._done, function, i))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _done(self, function: Callable[[Pixels], R], i: int) -> R:
        image = self[i]
        try:
            return function(image)
        except Exception as problem:
            problem.add_note(f"while working on {self._name(i)}")
            raise

    def readable(self, threads: int = 1) -> Pictures:
        """The images that can be decoded; the others are listed in `skipped`, and one warning counts them."""
        reasons: dict[int, str] = {}

        def look(i: int) -> None:
            try:
                self._store.read(i, self._name(i))
            except LatentlyError as problem:
                reasons[i] = str(problem)

        with ThreadPoolExecutor(max(threads, 1)) as pool:
            deque(pool.map(look, range(len(self))), maxlen=0)
        bad = sorted(reasons)
        if not bad:
            return self
        if len(bad) == len(self):
            raise BadData(f"none of {len(self)} images can be read. The first: {reasons[0]}")
        kept = self.take(np.setdiff1d(np.arange(len(self)), bad))
        kept.skipped = (*self.skipped, *((self.names[i], reasons[i]) for i in bad))
        warnings.warn(
            f"{len(bad)} of {len(self)} images cannot be read and are left out, the first: {reasons[bad[0]]}",
            FitAlarm,
            stacklevel=3,
        )
        return kept


def _tried(indexes: Sequence[int], look: Callable[[int], Any]) -> tuple[list[Any], list[tuple[int, LatentlyError]]]:
    good, bad = [], []
    for i in indexes:
        try:
            good.append(look(i))
        except LatentlyError as problem:
            bad.append((i, problem))
    return good, bad


def _with_others(problems: Sequence[LatentlyError], total: int) -> LatentlyError:
    """The first problem, and how many more there are."""
    first = problems[0]
    if len(problems) == 1:
        return first
    return type(first)(f"{first} {len(problems) - 1} more of {total} images are bad.")


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
    _, bad = _tried(arrays, lambda i: check(items[i], f"image {i}"))
    if bad:
        raise _with_others([problem for _, problem in bad], len(items))
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
