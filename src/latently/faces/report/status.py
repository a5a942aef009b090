"""The top of a report: what was fitted, one sentence on how well, and what should be looked at."""

from __future__ import annotations

from typing import Any

from latently.faces.report.facts import Facts, HeldOut
from latently.faces.report.markup import Html, clip, join, name, tag
from latently.faces.report.tables import pairs
from latently.faces.report.words import is_number, number, plural, share, when

__all__ = ["alarms", "head", "note", "records", "title", "verdict"]

LONGEST = 1500  # characters of a message
MOST_ALARMS = 30


def records(items: Any) -> list[Any]:
    """Those that hold something."""
    return [item for item in items or [] if isinstance(item, dict) and item]


def note(text: object) -> Html | None:
    """A remark under a section; None where there is none."""
    return tag("p", clip(text, LONGEST), class_="note") if text else None


def title(facts: Facts) -> str:
    """What the page is called."""
    return facts.get("head", {}).get("title") or "A fitted model"


def head(facts: Facts) -> Html:
    """The name, the verdict, the figures."""
    given = facts.get("head", {})
    what = ", ".join(str(v) for v in (given.get("task"), given.get("kind")) if v)
    columns = number(given.get("columns"))
    if is_number(given.get("learned")) and given.get("learned") != given.get("columns"):
        columns += f", {number(given['learned'])} learned"
    figures = (
        ("Model", what and name(what)),
        (str(given.get("items", "rows")).capitalize(), is_number(given.get("rows")) and number(given["rows"])),
        ("Columns", is_number(given.get("columns")) and columns),
        ("Code size", is_number(given.get("components")) and number(given["components"])),
        ("Fitted", given.get("fitted") and clip(when(str(given["fitted"])), 40)),
    )
    sentence = verdict(facts)
    return tag(
        "header", tag("p", "Model report", class_="kicker"), tag("h1", name(title(facts), 160)),
        sentence and tag("p", clip(sentence, LONGEST), class_="verdict"),
        pairs([(key, value) for key, value in figures if value], "figures"),
    )  # fmt: skip


def verdict(facts: Facts) -> str:
    """How well the model does, in one sentence; "" where nothing is known."""
    given = facts.get("head", {})
    if given.get("verdict"):
        return str(given["verdict"])
    kept, pca = _kept(given.get("held_out", {}))
    if kept is None:
        return ""
    if kept <= 0:
        items = str(given.get("items", "rows"))
        mean = "each column’s mean" if items == "rows" else "their mean"
        return f"Does no better on {clip(items, 20)} it did not learn from than {mean}."
    size = given.get("components")
    inside = f" in {plural(size, 'number')}" if isinstance(size, int) else ""
    beside = f"; PCA of that size keeps {share(max(pca, 0.0))}" if pca is not None else ""
    return f"Keeps {share(kept)} of the variance{inside}{beside}."


def _kept(held: HeldOut) -> tuple[float | None, float | None]:
    mean, model, pca = held.get("mean"), held.get("model"), held.get("pca")
    if not is_number(mean) or mean <= 0 or not is_number(model):
        return None, None
    return 1 - model / mean, 1 - pca / mean if is_number(pca) else None


def alarms(facts: Facts) -> Html | None:
    """What should be looked at, or that there is nothing."""
    if "alarms" not in facts:
        return None
    raised = records(facts["alarms"])
    if not raised:
        return tag("p", "None. Nothing in this fit asks for a second look.", class_="fine")
    items = (
        tag("li", tag("strong", name(a.get("name", "alarm"))), " ", tag("span", clip(a.get("message", ""), LONGEST)))
        for a in raised[:MOST_ALARMS]
    )
    more = note(len(raised) > MOST_ALARMS and f"The first {MOST_ALARMS} of {plural(len(raised), 'alarm')}.")
    return join((tag("ul", *items, class_="alarms"), more))
