"""What people write where a value is missing, and when it is a value after all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["MARKERS", "code_in", "in_text", "without"]

# Whole cells that are missing in a column which holds numbers, switches or dates otherwise.
MARKERS = (
    "", "?", "-", "--", ".", "NA", "na", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "Null", "null",
    "None", "none",
)  # fmt: skip
# Those that are missing in a column of text too. "None", "-" and "." may be categories there: no garage, no service.
IN_TEXT = ("", "?", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NaT", "NULL", "null")


def in_text(found: Sequence[str], cells: Any) -> list[str]:
    """Those markers `found` in a column of text that stand for a missing cell; `cells` are the others.

    "NA" does, unless half of the others or more are two capitals as well: then it is a code, such as Namibia's.
    """
    import pyarrow.compute as pc

    gone = [mark for mark in found if mark in IN_TEXT]
    if "NA" in found:
        alike = pc.mean(pc.match_substring_regex(pc.unique(cells.drop_null()), "^[A-Z]{2}$")).as_py()
        gone += ["NA"] * (alike is None or alike < 0.5)
    return gone


def without(cells: Any, marks: Sequence[str]) -> Any:
    """The cells, those that are one of `marks` missing: as text, or as the number that a mark means."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not marks:
        return cells
    if pa.types.is_dictionary(cells.type) and pa.types.is_string(cells.type.value_type):
        return pc.cast(without(cells.cast(cells.type.value_type), marks), cells.type)
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        found = pc.is_in(cells, pa.array(marks, cells.type))
    elif pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        numbers = pa.array([float(mark) for mark in marks if _is_finite(mark)], pa.float64())
        found = pc.is_in(pc.cast(cells, pa.float64(), safe=False), numbers)
    else:
        return cells
    return pc.if_else(found, pa.scalar(None, cells.type), cells) if pc.any(found).as_py() else cells


def _is_finite(mark: str) -> bool:
    try:
        return abs(float(mark)) < float("inf")
    except ValueError:
        return False


def code_in(cells: Any) -> str | None:
    """A number such as -999 or 9999 that may stand for a missing cell: an end of the column, repeated, far out."""
    import pyarrow.compute as pc

    ends = pc.min_max(cells).as_py()
    for end in ends.values():
        if end is None or not re.fullmatch(r"-?99+(\.0)?", str(end)):
            continue
        alike = pc.equal(cells, end)
        rest = pc.min_max(cells.filter(pc.invert(alike))).as_py()
        if rest["min"] is None or pc.sum(alike).as_py() < 2:
            continue
        if min(abs(end - rest["min"]), abs(end - rest["max"])) > rest["max"] - rest["min"]:
            return f"{end:.0f}"
    return None
