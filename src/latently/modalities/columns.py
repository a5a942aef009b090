"""Columns of a table: what each one holds, whether it is learned, and its cells as numbers.

A cell is one number: a measurement, a count, 0 or 1, a level's place in `levels`, seconds since 1970, or NaN where it
is missing. A level that the fit did not see counts as `len(levels)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, UnsupportedInput

__all__ = ["LEARNED", "SORTS", "Column", "cells", "infer", "plain", "restored", "without"]

SORTS = ("number", "integer", "boolean", "category", "ordered", "time", "duration", "identifier", "text")
LEARNED = SORTS[:7]
MOST_LEVELS = 1024  # of a category; a column of more different texts tells rows apart, not kinds of row
FEW = 20  # different values: fewer are no sign of an identifier
WORDS = 3.0  # on average: more make a free text
ID_NAME = re.compile(r"(?i:(^|[\W_])(id|uuid|guid|key|index)$|^(id|uuid|guid)[\W_])|[a-z](Id|ID)$", re.ASCII)

Cells = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One column of a table, as the fit found it."""

    name: str
    sort: str  #: one of `SORTS`
    role: str = "learned"  #: learned, label, id, time, dropped, or left out
    dtype: str = ""  #: its Arrow type
    levels: tuple[Any, ...] = ()  #: of a category, in their order
    why: str = ""  #: what decided, where a reader may wonder

    @property
    def learned(self) -> bool:
        """Whether the model sees it."""
        return self.role == "learned"

    @property
    def width(self) -> int:
        """Levels of a category, 0 for a number."""
        return len(self.levels) if self.sort in ("category", "ordered") else 0

    def data(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"levels": list(self.levels)}

    @classmethod
    def of(cls, data: dict[str, Any]) -> Column:
        """The column of its JSON values."""
        return cls(**(data | {"levels": tuple(data["levels"])}))


# ---------------------------------------------------------------------- what a column holds


def infer(name: str, array: Any, sort: str | None = None, named: bool = True) -> Column:
    """The column of an Arrow array; `sort` is the user's word. Without a name nothing looks like an identifier."""
    if sort is None:
        sort, why = _sort(name, array, named)
    else:
        why = "as asked"
    levels: tuple[Any, ...] = ()
    if sort in ("category", "ordered"):
        levels, more = _levels(array, sort)
        why = more or why
    role = "learned" if sort in LEARNED else "left out"
    return Column(name, sort, role, str(array.type), levels, why)


def _sort(name: str, array: Any, named: bool) -> tuple[str, str]:
    from pyarrow import types

    kind = array.type
    if types.is_dictionary(kind):
        if not kind.ordered and _different(array.cast(kind.value_type).drop_null()) > MOST_LEVELS:
            return _words(array.cast(kind.value_type))  # coded only to save space
        return ("ordered" if kind.ordered else "category"), ""
    if types.is_boolean(kind):
        return "boolean", ""
    if types.is_integer(kind):
        return _whole(name, array) if named else ("integer", "")
    if types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return _fraction(array) if named else ("number", "")
    if types.is_timestamp(kind) or types.is_date(kind):
        return "time", ""
    if types.is_duration(kind):
        return "duration", ""
    if types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view":
        return _words(array)
    raise UnsupportedInput(
        f"column {name!r} holds {kind}; expected numbers, booleans, texts, categories, dates or times. "
        "Leave it out (drop), or turn it into one of these."
    )


def _whole(name: str, array: Any) -> tuple[str, str]:
    """Integers: row numbers, and keys by their name, only tell rows apart."""
    known = array.drop_null()
    n = len(known)
    if n < FEW or n < len(array):
        return "integer", ""
    different = _different(known)
    values = known.to_numpy(zero_copy_only=False)
    if different == n and int(values.max()) - int(values.min()) == n - 1:
        return "identifier", "a running number"
    if ID_NAME.search(name) and (different == n or different > MOST_LEVELS):
        return "identifier", f"{different:,} different numbers under such a name"
    return "integer", ""


def _fraction(array: Any) -> tuple[str, str]:
    """To pandas, integers with missing cells are floats: whole numbers all along, and a gap, are integers."""
    if not array.null_count:
        return "number", ""
    known = array.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    if len(known) and bool((np.rint(known) == known).all()):
        return "integer", "whole numbers, and missing cells"
    return "number", ""


def _words(array: Any) -> tuple[str, str]:
    """Texts: a few that repeat are levels of a category; many different ones are identifiers or sentences."""
    import pyarrow.compute as pc

    known = array.drop_null()
    n, different = len(known), _different(known)
    if different <= MOST_LEVELS and (different < FEW or different <= n / 2):
        return "category", ""
    words = pc.mean(pc.add(pc.count_substring(pc.utf8_trim_whitespace(known), " "), 1)).as_py() if n else 0
    found = f"{different:,} different texts in {n:,} rows"
    return ("text", f"{found}, {words:.0f} words each") if words >= WORDS else ("identifier", found)


def _different(array: Any) -> int:
    import pyarrow.compute as pc

    return int(pc.count_distinct(array).as_py())


def _levels(array: Any, sort: str) -> tuple[tuple[Any, ...], str]:
    """The levels that occur (all that are declared, where they are ordered), at most `MOST_LEVELS`."""
    import pyarrow.compute as pc
    from pyarrow import types

    if sort == "ordered" and types.is_dictionary(array.type):
        found = [plain(v) for v in array.dictionary.to_pylist()]
        return tuple(found[:MOST_LEVELS]), ""
    values = array.cast(array.type.value_type) if types.is_dictionary(array.type) else array
    counts = pc.value_counts(values.drop_null())
    pairs = [(plain(v), c) for v, c in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True)]
    if len(pairs) <= MOST_LEVELS:
        return tuple(sorted(v for v, _ in pairs)), ""
    most = sorted(pairs, key=lambda p: (-p[1], p[0]))[:MOST_LEVELS]
    return tuple(sorted(v for v, _ in most)), f"{len(pairs):,} levels: the {MOST_LEVELS:,} most frequent are told apart"


def plain(value: Any) -> Any:
    """A level as it is kept: a number, a text, or the text of anything else (dates, intervals)."""
    return value if isinstance(value, (bool, int, float, str)) else str(value)


# ---------------------------------------------------------------------- cells in, cells out


def cells(column: Column, array: Any) -> Cells:
    """The cells of an Arrow array as numbers; `BadData` where the column holds something else than in the fit."""
    from pyarrow import types

    if array.null_count == len(array):  # of no type that says anything
        return np.full(len(array), np.nan)
    if column.width:
        return _codes(column, array)
    if column.sort in ("category", "ordered"):  # nothing was known in the fit: nothing can be told apart
        return np.full(len(array), np.nan)
    kind = array.type
    if column.sort == "time":
        return _seconds(column, array)
    if column.sort == "duration" and types.is_duration(kind):
        return _floats(array.cast("duration[us]", safe=False).cast("int64")) / 1e6
    if types.is_boolean(kind):
        return _floats(array.cast("uint8"))
    if column.sort != "duration" and (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        return _floats(array)
    raise _unlike(column, array, "numbers" if column.sort != "duration" else "durations")


def without(array: Any, marks: Sequence[Any]) -> Any:
    """The array with its cells that equal one of `marks` missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(marks):
        return array
    values = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    wanted = [float(m) for m in marks if _is_float(m)] if number else [m for m in marks if isinstance(m, str)]
    if not (number or pa.types.is_string(values.type) or pa.types.is_large_string(values.type)) or not wanted:
        return array
    compared = values.cast("float64", safe=False) if number else values
    hit = pc.is_in(compared, pa.array(wanted, compared.type))
    return pc.if_else(hit, pa.scalar(None, values.type), values).cast(array.type)


def _is_float(mark: Any) -> bool:
    try:
        float(mark)
    except (TypeError, ValueError):
        return False
    return True


def _floats(array: Any) -> Cells:
    return np.asarray(array.cast("float64", safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _seconds(column: Column, array: Any) -> Cells:
    import pyarrow as pa
    from pyarrow import types

    if not (types.is_timestamp(array.type) or types.is_date(array.type)):
        raise _unlike(column, array, "dates or times")
    zone, now = _zone(column.dtype), _zone(str(array.type))
    if zone != now:
        raise BadData(
            f"column {column.name!r} has time zone {now or 'none'}; in the fit it had {zone or 'none'}. "
            "Convert it to the zone of the fit first."
        )
    return _floats(array.cast(pa.timestamp("us", now), safe=False).cast("int64")) / 1e6


def _zone(kind: str) -> str | None:
    found = re.search(r"tz=([^\]]+)\]", kind)
    return found.group(1) if found else None


def _codes(column: Column, array: Any) -> Cells:
    """Each cell's place among the levels; those that the fit did not see come after the last."""
    from pyarrow import types

    coded = array if types.is_dictionary(array.type) else array.dictionary_encode()
    places = {level: float(j) for j, level in enumerate(column.levels)}
    raw = coded.dictionary.to_pylist()
    found = [None if v is None else plain(v) for v in raw]
    known = [v for v in raw if v is not None]
    if known and not any(v in places for v in found) and isinstance(known[0], str) != ("string" in column.dtype):
        raise _unlike(column, array, f"levels such as {column.levels[0]!r}")
    table = np.array([*(np.nan if v is None else places.get(v, float(column.width)) for v in found), np.nan])
    index = coded.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
    return np.asarray(table[index])


def _unlike(column: Column, array: Any, expected: str) -> BadData:
    row = next((i for i, v in enumerate(array) if v.is_valid), 0)
    value = str(array[row].as_py())[:40]
    return BadData(
        f"column {column.name!r} holds {array.type}, such as {value!r} in row {row}; expected {expected}, as in the fit"
        " or as types says. Give it the same sort of cells, or leave them empty where they are unknown."
    )


def restored(column: Column, values: Cells) -> Any:
    """An Arrow array, of the type that the column had in the fit, from cells as numbers."""
    import pyarrow as pa

    gaps = np.isnan(values)
    safe = np.where(gaps, 0.0, values)
    if column.width:
        levels = pa.array(list(column.levels))
        index = np.clip(np.rint(safe), 0, column.width - 1).astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(index, mask=gaps), levels).cast(levels.type)
    if column.sort in ("category", "ordered"):
        return pa.nulls(len(values))
    if column.sort == "boolean":
        return pa.array(safe >= 0.5, mask=gaps)
    if column.sort == "integer":
        whole = np.rint(safe)
        return pa.array(whole.astype(np.int64) if bool((np.abs(whole) < 2**53).all()) else whole, mask=gaps)
    if column.sort in ("time", "duration"):
        ticks = np.rint(safe * 1e6).astype(np.int64)
        unit = pa.timestamp("us", _zone(column.dtype)) if column.sort == "time" else pa.duration("us")
        found = pa.array(ticks, mask=gaps).cast(unit)
        return found.cast("date32", safe=False) if column.dtype.startswith("date") else found
    return pa.array(safe, mask=gaps)
