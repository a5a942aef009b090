"""Tables in files: CSV and Parquet in, with numbers where a model needs them; whole files out, or none."""

from __future__ import annotations

import csv
import difflib
import io
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from latently.errors import BadData, FileProblem
from latently.faces.layout import is_number, layout_of

__all__ = ["check_input", "check_output", "check_place", "columns", "read", "remarks", "select", "write"]

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
ROW_NUMBERS = ("", "Unnamed: 0", "__index_level_0__")  # what R and pandas call the row numbers they write
BLOCK = 1 << 20  # bytes that pyarrow parses at once; a line must fit


def check_input(path: Path) -> None:
    """Raise `FileProblem` unless `path` is a file with the name of a table."""
    if path.is_dir():
        raise FileProblem(f"{path} is a folder; expected a table: {', '.join(SUFFIXES)}.")
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, 1, 0.75)
        hint = f"Did you mean {path.with_name(near[0])}?" if near else f"The current folder is {Path.cwd()}."
        raise FileProblem(f"{path} does not exist; expected a table. {hint}")
    _suffix(path)


def check_output(path: Path, *inputs: Path) -> None:
    """Raise `FileProblem` unless a table can be written to `path` without harm to an input."""
    _suffix(path)
    check_place(path, *inputs)


def check_place(path: Path, *inputs: Path) -> None:
    """Raise `FileProblem` unless a file can be put at `path` without harm to an input."""
    folder = path.parent
    if path.is_dir():
        raise FileProblem(f"{path} is a folder; expected the name of a file. Try -o {path / 'NAME'}.")
    if not folder.is_dir():
        raise FileProblem(f"cannot write {path}: the folder {folder} does not exist. Make it first.")
    if not os.access(folder, os.W_OK):
        raise FileProblem(f"cannot write {path}: the folder {folder} is not yours to write. Choose another.")
    if any(path == other or (path.exists() and other.exists() and path.samefile(other)) for other in inputs):
        raise FileProblem(f"-o {path} is a file that this command reads, and would be lost. Choose another name.")


def _suffix(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return suffix
    raise FileProblem(f"{path}: its name does not say what table it is; expected {', '.join(SUFFIXES)}.")


# ---------------------------------------------------------------------- in


def columns(path: Path) -> list[str]:
    """The names of the columns."""
    names = _schema(path) if _suffix(path) == ".parquet" else layout_of(path).names
    if not names:
        raise FileProblem(f"{path} has no columns; expected names and rows of numbers.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadData(f"{path}: the column name {twice[0]!r} stands more than once. Rename the columns.")
    return names


def remarks(path: Path, names: list[str]) -> list[str]:
    """What the owner of a table should know about its columns before a fit takes them all for data."""
    found = [
        f"column {name!r} of {path} looks like row numbers. If so, leave it out: --drop {shlex.quote(name)}"
        for name in names
        if name in ROW_NUMBERS
    ]
    if _suffix(path) != ".parquet" and not layout_of(path).header:
        found.append(f"{path} starts with a line of numbers; its columns are called {names[0]}, ...")
    return found


def select(path: Path, names: list[str], wanted: list[str], what: str) -> list[str]:
    """`wanted` again; `BadData` naming those that are not among the columns `names` of `path`."""
    missing = [name for name in wanted if name not in names]
    if missing:
        near = difflib.get_close_matches(missing[0], names, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"It has {_listed(names)}."
        raise BadData(f"{path} has no {_listed(missing)}, {what}. {hint}")
    return wanted


def read(path: Path, numbers: list[str], others: bool = False, model: Path | None = None) -> Any:
    """The pyarrow table of the columns `numbers`; with `others` the rest too, as it stands, in its order.

    A column of `numbers` that holds something else raises `BadData`; whether a `model` needs it, or it can be
    left out, decides what is advised.
    """
    import pyarrow as pa

    table = (_read_parquet if _suffix(path) == ".parquet" else _read_csv)(path, numbers, others)
    if not table.num_rows:
        raise BadData(f"{path} has names of columns but no rows; expected at least one row of numbers.")
    bad = [name for name in numbers if not _numeric(table.schema.field(name).type)]
    if bad:
        raise BadData(_complaint(path, table, bad, model))
    for name in numbers:
        if pa.types.is_null(table.schema.field(name).type):  # a column of empty cells
            unknown = pa.nulls(table.num_rows, pa.float64())
            table = table.set_column(table.column_names.index(name), name, unknown)
    return table


def _read_csv(path: Path, numbers: list[str], others: bool) -> Any:
    import pyarrow as pa
    import pyarrow.csv as arrow

    layout = layout_of(path)
    text = {name: pa.string() for name in layout.names if name not in numbers}
    names, block = None if layout.header else layout.names, max(BLOCK, 16 * layout.longest)
    try:
        return arrow.read_csv(
            path,
            arrow.ReadOptions(block_size=block, column_names=names),
            arrow.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            arrow.ConvertOptions(column_types=text, include_columns=None if others else numbers),
        )
    except pa.ArrowInvalid as problem:
        raise FileProblem(f"{path} is no clean table: {problem}. Mend that line.") from None


def _read_parquet(path: Path, numbers: list[str], others: bool) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return parquet.read_table(path, columns=None if others else numbers)
    except (pa.ArrowInvalid, OSError) as problem:
        raise FileProblem(f"{path} cannot be read as Parquet ({problem}). Is it whole?") from None


def _schema(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return [str(name) for name in parquet.read_schema(path).names]
    except (pa.ArrowInvalid, OSError):
        size = path.stat().st_size
        raise FileProblem(f"{path} is no Parquet file, or is cut short ({size} bytes).") from None


def _numeric(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)


def _complaint(path: Path, table: Any, bad: list[str], model: Path | None) -> str:
    """What is wrong with columns that hold no numbers, and the way out."""
    values = [str(v) for v in table.column(bad[0]).drop_null().slice(0, 100_000).to_pylist()]
    odd = next((v for v in values if not is_number(v)), values[0])
    found = f"{path}: {_listed(bad)} {'holds' if len(bad) == 1 else 'hold'}"
    drop = " ".join(f"--drop {shlex.quote(name)}" for name in bad)
    if sum(map(is_number, values)) > len(values) / 2:
        leave = "." if model else f", or leave the column out: {drop}"
        return f"{found} {odd[:40]!r} among numbers. Empty that cell if its value is unknown{leave}"
    found += f" text or dates, such as {odd[:40]!r}"
    if model:
        return f"{found}; {model} was fitted on numbers there. Give it the same columns as in the fit."
    return f"{found}; this version takes numbers. Leave {'it' if len(bad) == 1 else 'them'} out: {drop}"


def _listed(names: list[str], most: int = 8) -> str:
    if len(names) == 1:
        return f"column {names[0]!r}"
    shown = ", ".join(map(repr, names[:most]))
    return f"columns {shown}{f' and {len(names) - most} more' if len(names) > most else ''}"


# ---------------------------------------------------------------------- out


def write(table: Any, path: Path) -> None:
    """Replace `path` by a file of this pyarrow table; whatever happens, the old or the new one is whole."""
    import pyarrow as pa
    import pyarrow.csv as arrow
    import pyarrow.parquet as parquet

    suffix = _suffix(path)
    with _replacing(path) as part:
        if suffix == ".parquet":
            parquet.write_table(table, part)
            return
        delimiter = "\t" if suffix.startswith(".tsv") else ","
        head = io.StringIO()  # pyarrow puts every name in quotes
        csv.writer(head, delimiter=delimiter, lineterminator="\n").writerow(table.column_names)
        with pa.output_stream(str(part), compression="gzip" if suffix.endswith(".gz") else None) as out:
            out.write(head.getvalue().encode())
            arrow.write_csv(table, out, arrow.WriteOptions(include_header=False, delimiter=delimiter))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A name to write to; the file becomes `path` when the block ends well, and is gone when it does not."""
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as problem:
        what = problem.strerror or problem
        raise FileProblem(f"cannot write {path}: {what}. What was there is unchanged.") from None
    finally:
        part.unlink(missing_ok=True)
