"""What it takes to make the model again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from latently.faces.report.facts import Facts
from latently.faces.report.markup import Html, clip, join, name, tag
from latently.faces.report.status import note
from latently.faces.report.tables import pairs
from latently.faces.report.words import cell, plain

__all__ = ["made"]

LONGEST = 4000  # characters of a command
VALUE = 300  # characters of an option
MOST = 100  # options


def made(facts: Facts) -> Html | None:
    """The command and the seed, then options, network and versions."""
    given = facts.get("made", {})
    command = given.get("command")
    groups = [
        _group("Options", {**({"seed": plain(given["seed"])} if "seed" in given else {}), **given.get("options", {})}),
        _group("Network", given.get("network", {})),
        _group("Versions", given.get("versions", {})),
    ]
    shown = [g for g in groups if g is not None]
    line = tag("pre", tag("code", clip(command, LONGEST)), tabindex="0", aria_label="Command") if command else None
    if line is None and not shown:
        return None
    return join((line, tag("div", *shown, class_="groups") if shown else None, note(given.get("note"))))


def _group(title: str, values: Mapping[str, Any]) -> Html | None:
    if not values:
        return None
    items = [(name(key, 60), name(_said(value), VALUE)) for key, value in list(values.items())[:MOST]]
    return tag("section", tag("h3", title), pairs(items))


def _said(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else cell(value)
