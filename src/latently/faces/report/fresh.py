"""New rows of a table beside real ones: every column, how alike they are, and some of them."""

from __future__ import annotations

from typing import Any

from latently.faces.report.charts import sparkline
from latently.faces.report.facts import Facts, New
from latently.faces.report.markup import Html, join, name, tag
from latently.faces.report.status import note, records
from latently.faces.report.tables import Cell, Heading, bar, table
from latently.faces.report.words import cell, is_number, number, share
from latently.faces.rows import Rows

__all__ = ["fresh", "made_up"]

SHOWN = 6  # new rows
MOST_COLUMNS = 300


def made_up(given: Rows) -> dict[str, Any]:
    """What there is to tell of a generator of tables."""
    import pyarrow as pa

    from latently.tasks.likeness import compared

    columns, rows, figures = compared(given.estimator, given.rows)
    few = rows[:SHOWN] if not hasattr(rows, "iloc") else pa.Table.from_pandas(rows[:SHOWN], preserve_index=False)
    few = few.to_arrow() if hasattr(few, "to_arrow") else few
    heads = few.column_names if hasattr(few, "column_names") else [f"column {j}" for j in range(few.shape[1])]
    cells = [list(r.values()) for r in few.to_pylist()] if hasattr(few, "to_pylist") else few.tolist()
    told = figures["told from real rows, AUC"]
    verdict = (
        f"A classifier tells new rows from these with an AUC of {told['new']:.2f}; columns drawn one by one "
        f"{told['independent columns']:.2f}; 0.50 is not at all."
    )
    return {"new": {"columns": columns, "figures": figures, "heads": heads, "rows": cells}, "verdict": verdict}


def fresh(facts: Facts) -> Html | None:
    """The section: figures, columns from the least alike on, rows."""
    given: New = facts.get("new", {})
    columns = records(given.get("columns"))
    if not columns:
        return None
    order = sorted(columns, key=lambda c: -c.get("apart", 0.0))[:MOST_COLUMNS]
    heads = [Heading("Column"), Heading("Real", sorts=False), Heading("New", sorts=False),
             Heading("Levels, the commonest first", sorts=False), Heading("Total variation", "num"),
             Heading("By chance", "num")]  # fmt: skip
    lead = (
        "Total variation is the share of rows that would have to change for a column to be alike. What two samples of "
        "the same rows would have stands beside it: less is not to be had."
    )
    return join((
        _figures(given), tag("p", lead, class_="lead"),
        table("New rows by column", heads, [_column(c) for c in order]),
        tag("h3", "Some new rows"), _rows(given),
        note(len(columns) > MOST_COLUMNS and f"The {MOST_COLUMNS} columns that are least alike."),
    ))  # fmt: skip


def _figures(given: New) -> Html:
    figures = given.get("figures", {})
    heads = [Heading("", sorts=False), *(Heading(who, "num", sorts=False) for who in next(iter(figures.values()), {}))]
    rows = [[Cell(what), *(Cell(number(v, 3)) for v in values.values())] for what, values in figures.items()]
    return table("How alike new rows are", heads, rows)


def _column(column: dict[str, Any]) -> list[Cell]:
    apart, names = column.get("apart"), column.get("names", [])
    levels = ", ".join(cell(n) for n in names[:3]) + (" …" if len(names) > 3 else "")
    return [
        Cell(name(column.get("name", "")), str(column.get("name", ""))[:80]),
        Cell(sparkline(column.get("real", []))), Cell(sparkline(column.get("new", []))), Cell(name(levels, 60)),
        Cell(join((tag("span", share(apart)), bar(apart))), apart if is_number(apart) else -1),
        Cell(share(column.get("chance")), column.get("chance", -1)),
    ]  # fmt: skip


def _rows(given: New) -> Html:
    """A column a line: tables are wider than pages."""
    rows = [row for row in given.get("rows", []) if row]
    heads = [Heading("Column", sorts=False), *(Heading(number(i + 1), "num", sorts=False) for i in range(len(rows)))]
    lines = list(zip(given.get("heads", []), *rows, strict=False))[:MOST_COLUMNS]
    return table(
        "Some new rows",
        heads,
        [[Cell(name(v if i == 0 else cell(v), 40)) for i, v in enumerate(line)] for line in lines],
    )
