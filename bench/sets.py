"""The data of the benchmarks: `../shared/data` or the folder that LATENTLY_DATA names, and scikit-learn's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv
from numpy.typing import NDArray

__all__ = ["columns", "folder", "matrix"]


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
