"""Twelve sets of ADBench, and which rows are learned from and judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from places import folder

__all__ = ["Given", "Rows", "load", "split"]

Rows = np.ndarray
FEWEST = 1000  # rows: the published protocol draws so many, with replacement, from a set that has fewer


@dataclass(frozen=True)
class Given:
    """One task: rows to learn from, rows to judge, which of these are anomalies."""

    train: Rows
    test: Rows
    truth: Rows
    same: bool = False  #: the rows judged are those learned from


def load(only: list[str]) -> dict[str, tuple[Rows, Rows]]:
    """Cells and labels by the name of the set, in the order of the names."""
    found = {}
    for path in sorted((folder() / "adbench").glob("*.npz")):
        name = path.stem.split("_", 1)[1]
        if not only or name in only:
            held = np.load(path)
            found[name] = (held["X"].astype(np.float64), held["y"].astype(int))
    return found


def split(x: Rows, y: Rows, seed: int, setting: str, compat: bool) -> Given:
    """The rows of one seed.

    - clean: the normal rows, shuffled, half of them to learn from; the other half and all anomalies are judged.
    - contaminated: all rows are learned from and judged.
    - compat (Livernoche et al. 2023): a set of fewer than 1,000 rows is first drawn up to 1,000 with replacement.
      Clean: the first half of the normal rows, in the order of the file, to learn from. Contaminated: as many rows as
      there are, drawn with replacement, to learn from; all are judged.
    """
    chance = np.random.RandomState(seed)
    if compat and len(y) < FEWEST:
        drawn = chance.choice(len(y), FEWEST, replace=True)
        x, y = x[drawn], y[drawn]
    if setting == "contaminated":
        if not compat:
            return Given(x, x, y, same=True)
        return Given(x[chance.choice(len(y), len(y), replace=True)], x, y)
    normal = np.flatnonzero(y == 0)
    normal = normal if compat else chance.permutation(normal)
    half = round(len(normal) / 2) if compat else len(normal) // 2
    judged = np.concatenate([normal[half:], np.flatnonzero(y == 1)])
    return Given(x[normal[:half]], x[judged], y[judged])
