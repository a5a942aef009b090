"""What holds many things, each read when it is asked for: images, clips of sound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latently.errors import BadData, LatentlyError, warn
from latently.modalities.folders import File

__all__ = ["Collection", "Store", "tried", "with_others"]

R = TypeVar("R")


class Store(Protocol):
    """What holds the items of a collection, files among them or none."""

    def __len__(self) -> int: ...
    def read(self, i: int, name: str) -> NDArray[Any]: ...
    def header(self, i: int, name: str) -> Any: ...
    def part(self, indexes: NDArray[np.intp]) -> Self: ...


class Collection:
    """Items in order, each read when it is asked for. They are not to be written into."""

    what: ClassVar[str] = "item"

    def __init__(
        self,
        store: Any,
        names: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        ignored: int = 0,
        skipped: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._store = store
        self._names = names
        self.labels = labels  #: the folder of each file; None where files lie in none, and for arrays
        self.ignored = ignored  #: how many files of the folder are of another sort
        self.skipped = tuple(skipped)  #: (name, reason) of each bad file that was left out

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return self.take(range(*i.indices(len(self))))
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.what} {i} of {len(self)}")
        i = int(i) % len(self)
        return self._store.read(i, self._name(i))

    @cached_property
    def names(self) -> list[str]:
        """The path of each item below the folder, or "0", "1", ..."""
        return [str(i) for i in range(len(self))] if self._names is None else list(self._names)

    def _name(self, i: int) -> str:
        return f"{self.what} {i}" if self.paths is None and self._names is None else self.names[i]

    @cached_property
    def paths(self) -> list[Path] | None:
        """The file of each item (the pages of a file share it, so do the files of an archive); None for arrays."""
        items: Sequence[Any] = getattr(self._store, "items", ())
        files = [f for f in items if isinstance(f, File)]
        return [Path(f.path) for f in files] if files else None

    def take(self, indexes: ArrayLike) -> Self:
        """Some of the items, by their numbers or a mask."""
        chosen = np.asarray(indexes)
        if chosen.dtype == bool:
            if len(chosen) != len(self):
                raise BadData(f"got a mask of {len(chosen)} for {len(self)} {self.what}s.")
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.intp)
        if len(chosen) and not (-len(self) <= chosen.min() and chosen.max() < len(self)):
            raise IndexError(f"{self.what}s {chosen.min()} to {chosen.max()} of {len(self)}")
        chosen = chosen % max(len(self), 1)
        labels = None if self.labels is None else [self.labels[i] for i in chosen]
        names = [self.names[i] for i in chosen]
        return type(self)(self._store.part(chosen), names, labels, self.ignored, self.skipped)

    def _heads(self) -> list[Any]:
        """The header of each item; the first bad one is named, others counted."""
        n = len(self)
        found, bad = tried(range(n), lambda i: self._store.header(i, self._name(i)))
        if bad:
            raise with_others([problem for _, problem in bad], n, self.what)
        return found

    def each(self, function: Callable[[NDArray[Any]], R], threads: int = 1) -> Iterator[R]:
        """`function` of each image, in order; decoding and `function` run in threads, a few items at a time.

        At most `threads + 2` results wait. An error comes at its item's turn; one of `function` carries the item's name
        as a note.
        """
        if threads <= 1:
            yield from (self._done(function, i) for i in range(len(self)))
            return
        waiting: deque[Future[R]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="items")
        try:
            for i in range(len(self)):
                waiting.append(pool.submit(self._done, function, i))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _done(self, function: Callable[[NDArray[Any]], R], i: int) -> R:
        item = self[i]
        try:
            return function(item)
        except Exception as problem:
            problem.add_note(f"while working on {self._name(i)}")
            raise

    def readable(self, threads: int = 1) -> Self:
        """The items that can be decoded; the others are listed in `skipped`, and one warning counts them."""
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
            raise BadData(f"none of {len(self)} {self.what}s can be read. The first: {reasons[0]}")
        kept = self.take(np.setdiff1d(np.arange(len(self)), bad))
        kept.skipped = (*self.skipped, *((self.names[i], reasons[i]) for i in bad))
        warn(f"{len(bad)} of {len(self)} {self.what}s cannot be read and are left out, the first: {reasons[bad[0]]}")
        return kept


def tried(indexes: Sequence[int], look: Callable[[int], Any]) -> tuple[list[Any], list[tuple[int, LatentlyError]]]:
    """What `look` gives for each index, and the errors of those it refuses."""
    good, bad = [], []
    for i in indexes:
        try:
            good.append(look(i))
        except LatentlyError as problem:
            bad.append((i, problem))
    return good, bad


def with_others(problems: Sequence[LatentlyError], total: int, what: str = "image") -> LatentlyError:
    """The first problem, and how many more there are."""
    first = problems[0]
    if len(problems) == 1:
        return first
    return type(first)(f"{first} {len(problems) - 1} more of {total} {what}s are bad.")
