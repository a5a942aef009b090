"""Delimited text as columns of numbers and words that can be spelled as the same cells again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from latently.faces import delimited, tables
from latently.faces.places import replacing, suffix_of
from latently.faces.sniff import layout_of

__all__ = ["read", "write"]

KEY = b"latently.cells"  # of a schema's metadata: how cells are spelled, as JSON
NUMBER = r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$"


def _short(x: float) -> str:
    text = repr(x)
    return text[:-2] if text.endswith(".0") else text


def _speller(name: str) -> Callable[[Any], str]:
    """How a number is written: "whole", "shortest" as Python does, "short" without .0, or so many digits."""
    if name in ("whole", "shortest"):
        return repr
    return _short if name == "short" else lambda x: f"{x:.{name}f}"


def read(path: Path, exact: bool = True) -> Any:
    """The Arrow table of a file. Of delimited text every cell can be spelled again, Parquet and Arrow are as they are.

    Numbers that will not be `exact` are spelled in full.
    """
    if suffix_of(path) in tables.BINARY:
        return tables.read(path)
    layout, cells = delimited.raw(path, layout_of(path), list(layout_of(path).names))
    columns, told = zip(*(_typed(cells.column(name).combine_chunks()) for name in layout.names), strict=True)
    if not exact:
        told = tuple(t if t.get("as") in (None, "whole") else t | {"as": "shortest"} for t in told)
    facts = {"cells": told, "delimiter": layout.delimiter, "header": layout.header}
    import pyarrow as pa

    return pa.table(list(columns), names=list(layout.names)).replace_schema_metadata({KEY: json.dumps(facts)})


def _typed(cells: Any) -> tuple[Any, dict[str, str]]:
    """Numbers, where they spell every cell as it stands, and how; else the cells, with nothing to be told."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numeric = pc.match_substring_regex(cells, NUMBER)
    others = pc.unique(cells.filter(pc.invert(numeric)))
    if len(others) > 1 or not pc.any(numeric).as_py():
        return cells, {}
    mark = others[0].as_py() if len(others) else ""
    texts = pc.if_else(numeric, cells, None)
    longest = pc.max(pc.utf8_length(pc.replace_substring_regex(texts.drop_null(), r"^[^.]*\.?", ""))).as_py()
    for spelled, kind in (("whole", pa.int64()), ("shortest", pa.float64()), ("short", pa.float64()),
                          (str(longest), pa.float64())):  # fmt: skip
        try:
            found = pc.cast(texts, kind)
        except pa.ArrowInvalid:
            continue
        if _spelled(found, {"as": spelled, "mark": mark}) == cells.to_pylist():
            return found, {"as": spelled, "mark": mark}
    return cells, {}


def _spelled(column: Any, told: Mapping[str, str]) -> list[str]:
    """The cells of a column."""
    if not told:
        return list(column.to_pylist())
    spell, mark = _speller(told["as"]), told["mark"]
    return [mark if x is None else spell(x) for x in column.to_pylist()]


def write(table: Any, path: Path) -> None:
    """Write a table; into text with the cells that `read` saw."""
    metadata = dict(table.schema.metadata or {})
    facts = json.loads(metadata.pop(KEY, b"{}"))
    if not facts or suffix_of(path) in tables.BINARY:
        tables.write(table.replace_schema_metadata(metadata), path)
        return
    columns = [_spelled(table.column(j), told) for j, told in enumerate(facts["cells"])]
    with replacing(path) as part, _opened(part, path) as file:
        out = csv.writer(file, delimiter="\t" if ".tsv" in path.name else facts["delimiter"], lineterminator="\n")
        if facts["header"]:
            out.writerow(table.column_names)
        out.writerows(zip(*columns, strict=True))


def _opened(part: Path, path: Path) -> Any:
    import gzip

    if path.name.endswith(".gz"):
        return gzip.open(part, "wt", encoding="utf-8", newline="")
    return part.open("w", encoding="utf-8", newline="")
