"""The head of a delimited file, looked at closely: encoding, delimiter, quotes, and whether it begins with names."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import Path
from typing import BinaryIO, cast

from latently.errors import FileProblem
from latently.faces.cells import COMMA, GROUPED
from latently.faces.dates import DAY
from latently.faces.layout import SEPARATED, Layout, is_number
from latently.faces.missing import MARKERS

__all__ = ["FIELD", "layout_of", "opened", "records"]

HEAD = 1 << 18  # bytes that are looked at; more only where they hold fewer than FEW lines
FEW, MANY = 20, 500  # lines
LONGEST = 1 << 26  # bytes of a line
FIELD = 131_072  # characters of a cell: what Python's csv module takes
END = "\0end"  # no table holds it: NUL bytes are refused
FOREIGN = {
    b"\x1f\x8b": "is compressed; add .gz to its name",
    b"PK\x03\x04": "is a spreadsheet or a zip archive; save the sheet as CSV",
    b"PAR1": "is Parquet; call it .parquet",
    b"ARROW1": "is Arrow; call it .arrow",
    b"\xd0\xcf\x11\xe0": "is an old spreadsheet; save the sheet as CSV",
}


def layout_of(path: Path) -> Layout:
    """The layout of a delimited file; one without a line of names gets `column0`, `column1` ..."""
    raw, whole = _head(path)
    text, encoding = _decoded(path, raw, whole)
    lines = list(io.StringIO(text, newline=""))
    if not whole and len(lines) > 1:
        del lines[-1]  # cut short
    _check_start(path, lines)
    quote = _quote(text)
    delimiter, rows = _split(path, lines[:MANY], quote, whole and len(lines) <= MANY)
    names, shift, trailing = _names(rows)
    header = shift or not _are_values(rows)
    names = names if header else [f"column{j}" for j in range(len(names))]
    longest = max(len(line.encode()) for line in lines[:MANY])
    spaced = _is_spaced(lines[:MANY], delimiter, quote)
    decimal = "," if delimiter != "," and _has_decimal_comma(rows[header:]) else "."
    row_names = shift and not trailing
    return Layout(tuple(names), delimiter, quote, encoding, header, row_names, trailing, spaced, longest, decimal)


# ---------------------------------------------------------------------- bytes


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked where its name ends with .gz; what is wrong with them raises `FileProblem`."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            yield cast(BinaryIO, file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise FileProblem(f"{path} cannot be read ({problem}). Is it whole, and its name right?") from None


def _head(path: Path) -> tuple[bytes, bool]:
    """The first bytes, and whether they are all."""
    raw = b""
    with opened(path) as file:
        while len(raw) < HEAD or (len(raw) < LONGEST and raw.count(b"\n") + raw.count(b"\r") < FEW):
            more = file.read(HEAD)
            raw += more
            if not more:
                return raw, True
    return raw, False


def _decoded(path: Path, raw: bytes, whole: bool) -> tuple[str, str]:
    """The text, and the encoding it was in."""
    for magic, found in FOREIGN.items():
        if raw.startswith(magic):
            raise FileProblem(f"{path} {found}.")
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8", "cp1252"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(raw, whole)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            line = text[: text.index("\0")].count("\n") + 1
            raise FileProblem(f"{path}, line {line}: holds NUL bytes, so it is no table of text. Save it in UTF-8.")
        return text.removeprefix("\ufeff"), encoding
    raise FileProblem(f"{path} is text in an unknown encoding. Save the table as CSV in UTF-8, or as Parquet.")


def _check_start(path: Path, lines: list[str]) -> None:
    if not lines or not lines[0].strip():
        found = "starts with an empty line" if lines else "is empty"
        raise FileProblem(f"{path} {found}; expected a line of column names, then rows.")
    if re.fullmatch(r'"?sep=."?\s*', lines[0]):
        raise FileProblem(f"{path} starts with the line {lines[0].strip()!r}, which only Excel reads. Take it out.")
    if len(lines[0]) >= LONGEST:
        raise FileProblem(f"{path} has a first line of more than {LONGEST >> 20} MiB. Is it a table?")


# ---------------------------------------------------------------------- cells


def records(path: Path, layout: Layout, errors: str = "replace") -> Iterator[tuple[int, list[str]]]:
    """Every record of a file and the line it begins on, slowly: to find out what is wrong, and where."""
    with opened(path) as file:
        encoding = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
        text = io.TextIOWrapper(file, encoding=encoding, newline="", errors=errors)
        yield from _parsed(path, text, layout.delimiter, layout.quote, layout.spaced)


def _parsed(
    path: Path, lines: Iterable[str], delimiter: str, quote: str, spaced: bool, whole: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of every record; `whole` says that a quote still open at the end is a mistake."""
    reader = csv.reader(chain(lines, [END]), delimiter=delimiter, quotechar=quote, skipinitialspace=spaced)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except csv.Error:
            raise FileProblem(
                f"{path}, line {line}: a cell of more than {FIELD:,} characters. If a quote is not closed there, "
                "close it; else leave that text out."
            ) from None
        if cells and cells[-1].endswith(END):
            if whole and reader.line_num != line:  # the end is inside a cell that began above
                raise FileProblem(f"{path}, line {line}: a quote is opened and never closed. Close it.")
            return
        yield line, cells


def _quote(text: str) -> str:
    """A single quote where cells stand in such and there are no double ones."""
    if '"' in text:
        return '"'
    starts = len(re.findall(r"(?:^|[,;\t|]) *'", text, re.MULTILINE))
    whole = len(re.findall(r"(?:^|[,;\t|]) *'[^'\r\n]*' *(?=[,;\t|\r\n]|\Z)", text, re.MULTILINE))
    return "'" if starts and starts == whole else '"'


def _is_spaced(lines: list[str], delimiter: str, quote: str) -> bool:
    """Whether a quote follows a space, as in `39, "Private"`."""
    mark = re.compile(re.escape(delimiter) + " +" + quote)
    return any(mark.search(line) for line in lines)


def _split(path: Path, lines: list[str], quote: str, whole: bool) -> tuple[str, list[list[str]]]:
    """The delimiter under which most rows are as wide as the first, and the records it gives.

    Where several do, the one that leaves more numbers, then the one that makes more columns.
    """
    tried: dict[str, list[list[str]]] = {}
    wrong: dict[str, FileProblem] = {}
    for delimiter in SEPARATED:
        tried[delimiter] = []
        try:
            for _, cells in _parsed(path, lines, delimiter, quote, _is_spaced(lines, delimiter, quote), whole):
                if cells:
                    tried[delimiter].append([cell.strip() for cell in cells])
        except FileProblem as problem:
            wrong[delimiter] = problem
    best = max(tried, key=lambda d: _regularity(tried[d], d))
    if best in wrong:
        raise wrong[best]
    return best, tried[best]


def _regularity(rows: list[list[str]], delimiter: str) -> tuple[float, float, int]:
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, 0.0, 0
    widths = [len(row) for row in rows[1:]]
    wider = bool(widths) and set(widths) == {width + 1}
    alike = 1.0 if wider else (1 + widths.count(width)) / len(rows)
    cells = [cell for row in rows[:50] for cell in row]
    return alike, sum(is_number(cell, delimiter != ",") for cell in cells) / len(cells), width


def _has_decimal_comma(rows: list[list[str]]) -> bool:
    """Whether some column holds numbers with a comma, not all of them before three digits."""
    for column in zip(*(row for row in rows if len(row) == len(rows[-1])), strict=True):
        cells = [cell for cell in column if cell not in MARKERS]
        commas = [cell for cell in cells if "," in cell]
        if commas and all(re.match(COMMA, c) for c in cells) and not all(re.match(GROUPED, c) for c in commas):
            return True
    return False


def _names(rows: list[list[str]]) -> tuple[list[str], bool, bool]:
    """The names, whether rows have one cell more than the first line, whether the last cell stands for nothing."""
    first, rest = rows[0], rows[1:]
    wider = len(first) > 1 and bool(rest) and {len(row) for row in rest} == {len(first) + 1}
    ends = all(row[-1] == "" for row in rest)
    if wider:
        return (first, True, True) if ends else (["", *first], True, False)
    trailing = len(first) > 2 and first[-1] == "" and ends
    return first[:-1] if trailing else first, False, trailing


# ---------------------------------------------------------------------- names or values


def _are_values(rows: list[list[str]]) -> bool:
    """Whether the first line is a row of the table and not the names of its columns."""
    first, rest = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    numbers = [float(cell.replace(",", ".")) for cell in first if is_number(cell, True)]
    again = [any(row[j] == cell for row in rest) for j, cell in enumerate(first)]
    if any(re.match(DAY, row[j]) for j, cell in enumerate(first) if re.match(DAY, cell) for row in rest):
        return True
    if not numbers:
        return len(first) > 1 and bool(rest) and all(again)
    words = [j for j, cell in enumerate(first) if not is_number(cell, True) and cell not in MARKERS]
    if any(again[j] for j in words):
        return True
    if len(first) == 1 or any(a >= b for a, b in pairwise(numbers)):
        return True
    if all(map(_is_year, numbers)):
        below = [cell for row in rest[:MANY] for cell in row if is_number(cell)]
        return bool(below) and all(_is_year(float(cell)) for cell in below)
    if numbers[0] in (0, 1) and {b - a for a, b in pairwise(numbers)} <= {1.0}:
        return all(again)
    return bool(words) or not _are_steps(rest)


def _are_steps(rest: list[list[str]]) -> bool:
    """Whether a line of rising numbers is a scale, such as wavelengths: it may not rise by luck, nor as rows do."""
    wide = bool(rest) and len(rest[0]) >= 5
    values = [[float(cell) for cell in row if is_number(cell)] for row in rest]
    return wide and sum(all(a < b for a, b in pairwise(row)) for row in values) < 0.9 * len(values)


def _is_year(number: float) -> bool:
    return 1500 <= number <= 2200 and number == int(number)
