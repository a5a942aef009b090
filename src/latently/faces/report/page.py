"""The page around the sections: one file that asks nothing of the network, by its own security policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from latently.faces.report.facts import Facts, tidy
from latently.faces.report.markup import Html, clip, join, raw, tag
from latently.faces.report.sections import Section, sections
from latently.faces.report.status import head, title

__all__ = ["render"]


def render(facts: Mapping[str, Any]) -> str:
    """The whole page as text; what `facts` may hold is in `latently.faces.report.facts`."""
    known = tidy(facts)
    parts = sections(known)
    body = tag(
        "body", _contents(parts), tag("main", head(known), *map(_section, parts), _foot(known)),
        tag("div", id="tip", hidden=True, aria_hidden="true"), tag("script", raw(_file("page.js"))),
    )  # fmt: skip
    return f'<!DOCTYPE html>\n<html lang="en">\n{_top(known)}\n{body}\n</html>\n'


def _top(facts: Facts) -> Html:
    return tag(
        "head", tag("meta", charset="utf-8"), tag("meta", http_equiv="Content-Security-Policy", content=_policy()),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"), tag("meta", name="robots", content="noindex"),
        tag("title", f"{clip(title(facts), 80)} – model report"), tag("link", rel="icon", href="data:,"),
        tag("style", raw(_file("page.css"))),
    )  # fmt: skip


def _policy() -> str:
    """Nothing is loaded, and no script runs but ours, whatever a table's names may hold."""
    digest = base64.b64encode(hashlib.sha256(_file("page.js").encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; base-uri 'none'"
    )


def _file(name: str) -> str:
    return files("latently.faces.report").joinpath(name).read_text("utf-8")


def _contents(parts: Sequence[Section]) -> Html | None:
    if len(parts) < 2:
        return None
    items = (tag("li", tag("a", part.title, href=f"#{part.key}")) for part in parts)
    return tag("nav", tag("ul", *items), aria_label="Contents")


def _section(part: Section) -> Html:
    title = tag("h2", part.title, id=f"{part.key}-title")
    return tag("section", title, part.body, id=part.key, aria_labelledby=f"{part.key}-title")


def _foot(facts: Facts) -> Html:
    version = facts.get("made", {}).get("versions", {}).get("latently")
    return tag("footer", join(("Written by latently", f" {clip(version, 20)}" if version else None)))
