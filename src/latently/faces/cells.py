"""Columns of text become what they hold: whole numbers, numbers, switches, dates, or text as it stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from latently.faces.dates import Unclear, dates
from latently.faces.missing import MARKERS, code_in, in_text, without

__all__ = ["Column", "column", "remarked", "with_decimal_comma"]

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
COMMA = r"^[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?$"
LEADING = r"^[+-]?0[0-9xX]"
GROUPED = r"^[+-]?[1-9]\d{0,2}([.,' ]\d{3})+([.,]\d+)?$"  # 1,234 or 1.234,56: groups of three, or three decimals
MANY = 100_000  # cells that are looked at for a remark


@dataclass(frozen=True)
class Column:
    """One column, read."""

    name: str
    values: Any  #: a pyarrow array
    missing: tuple[str, ...] = ()  #: what stood in missing cells
    kept: tuple[str, ...] = ()  #: what looks missing, but may be a category
    order: str | None = None  #: of day, month and year, where they are not ISO
    remark: str | None = None  #: completes "column 'x' holds ..."
    text: Any = None  #: the cells without missing ones, where a decimal comma would change what they mean


def column(
    name: str, cells: Any, missing: Collection[str] = (), text: bool = False, day_first: bool | None = None
) -> Column:
    """The column of these cells; `missing` lists further markers, `text` leaves the rest as it stands."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(cells)
    marks = (*MARKERS, *missing)
    gaps = pc.is_in(cells, pa.array(marks))
    known, found = cells, ()
    if pc.any(gaps).as_py():
        found = tuple(pc.unique(cells.filter(gaps)).to_pylist())
        known = pc.if_else(gaps, None, cells)
    if known.null_count == len(known):
        return Column(name, pa.chunked_array([pa.nulls(len(cells), pa.float64())]), found)
    given = tuple(missing)
    if text:
        return _as_text(name, cells, given)
    try:
        typed = _typed(name, known, found, given, day_first)
        return typed or replace(_as_text(name, cells, given), text=known)
    except Unclear as problem:
        return Column(name, known, found, remark=f"{problem}: taken as text")


def _typed(
    name: str, known: Any, found: tuple[str, ...], given: tuple[str, ...], day_first: bool | None
) -> Column | None:
    """The column, if it holds anything but text."""
    import pyarrow as pa

    values = numbers(known)
    if values is not None:
        dotted = known if pa.types.is_floating(values.type) else None
        return Column(name, without(values, given), found, text=dotted)
    values = _switches(known)
    if values is not None:
        return Column(name, values, found)
    moments = dates(known, day_first)
    return Column(name, moments[0], found, order=moments[1]) if moments else None


def _as_text(name: str, cells: Any, given: tuple[str, ...]) -> Column:
    """A column of text, in which fewer marks stand for a missing cell."""
    import pyarrow.compute as pc

    values = pc.unique(cells).to_pylist()
    gone = [*in_text([v for v in values if v not in given]), *(v for v in values if v in given)]
    kept = tuple(value for value in values if value in MARKERS and value not in gone)
    return Column(name, without(cells, gone), tuple(gone), kept)


# ---------------------------------------------------------------------- kinds of values


def numbers(cells: Any) -> Any:
    """int64 or float64; None where some cell is no number; `Unclear` where as a number it would lose something."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.any(pc.starts_with(cells, "+")).as_py():
        cells = pc.replace_substring_regex(cells, r"^\+([0-9.])", r"\1")
    values = _cast(cells, pa.int64())
    if values is None:
        values = _cast(cells, pa.float64())
        if values is None or not pc.any(pc.is_finite(values)).as_py():
            return None
        if not pc.any(pc.match_substring_regex(cells, "[.a-zA-Z]")).as_py():
            raise Unclear(f"whole numbers that 64 bits cannot hold, such as {_first(cells, '[0-9]{19}')!r}")
        values = pc.if_else(pc.is_nan(values), None, values)
    if any(pc.any(pc.starts_with(cells, start)).as_py() for start in ("0", "-0")):
        led = _first(cells, LEADING)
        if led is not None:
            raise Unclear(f"numbers with leading zeros, such as {led!r}")
    return values


def _switches(cells: Any) -> Any:
    """Booleans, where there is nothing but true and false."""
    import pyarrow as pa
    import pyarrow.compute as pc

    switch = pa.array(["true", "false", "True", "False", "TRUE", "FALSE"])
    fine = all(pc.all(pc.is_in(some.drop_null(), switch)).as_py() for some in (cells.slice(0, 1000), cells))
    return _cast(cells, pa.bool_()) if fine else None


def _cast(cells: Any, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(cells, kind)
    except pa.ArrowInvalid:
        return None


def _first(cells: Any, pattern: str, matching: bool = True) -> str | None:
    """The first cell that matches, or that does not."""
    import pyarrow.compute as pc

    found = pc.match_substring_regex(cells, pattern)
    hits = cells.filter(found if matching else pc.invert(found)).drop_null()
    return str(hits[0]) if len(hits) else None


# ---------------------------------------------------------------------- a decimal comma


def with_decimal_comma(columns: list[Column]) -> tuple[list[Column], bool]:
    """The columns of a file again, and whether a comma is its decimal mark.

    It is where some column holds numbers with one comma, not all of them before three digits: 1,234 may be a
    thousand. Then 1.234 may be one as well, and stays text.
    """
    commas = {c.name for c in columns if c.text is not None and _is_text(c) and _every(c.text, COMMA)}
    if not any(c.name in commas and _odd_comma(c.text) for c in columns):
        return columns, False
    return [_comma(c) if c.name in commas else _undotted(c) for c in columns], True


def _odd_comma(cells: Any) -> bool:
    """Whether some comma cannot stand between thousands."""
    import pyarrow.compute as pc

    return _first(cells.filter(pc.match_substring(cells, ",")), GROUPED, matching=False) is not None


def _comma(found: Column) -> Column:
    import pyarrow.compute as pc

    marks = (*found.missing, *found.kept)
    try:
        values = numbers(pc.replace_substring(found.text, ",", "."))
    except Unclear as problem:
        return replace(found, values=found.text, missing=marks, kept=(), remark=f"{problem}: taken as text")
    return replace(found, values=values, missing=marks, kept=())


def _undotted(found: Column) -> Column:
    """A column of numbers as text, if in a file of decimal commas its points may stand between thousands."""
    if found.text is None or _is_text(found) or not _every(found.text, rf"({GROUPED})|(^[+-]?\d+$)"):
        return found
    return replace(found, values=found.text)


def _is_text(found: Column) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(found.values.type))


def _every(cells: Any, pattern: str) -> bool:
    import pyarrow.compute as pc

    return all(pc.all(pc.match_substring_regex(some, pattern)).as_py() for some in (cells.slice(0, 1000), cells))


# ---------------------------------------------------------------------- remarks


def remarked(found: Column) -> Column:
    """The column with a remark, if something in it deserves a look."""
    import pyarrow as pa

    if found.remark:
        return found
    if _is_text(found):
        return replace(found, remark=_odd_text(found.values.slice(0, MANY).drop_null()))
    if pa.types.is_integer(found.values.type) or pa.types.is_floating(found.values.type):
        code = code_in(found.values)
        if code:
            return replace(
                found, remark=f"{code} again and again, far from the rest. If it means missing: --missing={code}"
            )
    return found


def _odd_text(cells: Any) -> str | None:
    """What a column of text holds that is nearly numbers."""
    import pyarrow.compute as pc

    if not len(cells):
        return None
    grouped = pc.match_substring_regex(cells, GROUPED)
    fine = pc.or_(grouped, pc.match_substring_regex(cells, NUMBER))
    share = pc.mean(fine).as_py()
    if share < 0.5 or not pc.any(grouped if share == 1 else fine).as_py():
        return None
    if share == 1:
        return (
            f"numbers such as {_first(cells, GROUPED)!r}, grouped or with a decimal comma? Write 1234.5: taken as text"
        )
    odd = str(cells.filter(pc.invert(fine))[0])[:40]
    return f"{odd!r} among numbers: taken as text. If it means missing: --missing={odd}"
