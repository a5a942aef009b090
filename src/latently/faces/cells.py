"""Columns of text become what they hold: whole numbers, numbers, switches, dates, or text as it stands."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from latently.faces.dates import DAY, Unclear, dates
from latently.faces.missing import MARKERS, code_in, in_text, without

__all__ = ["COMMA", "GROUPED", "Column", "column", "remarked", "with_decimal_comma"]

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
    known = cells
    found: tuple[str, ...] = ()
    if pc.any(gaps).as_py():
        found = tuple(pc.unique(cells.filter(gaps)).to_pylist())
        known = pc.if_else(gaps, None, cells)
    if known.null_count == len(known) and not text:
        return Column(name, pa.chunked_array([pa.nulls(len(cells), pa.float64())]), found)
    typed = None
    try:
        if not text:
            typed = _typed(name, known, found, tuple(missing), day_first)
    except Unclear as problem:
        return Column(name, known, found, remark=f"{problem}: taken as text")
    if typed:
        return typed
    sure = in_text(found, known)
    gone = [mark for mark in found if mark in missing or mark in sure]
    kept = tuple(mark for mark in found if mark not in gone)
    return Column(name, without(cells, gone) if kept else known, tuple(gone), kept, text=None if text else known)


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


# ---------------------------------------------------------------------- kinds of values


def numbers(cells: Any) -> Any:
    """int64 or float64; None where some cell is no number; `Unclear` where as a number it would lose something."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = _cast(cells, pa.int64())
    if values is None:
        values = _cast(cells, pa.float64())
        if values is None or not pc.any(pc.is_finite(values)).as_py():
            return None
        if not pc.any(pc.match_substring_regex(cells, "[.a-zA-Z]")).as_py():
            values = _cast(pc.replace_substring_regex(cells, r"^\+", ""), pa.int64())
            if values is None:
                raise Unclear(f"whole numbers that 64 bits cannot hold, such as {_first(cells, '[0-9]{19}')!r}")
        else:
            values = pc.if_else(pc.is_nan(values), None, values)
    if any(pc.any(pc.starts_with(cells, start)).as_py() for start in ("0", "-0", "+0")):
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


def with_decimal_comma(columns: list[Column], known: bool) -> tuple[list[Column], bool]:
    """The columns of a file again, and whether a comma is its decimal mark.

    It is where some column holds numbers with one comma, not all of them before three digits: 1,234 may be a
    thousand. Then 1.234 may be one as well, and stays text. The head of the file may have made it `known`.
    """
    commas = {c.name for c in columns if c.text is not None and _is_text(c) and _every(c.text, COMMA)}
    if not known and not any(c.name in commas and _odd_comma(c.text) for c in columns):
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
    """What a column of text holds that is nearly numbers or dates."""
    import pyarrow.compute as pc

    if not len(cells):
        return None
    grouped, plain, day = (pc.match_substring_regex(cells, pattern) for pattern in (GROUPED, NUMBER, DAY))
    for what, fine in (("numbers", pc.or_(grouped, plain)), ("dates", day)):
        share = pc.mean(fine).as_py()
        if share == 1 and pc.any(grouped).as_py():
            example = _first(cells, GROUPED)
            return f"numbers such as {example!r}, which can be read in two ways: taken as text. Write them as 1234.5"
        if 0.5 <= share < 1:
            odd = str(cells.filter(pc.invert(fine))[0])[:40]
            return f"{odd!r} among {what}: taken as text. If it means missing: --missing={shlex.quote(odd)}"
    return None
