"""The map of the codes."""

from __future__ import annotations

from collections.abc import Sequence

from latently.faces.report.charts import Frame
from latently.faces.report.facts import Codes, Facts
from latently.faces.report.markup import Html, clip, join, tag
from latently.faces.report.scatter import MOST_POINTS, colours, scatter
from latently.faces.report.status import note
from latently.faces.report.words import is_number, number, plain

__all__ = ["codes"]


def codes(facts: Facts) -> Html | None:
    """Each row a point where its code lies."""
    given = facts.get("codes", {})
    x, y, label = given.get("x", []), given.get("y", []), given.get("label", [])
    label_name = str(given.get("label_name", "")) if label else ""
    item = clip(given.get("item", "row"), 20)
    told = [f"{item} {plain(row)}" for row in given.get("rows", [])]
    by = colours(label, given.get("label_sort"), clip(label_name, 40))
    count, first, second = min(len(x), len(y)), *_axes(given)
    seen = f"coloured by {clip(label_name, 60)}" if label_name else "" if by.looks else "darker where they lie densely"
    about = ", ".join(p for p in (f"{number(min(count, MOST_POINTS))} points, one a {item}", seen) if p)
    title = f"Codes, {seen}" if label_name else "Codes"
    frame = Frame("chart-codes", title, f"{about}.", x=first, y=second, kind="map", ticks=False)
    chart = scatter(frame, x, y, told, by)
    if chart is None:
        return None
    method = clip(given.get("method") or "The codes in two dimensions", 300)
    lead = tag("p", f"{method[:1].upper()}{method[1:]}.", class_="lead")
    total = max(count, given.get("total", 0) if is_number(given.get("total")) else 0)
    cut = _cut(min(count, MOST_POINTS), total, item)
    return join((lead, tag("div", chart, class_="charts one"), note(cut), note(given.get("note"))))


def _axes(given: Codes) -> Sequence[str]:
    axes = [clip(a, 40) for a in given.get("axes", []) if a]
    return axes[:2] if len(axes) >= 2 else ["", ""]


def _cut(shown: int, total: int, item: str) -> str:
    return f"{number(shown)} of {number(total)} {item}s are drawn." if shown < total else ""
