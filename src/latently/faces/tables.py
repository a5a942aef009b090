"""Tables in files: delimited text, Parquet and Arrow in, with the types that people mean; whole files out, or none."""

from __future__ import annotations

import csv
import difflib
import io
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latently.errors import BadData, BadParameter, FileProblem
from latently.faces import delimited
from latently.faces.layout import Layout
from latently.faces.missing import without
from latently.faces.places import check_input, check_output, check_place, replacing, suffix_of
from latently.faces.sniff import layout_of

__all__ = [
    "Reading", "check_input", "check_output", "check_place", "columns", "examine", "read", "remarks", "replacing",
    "select", "write",
]  # fmt: skip

ROW_NUMBERS = ("", "Unnamed: 0", "__index_level_0__")  # what R and pandas call the row numbers they write
BINARY = (".parquet", ".arrow", ".feather")


@dataclass(frozen=True)
class Reading:
    """A table out of a file."""

    table: Any  #: of pyarrow
    layout: Layout | None  #: of delimited text
    remarks: tuple[str, ...]  #: what its owner should know


def columns(path: Path) -> list[str]:
    """The names of the columns, from the head of the file."""
    return _checked(path, _schema(path) if suffix_of(path) in BINARY else list(layout_of(path).names))


def _checked(path: Path, names: list[str]) -> list[str]:
    if not names:
        raise FileProblem(f"{path} has no columns; expected names and rows.")
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice == [""]:
        where = " and ".join(str(j + 1) for j, name in enumerate(names) if not name)
        raise BadData(f"{path}: columns {where} have no name. Name them in the first line.")
    if twice:
        raise BadData(f"{path}: the column name {twice[-1]!r} stands more than once. Rename the columns.")
    return names


def select(path: Path, names: list[str], wanted: list[str], what: str) -> list[str]:
    """`wanted` again; `BadData` naming those that are not among the columns `names` of `path`."""
    missing = [name for name in wanted if name not in names]
    if missing:
        near = difflib.get_close_matches(missing[0], names, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has {_listed(names)}."
        raise BadData(f"{path} has no {_listed(missing)}, {what}. {hint}")
    return wanted


def _listed(names: list[str], most: int = 8) -> str:
    if len(names) == 1:
        return f"column {names[0]!r}"
    shown = ", ".join(map(repr, names[:most]))
    return f"columns {shown}{f' and {len(names) - most} more' if len(names) > most else ''}"


def remarks(path: Path, names: list[str], layout: Layout | None = None) -> list[str]:
    """What the owner of a table should know about its columns before a fit takes them all for data."""
    found = [
        f"column {name!r} of {path} looks like row numbers. If so, leave it out: --drop {shlex.quote(name)}"
        for name in names
        if name in ROW_NUMBERS
    ]
    if layout is None and suffix_of(path) not in BINARY:
        layout = layout_of(path)
    if layout and not layout.header:
        found.append(f"{path} starts with a line of numbers or values; its columns are called {names[0]}, ...")
    return found


# ---------------------------------------------------------------------- in


def read(path: Path, missing: Sequence[str] = (), columns: Sequence[str] | None = None, **how: Any) -> Any:
    """The pyarrow table of a file; see `examine`."""
    return examine(path, missing, columns, **how).table


def examine(
    path: Path,
    missing: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    *,
    text: Collection[str] = (),
    day_first: bool | None = None,
) -> Reading:
    """Read a table: every row, and every column with the type that its cells have.

    Args:
        path: Delimited text (plain or .gz), Parquet, Arrow or Feather.
        missing: Cells that mean a missing value, besides those that always do; a number means all ways to write it.
        columns: Names of the columns to read, in the order to have them; all when None.
        text: Names of columns of delimited text whose cells stay as they stand, such as codes of digits.
        day_first: Whether 1/2/2024 is in February, for columns in which no day above 12 tells.
    """
    layout = None if suffix_of(path) in BINARY else layout_of(path)
    names = _checked(path, list(layout.names) if layout else _schema(path))
    if columns is not None and not columns:
        raise BadParameter(f"columns=[] leaves nothing of {path}; name at least one of {_listed(names)}.")
    wanted = names if columns is None else select(path, names, list(columns), "which is asked for")
    if layout:
        table, layout, told = delimited.read(path, layout, [m.strip() for m in missing], wanted, text, day_first)
    else:
        table, told = _binary(path, wanted), []
        for j, name in enumerate(wanted if missing else []):
            table = table.set_column(j, name, without(table.column(name), list(missing)))
    if not table.num_rows:
        raise BadData(f"{path} has names of columns but no rows; expected at least one row.")
    return Reading(table, layout, (*remarks(path, wanted, layout), *told))


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Whatever pyarrow finds wrong with a file is a `FileProblem`."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as problem:
        kind = "Parquet" if suffix_of(path) == ".parquet" else "Arrow"
        raise FileProblem(
            f"{path} is no {kind} file, or is cut short ({path.stat().st_size} bytes): {str(problem)[:80]}."
        ) from None


def _schema(path: Path) -> list[str]:
    with _sound(path):
        if suffix_of(path) == ".parquet":
            import pyarrow.parquet as parquet

            return [str(name) for name in parquet.read_schema(path).names]
        with _ipc(path) as reader:
            return [str(name) for name in reader.schema.names]


def _binary(path: Path, wanted: list[str]) -> Any:
    with _sound(path):
        if suffix_of(path) == ".parquet":
            import pyarrow.parquet as parquet

            return parquet.read_table(path, columns=wanted)
        with _ipc(path) as reader:
            return reader.read_all().select(wanted)


@contextmanager
def _ipc(path: Path) -> Iterator[Any]:
    """A reader of an Arrow file, or of a stream of Arrow in a file."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        magic = file.read(6)
        file.seek(0)
        with (pa.ipc.open_file if magic == b"ARROW1" else pa.ipc.open_stream)(file) as reader:
            yield reader


# ---------------------------------------------------------------------- out


def write(table: Any, path: Path) -> None:
    """Replace `path` by a file of this pyarrow table; whatever happens, the old or the new one is whole."""
    import pyarrow as pa

    with replacing(path) as part:
        try:
            _write(table, part, suffix_of(path))
        except pa.ArrowException as problem:
            raise BadData(f"{path} cannot hold this table: {str(problem)[:200]}. Try another format.") from None


def _write(table: Any, part: Path, suffix: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    if suffix == ".parquet":
        parquet.write_table(table, part)
    elif suffix in BINARY:
        packed = pa.ipc.IpcWriteOptions(compression="lz4" if suffix == ".feather" else None)
        with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, table.schema, options=packed) as writer:
            writer.write_table(table)
    else:
        _write_text(_flat(table), part, suffix)


def _write_text(table: Any, part: Path, suffix: str) -> None:
    import pyarrow as pa
    import pyarrow.csv as arrow

    delimiter = "\t" if suffix.startswith(".tsv") else ","
    head = io.StringIO()  # pyarrow puts every name in quotes
    csv.writer(head, delimiter=delimiter, lineterminator="\n").writerow(table.column_names)
    with pa.output_stream(str(part), compression="gzip" if suffix.endswith(".gz") else None) as out:
        out.write(head.getvalue().encode())
        arrow.write_csv(table, out, arrow.WriteOptions(include_header=False, delimiter=delimiter))


def _flat(table: Any) -> Any:
    """The table with categories spelled out; `BadData` where a cell is no single value."""
    import pyarrow as pa

    for j, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(j, field.name, table.column(j).cast(field.type.value_type))
        elif pa.types.is_nested(field.type):
            raise BadData(f"column {field.name!r} holds {field.type}, which no text file can. Write Parquet instead.")
    return table
