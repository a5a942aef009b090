"""What a report shows of a sparse code: the units that are on most often, and what each is greatest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latently.faces.given import Given
from latently.faces.report.words import plain

__all__ = ["drawn", "told"]

UNITS = 16
SHOWN = 8  # images a unit
NAMED = 4  # rows a unit
NOTE = "The units that are on for most of the data, each with that on which it is greatest."
BRINGS = "Brings: what it alone moves most there, in spreads of a column or shares of a text."


def told(given: Given, name: Callable[[int], str]) -> list[dict[str, Any]]:
    """A listing of units and rows, which `name` names; none where the code is not sparse."""
    from latently.tasks.portrait import brought, lit

    lines = []
    for unit, share, rows in lit(given.estimator, given.rows, UNITS, NAMED):
        moved = ", ".join(f"{n} {by:+.2g}" for n, by in brought(given.estimator, unit, rows[0][1]))
        head = [plain(unit), f"{share:.1%}", moved]
        lines += [[*(head if not k else [""] * 3), f"{v:.3g}", name(i)] for k, (i, v) in enumerate(rows)]
    heads = ["unit", "on in", "brings", "value", given.items[:-1]]
    return [{"title": "Units", "heads": heads, "rows": lines, "note": f"{NOTE} {BRINGS}"}] if lines else []


def drawn(given: Given, picture: Callable[[int], str]) -> dict[str, Any] | None:
    """A gallery of units and images, sources by `picture`."""
    from latently.tasks.portrait import lit

    found = [] if given.estimator.data_.cropped else lit(given.estimator, given.rows, UNITS, SHOWN)
    lines = [
        {"name": f"unit {u}, on in {share:.1%}", "images": [picture(i) for i, _ in rows]} for u, share, rows in found
    ]
    return {"title": "Units", "lines": lines, "note": NOTE} if lines else None
