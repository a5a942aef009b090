"""Filling missing cells beside what scikit-learn offers: `python bench/imputation.py [--target] [SET ...]`.

Thirty per cent of all cells are taken away at random (MCAR); each method is fitted on what is left and fills the same
table (the protocol of GRAPE, You 2020). Columns are put to [0, 1] by the complete table first; constant ones are left
out. Root mean squared and mean absolute error over the cells taken away, means of seeds 0 to 4, the standard deviation
between seeds; CPU-seconds of a fit and fill. The target column of a set is left out; `--target` leaves it in.

Defaults of `Imputer` everywhere. MissForest is `IterativeImputer` with 50 extremely randomised trees, six rounds.
Neighbours and trees are left out above 5,000 rows, where they take minutes.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sets import matrix
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from latently import Imputer

SETS = ("concrete", "energy", "wine_red")
SEEDS = range(5)
SHARE = 0.3
SLOW_FROM = 5000  # rows


def methods(seed: int, rows: int) -> dict[str, Any]:
    """Every imputer by the name it is printed under."""
    trees = ExtraTreesRegressor(50, random_state=seed, n_jobs=1)
    found: dict[str, Any] = {
        "Imputer": Imputer(random_state=seed),
        "mean": SimpleImputer(),
        "iterative regression": IterativeImputer(random_state=seed),
    }
    if rows < SLOW_FROM:
        found["5 neighbours"] = KNNImputer()
        found["MissForest"] = IterativeImputer(trees, max_iter=6, random_state=seed)
    return found


def units(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns that vary, put to [0, 1]."""
    low, high = x.min(0), x.max(0)
    return ((x - low) / np.where(high > low, high - low, 1))[:, high > low]


def figures(whole: NDArray[np.float64], method: Any, seed: int) -> tuple[float, float, float]:
    """Root mean squared error, mean absolute error, CPU-seconds."""
    gone = np.random.default_rng(seed).random(whole.shape) < SHARE
    start = time.process_time()
    filled = method.fit_transform(np.where(gone, np.nan, whole))
    seconds = time.process_time() - start
    error = (filled - whole)[gone]
    return float(np.sqrt((error**2).mean())), float(np.abs(error).mean()), seconds


def main() -> None:
    """One line a set and method."""
    warnings.simplefilter("ignore")
    wanted = [a for a in sys.argv[1:] if a != "--target"] or SETS
    print(f"{'set':12s} {'rows':>6s} {'columns':>7s} {'method':22s} {'RMSE':>6s} {'+-':>5s} {'MAE':>6s} {'s':>7s}")
    for name in wanted:
        whole = units(matrix(name, "--target" in sys.argv))
        for which in methods(0, len(whole)):
            found = np.array([figures(whole, methods(seed, len(whole))[which], seed) for seed in SEEDS])
            rmse, mae, seconds = found.mean(0)
            shape = f"{name:12s} {len(whole):6d} {whole.shape[1]:7d}"
            print(f"{shape} {which:22s} {rmse:6.4f} {found[:, 0].std():5.3f} {mae:6.4f} {seconds:7.1f}", flush=True)


if __name__ == "__main__":
    main()
