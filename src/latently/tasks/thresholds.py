"""Where to draw the line between normal and strange rows."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter
from latently.tasks.strangeness import cut

__all__ = ["alerts", "best_f1", "share"]

Rows = NDArray[np.float64]


def share(name: str, value: Any) -> float:
    """A share in (0, 1), or `BadParameter`."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < float(value) < 1:
        raise BadParameter(f"{name}={value!r}: expected a share in (0, 1), such as 0.01.")
    return float(value)


def alerts(strange: Rows, count: Any) -> float:
    """The line above which `count` of the rows lie, or as near to that as rows that tie, which stay together, allow.

    The strangest rows lie above it even where more than `count` tie, unless all rows do.
    """
    if not isinstance(count, Integral) or isinstance(count, bool) or not 0 <= int(count) <= len(strange):
        raise BadParameter(f"count={count!r}: expected a whole number from 0 to the {len(strange)} rows of X.")
    wanted, rows = int(count), len(strange)
    if 0 < wanted < rows:
        last = np.sort(strange)[-wanted]
        fewer, more = int((strange > last).sum()), int((strange >= last).sum())
        nearer = more - wanted <= wanted - fewer
        wanted = more if nearer or (not fewer and more < rows) else fewer
    return cut(strange, np.ones(rows), wanted / rows)


def best_f1(strange: Rows, labels: Any) -> float:
    """The line at which `2 true / (flagged + anomalies)` is greatest, the highest of several."""
    wanted = np.asarray(labels)
    if wanted.shape != strange.shape or not np.isin(wanted, (0, 1)).all() or not wanted.any():
        raise BadData(
            f"labels: expected {len(strange)} values, one a row of X, 1 (True) for an anomaly and 0 for a normal row, "
            f"at least one of them 1; got shape {wanted.shape} with values {np.unique(wanted)[:5].tolist()}."
        )
    order = np.argsort(-strange, kind="stable")
    hits = np.cumsum(wanted[order])
    f1 = 2 * hits / (np.arange(1, len(strange) + 1) + hits[-1])
    f1[:-1][strange[order][:-1] == strange[order][1:]] = 0  # no line parts equal rows
    return cut(strange, np.ones(len(strange)), (int(np.argmax(f1)) + 1) / len(strange))
