"""What columns call for: a likelihood for each sort, and the periods that times run in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.modalities.columns import Column
from latently.modalities.scales import Scales
from latently.parts.likelihoods import Bernoulli, Categorical, Gaussian, Likelihood, Mixed, Ordinal

__all__ = ["cycles", "likelihood"]

CLASSES = (8, 64)  # levels: columns with about as many share one product
DAY, YEAR = 86400.0, 365.2425 * 86400.0

Key = tuple[Any, ...]


def cycles(columns: Sequence[Column], scales: Scales) -> list[tuple[int, float, float]]:
    """(column, period, phase) of days, weeks and years that columns of times span twice, in model units."""
    found = []
    for j, column in enumerate(columns):
        if column.sort != "time" or scales.empty[j]:
            continue
        span = scales.high[j] - scales.low[j]
        for period in (DAY, 7 * DAY, YEAR):
            if span >= 2 * period and (period > DAY or scales.step[j] < DAY):
                found.append((j, period / scales.scale[j], float(scales.mean[j] / period % 1.0)))
    return found


def likelihood(columns: Sequence[Column], binary: NDArray[np.bool_], numbers: Likelihood | None) -> Likelihood:
    """`numbers` (normal with a learned spread, if None) for numbers, Bernoulli where `binary`, and cross-entropy.

    Categories get a categorical likelihood with a place for levels never seen, ordered ones cumulative logits.
    """
    groups: dict[Key, list[int]] = {}
    for j, column in enumerate(columns):
        groups.setdefault(_key(column, bool(binary[j])), []).append(j)
    parts = [(places, _part(key, [columns[j] for j in places], numbers)) for key, places in groups.items()]
    return parts[0][1] if len(parts) == 1 else Mixed(parts)


def _key(column: Column, binary: bool) -> Key:
    width = column.width
    if width and column.sort == "ordered" and width > 1:
        return ("ordered", width)
    if width:
        return ("category", sum(width > c for c in CLASSES))
    return ("switch",) if binary else ("number",)


def _part(key: Key, columns: Sequence[Column], numbers: Likelihood | None) -> Likelihood:
    if key[0] == "number":
        return Gaussian() if numbers is None else numbers
    if key[0] == "switch":
        return Bernoulli()
    if key[0] == "ordered":
        return Ordinal(key[1])
    return Categorical([c.width + 1 for c in columns], spare=True)
