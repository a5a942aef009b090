"""Stretches of series as charts."""

from __future__ import annotations

from latently.faces.report.charts import Frame, Series, line_chart
from latently.faces.report.facts import Facts, Stretch
from latently.faces.report.markup import Html, clip, tag
from latently.faces.report.status import records

__all__ = ["stretches"]

MOST = 24  # charts


def stretches(facts: Facts) -> Html | None:
    """Every stretch as a chart, two beside each other where there is room."""
    drawn = (_drawn(i, found) for i, found in enumerate(records(facts.get("stretches"))[:MOST]))
    charts = [chart for chart in drawn if chart is not None]
    return tag("div", *charts, class_="charts") if charts else None


def _drawn(number: int, given: Stretch) -> Html | None:
    places = given.get("places", [])
    lines = [
        Series(line.get("name", ""), places, line.get("values", []), line.get("look", "ours"))
        for line in given.get("lines", [])
    ]
    spans = [(float(a), float(b)) for a, b in given.get("spans", [])]
    names = " and ".join(clip(line.name, 40) for line in lines)
    marked = f" {len(spans)} of them marked as strange." if spans else ""
    about = f"{names} over {given.get('x', 'steps')}s.{marked}"
    frame = Frame(f"chart-stretch-{number}", clip(given.get("title", ""), 120), about, x=given.get("x", "step"), y=" ",
                  kind="wide")  # fmt: skip
    return line_chart(frame, lines, spans=spans)
