"""The sections of a report in their order; each is None where there are no facts for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from latently.faces.report.codes import codes
from latently.faces.report.facts import Facts
from latently.faces.report.fresh import fresh
from latently.faces.report.gallery import gallery
from latently.faces.report.listing import listings
from latently.faces.report.made import made
from latently.faces.report.markup import Html
from latently.faces.report.quality import reconstruction, sizes
from latently.faces.report.schema import schema
from latently.faces.report.status import alarms
from latently.faces.report.strange import strange
from latently.faces.report.stretches import stretches
from latently.faces.report.training import training

__all__ = ["Section", "sections"]


@dataclass(frozen=True)
class Section:
    """A part of the page: `key` is its anchor."""

    key: str
    title: str
    body: Html


DRAWN: Sequence[tuple[str, str, Callable[[Facts], Html | None]]] = (
    ("alarms", "Alarms", alarms),
    ("new", "New rows", fresh),
    ("reconstruction", "Reconstruction by column", reconstruction),
    ("galleries", "Images", gallery),
    ("stretches", "Series", stretches),
    ("listings", "What the code means", listings),
    ("codes", "Map of the codes", codes),
    ("strange", "Strangest rows", strange),
    ("sizes", "Code size", sizes),
    ("training", "Training", training),
    ("columns", "Columns and their roles", schema),
    ("made", "How it was made", made),
)


def sections(facts: Facts) -> list[Section]:
    """Those that have something to show."""
    titles = facts.get("titles", {})
    drawn = ((key, titles.get(key, title), draw(facts)) for key, title, draw in DRAWN)
    return [Section(key, title, body) for key, title, body in drawn if body is not None]
