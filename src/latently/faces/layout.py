"""How a CSV file is laid out, by its first line: the delimiter, the names of the columns."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

from latently.errors import FileProblem

__all__ = ["Layout", "is_number", "layout_of"]


@dataclass(frozen=True)
class Layout:
    """What must be known before a CSV file can be read."""

    delimiter: str
    names: list[str]
    header: bool  #: whether the first line holds the names
    longest: int  #: characters of the first line


def layout_of(path: Path) -> Layout:
    """The layout of a CSV file; one without a line of names gets `column0`, `column1` ..."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            text = io.TextIOWrapper(cast(BinaryIO, file), encoding="utf-8-sig", newline="")
            line = text.readline()
            text.seek(0)
            delimiter = max(",;\t", key=line.count)
            names = next(csv.reader(text, delimiter=delimiter), [])
    except UnicodeDecodeError:
        raise FileProblem(f"{path} is not UTF-8 text. Save the table as CSV in UTF-8, or as Parquet.") from None
    except (gzip.BadGzipFile, EOFError, csv.Error) as problem:
        raise FileProblem(f"{path} cannot be read ({problem}). Is it whole, and its name right?") from None
    if not line.strip():
        found = "starts with an empty line" if line else "is empty"
        raise FileProblem(f"{path} {found}; expected a line of column names, then rows of numbers.")
    header = not _are_values(names)
    names = names if header else [f"column{j}" for j in range(len(names))]
    return Layout(delimiter, names, header, len(line))


def _are_values(cells: list[str]) -> bool:
    """Whether a first line holds values: numbers that do not rise, as a count, years or wavelengths do."""
    if not all(map(is_number, cells)):
        return False
    return len(cells) == 1 or not all(float(a) < float(b) for a, b in pairwise(cells))


def is_number(cell: str) -> bool:
    """Whether the text of a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
