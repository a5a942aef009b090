"""Dates and times in columns of text."""

from __future__ import annotations

import re
from typing import Any

from latently.errors import LatentlyError

__all__ = ["DAY", "Unclear", "dates"]

ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}(:\d{2}(:\d{2}(\.\d{1,9})?)?)? ?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
ZONE = r":\d{2}(\.\d+)? ?(Z|[+-]\d{2}(:?\d{2})?)$"
TIME = r"(?:[T ]+(?P<hour>\d{1,2})(?P<past>:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(?P<half>[AaPp][Mm])?)?$"
YEAR_LAST = r"^(?P<first>\d{1,2})(?P<mark>[/.-])(?P<second>\d{1,2})[/.-](?P<year>\d{4})" + TIME
YEAR_FIRST = r"^(?P<year>\d{4})(?P<mark>[/.-])(?P<first>\d{1,2})[/.-](?P<second>\d{1,2})" + TIME
SHORT = r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{2}( .*)?$"
DAY = r"^(\d{4}[/.-]\d{1,2}[/.-]\d{1,2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{4})([T ].*)?$"  # whatever looks like one
CLOCK = r"^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$"


class Unclear(LatentlyError):
    """Cells look like dates or times, but cannot be taken for such; the message completes "column 'x' holds ..."."""


def dates(cells: Any, day_first: bool | None = None) -> tuple[Any, str | None] | None:
    """Dates or times with the order of their parts, None for ISO; None where there are none, else `Unclear`."""
    if _all(cells, ISO):
        return _iso(cells), None
    if _all(cells, YEAR_FIRST):
        return _iso(_joined(_parts(cells, YEAR_FIRST), "first", "second")), "year/month/day"
    if _all(cells, YEAR_LAST):
        parts = _parts(cells, YEAR_LAST)
        order = _order(parts, repr(cells.drop_null()[0].as_py()), day_first)
        month, day = ("second", "first") if order == "day/month/year" else ("first", "second")
        return _iso(_joined(parts, month, day)), order
    for pattern, what in ((SHORT, "dates with years of two digits"), (CLOCK, "times without a day")):
        if _all(cells, pattern):
            raise Unclear(f"{what}, such as {cells.drop_null()[0].as_py()!r}; write them as 2024-12-31 23:59")
    return None


def _all(cells: Any, pattern: str) -> bool:
    """Whether every cell matches; the first thousand are asked first."""
    import pyarrow.compute as pc

    return all(pc.all(pc.match_substring_regex(some, pattern)).as_py() for some in (cells.slice(0, 1000), cells))


def _parts(cells: Any, pattern: str) -> dict[str, Any]:
    """The cells' named parts as text, each where there is any."""
    import pyarrow.compute as pc

    parts = pc.extract_regex(cells, pattern)
    return {name: pc.struct_field(parts, name) for name in re.findall(r"\?P<(\w+)>", pattern)}


def _order(parts: dict[str, Any], example: str, day_first: bool | None) -> str:
    """Which comes first, the day or the month: a number above 12 tells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first, second = (pc.max(pc.cast(parts[name], pa.int32())).as_py() for name in ("first", "second"))
    dots = pc.all(pc.equal(parts["mark"], ".")).as_py()  # nobody writes month.day.year
    if first > 12 and second > 12:
        raise Unclear(f"dates with the day now first, now second, such as {example}; write them as 2024-12-31")
    if first <= 12 and second <= 12 and not dots and day_first is None:
        raise Unclear(f"dates, such as {example}, none with a day above 12: say which comes first, or write 2024-12-31")
    day = first > 12 or (second <= 12 and (dots or bool(day_first)))
    return "day/month/year" if day else "month/day/year"


def _joined(part: dict[str, Any], month: str, day: str) -> Any:
    """The cells written as ISO."""
    import pyarrow as pa
    import pyarrow.compute as pc

    two = {name: pc.utf8_lpad(part[name], 2, "0") for name in (month, day)}
    joined = pc.binary_join_element_wise(part["year"], two[month], two[day], "-")
    if not pc.any(pc.not_equal(part["hour"], "")).as_py():
        return joined
    hour = pc.cast(pc.if_else(pc.equal(part["hour"], ""), "0", part["hour"]), pa.int32())
    half = pc.utf8_lower(part["half"])
    noon = pc.and_(pc.not_equal(half, ""), pc.equal(hour, 12))
    hour = pc.add(pc.if_else(noon, 0, hour), pc.if_else(pc.equal(half, "pm"), 12, 0))
    past = pc.if_else(pc.equal(part["past"], ""), ":00", part["past"])
    clock = pc.binary_join_element_wise(pc.utf8_lpad(pc.cast(hour, pa.string()), 2, "0"), past, "")
    return pc.binary_join_element_wise(joined, clock, " ")


def _iso(cells: Any) -> Any:
    """Days where no cell has a time, else moments as fine as the finest; in UTC where zones are given."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds: list[Any] = [pa.date32()]
    if not pc.all(pc.less_equal(pc.binary_length(cells), 10)).as_py():
        zoned = pc.match_substring_regex(cells, ZONE)
        if pc.any(zoned).as_py() and not pc.all(zoned).as_py():
            raise Unclear("times with a zone and times without; give all of them one")
        zone = "UTC" if pc.any(zoned).as_py() else None
        kinds = [pa.timestamp(unit, zone) for unit in ("s", "us", "ns")]
        cells = pc.replace_substring_regex(cells, r" ([+-]\d{2}:?\d{0,2}|Z)$", r"\1") if zone else cells
    for kind in kinds:
        try:
            return pc.cast(cells, kind)
        except pa.ArrowInvalid as problem:
            reason = str(problem)
    odd = reason.split("'")[1] if reason.count("'") > 1 else "one of them"
    raise Unclear(f"dates, but {odd!r} is none (if it means missing: --missing={odd})")
