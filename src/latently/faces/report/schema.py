"""The columns of the table: what they hold and what was done with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from latently.faces.report.charts import sparkline
from latently.faces.report.facts import Column, Facts
from latently.faces.report.markup import Html, clip, join, name, tag
from latently.faces.report.status import note, records
from latently.faces.report.tables import Cell, Heading, bar, table
from latently.faces.report.words import cell, is_number, number, plain, plural, share

__all__ = ["schema"]

MOST_COLUMNS = 300
MOST_LEVELS = 5


def schema(facts: Facts) -> Html | None:
    """One row a column, in the table's order."""
    columns: list[Column] = records(facts.get("columns"))
    if not columns:
        return None
    shown = columns[:MOST_COLUMNS]
    drawn = any(c.get("histogram", {}).get("counts") for c in shown)
    headings = [
        Heading("Column"), Heading("Sort"), Heading("Role"), Heading("Missing", "num"),
        Heading("Range or levels", "range", sorts=False), Heading("Spread", "spreads", sorts=False),
        Heading("Treatment", "treatment"),
    ]  # fmt: skip
    keep = [h for h in headings if drawn or h.kind != "spreads"]
    rows = [[c for c, h in zip(_row(column), headings, strict=True) if h in keep] for column in shown]
    cut = len(columns) > len(shown) and f"The first {number(len(shown))} of {plural(len(columns), 'column')}."
    return join((tag("p", _summary(columns), class_="lead"), table("Columns and their roles", keep, rows), note(cut)))


def _summary(columns: Sequence[Column]) -> str:
    roles = Counter(str(c.get("role", "learned")) for c in columns)
    gaps = sum(1 for c in columns if c.get("missing", 0))
    parts = [f"{number(count)} {clip(role, 30)}" for role, count in roles.most_common(8)]
    holes = f"; {number(gaps)} with missing cells" if gaps else "; no cell is missing"
    return f"{plural(len(columns), 'column')}: {', '.join(parts)}{holes}."


def _row(column: Column) -> list[Cell]:
    role, missing = str(column.get("role", "learned")), column.get("missing")
    gaps = join((tag("span", share(missing)), bar(missing, "gap"))) if missing else share(missing)
    return [
        Cell(name(column.get("name", "")), str(column.get("name", ""))[:80]),
        Cell(clip(column.get("sort", ""), 30)),
        Cell(tag("span", clip(role, 30), class_="role" if role == "learned" else "role other-role")),
        Cell(gaps, missing if is_number(missing) else -1),
        Cell(_content(column)),
        Cell(sparkline(column.get("histogram", {}).get("counts", []))),
        Cell(_treatment(column)),
    ]


def _treatment(column: Column) -> Html:
    parts = (column.get("scaling"), column.get("why"))
    return tag("span", clip("; ".join(str(p) for p in parts if p), 200))


def _content(column: Column) -> Html:
    low, high, said = column.get("low"), column.get("high"), plain if column.get("role") == "id" else cell
    if low is not None or high is not None:
        return tag("span", clip(said(low), 40), " – ", clip(said(high), 40))
    levels: Sequence[Any] = column.get("levels", [])
    count = column.get("level_count", len(levels))
    if not levels:
        return tag("span", plural(count, "level") if is_number(count) and count else "")
    shown = join((_level(level) for level in levels[:MOST_LEVELS]), ", ")
    rest = count - min(len(levels), MOST_LEVELS)
    return tag("span", shown, f" and {number(rest)} more" if rest > 0 else None)


def _level(level: Any) -> Html:
    if not isinstance(level, dict):
        return name(cell(level), 30)
    part = level.get("share")
    return join((name(level.get("name", ""), 30), f" {share(part)}" if is_number(part) else None))
