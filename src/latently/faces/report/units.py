"""What a report shows of a sparse code: the units that are on most often, and what each is greatest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from latently.faces.given import Given

__all__ = ["drawn", "told"]

UNITS, SPARSE = 16, 0.5  # of the numbers of a code are not zero: fewer in a sparse one
NOTE = "The units that are on most often, each with that on which it is greatest. "
BRINGS = "Brings: what it alone moves most there, in spreads of a column or shares of a text."


def told(given: Given, name: Callable[[int], str]) -> list[dict[str, Any]]:
    """A listing of units and rows, which `name` names; none where the code is not sparse."""
    lines = []
    for unit, share, rows in _lit(given, 4):
        head = [str(unit), share, _brought(given.estimator, unit, rows[0][1])]
        lines += [[*(head if not k else [""] * 3), f"{v:.3g}", name(i)] for k, (i, v) in enumerate(rows)]
    heads = ["unit", "on in", "brings", "value", given.items[:-1]]
    return [{"title": "Units", "heads": heads, "rows": lines, "note": NOTE + BRINGS}] if lines else []


def drawn(given: Given, picture: Callable[[int], str]) -> dict[str, Any] | None:
    """A gallery of units and images, sources by `picture`."""
    found = [] if given.estimator.data_.cropped else _lit(given, 8)
    lines = [{"name": f"unit {u}, on in {share}", "images": [picture(i) for i, _ in rows]} for u, share, rows in found]
    return {"title": "Units", "lines": lines, "note": NOTE} if lines else None


def _lit(given: Given, most: int) -> list[tuple[int, str, list[tuple[int, float]]]]:
    """Units, the share of the rows that each is on for, its strongest rows with its values."""
    if not hasattr(given.estimator, "strongest") or not 0 < np.mean(given.estimator.codes_ != 0) < SPARSE:
        return []
    z = given.estimator.transform(given.rows)
    on = (z > 0).mean(0)
    units = np.argsort(-on, kind="stable")[: min(UNITS, np.count_nonzero(on))]
    best = {u: np.argsort(-z[:, u], kind="stable")[:most] for u in units}
    return [(int(u), f"{on[u]:.1%}", [(int(i), float(z[i, u])) for i in best[u] if z[i, u] > 0]) for u in units]


def _brought(estimator: Any, unit: int, value: float) -> str:
    """The three columns that a unit alone moves most; nothing where a column has several cells."""
    z = np.array([[0], [value]], np.float32) * (np.arange(estimator.n_components_) == unit)
    moved = np.diff(estimator._decode(z).numpy(), axis=0)[0]
    order = np.argsort(-np.abs(moved), kind="stable")[: 0 if any(estimator.model_.door.levels) else 3]
    return ", ".join(f"{estimator.data_.names[j]} {moved[j]:+.2g}" for j in order)
