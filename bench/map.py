"""Maps beside PCA's, and what a large one costs: `python bench/map.py [rows of the large one]`.

Digits (1,797 x 64, columns standardised), default settings, seeds 0 to 2. Trustworthiness with 5 and 12 neighbours and
leave-one-out accuracy of the nearest neighbour in the map, all rows fitted and judged; then on a 70/30 split the digit
of held-out rows by the nearest training row in the map, and trustworthiness among held-out rows. t-SNE has no map of
new rows.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import Map

SEEDS = (0, 1, 2)
MAPS: dict[str, Callable[[int], Any]] = {
    "PCA": lambda seed: make_pipeline(StandardScaler(), PCA(2, random_state=seed)),
    "Map": lambda seed: Map(random_state=seed),
    "Map, only reconstructing": lambda seed: Map(kind="undercomplete", network="auto", random_state=seed),
    "t-SNE": lambda seed: make_pipeline(StandardScaler(), TSNE(2, random_state=seed)),
}


def whole(make: Callable[[int], Any], seed: int) -> list[float]:
    """Trustworthiness at 5 and 12, leave-one-out accuracy, seconds of a processor: all rows."""
    x, y = load_digits(return_X_y=True)
    start = time.process_time()
    points = make(seed).fit_transform(x)
    seconds = time.process_time() - start
    units = StandardScaler().fit_transform(x)
    nearest = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(return_distance=False)[:, 0]
    trust = [trustworthiness(units, points, n_neighbors=k) for k in (5, 12)]
    return [*trust, float((y[nearest] == y).mean()), seconds]


def held_out(make: Callable[[int], Any], seed: int) -> list[float]:
    """Accuracy of the nearest training row in the map, trustworthiness at 5 and 12: rows not learned from."""
    x, y = load_digits(return_X_y=True)
    train, test, known, wanted = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    model = make(seed).fit(train)
    accuracy = KNeighborsClassifier(1).fit(model.transform(train), known).score(model.transform(test), wanted)
    units = StandardScaler().fit(train).transform(test)
    return [accuracy, *(trustworthiness(units, model.transform(test), n_neighbors=k) for k in (5, 12))]


def blobs(rows: int) -> NDArray[np.float64]:
    """Ten bent clusters in thirty columns."""
    rng = np.random.default_rng(0)
    centre, mix = 3 * rng.normal(size=(10, 6)), rng.normal(size=(6, 30))
    hidden = centre[rng.integers(10, size=rows)] + rng.normal(size=(rows, 6))
    return np.tanh(0.3 * hidden @ mix) + 0.1 * rng.normal(size=(rows, 30))


def main() -> None:
    """One line a map, means over the seeds; then the large one."""
    warnings.simplefilter("ignore")
    print(f"{'all rows':26s} {'T(5)':>6s} {'T(12)':>6s} {'1-NN':>6s} {'CPU s':>6s}")
    for name, make in MAPS.items():
        found = np.array([whole(make, seed) for seed in SEEDS])
        print(f"{name:26s} " + " ".join(f"{v:6.3f}" for v in found.mean(0)), np.round(found[:, 2], 3), flush=True)
    print(f"{'held-out rows':26s} {'1-NN':>6s} {'T(5)':>6s} {'T(12)':>6s}")
    for name, make in MAPS.items():
        if name != "t-SNE":
            found = np.array([held_out(make, seed) for seed in SEEDS])
            print(f"{name:26s} " + " ".join(f"{v:6.3f}" for v in found.mean(0)), np.round(found[:, 0], 3), flush=True)
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    x = blobs(rows)
    start, spent = time.perf_counter(), time.process_time()
    Map(random_state=0).fit_transform(x)
    wall, spent = time.perf_counter() - start, time.process_time() - spent
    print(f"{rows:,} x {x.shape[1]}: {wall:.0f} s, {spent:.0f} s of processor")


if __name__ == "__main__":
    main()
