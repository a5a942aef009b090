"""Texts of a report: what the units of a code speak of, new texts, texts before and after."""

from __future__ import annotations

from latently.faces.report.facts import Facts, Listing
from latently.faces.report.markup import Html, clip, join, name, tag
from latently.faces.report.status import note, records
from latently.faces.report.tables import Cell, Heading, table

__all__ = ["listings"]

MOST = 100  # lines
LONGEST = 300  # characters of a cell


def listings(facts: Facts) -> Html | None:
    """Every listing under its own heading."""
    drawn = [_drawn(found) for found in records(facts.get("listings")) if found.get("rows")]
    return join(drawn) if drawn else None


def _drawn(given: Listing) -> Html:
    title = given.get("title", "")
    headings = [Heading(name(head, 60), sorts=False) for head in given.get("heads", [])]
    rows = [[Cell(name(clip(cell, LONGEST), LONGEST)) for cell in row] for row in given.get("rows", [])[:MOST]]
    return join((tag("h3", title), table(title, headings, rows, "words"), note(given.get("note"))))
