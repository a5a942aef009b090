"""Anomalies where a few are known: `python bench/anomaly_labels.py [10|100 ...] [SET ...] [seed=0,1,2]`.

A table is split 70 / 30 by chance, the known anomalies are drawn from the larger part, and all its other rows have no
label, hidden anomalies among them. `fraud` (`fraud_simulated`): 60,000 of the payments of the first thirty days teach,
all later ones are judged; without columns of time, keys, and what is built from past labels. Average precision in per
cent on rows that no method saw, means over the seeds: ours with labels and without, and scikit-learn's boosted trees,
defaults, classes weighed as they are and balanced, all rows without a label taken for normal.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd
from sets import folder
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score

from latently import AnomalyDetector

SETS = ("fraud", "annthyroid", "mammography", "campaign", "PageBlocks", "landsat", "mnist")
KNOWN = (10, 100)
ROWS = 60_000  # of fraud
METHODS = ("ours", "ours, no labels", "boosting", "boosting, balanced")


def tables(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows to learn from, which of them are anomalies; rows to judge, and which of those are."""
    chance = np.random.RandomState(seed)
    if name != "fraud":
        held = np.load(next((folder() / "adbench").glob(f"*_{name}.npz")))
        order = chance.permutation(len(held["X"]))
        cut = int(0.7 * len(order))
        parts = [held[key][some] for some in (order[:cut], order[cut:]) for key in ("X", "y")]
        return parts[0].astype(np.float64), parts[1] == 1, parts[2].astype(np.float64), parts[3] == 1
    frame = pd.read_parquet(folder() / "fraud_simulated" / "fraud_575k.parquet")
    day, anomaly = frame["TX_TIME_DAYS"].to_numpy(), frame["TX_FRAUD"].to_numpy() == 1
    told = ("TX_FRAUD", "TX_TIME_", "CUSTOMER_ID", "TERMINAL_ID")
    kept = [c for c in frame if "_RISK_" not in c and not (c.startswith(told[:2]) or c in told)]
    x, early = frame[kept].to_numpy(np.float64), day < day.min() + 30
    some = np.sort(chance.permutation(np.flatnonzero(early))[:ROWS])
    return x[some], anomaly[some], x[~early], anomaly[~early]


def strange(x: np.ndarray, known: np.ndarray, test: np.ndarray, seed: int) -> list[np.ndarray]:
    """The scores of every method."""
    mark = np.where(known, 1, -1)
    boosted = [
        HistGradientBoostingClassifier(class_weight=weight, random_state=seed).fit(x, known).predict_proba(test)[:, 1]
        for weight in (None, "balanced")
    ]
    ours = [AnomalyDetector(random_state=seed, verbose=False).fit(x, y).score_samples(test) for y in (mark, None)]
    return [-ours[0], -ours[1], *boosted]


def main() -> None:
    """One line a set and number of known anomalies, and the means."""
    warnings.simplefilter("ignore")
    words = sys.argv[1:]
    seeds = [int(s) for w in words if w.startswith("seed=") for s in w[5:].split(",")] or [0, 1, 2]
    for count in [int(w) for w in words if w.isdigit()] or KNOWN:
        print(f"{count:4d} known    {' '.join(f'{m:>18s}' for m in METHODS)}   seconds", flush=True)
        means = []
        for name in [w for w in words if w in SETS] or SETS:
            start, figures = time.process_time(), []
            for seed in seeds:
                x, anomaly, test, truth = tables(name, seed)
                known = np.zeros(len(x), bool)
                known[np.random.RandomState(seed).permutation(np.flatnonzero(anomaly))[:count]] = True
                figures.append([100 * average_precision_score(truth, s) for s in strange(x, known, test, seed)])
            means.append(np.mean(figures, 0))
            print(
                f"{name:13s} {' '.join(f'{v:18.2f}' for v in means[-1])}   {time.process_time() - start:.0f}",
                flush=True,
            )
        print(f"{'mean':13s} {' '.join(f'{v:18.2f}' for v in np.mean(means, 0))}", flush=True)


if __name__ == "__main__":
    main()
