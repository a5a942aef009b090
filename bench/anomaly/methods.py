"""Ours with every view alone, and rivals from scikit-learn; all return strangeness, higher is stranger."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from protocols import Given, Rows
from sklearn.covariance import MinCovDet
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from latently import AnomalyDetector

__all__ = [
    "ALONE",
    "Clock",
    "Rival",
    "covariance",
    "fitted",
    "forest",
    "nearest",
    "nearest_5",
    "ours",
    "residual",
    "views_of",
    "warm_up",
]

Rival = Callable[[Given, int], Rows]
CELLS, BENT = ("cells", "cells, bent"), ("neighbours", "neighbours, bent")
ALONE = {
    "autoencoders' views": CELLS, "distances": (*BENT, "cloud", "cloud, bent"), "cells": CELLS[:1],
    "cells, bent": CELLS[1:], "neighbours": BENT[:1], "neighbours, bent": BENT[1:],
    "cloud": ("cloud",), "cloud, bent": ("cloud, bent",),
}  # fmt: skip


@dataclass
class Clock:
    """Seconds of the processor and on the wall of what runs inside `with clock:`, one entry a time."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def __enter__(self) -> Clock:
        self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu.append(time.process_time() - self._start[0])
        self.wall.append(time.perf_counter() - self._start[1])


def warm_up() -> None:
    """What a process does once, such as loading kernels, is no part of a fit's time."""
    rows = np.random.default_rng(0).normal(size=(64, 4))
    AnomalyDetector(epochs=1, random_state=0, verbose=False).fit(rows).score_samples(rows)


def fitted(given: Given, setting: str, seed: int, clock: Clock | None = None, **options: Any) -> AnomalyDetector:
    """Ours, its fit timed."""
    detector = AnomalyDetector(setting=setting, random_state=seed, verbose=False, **options)
    with clock or Clock():
        return detector.fit(given.train)


def views_of(detector: AnomalyDetector, x: Any) -> dict[str, Rows]:
    """`-log p` of the rows in every view of a detector of rows."""
    parts = [detector._judge.views(batch) for batch in detector._batches(x)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def ours(given: Given, setting: str, seed: int, clock: Clock | None = None, **options: Any) -> dict[str, Rows]:
    """The detector's own strangeness, "ours", and what views have to say alone, the greater of both sides."""
    detector = fitted(given, setting, seed, clock, **options)
    views = views_of(detector, given.test)
    found = {"ours": -detector.score_samples(given.test)} | {f"view {name}": nats for name, nats in views.items()}
    for name, wanted in ALONE.items():
        have = [view for view in wanted if view in views]
        if len(have) == 0:
            continue
        kinds = {view.split(",")[0] for view in have}  # the mean over kinds of distances, as the detector has it
        found[name] = np.mean([np.max([views[v] for v in have if v.split(",")[0] == k], axis=0) for k in kinds], axis=0)
    return found


def nearest(given: Given, _: int, k: int = 1) -> Rows:
    """Distance to the k-th nearest training row, standardised columns; a row is no neighbour of itself."""
    scaler = StandardScaler().fit(given.train)
    tree = NearestNeighbors(n_neighbors=k).fit(scaler.transform(given.train))
    return tree.kneighbors(None if given.same else scaler.transform(given.test))[0][:, -1]


def nearest_5(given: Given, seed: int) -> Rows:
    """As PyOD has it by default: the largest of the distances to five neighbours."""
    return nearest(given, seed, 5)


def forest(given: Given, seed: int) -> Rows:
    """Isolation forest, defaults."""
    return -IsolationForest(random_state=seed).fit(given.train).score_samples(given.test)


def residual(given: Given, _: int) -> Rows:
    """Squared error of the principal components that hold 90 % of the variance."""
    scaler = StandardScaler().fit(given.train)
    model = PCA(0.9, svd_solver="full").fit(scaler.transform(given.train))
    scaled = scaler.transform(given.test)
    return ((scaled - model.inverse_transform(model.transform(scaled))) ** 2).sum(1)


def covariance(given: Given, seed: int) -> Rows:
    """Mahalanobis distance by the minimum covariance determinant."""
    scaler = StandardScaler().fit(given.train)
    return MinCovDet(random_state=seed).fit(scaler.transform(given.train)).mahalanobis(scaler.transform(given.test))
