"""How well scores of the steps of a series rank those of labelled ranges, without adjusting any point.

`auroc`: the chance that a step within a range scores above one outside of all, ties counting one half.

`range_aupr`: area under the range-aware precision-recall curve of Paparrizos et al. 2022 (R-AUC-PR), averaged over
buffers of b = 0, 16, 32 and 64 steps, as their VUS-PR averages over a span of them. A step in a range has weight
w = 1, a step at distance d <= b / 2 from the nearest one w = sqrt(1 - d / b), all others 0. Steps scoring at least s
are flagged, F(s), and

    precision(s) = sum_F w / |F|
    recall(s)    = min(1, sum_F w / ((sum y + sum w) / 2)) * (ranges, buffer included, with a flagged step) / ranges

and the area is the sum, over the distinct scores s falling, of (recall(s) - recall(the s before)) * precision(s). A
constant score has the mean of w.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["auroc", "range_aupr", "ranges"]

BUFFERS = (0, 16, 32, 64)  # steps

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]


def ranges(labels: Labels) -> list[tuple[int, int]]:
    """First step and the step behind the last of every run of true ones."""
    edges = np.flatnonzero(np.diff(np.r_[0, labels.astype(np.int8), 0]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def auroc(scores: Scores, labels: Labels) -> float:
    """Area under the ROC curve of single steps."""
    inside = int(labels.sum())
    ranks = rankdata(scores)[labels].sum() - inside * (inside + 1) / 2
    return float(ranks / (inside * (len(labels) - inside)))


def range_aupr(scores: Scores, labels: Labels, buffers: tuple[int, ...] = BUFFERS) -> float:
    """The mean over buffers of the area under the range-aware precision-recall curve."""
    return float(np.mean([_area(scores, labels, b) for b in buffers]))


def _weights(labels: Labels, buffer: int) -> Scores:
    weight = labels.astype(np.float64)
    for start, stop in ranges(labels):
        for d in range(1, buffer // 2 + 1):
            for step in (start - d, stop - 1 + d):
                if 0 <= step < len(weight):
                    weight[step] = max(weight[step], np.sqrt(1 - d / buffer))
    return weight


def _area(scores: Scores, labels: Labels, buffer: int) -> float:
    weight = _weights(labels, buffer)
    whole = ranges(weight > 0)
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    caught = np.cumsum(weight[order])[last]
    peaks = np.sort([-scores[a:b].max() for a, b in whole])
    met = np.searchsorted(peaks, -scores[order][last], side="right") / len(whole)
    recall = np.minimum(1, caught / ((labels.sum() + weight.sum()) / 2)) * met
    return float((np.diff(np.append(0.0, recall)) * caught / (last + 1)).sum())
