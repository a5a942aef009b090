"""The data of the benchmarks: `../shared/data` or the folder that LATENTLY_DATA names, and scikit-learn's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv
from numpy.typing import NDArray

__all__ = ["columns", "folder", "images", "matrix"]


def folder() -> Path:
    """Where the data lies; ends the script with a reason when it is not there."""
    path = Path(os.environ.get("LATENTLY_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not path.is_dir():
        sys.exit(f"skipped: no data folder at {path}; set LATENTLY_DATA to one.")
    return path


def columns(name: str) -> dict[str, NDArray]:
    """The columns of a CSV of `tables/`."""
    table = pyarrow.csv.read_csv(folder() / "tables" / f"{name}.csv.gz")
    return {c: table[c].to_numpy() for c in table.column_names}


TARGETS = {
    "letter": "letter", "california": "MedHouseVal", "wine_red": "quality", "concrete": "strength",
    "energy": "heating_load", "yacht": "resistance",
}  # fmt: skip


def matrix(name: str, target: bool = False) -> NDArray[np.float64]:
    """The numeric features of a set, its target left out, or with `target` among them where it is a number."""
    if name == "digits":
        from sklearn.datasets import load_digits

        return load_digits().data
    if name == "isolet1":
        return np.load(folder() / "isolet1" / "isolet1.npz")["X"].astype(np.float64)
    found = columns(name)
    if not target:
        found.pop(TARGETS.get(name, "class"))
    return np.column_stack([v.astype(np.float64) for v in found.values()])


Part = tuple[NDArray, NDArray]


def images(name: str) -> tuple[Part, Part]:
    """Images and labels to train on, and those to test on: the official parts, or a fifth kept by chance (seed 0)."""
    if name == "digits":
        from sklearn.datasets import load_digits

        found = load_digits()
        x, y = found.images.astype(np.uint8), found.target
    else:
        held = np.load(folder() / name / f"{name}.npz")
        if "X_train" in held:
            return (held["X_train"], held["y_train"]), (held["X_test"], held["y_test"])
        x, y = held["X"], held["y"]
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[: len(x) // 5], order[len(x) // 5 :]
    return (x[train], y[train]), (x[test], y[test])
