"""A new folder of results: an image beside the name of its source, none in the place of another, none outside."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from latently.errors import FileProblem, LatentlyError
from latently.faces.places import check_folder

__all__ = ["Results", "blocks", "new_folder"]

LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif")
PAGE = re.compile(r"(.+\.tiff?)\[(\d+)\]", re.IGNORECASE | re.DOTALL)
TOGETHER = 256  # images that are computed at once,
PIXELS = 2**22  # or as many of their numbers: a photograph comes alone
WAITING = 2**26  # numbers that wait to be written


class Results:
    """Images written into `folder` under the names of their sources, in formats that keep every pixel.

    `a.jpg` becomes `a.png`, or `a-jpg.png` where a source or a result has that name; page 3 of `a.tif` is `a-3.tif`.
    """

    noun = "image"

    def __init__(self, folder: Path, names: Sequence[str], own: Sequence[str] = ()) -> None:
        self.folder, self.images = folder, 0
        self._writer: ThreadPoolExecutor | None = None
        self._waiting: deque[tuple[Future[None], int]] = deque()
        for name in names:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\0" in name or not path.name:
                raise FileProblem(f"a file is named {name!r}, which would lie outside of {folder}. Nothing is written.")
        self._sources = {name.casefold() for name in names}
        self._taken = {name.casefold() for name in own}

    def put(self, name: str, image: Any, mark: str = "", suffix: str | None = None) -> None:
        """Write an image while the next one is computed; `mark` goes behind the name of its source."""
        assert self._writer is not None
        page = PAGE.fullmatch(name)
        source = PurePosixPath(page[1] if page else name)
        if suffix is None:
            suffix = self._suffix(source.suffix, image)
        place = self.folder / self._free(name, source, f"-{page[2]}{mark}" if page else mark, suffix)
        while self._waiting and sum(size for _, size in self._waiting) > WAITING:
            self._settle()
        self._waiting.append((self._writer.submit(self._write, place, image), image.size))

    def _suffix(self, own: str, image: Any) -> str:
        from latently.modalities.encode import suffix_for

        kept = ".png" if own.lower() in LOSSY or not own else own
        return str(suffix_for(kept, 1 if image.ndim == 2 else image.shape[2], image.dtype))

    def _write(self, place: Path, image: Any) -> None:
        from latently.modalities.encode import write

        place.parent.mkdir(parents=True, exist_ok=True)
        write(place, image)
        self.images += 1

    def _settle(self) -> None:
        self._waiting.popleft()[0].result()

    def _free(self, name: str, source: PurePosixPath, mark: str, suffix: str) -> PurePosixPath:
        """A name that no result has, and no source but this one."""
        kind = source.suffix[1:]
        endings = itertools.chain(("", f"-{kind}"), (f"-{kind}-{i}" for i in itertools.count(2)))
        for ending in endings:
            found = source.with_name(f"{source.stem}{ending}{mark}{suffix}")
            key = str(found).casefold()
            if key not in self._taken and (key == name.casefold() or key not in self._sources):
                self._taken.add(key)
                return found
        raise AssertionError("there is always another number")

    def sheet(self, rows: list[list[Any]], captions: list[list[str]], heads: list[str]) -> None:
        """`sheet.png`, to look at."""
        from latently.faces.sheets import sheet
        from latently.modalities.encode import write

        self.folder.mkdir(exist_ok=True)
        write(self.folder / "sheet.png", sheet(rows, captions, heads))

    @contextmanager
    def filling(self, total: int) -> Iterator[None]:
        """Within it images are `put`; a problem also says how many of the `total` files are there. They stay."""
        try:
            with ThreadPoolExecutor(1) as self._writer:
                yield
                while self._waiting:
                    self._settle()
        except (LatentlyError, OSError) as problem:
            if not self.images:
                raise
            raise FileProblem(
                f"{problem} Stopped there: {self.images:,} of {total:,} {self.noun}s are written and whole, "
                f"in {self.folder}."
            ) from None


def blocks(source: Any) -> Iterator[list[int]]:
    """The numbers of the images, a few at a time: as many as a network takes at once and memory bears."""
    headers, pixels = source.headers(), 0
    found: list[int] = []
    for i, size in enumerate((headers.heights * headers.widths * headers.channels).tolist()):
        if found and (len(found) == TOGETHER or pixels + size > PIXELS):
            yield found
            found, pixels = [], 0
        found.append(i)
        pixels += size
    if found:
        yield found


def new_folder(path: Path, *inputs: Path) -> Path:
    """The path, if results can go there; `FileProblem` where it is not new, or lies within a folder that is read."""
    for place in inputs:
        if place.is_dir() and path.resolve().is_relative_to(place.resolve()):
            where = "is the folder that is read" if path.resolve() == place.resolve() else f"lies within {place}"
            raise FileProblem(
                f"{path} {where}, and what is written there would be read with it the next time. "
                "Choose a folder beside it."
            )
    check_folder(path)
    return path
