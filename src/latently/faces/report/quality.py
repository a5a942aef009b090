"""How well the model reconstructs: column by column, and by the size of its code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

from latently.faces.report.axes import finite
from latently.faces.report.charts import Frame, Series, line_chart
from latently.faces.report.facts import Error, Facts, Sizes
from latently.faces.report.markup import Html, join, name, tag
from latently.faces.report.status import note, records
from latently.faces.report.tables import Cell, Heading, strip, table
from latently.faces.report.words import is_number, number, plural, share

__all__ = ["reconstruction", "sizes"]

MOST_COLUMNS = 40
MOST_TICKS = 10
WIDEST = 3.0  # of the axis, as a share of the variance: one bad column must not squeeze the others


def reconstruction(facts: Facts) -> Html | None:
    """Worst first; a column without an error of ours comes last."""
    given = facts.get("reconstruction", {})
    columns: list[Error] = records(given.get("columns"))
    if not columns:
        return None
    columns.sort(key=lambda c: -c.get("model", -1.0))
    shown = columns[:MOST_COLUMNS]
    known = finite(v for c in shown for v in (c.get("model"), c.get("pca"), c.get("mean", 1.0)))
    top = min(WIDEST, 1.04 * max([1.0, *known]))
    extra = [any("pca" in c for c in shown), any("mean" in c for c in shown), any(c.get("note") for c in shown)]
    one = "channel" if "reconstruction" in facts.get("titles", {}) else "column"
    headings = [
        Heading(one.capitalize()), Heading(_key(extra[0]), "strips", sorts=False), Heading("Ours", "num"),
        Heading("PCA", "num"), Heading("Mean", "num"), Heading("Note"),
    ]  # fmt: skip
    keep = [True, True, True, *extra]
    rows = [list(compress(_row(c, top), keep)) for c in shown]
    cut = len(columns) > len(shown) and f"The worst {len(shown)} of {plural(len(columns), 'column')} are shown."
    lead = tag("p", _lead(columns, given.get("rows"), one), class_="lead")
    return join(
        (
            lead,
            table("Reconstruction by column", list(compress(headings, keep)), rows),
            note(cut),
            note(given.get("note")),
        )
    )


def _lead(columns: Sequence[Error], rows: object, one: str) -> str:
    both = [(c["model"], c["pca"]) for c in columns if is_number(c.get("model")) and is_number(c.get("pca"))]
    where = f" on {plural(rows, 'row')}" if isinstance(rows, int) and rows else ""
    text = f"Squared error{where} as a share of the {one}’s variance, worst first: {share(0)} is perfect."
    if not both:
        return text
    won = sum(ours < pca for ours, pca in both)
    return f"{text} Below PCA in {number(won)} of {plural(len(both), one)}."


def _key(pca: bool) -> Html:
    """The legend, where the eye looks for it: above the marks."""

    def sample(look: str) -> Html:
        shape = (
            tag("line", x1="50%", x2="50%", y1="0", y2="100%", class_=look) if look == "mean"
            else tag("circle", cx="50%", cy="50%", r="4.5", class_=look)
        )  # fmt: skip
        return tag("svg", shape, class_="key dotkey", aria_hidden="true")

    looks = [("ours", "ours"), *[("pca", "PCA")] * pca, ("mean", "mean predictor")]
    return tag("span", *(tag("span", sample(look), text, class_="keyed") for look, text in looks), class_="strip-key")


def _row(column: Error, top: float) -> list[Cell]:
    ours, linear, mean = column.get("model"), column.get("pca"), column.get("mean", 1.0)
    title = str(column.get("name", ""))
    return [
        Cell(name(title), title[:80]), Cell(strip(ours, linear, mean, top)), Cell(share(ours), ours),
        Cell(share(linear), linear), Cell(share(mean), mean), Cell(name(column.get("note", ""))),
    ]  # fmt: skip


def sizes(facts: Facts) -> Html | None:
    """Held-out error by code size, the chosen one marked."""
    given = facts.get("sizes", {})
    unit, one = _unit(given)
    tried = list(given.get("components", []))
    series = [
        Series("PCA", tried, [_over(v, one) for v in given.get("pca", [])], "pca", dots=True),
        Series("ours", tried, [_over(v, one) for v in given.get("error", [])], "ours", dots=True),
    ]
    chosen = given.get("chosen")
    at = chosen if is_number(chosen) and chosen in tried else None
    known = sorted(set(finite(tried)))
    frame = Frame(
        "chart-sizes", "Held-out error by code size",
        f"Held-out error for codes of {', '.join(number(k) for k in known[:20])} numbers, ours and PCA’s."
        + (f" {number(chosen)} was chosen." if at is not None else ""),
        x="numbers in the code", y=unit, mark=at, mark_text="" if at is None else f"chosen: {number(chosen)}",
        x_ticks=known if len(known) <= MOST_TICKS else (),
    )  # fmt: skip
    chart = line_chart(frame, series, zero=True)
    return None if chart is None else join((tag("div", chart, class_="charts one"), note(given.get("note"))))


def _unit(given: Sizes) -> tuple[str, float]:
    mean = given.get("mean")
    return ("share of the variance lost", mean) if is_number(mean) and mean > 0 else ("squared error", 1.0)


def _over(value: object, one: float) -> float | None:
    return value / one if is_number(value) else None
