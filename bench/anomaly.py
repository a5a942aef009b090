"""Rows unlike the others on 12 sets of ADBench, defaults: `python bench/anomaly.py [clean|contaminated] [SET ...]`.

`clean`: the normal rows, shuffled, half of them to learn from; the other half and all anomalies are judged; no row is
doubled on purpose. `contaminated`: learned from everything and judged on the same rows. Area under the ROC curve and
average precision, in per cent, means over the seeds.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from sets import folder
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import AnomalyDetector

SEEDS = (0, 1, 2, 3, 4)
Strange = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def ours(setting: str) -> Strange:
    def strange(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        return -AnomalyDetector(setting=setting, random_state=seed, verbose=False).fit(train).score_samples(test)

    return strange


def nearest(train: np.ndarray, test: np.ndarray, _: int) -> np.ndarray:
    scaler = StandardScaler().fit(train)
    return NearestNeighbors(n_neighbors=1).fit(scaler.transform(train)).kneighbors(scaler.transform(test))[0][:, 0]


def forest(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def residual(train: np.ndarray, test: np.ndarray, _: int) -> np.ndarray:
    """Squared error of the principal components that hold 90 % of the variance."""
    model = make_pipeline(StandardScaler(), PCA(0.9, svd_solver="full")).fit(train)
    scaled = model[0].transform(test)
    return ((scaled - model[1].inverse_transform(model[1].transform(scaled))) ** 2).sum(1)


METHODS: dict[str, dict[str, Strange]] = {
    "clean": {"ours": ours("clean"), "kNN-1": nearest, "IForest": forest, "PCA": residual},
    "contaminated": {"ours": ours("contaminated"), "ours, clean": ours("clean"), "IForest": forest},
}


def split(x: np.ndarray, y: np.ndarray, seed: int, protocol: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to learn from, rows to judge, which of these are anomalies."""
    if protocol == "contaminated":
        return x, x, y
    normal = np.random.RandomState(seed).permutation(np.flatnonzero(y == 0))
    half = len(normal) // 2
    judged = np.concatenate([normal[half:], np.flatnonzero(y == 1)])
    return x[normal[:half]], x[judged], y[judged]


def main() -> None:
    """One line a set, and the means."""
    warnings.simplefilter("ignore")
    words = sys.argv[1:]
    for protocol in [w for w in words if w in METHODS] or list(METHODS):
        methods = METHODS[protocol]
        print(f"{protocol:16s} {' '.join(f'{name:>14s}' for name in methods)}   s/fit and score (ours)")
        means = []
        for path in sorted((folder() / "adbench").glob("*.npz")):
            name = path.stem.split("_", 1)[1]
            if set(words) - set(METHODS) and name not in words:
                continue
            held = np.load(path)
            x, y = held["X"].astype(np.float64), held["y"].astype(int)
            figures, seconds = [], 0.0
            for seed in SEEDS:
                train, test, truth = split(x, y, seed, protocol)
                row = []
                for method, strange in methods.items():
                    start = time.perf_counter()
                    found = strange(train, test, seed)
                    seconds += (time.perf_counter() - start) * (method == "ours") / len(SEEDS)
                    row.append((roc_auc_score(truth, found), average_precision_score(truth, found)))
                figures.append(row)
            means.append(100 * np.mean(figures, 0))
            print(line(name, means[-1]), f"{seconds:8.1f}", flush=True)
        print(line("mean", np.mean(means, 0)), flush=True)


def line(name: str, figures: np.ndarray) -> str:
    return f"{name:16s} " + " ".join(f"{a:7.2f}/{p:6.2f}" for a, p in figures)


if __name__ == "__main__":
    main()
