"""Documents out of whatever holds them: lists, columns, files of text."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from latently.errors import BadData, FileProblem, UnsupportedInput
from latently.modalities.folders import leads_to_images
from latently.modalities.frames import frame_of
from latently.modalities.pictures import Pictures

__all__ = ["documents", "files_of", "is_text"]

SUFFIX = ".txt"
LISTING = ("to_pylist", "to_list", "tolist")  # of Arrow, of polars and pandas, of numpy
LONGEST_PATH = 4096  # characters: what is longer is no path
MEDIA = frozenset({".wav", ".flac", ".ogg", ".mp3", ".oga", ".opus", ".aif", ".aiff", ".au", ".m4a"})  # others read


def documents(data: Any, column: str | None = None) -> list[str]:
    """Every document as a `str`, in order; empty ones stay.

    `data`: strings in a list, an array, or a column of pandas, polars or Arrow; a frame, whose `column` holds them (its
    only column of strings, if None); a .txt file (a line is a document), a folder or a glob of .txt files (a file is a
    document, in the order of their names), or a list of `pathlib.Path` of such files. Files are UTF-8. Raises `BadData`
    for what is no `str` among them, and for none at all; `FileProblem` for files that cannot be read;
    `UnsupportedInput` for anything else.
    """
    if isinstance(data, (str, os.PathLike)):
        return _some(_of_path(data), data)
    frame = None if isinstance(data, (list, tuple)) else frame_of(data)
    if frame is not None:
        return _some(_checked(_of_frame(frame, column)), data)
    return _some(_checked(_items(data)), data)


def is_text(data: Any) -> bool:
    """Whether `data="auto"` means documents, at a glance: strings that name no images or sounds, or .txt files.

    Raises `UnsupportedInput` where every string is the name of another file that is there.
    """
    if isinstance(data, (str, os.PathLike)):
        return _leads_to_texts(data)
    if isinstance(data, Pictures) or getattr(data, "ndim", 1) != 1 or not _lists(data):
        return False
    if hasattr(data, "columns") or hasattr(data, "column_names"):
        return False
    first = next((v for v in _items(data) if v is not None), None)
    if isinstance(first, os.PathLike):
        return Path(first).suffix.lower() == SUFFIX
    if not isinstance(first, str) or _names_media(first):
        return False
    if all(isinstance(v, str) and _names_file(v) for v in _items(data)):
        raise UnsupportedInput(
            f"got names of files ({first}), and reads no files by a list of str but images and sounds. Read tables "
            "first: pandas.concat(map(pandas.read_csv, data)); files of text are [pathlib.Path(p) for p in data]; "
            "where the names themselves are the texts, say data=Text()."
        )
    return True


def _names_file(text: str) -> bool:
    short = len(text) <= LONGEST_PATH and "\n" not in text and "\0" not in text
    return short and bool(Path(text).suffix) and Path(text).expanduser().is_file()


def _lists(data: Any) -> bool:
    return isinstance(data, (list, tuple)) or any(hasattr(data, name) for name in LISTING)


def _names_media(text: str) -> bool:
    if len(text) > LONGEST_PATH or "\n" in text or "\0" in text:
        return False
    return os.path.splitext(text)[1].lower() in MEDIA or leads_to_images(text)  # noqa: PTH122


def _leads_to_texts(place: str | os.PathLike[str]) -> bool:
    text = os.fspath(place)
    if not isinstance(text, str) or len(text) > LONGEST_PATH or "\0" in text:
        return False
    path = Path(text).expanduser()
    if path.suffix.lower() == SUFFIX:
        return True
    some = path.is_dir() and any(p.suffix.lower() == SUFFIX for p in path.iterdir())
    return some and not leads_to_images(text)  # notes beside photographs are not what a folder is about


def files_of(place: str | os.PathLike[str]) -> list[Path] | None:
    """The .txt files of a folder or a glob, in the order of their names; None for a place that is one file, or none."""
    text = os.fspath(place)
    path = Path(text).expanduser()
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.suffix.lower() == SUFFIX and p.is_file())
    if path.is_file() or not glob.has_magic(text):
        return None
    found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - the pattern may be absolute
    return [Path(p) for p in found if p.lower().endswith(SUFFIX)]


def _of_path(place: str | os.PathLike[str]) -> list[str]:
    text = os.fspath(place)
    shown = text if len(text) < 60 else text[:57] + "..."
    path = Path(text).expanduser() if len(text) <= LONGEST_PATH and "\0" not in text else None
    try:
        files = None if path is None else files_of(path)
        if files is not None:
            return [_read(p) for p in files]
        if path is not None and path.is_file():
            return _lines(path)
    except OSError as problem:
        if isinstance(problem, FileProblem):
            raise
        raise FileProblem(f"{shown} cannot be read: {problem.strerror or problem}.") from None
    raise FileProblem(f"{shown!r} is no {SUFFIX} file, folder or glob. One document goes in a list: [text].")


def _lines(path: Path) -> list[str]:
    if path.suffix.lower() != SUFFIX:
        raise UnsupportedInput(
            f"{path} is no {SUFFIX} file. Read it first: texts = pandas.read_csv(...)['text'], say, and give these."
        )
    lines = _read(path).replace("\r\n", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise FileProblem(
            f"{path} is not UTF-8 (byte {problem.start} is 0x{problem.object[problem.start]:02x}). Save it as UTF-8, "
            "or read it with its own encoding: path.read_text(encoding='latin-1')."
        ) from None


def _of_frame(frame: Any, column: str | None) -> Iterable[Any]:
    names = [str(c) for c in frame.columns]
    if column is not None:
        if column not in names:
            raise BadData(f"the frame has no column {column!r}; columns: {', '.join(names[:20])}.")
        return _items(frame.get_column(frame.columns[names.index(column)]).to_native())
    texts = [c for c in frame.columns if isinstance(next(iter(_items(frame.get_column(c).to_native())), None), str)]
    if len(texts) != 1:
        raise BadData(
            f"{len(texts)} columns of the frame hold strings ({', '.join(map(str, texts[:20])) or 'none'}). "
            "Say which one is the text: Text(column='text')."
        )
    return _items(frame.get_column(texts[0]).to_native())


def _items(data: Any) -> Iterable[Any]:
    """What a list, an array or a column holds, as Python values."""
    if isinstance(data, (list, tuple)):
        return data
    for convert in LISTING:
        if hasattr(data, convert) and getattr(data, "ndim", 1) == 1:
            return getattr(data, convert)()  # type: ignore[no-any-return]
    raise UnsupportedInput(
        f"got {type(data).__name__}; expected documents: a list, array or column of str, or a path to {SUFFIX} files."
    )


def _checked(items: Iterable[Any]) -> list[str]:
    found = []
    for i, item in enumerate(items):
        if isinstance(item, os.PathLike):
            found.append(_read_or_say(Path(item)))
        elif isinstance(item, str):
            found.append(str(item))
        elif item is None or (isinstance(item, float) and np.isnan(item)) or type(item).__name__ == "NAType":
            raise BadData(f"document {i} is missing ({item}). Put '' where there is no text, or drop it.")
        elif isinstance(item, bytes):
            raise BadData(f"document {i} is bytes; expected str. Decode it: text.decode('utf-8').")
        else:
            raise BadData(f"document {i} is {item!r} ({type(item).__name__}); expected str.")
    return found


def _read_or_say(path: Path) -> str:
    try:
        return _read(path)
    except OSError as problem:
        raise (
            problem
            if isinstance(problem, FileProblem)
            else FileProblem(f"{path} cannot be read: {problem.strerror or problem}.")
        ) from None


def _some(found: list[str], data: Any) -> list[str]:
    if not found:
        where = f"{os.fspath(data)} leads to" if isinstance(data, (str, os.PathLike)) else "got"
        raise BadData(f"{where} no documents; expected at least one.")
    return found
