"""The strangest rows, and why they are."""

from __future__ import annotations

from typing import Any

from latently.faces.report.charts import Frame, histogram
from latently.faces.report.facts import Beside, Facts, Reason, Row, Strange
from latently.faces.report.markup import Html, clip, join, name, tag
from latently.faces.report.status import note, records
from latently.faces.report.tables import Cell, Heading, bar, table
from latently.faces.report.words import cell, is_number, number, plain, plural, share

__all__ = ["strange"]

MOST_ROWS = 50
MOST_REASONS = 4
MOST_KEYS = 4


def strange(facts: Facts) -> Html | None:
    """A chart of all scores, then a table of the worst rows."""
    given = facts.get("strange", {})
    rows: list[Row] = records(given.get("rows"))
    chart = _scores(given)
    if not rows and chart is None:
        return None
    lead = _lead(given)
    cut = len(rows) > MOST_ROWS and f"The first {MOST_ROWS} of {plural(len(rows), 'row')} are shown."
    return join((
        lead and tag("p", lead, class_="lead"), chart and tag("div", chart, class_="charts one"),
        _table(rows[:MOST_ROWS]) if rows else None, note(cut), note(given.get("note")),
    ))  # fmt: skip


def _lead(given: Strange) -> str:
    flagged, total = given.get("flagged"), given.get("total")
    if not isinstance(flagged, int):
        return ""
    among = f" of {plural(total, clip(given.get('item', 'row'), 20))}" if isinstance(total, int) else ""
    return f"{number(flagged)}{among} flagged."


def _scores(given: Strange) -> Html | None:
    scores, threshold = given.get("scores", {}), given.get("threshold")
    mark = threshold if is_number(threshold) else None
    text = "" if mark is None else f"flagged from {number(mark)}"
    items = f"{clip(given.get('item', 'row'), 20)}s"
    title = f"Scores of all {items}{', ' + clip(given['score_name'], 60) if given.get('score_name') else ''}"
    frame = Frame("chart-scores", title, f"Histogram of scores. {text}", x="score", y=items, mark=mark, mark_text=text,
                  kind="low")  # fmt: skip
    return histogram(frame, scores.get("edges", []), scores.get("counts", []), mark)


def _table(rows: list[Row]) -> Html:
    keys = list(dict.fromkeys(k for row in rows for k in _keys(row)))[:MOST_KEYS]
    flags = any("flag" in row for row in rows)
    chances = any(is_number(row.get("p")) for row in rows)
    headings = [Heading("Row", "num"), *(Heading(name(k, 40), "key", label=clip(k, 30)) for k in keys)]
    headings.append(Heading("Score", "num", label="score"))
    headings += [Heading("p-value", "num", label="p")] * chances + [Heading("Flag")] * flags
    headings += [Heading("Reasons: what, observed, expected, share of the score", "reasons", sorts=False)]
    reasons = any(row.get("reasons") for row in rows)
    kept = headings if reasons else headings[:-1]
    return table("Strangest rows", kept, [_row(row, keys, chances, flags)[: len(kept)] for row in rows], "cards")


def _keys(row: Row) -> dict[str, Any]:
    keys = row.get("keys", {})
    return dict(keys) if isinstance(keys, dict) else {}


def _row(row: Row, keys: list[str], chances: bool, flags: bool) -> list[Cell]:
    here = _keys(row)
    cells = [Cell(plain(row["row"]) if "row" in row else "–", row.get("row"))]
    cells += [Cell(name(plain(here[k]), 60) if k in here else "–", _sortable(here.get(k))) for k in keys]
    cells.append(Cell(number(row.get("score")), row.get("score")))
    if chances:
        cells.append(Cell(number(row.get("p"), 2), row.get("p")))
    if flags:
        flagged = bool(row.get("flag"))
        cells.append(Cell(tag("span", "flagged", class_="flag") if flagged else "", int(flagged)))
    return [*cells, Cell(join((_reasons(records(row.get("reasons"))), _normal(records(row.get("normal"))))))]


def _sortable(value: Any) -> Any:
    return value if is_number(value) else clip("" if value is None else value, 80)


def _reasons(reasons: list[Reason]) -> Html:
    items = (_reason(reason) for reason in reasons[:MOST_REASONS])
    return tag("ul", *items, class_="why") if reasons else tag("span", "–")


def _reason(reason: Reason) -> Html:
    part, seen = reason.get("share"), [name(cell(reason.get("observed")), 50)]
    if "expected" in reason:
        same = reason["expected"] == reason.get("observed")
        seen.append(tag("span", ", rare beside the others" if same else ", expected ", class_="quiet"))
        seen += [] if same else [name(cell(reason["expected"]), 50)]
    return tag(
        "li", tag("b", name(reason.get("column", ""), 50)), tag("span", *seen, class_="seen"),
        bar(part), tag("span", share(part) if is_number(part) else "", class_="part"),
    )  # fmt: skip


def _normal(cells: list[Beside]) -> Html | None:
    """The nearest normal row beside this one, folded away."""
    if not cells:
        return None
    lines = (
        (tag("b", name(c.get("column", ""), 50)), *(name(cell(c.get(n)), 50) for n in ("observed", "normal")))
        for c in cells
    )
    rows = (tag("li", *(tag("span", part) for part in line)) for line in (("", "this row", "normal row"), *lines))
    return tag("details", tag("summary", "Nearest normal row"), tag("ul", *rows), class_="normal")
