"""Census rows (adult, 14 columns of numbers and categories, with gaps) with anomalies put into them by a seed.

A hundredth of the rows has one to three cells replaced by another row's value, so that only their combination is wrong;
of numbers half of the time instead by one beyond the quantile .995 or below .005. Another hundredth is drawn cell by
cell, each from its column. Learned from and judged: the same table. Ours takes it as it is; rivals see numbers, in two
encodings, and of each the better one is told, by the label, which favours them.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict

import numpy as np
import pandas as pd
from layout import measures, table
from methods import Rival, forest, nearest_5, ours, residual, warm_up
from peer import NAME, Peer
from places import folder
from protocols import Given, Rows

__all__ = ["encoded", "run", "spoiled"]

SHARE = 0.01  # of the rows, of either kind of anomaly
CELLS = 3  # at most
BEYOND = 0.25  # at most so far beyond a quantile, of what lies between both
SEEDS = [0, 1, 2]
ROWS = 10_000  # drawn by the seed: neighbours and PyOD take long for all 32,561
RIVALS: dict[str, Rival] = {"IForest": forest, "PCA residual": residual, "kNN-5": nearest_5}
KINDS = ("cells", "rows", "both")


def run(options: argparse.Namespace) -> None:
    """One line a method: AUPR of cell anomalies, of row anomalies (each beside normal rows alone), and of both."""
    warm_up()
    peer, found = Peer.of(options), defaultdict(list)
    seeds = options.seeds or SEEDS
    whole = pd.read_csv(folder() / "tables" / "adult_train.csv.gz").drop(columns="income")
    for seed in seeds:
        rows, kind = spoiled(whole.sample(ROWS, random_state=seed).reset_index(drop=True), seed)
        for name, nats in ours(Given(rows, rows, kind, same=True), "contaminated", seed).items():
            if not name.startswith("view "):
                found[name].append(_figures(kind, nats))
        given = [Given(x, x, kind, same=True) for x in encoded(rows).values()]
        for name, rival in RIVALS.items():
            found[name].append(np.max([_figures(kind, rival(one, seed)) for one in given], axis=0))
        answers = peer.strange([(one, seed) for one in given])
        if answers is not None:
            found[NAME].append(np.max([_figures(kind, strange) for strange in answers], axis=0))
        told = "; ".join(f"{name} {' '.join(f'{v:.1f}' for v in each[-1])}" for name, each in found.items())
        print(f"seed {seed}: {told}", file=sys.stderr, flush=True)
    lines = [[name, *(f"{v:.2f}" for v in np.mean(each, axis=0))] for name, each in found.items()]
    if peer.python is None:
        lines.append([NAME, *["missing"] * len(KINDS)])
    print(f"{ROWS:,} of {len(whole):,} rows, drawn by the seed; seeds {seeds}; AUPR in per cent\n")
    print(table(["method", *KINDS], lines))
    if peer.python is None:
        print(f"\n{NAME} is missing: {peer.missing}")


def spoiled(rows: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, Rows]:
    """The table with anomalies, and what each row is: 0 normal, 1 with wrong cells, 2 drawn cell by cell."""
    chance = np.random.default_rng(seed)
    count = round(SHARE * len(rows))
    order = chance.permutation(len(rows))
    kind = np.zeros(len(rows), int)
    kind[order[:count]], kind[order[count : 2 * count]] = 1, 2
    out = {c: rows[c].to_numpy(copy=True) for c in rows}
    for c in rows:
        out[c][kind == 2] = rows[c].to_numpy()[chance.integers(len(rows), size=count)]
    for i in order[:count]:
        for c in chance.choice(rows.columns, chance.integers(1, CELLS + 1), replace=False):
            out[c][i] = _wrong(rows[c], out[c][i], chance)
    return pd.DataFrame(out), kind


def _wrong(column: pd.Series, now: object, chance: np.random.Generator) -> object:
    """Another value than the one that is there."""
    if pd.api.types.is_numeric_dtype(column) and chance.random() < 0.5:
        low, high = column.quantile([0.005, 0.995])
        step = max(1.0, chance.uniform(0, BEYOND) * (high - low))
        return round(high + step if chance.random() < 0.5 else low - step)  # every number of this table is whole
    others = column[column.notna() & (column != now)].to_numpy()
    return others[chance.integers(len(others))]


def encoded(rows: pd.DataFrame) -> dict[str, Rows]:
    """Categories as one-hot columns, or as how frequent each is; a gap is a category, and in numbers the median.

    All rivals standardise columns, or do not see their scale.
    """
    named = [c for c in rows if not pd.api.types.is_numeric_dtype(rows[c])]
    numbers = rows.drop(columns=named).apply(lambda c: c.fillna(c.median())).to_numpy(np.float64)
    words = rows[named].astype(object).fillna("no value")
    often = words.apply(lambda c: c.map(c.value_counts(normalize=True))).to_numpy(np.float64)
    return {
        "one-hot": np.column_stack([numbers, pd.get_dummies(words).to_numpy(np.float64)]),
        "frequency": np.column_stack([numbers, often]),
    }


def _figures(kind: Rows, strange: Rows) -> list[float]:
    """AUPR of either kind beside normal rows, and of both."""
    return [measures(kind[here] > 0, strange[here])[1] for here in (kind != 2, kind != 1, kind >= 0)]
