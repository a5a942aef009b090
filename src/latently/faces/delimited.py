"""Reading delimited text: pyarrow splits it into cells, all of them text at first, and every column finds its type."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from latently.errors import FileProblem
from latently.faces.cells import Column, column, remarked, with_decimal_comma
from latently.faces.layout import Layout
from latently.faces.sniff import FIELD, records

__all__ = ["raw", "read"]

BLOCK = 1 << 22  # bytes that pyarrow parses at once; a line must fit
TRAILING = "\0trailing"  # no column has this name


def read(
    path: Path,
    layout: Layout,
    missing: list[str],
    wanted: Sequence[str],
    text: Collection[str],
    day_first: bool | None,
) -> tuple[Any, Layout, list[str]]:
    """The table, how it turned out to be laid out, and remarks."""
    import pyarrow as pa

    layout, cells = raw(path, layout, list(wanted))
    found = [column(name, cells.column(name), missing, name in text, day_first) for name in wanted]
    if layout.delimiter != ",":
        found, comma = with_decimal_comma(found, layout.decimal == ",")
        layout = replace(layout, decimal="," if comma else ".")
    found = [one if one.name in text else remarked(one) for one in found]
    _check_text(path, layout, cells, found)
    marks = {mark: None for one in found for mark in one.missing}
    orders = {one.order: None for one in found if one.order}
    layout = replace(layout, missing=tuple(marks), dates=tuple(orders))
    return pa.Table.from_arrays([one.values for one in found], list(wanted)), layout, _remarks(path, layout, found)


def _remarks(path: Path, layout: Layout, found: list[Column]) -> list[str]:
    told = [f"column {one.name!r} of {path} holds {one.remark}" for one in found if one.remark]
    if layout.encoding == "cp1252":
        told.append(f"{path} is not UTF-8; read as Windows-1252. If letters look wrong, save it as UTF-8")
    words = {len(str(cell).split()) for one in found[:1] for cell in (one.name, *one.values.slice(0, 5))}
    if len(layout.names) == 1 and len(words) == 1 and words != {1}:
        told.append(f"{path} has one column. Do spaces separate its cells? Then save it with commas")
    for mark in dict.fromkeys(mark for one in found for mark in one.kept):
        names = ", ".join(repr(one.name) for one in found if mark in one.kept)
        told.append(f"{mark!r} in {names} is taken as a category. If it means missing: --missing={shlex.quote(mark)}")
    return told


# ---------------------------------------------------------------------- cells as text


def raw(path: Path, layout: Layout, wanted: list[str]) -> tuple[Layout, Any]:
    """All wanted cells as text; what is UTF-8 in the head only is read as Windows-1252."""
    import pyarrow as pa

    for encoding in dict.fromkeys((layout.encoding, "cp1252")):
        layout = replace(layout, encoding=encoding)
        try:
            table = _parsed(path, layout, wanted)
        except UnicodeDecodeError:
            continue
        except pa.ArrowInvalid as problem:
            if "invalid UTF8" in str(problem):
                continue
            _find_ragged(path, layout)
            raise FileProblem(f"{path} is no clean table: {problem}. Mend that line.") from None
        except (OSError, EOFError) as problem:
            raise FileProblem(f"{path} cannot be read ({problem}). Is it whole, and its name right?") from None
        _check_end(path, layout, table)
        return layout, table
    raise FileProblem(f"{path} is text in an unknown encoding. Save the table as CSV in UTF-8, or as Parquet.")


def _parsed(path: Path, layout: Layout, wanted: list[str]) -> Any:
    import pyarrow as pa
    import pyarrow.csv as arrow

    names = [*layout.names, *([TRAILING] if layout.trailing else [])]
    included = [*wanted, *([TRAILING] if layout.trailing else [])]
    with _stream(path, layout) as stream:
        return arrow.read_csv(
            stream,
            arrow.ReadOptions(
                block_size=max(BLOCK, 16 * layout.longest),
                column_names=names,
                skip_rows_after_names=int(layout.header),
                encoding="utf8" if layout.spaced else layout.encoding,
            ),
            arrow.ParseOptions(
                delimiter=layout.delimiter,
                quote_char=layout.quote,
                newlines_in_values=True,
                ignore_empty_lines=len(names) > 1,  # in one column, an empty line is a missing cell
            ),
            arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=included),
        )


@contextmanager
def _stream(path: Path, layout: Layout) -> Iterator[Any]:
    """The bytes that pyarrow reads; where quotes follow a space, which it takes for text, they are written anew."""
    import pyarrow as pa

    if not layout.spaced:
        with pa.input_stream(str(path), compression="gzip" if path.name.lower().endswith(".gz") else None) as stream:
            yield stream
        return
    anew = io.StringIO()
    writer = csv.writer(anew, delimiter=layout.delimiter, quotechar=layout.quote, lineterminator="\n")
    writer.writerows(cells for _, cells in records(path, layout, "strict") if cells)
    yield io.BytesIO(anew.getvalue().encode())


# ---------------------------------------------------------------------- what may be wrong


def _find_ragged(path: Path, layout: Layout) -> None:
    """Raise `FileProblem` naming the first line that is not as wide as the rest."""
    for line, cells in records(path, layout):
        skipped = not cells or (line == 1 and layout.header)
        if not skipped and len(cells) != layout.width:
            shown = layout.delimiter.join(cells)[:60]
            cure = (
                "Take out the lines above the names of the columns"
                if layout.width == 1 and line < 20
                else f"Mend that line; a cell that holds {layout.delimiter!r} needs quotes"
            )
            raise FileProblem(
                f"{path}, line {line}: Expected {layout.width} columns, got {len(cells)}: {shown!r}. {cure}."
            )


def _check_end(path: Path, layout: Layout, table: Any) -> None:
    """Raise `FileProblem` where the last lines vanished into a quote, or the cells behind the last column hold some."""
    import pyarrow.compute as pc

    last = table.slice(max(table.num_rows - 1, 0)).to_pylist()
    if any("\n" in cell or "\r" in cell for row in last for cell in row.values()):
        for _ in records(path, layout):
            pass
    if layout.trailing and pc.any(pc.not_equal(table.column(TRAILING), "")).as_py():
        raise FileProblem(
            f"{path}: its lines end with {layout.delimiter!r}, and in some of them a cell without a name follows. "
            "Name that column in the first line."
        )


def _check_text(path: Path, layout: Layout, raw: Any, found: list[Column]) -> None:
    """Raise `FileProblem` where a cell of text is too long or holds what no text holds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for one in found:
        if not pa.types.is_string(one.values.type):
            continue
        cells = raw.column(one.name)
        long = (pc.max(pc.utf8_length(cells)).as_py() or 0) > FIELD
        if long or pc.any(pc.match_substring(cells, "\0")).as_py():
            for line, row in records(path, layout):  # which raises where a cell is too long
                if any("\0" in cell for cell in row):
                    raise FileProblem(
                        f"{path}, line {line}: holds NUL bytes. Take them out, or save the table in UTF-8."
                    )
