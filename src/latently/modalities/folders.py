"""Where images, or sounds, lie: files, folders, globs, archives; in which order, under which names."""

from __future__ import annotations

import glob
import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import latently.modalities.tiff as tiff
from latently.errors import BadData, FileProblem, UnsupportedInput

__all__ = ["IMAGES", "SUFFIXES", "File", "Found", "Sort", "find", "leads_to", "leads_to_images"]

SUFFIXES = frozenset({
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp", ".ppm", ".pgm", ".pbm",
    ".pnm", ".pfm", ".jp2", ".j2k", ".jpx",
})  # fmt: skip
TIFF = (".tif", ".tiff")
SIGHT = 10_000  # entries of a folder that are looked at before it is said to hold no images


@dataclass(frozen=True)
class Sort:
    """What files are looked for, by the end of their names."""

    one: str
    suffixes: frozenset[str]

    @property
    def many(self) -> str:
        """What several are called."""
        return f"{self.one.split()[-1]}s"

    def has(self, name: str) -> bool:
        """Whether a file of this name is one."""
        return os.path.splitext(name)[1].lower() in self.suffixes  # noqa: PTH122


IMAGES = Sort("an image", SUFFIXES)


@dataclass(frozen=True, slots=True)
class Member:
    """Where a file of an archive lies in it."""

    offset: int
    stored: int
    size: int
    deflated: bool
    crc: int


@dataclass(frozen=True, slots=True)
class File:
    """One image or sound on disk: a file, a file in an archive, or one page of either."""

    name: str  #: relative to the folder that was given, with its page, as in `cells.tif[3]`
    path: str
    member: Member | None = None
    offset: int = 0  #: where a page behind the first one begins

    def open(self) -> tiff.Stream:
        """The bytes, as a file that begins with this page."""
        if self.member is not None:
            extracted = io.BytesIO(self._extracted(self.member))
            return tiff.Page(extracted, self.offset) if self.offset else extracted
        opened = Path(self.path).open("rb")  # noqa: SIM115 - the caller's to close
        return tiff.Page(opened.detach(), self.offset) if self.offset else opened

    def _extracted(self, member: Member) -> bytes:
        """One member of a zip; the archive is opened for each, so that threads and forks share no place in it."""
        with Path(self.path).open("rb") as archive:
            archive.seek(member.offset)
            local = archive.read(30)
            archive.seek(sum(struct.unpack_from("<HH", local, 26)), os.SEEK_CUR)
            data = archive.read(member.stored)
        if member.deflated:
            data = zlib.decompressobj(-15).decompress(data, member.size + 1)
        if len(data) != member.size or zlib.crc32(data) != member.crc:
            raise ValueError("it is damaged in the archive")
        return data


@dataclass(frozen=True)
class Found:
    """What was looked for in a place, in natural order, and how many other files lie there."""

    files: tuple[File, ...]
    ignored: int = 0

    @property
    def labels(self) -> list[str] | None:
        """The folder of each file; None where one lies in no folder of its own."""
        folders = [PurePosixPath(f.name).parent.name for f in self.files]
        return folders if all(folders) else None


def find(place: str | os.PathLike[str] | Sequence[Any], sort: Sort = IMAGES) -> Found:
    """Every image, or whatever is looked for, of a file, a folder, a glob, an archive or a list of files."""
    if not isinstance(place, (str, os.PathLike)):
        return _listed([_text(p) for p in place], sort)
    text = _text(place)
    path = Path(text)
    if path.is_dir():
        found = _walked(text, sort)
    elif path.is_file():
        found = _archive(text, sort) if path.suffix.lower() == ".zip" else Found(tuple(_pages(File(path.name, text))))
    elif glob.has_magic(text):
        found = _globbed(text, sort)
    else:
        raise FileProblem(f"{text} does not exist. Give {sort.one}, a folder, a .zip of {sort.many}, or a glob.")
    if not found.files:
        others = f"; it has {found.ignored} other files" if found.ignored else ""
        ends = ", ".join(sorted(sort.suffixes))
        raise BadData(f"{text} leads to no {sort.many}{others}. {sort.many.capitalize()} end in {ends}.")
    return found


def leads_to_images(place: str | os.PathLike[str]) -> bool:
    """Whether there seem to be images, from names alone and a look at the first thousands of them."""
    return leads_to(place, IMAGES)


def leads_to(place: str | os.PathLike[str], sort: Sort) -> bool:
    """The same for any sort of files."""
    text = _text(place)
    path = Path(text)
    try:
        if path.is_dir():
            return any(sort.has(n) for n, _ in zip(_names(text), range(SIGHT), strict=False))
    except OSError:
        return False
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(text):
        return any(sort.has(i.filename) for i in _directory(text))
    return sort.has(text) or (glob.has_magic(text) and any(map(sort.has, glob.iglob(text, recursive=True))))  # noqa: PTH207


def _text(place: Any) -> str:
    text = os.fspath(place) if isinstance(place, (str, os.PathLike)) else place
    if not isinstance(text, str):
        raise UnsupportedInput(f"got {type(place).__name__} among paths; expected str or pathlib.Path.")
    return os.path.expanduser(text)  # noqa: PTH111


def _natural(name: str) -> tuple[Any, ...]:
    """Sorts 9 before 10, folder by folder."""
    pieces = (re.split(r"([0-9]+)", part.casefold()) for part in name.split("/"))
    return (*([int(p) if j % 2 else p for j, p in enumerate(part)] for part in pieces), [name])


# ---------------------------------------------------------------------- places


def _names(root: str) -> Iterator[str]:
    """Every file under a folder, hidden ones and those in hidden folders left out; a folder is entered once."""
    waiting, seen = [root], set()
    while waiting:
        folder = waiting.pop()
        mark = os.stat(folder)  # noqa: PTH116
        if (mark.st_dev, mark.st_ino) in seen:
            continue
        seen.add((mark.st_dev, mark.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    yield ""
                elif entry.is_dir():
                    waiting.append(entry.path)
                else:
                    yield entry.path


def _walked(root: str, sort: Sort) -> Found:
    try:
        names = list(_names(root))
    except OSError as problem:
        raise FileProblem(f"cannot read the folder {problem.filename or root}: {problem.strerror}.") from None
    return _found([(Path(n).relative_to(root).as_posix(), n) for n in names if sort.has(n)], len(names))


def _globbed(pattern: str, sort: Sort) -> Found:
    names = [n for n in glob.glob(pattern, recursive=True) if not Path(n).is_dir()]  # noqa: PTH207
    kept = [n for n in names if sort.has(n)]
    return _found(_relative(kept), len(names))


def _listed(paths: list[str], sort: Sort) -> Found:
    if not paths:
        raise BadData(f"got an empty list: no {sort.many}. Give at least one.")
    missing = [p for p in paths if not Path(p).is_file()]
    if missing:
        others = f" {len(missing) - 1} more of {len(paths)} do not either." if len(missing) > 1 else ""
        raise FileProblem(f"{missing[0]} does not exist as a file.{others} A list holds paths of {sort.many}.")
    files = [page for name, path in _relative(paths) for page in _pages(File(name, path))]
    return Found(tuple(files))


def _relative(paths: list[str]) -> list[tuple[str, str]]:
    whole = [os.path.abspath(p) for p in paths]  # noqa: PTH100
    root = os.path.commonpath([os.path.dirname(p) for p in whole]) if whole else ""  # noqa: PTH120
    return [(Path(w).relative_to(root).as_posix(), p) for w, p in zip(whole, paths, strict=True)]


def _found(named: list[tuple[str, str]], seen: int) -> Found:
    named.sort(key=lambda pair: _natural(pair[0]))
    files = tuple(page for name, path in named for page in _pages(File(name, path)))
    return Found(files, seen - len(named))


def _pages(file: File) -> list[File]:
    """The file, or the pages of a TIFF that has several; a file that cannot be read is left to who reads it."""
    if not file.name.lower().endswith(TIFF):
        return [file]
    try:
        with file.open() as opened:
            offsets = tiff.pages(opened)
    except (OSError, ValueError, struct.error, zlib.error):
        return [file]
    if len(offsets) < 2:
        return [file]
    return [replace(file, name=f"{file.name}[{k}]", offset=offset if k else 0) for k, offset in enumerate(offsets)]


# ---------------------------------------------------------------------- archives


def _directory(path: str) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [i for i in archive.infolist() if not i.is_dir()]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as problem:
        raise FileProblem(f"{path} cannot be read as a .zip archive ({problem}). Restore it from a copy.") from None


def _archive(path: str, sort: Sort) -> Found:
    infos = _directory(path)
    kept = [i for i in infos if sort.has(i.filename) and not _hidden(i.filename)]
    for info in kept:
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileProblem(
                f"{info.filename} in {path} is encrypted, or packed by a method other than deflate. "
                "Unpack the archive and give the folder."
            )
    kept.sort(key=lambda i: _natural(i.filename))
    return Found(tuple(page for i in kept for page in _pages(_member(path, i))), len(infos) - len(kept))


def _member(path: str, info: zipfile.ZipInfo) -> File:
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    member = Member(info.header_offset, info.compress_size, info.file_size, deflated, info.CRC)
    return File(info.filename, path, member)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
