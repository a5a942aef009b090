"""What no modality reads: why not, and what would be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from numbers import Real
from pathlib import Path
from typing import Any

from latently.errors import BadData, FileProblem, LatentlyError, UnsupportedInput

__all__ = ["tabular", "unread"]

WORKS = """data='auto' reads
- tables: 2-D arrays, data frames, lists of rows;
- images: arrays (n, height, width[, channels]), lists of arrays, paths of image files, folders;
- series: lists of arrays (time,) or (time, channels);
- text: lists or columns of str, .txt files;
- audio: paths of sound files, folders.
Say what else it is: data=Series() for one long series or an array (n, time, channels), data=Audio(rate=8000) for
arrays of sound, data=Text(column='text') for a column of a frame, data=Table() or data=Image() where both fit."""
COLUMN = (
    "One long series is data=Series(). Reshape your data with array.reshape(-1, 1) if each number is a row, "
    "array.reshape(1, -1) if all are one."
)
SHOWN = 60  # characters of what was given


def tabular(data: Any) -> bool:
    """Whether rows may be in it, at a glance: a frame, a matrix, a 2-D array, a list of rows of one length."""
    if any(hasattr(data, name) for name in ("columns", "column_names", "collect", "nnz")):
        return True
    if isinstance(data, (list, tuple)):
        return bool(data) and all(map(_row, data)) and len({len(row) for row in data}) == 1
    return getattr(data, "ndim", 2) == 2 and hasattr(data, "__array__")


def _row(item: Any) -> bool:
    return isinstance(item, (list, tuple)) or (hasattr(item, "__array__") and getattr(item, "ndim", 0) == 1)


def unread(data: Any) -> LatentlyError:
    """The error for what no modality takes: what it is, what may be done about it, and what is read."""
    if isinstance(data, (str, os.PathLike)):
        return _of_place(os.fspath(data))
    if _numbers(data):
        return BadData(f"got {len(data)} numbers in a row; expected rows and columns. {COLUMN}\n{WORKS}")
    what, advice = _of_list(data) if isinstance(data, (list, tuple)) else _of_thing(data)
    empty = isinstance(data, (list, tuple)) and not data
    return (BadData if empty else UnsupportedInput)(f"{f'got {what}. {advice}'.rstrip()}\n{WORKS}")


def _numbers(data: Any) -> bool:
    """Whether it is one column of numbers."""
    if isinstance(data, (list, tuple)):
        return bool(data) and all(isinstance(v, Real) for v in data)
    return getattr(data, "ndim", 0) == 1 and getattr(data.dtype, "kind", "") in "buif"


def _of_place(place: Any) -> LatentlyError:
    if isinstance(place, bytes):
        return UnsupportedInput(f"got a path of bytes. Try os.fsdecode(path).\n{WORKS}")
    path = Path(place).expanduser()
    try:
        there = bool(place) and path.exists()
    except (OSError, ValueError):  # too long for a name, or with a null in it
        there = False
    if not there:
        shown = repr(place if len(place) <= SHOWN else place[: SHOWN - 3] + "...")
        return FileProblem(f"{shown} does not exist. If it is a document, give a list: [text].\n{WORKS}")
    if path.is_dir():
        return UnsupportedInput(f"the folder {place!r} holds no images, sounds or .txt files.\n{WORKS}")
    return UnsupportedInput(
        f"nothing here reads {place!r} as it is. Read the file first, such as pandas.read_csv(path) for a table or "
        f"[path.read_text()] for a document.\n{WORKS}"
    )


def _of_list(data: Sequence[Any]) -> tuple[str, str]:
    if not data:
        return "an empty list", "Give at least one item."
    if all(isinstance(v, Mapping) for v in data):
        return "a list of records", "Make a table of them: pandas.DataFrame(data)."
    if all(isinstance(v, (bytes, bytearray)) for v in data):
        return "a list of bytes", "Decode what is text: [b.decode('utf-8') for b in data]."
    if all(isinstance(v, os.PathLike) for v in data):
        return "a list of paths that lead to no images, sounds or .txt files", "Read the files first."
    sorts = sorted({_sort(v) for v in data})
    if len(sorts) > 1:
        return f"a list of unlike items ({', '.join(sorts[:4])})", "Keep to one sort."
    if all(map(_row, data)):
        lengths = [len(v) for v in data]
        return (
            f"a list of rows of unlike length ({min(lengths)} to {max(lengths)})",
            "If they are series, make arrays of them: [np.asarray(v) for v in data].",
        )
    return f"a list of {sorts[0]}", "Neither rows, images, series, texts nor paths are in it."


def _sort(item: Any) -> str:
    ndim = getattr(item, "ndim", None)
    return type(item).__name__ if ndim is None else f"{ndim}-D {type(item).__name__}"


ADVICE: Sequence[tuple[Callable[[Any], bool], str]] = (
    (lambda d: isinstance(d, Mapping), "If its values are columns, make a table of them: pandas.DataFrame(data)."),
    (lambda d: isinstance(d, (bytes, bytearray)), "If it is text, decode it: [data.decode('utf-8')]."),
    (lambda d: hasattr(d, "read"), "Give the path of a file instead of the open file."),
    (lambda d: isinstance(d, Set), "A set has no order: give a list."),
    (lambda d: getattr(getattr(d, "dtype", None), "kind", "") == "O", "If arrays are in it, give a list: list(data)."),
    (lambda d: isinstance(d, Iterable) and not hasattr(d, "ndim"), "Read it first: list(data)."),
)


def _of_thing(data: Any) -> tuple[str, str]:
    advice = next((text for suits, text in ADVICE if suits(data)), "")
    if hasattr(data, "ndim") and hasattr(data, "dtype"):
        return f"an array of {data.dtype} of shape {tuple(data.shape)}", advice
    return ("None" if data is None else f"an object of type {type(data).__name__}"), advice
