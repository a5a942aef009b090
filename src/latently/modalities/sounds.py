"""Sounds: whatever holds clips, as one lazy sequence of `(samples, channels)` arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latently.modalities.soundfiles as soundfiles
from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.modalities.collection import Collection, tried, with_others
from latently.modalities.folders import File, find, leads_to
from latently.modalities.soundfiles import SOUNDS
from latently.modalities.waves import Head, Heads, check, upright

__all__ = ["Sounds", "accepts", "sounds"]

Samples = NDArray[Any]
NARROW = 8  # columns: a 2-D array as narrow as this is one clip of channels, not clips of so few samples


@dataclass(frozen=True)
class Piece:
    """A part of a file."""

    file: File
    start: int
    stop: int


class Shelf:
    """Files, pieces of them, and arrays of one rate."""

    def __init__(self, items: Sequence[Any], rate: int | None) -> None:
        self.items, self.rate = items, rate

    def __len__(self) -> int:
        return len(self.items)

    def header(self, i: int, name: str) -> Head:
        item = self.items[i]
        if isinstance(item, File):
            return soundfiles.header(item)
        if isinstance(item, Piece):
            return replace(soundfiles.header(item.file), length=item.stop - item.start)
        return Head(self.rate or 0, item.shape[1] if item.ndim == 2 else 1, len(item), item.dtype.name)

    def read(self, i: int, name: str) -> Samples:
        return next(self.blocks(i, 2**62, 0, None))

    def blocks(self, i: int, size: int, start: int, stop: int | None) -> Iterator[Samples]:
        item = self.items[i]
        if isinstance(item, File):
            return soundfiles.blocks(item, size, start, stop)
        if isinstance(item, Piece):
            end = item.stop if stop is None else min(item.start + stop, item.stop)
            return soundfiles.blocks(item.file, size, item.start + start, end)
        end = len(item) if stop is None else min(stop, len(item))
        return (upright(item[k : min(k + size, end)]) for k in range(start, end, size))

    def part(self, indexes: NDArray[np.intp]) -> Shelf:
        return Shelf([self.items[i] for i in indexes], self.rate)


class Sounds(Collection):
    """Clips in order, each decoded when it is asked for, in the dtype that it is stored in.

    `sounds[i]` is `(samples, channels)`; it is not to be written into. Files of 24 bits come as int32, those of codecs
    that lose something (OGG, MP3) as float32.
    """

    what = "clip"

    def headers(self) -> Heads:
        """Rate, channels, length and dtype of each clip; nothing is decoded; the first bad one is named."""
        return self._headers

    @cached_property
    def _headers(self) -> Heads:
        found: list[Head] = self._heads()
        rates, channels, lengths = (
            np.array([getattr(h, n) for h in found], np.int64) for n in ("rate", "channels", "length")
        )
        return Heads(self.names, rates, channels, lengths, np.array([h.dtype for h in found], dtype=np.str_))

    @property
    def rates(self) -> NDArray[np.int64]:
        """Samples a second of each clip."""
        return self._headers.rates

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of each clip."""
        return self._headers.lengths

    @property
    def channels(self) -> NDArray[np.int64]:
        """Channels of each clip."""
        return self._headers.channels

    @property
    def dtypes(self) -> NDArray[Any]:
        """The dtype of each clip, by name."""
        return self._headers.dtypes

    def blocks(self, i: int, size: int, start: int = 0, stop: int | None = None) -> Iterator[Samples]:
        """One clip, or its samples `start` to `stop`, as arrays `(at most size, channels)` one after the other."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"clip {i} of {len(self)}")
        if size < 1:
            raise BadParameter(f"size={size!r}: expected samples of a block, at least 1.")
        return self._store.blocks(int(i) % len(self), size, start, stop)  # type: ignore[no-any-return]

    def cut(self, seconds: float) -> Sounds:
        """Pieces of so many seconds instead of whole clips, the last of each shorter; read when asked for."""
        if not seconds > 0:
            raise BadParameter(f"seconds={seconds!r}: expected how long a piece is, more than 0.")
        items, names, heads = [], [], self.headers()
        for i, item in enumerate(self._store.items):
            step = max(1, round(seconds * heads[i].rate))
            for start in range(0, heads[i].length, step):
                stop = min(start + step, heads[i].length)
                items.append(item[start:stop] if isinstance(item, np.ndarray) else Piece(item, start, stop))
                names.append(f"{self.names[i]}[{start / heads[i].rate:g}-{stop / heads[i].rate:g} s]")
        return Sounds(Shelf(items, self._store.rate), names, None, self.ignored, self.skipped)

    def flat(self, i: int) -> bool:
        """Whether a clip came as `(samples,)`: an array without an axis of channels."""
        item = self._store.items[i]
        return isinstance(item, np.ndarray) and item.ndim == 1


# ---------------------------------------------------------------------- the door


def sounds(data: Any, rate: int | None = None, skip: bool = False) -> Sounds:
    """Clips out of whatever holds them.

    Args:
        data: the path of a sound, a folder, a .zip or a glob; a list of paths; an array (samples,) of one clip; a list
            of arrays (samples,) or (samples, channels); an array (n, samples) or (n, samples, channels) of n clips.
        rate: samples a second of arrays. Files know theirs.
        skip: leave out files that cannot be read, with a warning. It decodes every file once to know them.
    """
    if isinstance(data, Sounds):
        return data
    if isinstance(data, (str, os.PathLike)) or _are_paths(data):
        found = find(data, SOUNDS)
        made = Sounds(Shelf(found.files, None), [f.name for f in found.files], found.labels, found.ignored)
        return made.readable() if skip else made
    items = _of_list(data) if isinstance(data, (list, tuple)) else _of_array(data)
    if rate is None:
        raise BadParameter("an array of sound does not tell its rate. Say it: data=Audio(rate=8000), samples a second.")
    return Sounds(Shelf(items, rate))


def _are_paths(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and len(data) > 0 and isinstance(data[0], (str, os.PathLike))


def _of_array(data: Any) -> list[Samples]:
    if not isinstance(data, np.ndarray):
        raise UnsupportedInput(
            f"got {type(data).__name__}; expected sounds: paths, an array (samples,), or a list of arrays (samples,) "
            "or (samples, channels)."
        )
    if data.ndim not in (1, 2, 3):
        raise UnsupportedInput(f"got an array of shape {data.shape}; expected (samples,), or clips (n, samples).")
    if data.ndim == 2 and data.shape[1] <= NARROW < len(data):
        raise UnsupportedInput(
            f"got an array of shape {data.shape}: {len(data)} clips of {data.shape[1]} samples. "
            "If it is one clip of several channels, give a list: [array]."
        )
    if data.ndim > 1 and not len(data):
        raise BadData(f"got an array of shape {data.shape}: no clips. Give at least one.")
    return _of_list([data] if data.ndim == 1 else list(data))


def _of_list(data: Sequence[Any]) -> list[Samples]:
    if not data:
        raise BadData("got an empty list: no clips. Give at least one.")
    for i, item in enumerate(data):
        if not isinstance(item, np.ndarray):
            raise UnsupportedInput(
                f"clip {i} is a {type(item).__name__}; expected a list of arrays (samples,) or (samples, channels), "
                "or of paths."
            )
    _, bad = tried(range(len(data)), lambda i: check(data[i], f"clip {i}"))
    if bad:
        raise with_others([problem for _, problem in bad], len(data), "clip")
    return list(data)


def accepts(data: Any) -> bool:
    """Whether this leads to sound files, at a glance. Arrays of sound look like any other: data=Audio(rate=...)."""
    if isinstance(data, Sounds):
        return True
    if _are_paths(data):
        data = data[0]
    return isinstance(data, (str, os.PathLike)) and leads_to(data, SOUNDS)
