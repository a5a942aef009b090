"""Tables of a report: scopes, a box that scrolls on its own, values to sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latently.faces.report.charts import percent
from latently.faces.report.markup import Html, join, raw, tag
from latently.faces.report.words import is_number, number

__all__ = ["Cell", "Heading", "bar", "pairs", "strip", "table"]

TALL = 50  # rows from which a table scrolls in a box under its headings


@dataclass(frozen=True)
class Heading:
    """Of a column: `kind` is its class in the style sheet ("num" is right-aligned)."""

    text: object
    kind: str = ""
    sorts: bool = True
    label: str = ""  #: said before the value where there is no line of headings


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and the value it is sorted by."""

    shown: object
    value: object = None


def table(caption: str, headings: Sequence[Heading], rows: Sequence[Sequence[Cell]], kind: str = "") -> Html:
    """A table whose first column names the rows.

    The roles say again what the elements mean: on a phone some tables are laid out as cards, and lose it otherwise.
    """
    top = tag("tr", *(
        tag("th", h.text, scope="col", role="columnheader", class_=h.kind, data_sort=h.sorts and bool(rows[1:]))
        for h in headings
    ), role="row")  # fmt: skip
    body = (
        tag("tr", *(_cell(c, h, j == 0) for j, (c, h) in enumerate(zip(row, headings, strict=True))), role="row")
        for row in rows
    )
    whole = tag(
        "table", tag("caption", caption, class_="hidden"), tag("thead", top, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"), role="table", class_=kind,
    )  # fmt: skip
    box = "scroll tall" if len(rows) > TALL else "scroll"
    return tag("div", whole, class_=box, tabindex="0", role="region", aria_label=caption)


def _cell(cell: Cell, heading: Heading, head: bool) -> Html:
    value = f"{cell.value:.8g}" if is_number(cell.value) else cell.value
    if head:
        return tag("th", cell.shown, scope="row", role="rowheader", class_=heading.kind, data_v=value)
    return tag("td", cell.shown, role="cell", class_=heading.kind, data_v=value, data_h=heading.label)


def pairs(items: Sequence[tuple[object, object]], kind: str = "pairs") -> Html:
    """Names and values under each other."""
    rows = (tag("div", tag("dt", key), tag("dd", value)) for key, value in items)
    return tag("dl", *rows, class_=kind)


def bar(part: object, look: str = "bar") -> Html:
    """A share of one as a bar; the number stands beside it."""
    width = min(1.0, max(0.0, part)) if is_number(part) else 0.0
    return tag("span", tag("i", style=f"width:{percent(width)}"), class_=f"meter {look}", aria_hidden="true")


def strip(ours: object, pca: object, mean: object, top: float) -> Html:
    """Three errors on a line from 0 to `top`: a dot, a ring and a tick; what lies beyond is at the end."""
    marks: list[Html] = []
    for value, look in ((mean, "mean"), (pca, "pca"), (ours, "ours")):
        if is_number(value):
            at = percent(min(1.0, max(0.0, value / top)))
            if look == "mean":
                marks.append(tag("line", x1=at, x2=at, y1="15%", y2="85%", class_="mean"))
            else:
                marks.append(tag("circle", cx=at, cy="50%", r="4.5", class_=look))
    if is_number(ours) and ours > top:
        marks.append(tag("text", ">", x="100%", y="50%", dx="5", dy="0.35em"))
    if is_number(ours) and is_number(pca):
        ends = [percent(min(1.0, max(0.0, v / top))) for v in (ours, pca)]
        marks.insert(0, tag("line", x1=ends[0], x2=ends[1], y1="50%", y2="50%", class_="between"))
    if not marks:
        return raw("")
    said = ", ".join(
        f"{k} {number(v, 3)}" for k, v in (("ours", ours), ("PCA", pca), ("mean", mean)) if is_number(v)
    )  # fmt: skip
    return tag("div", tag("svg", tag("line", x1="0", x2="100%", y1="50%", y2="50%", class_="grid"), join(marks),
                          aria_hidden="true"), class_="strip", data_t=said)  # fmt: skip
