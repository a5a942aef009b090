"""How like real rows new ones of a table are: `python bench/generation_tables.py [seed ...]` (adult_train, adult_test).

`Generator.report`, beside columns drawn by themselves, SMOTE-NC (Chawla 2002, section 6.1: five neighbours, the income
a category like others) and the real rows of the fit. The first part fits half of adult_train, to see whether new rows
are closer to that half than to the other; the second all of it. Then columns that were asked for: the share of high
incomes among rows drawn for a sex and an education, and among those of adult_test. CPU-seconds, one thread.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from sets import folder
from sklearn.neighbors import NearestNeighbors

from latently import Generator

NEIGHBOURS = 5
DRAWN = 4000  # rows for each thing asked for
ASKED = [("Male", "Bachelors"), ("Female", "Bachelors"), ("Male", "HS-grad"), ("Female", "HS-grad")]


def smote(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """As many new rows: numbers on the way to a neighbour, categories as most of the neighbours have them."""
    rng = np.random.default_rng(seed)
    named = [c for c in rows if rows[c].dtype.kind not in "iuf"]
    numbers = rows.drop(columns=named).astype(float)
    spread = numbers.std()
    units = (numbers / spread).to_numpy()
    hot = pd.get_dummies(rows[named].fillna("missing")).to_numpy(float) / np.sqrt(2)  # median spread is 1 by now
    both = np.hstack([units, hot]).astype(np.float32)
    near = NearestNeighbors(n_neighbors=NEIGHBOURS + 1, algorithm="brute").fit(both).kneighbors(both)[1][:, 1:]
    start = rng.integers(len(rows), size=len(rows))
    end = near[start, rng.integers(NEIGHBOURS, size=len(rows))]
    x = numbers.to_numpy()
    made = pd.DataFrame(x[start] + rng.random((len(rows), 1)) * (x[end] - x[start]), columns=numbers.columns)
    for c in named:
        codes, levels = pd.factorize(rows[c], use_na_sentinel=False)
        votes = np.apply_along_axis(np.bincount, 1, codes[near[start]], minlength=len(levels))
        made[c] = np.asarray(levels, object)[votes.argmax(1)]
    return made[list(rows)].round({c: 0 for c in numbers if rows[c].dtype.kind in "iu"})


def clocked(work: Any) -> tuple[Any, float]:
    """What `work` gives, and CPU-seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def main() -> None:
    """Three tables a seed: of the halves, of the fit, of what is drawn."""
    for seed in map(int, sys.argv[1:] or ["0"]):
        print(f"seed {seed}", flush=True)
        judged(seed)


def judged(seed: int) -> None:
    """One half, then all of adult_train, by the chance of `seed`."""
    train, test = (pd.read_csv(folder() / "tables" / f"adult_{part}.csv.gz") for part in ("train", "test"))
    halves = np.array_split(np.random.default_rng(seed).permutation(len(train) - len(train) % 2), 2)
    fit, held = (train.iloc[h].reset_index(drop=True) for h in halves)
    half = Generator(random_state=seed, verbose=False).fit(fit)
    found = half.report(fit, held, beside={"SMOTE-NC": smote(fit, seed)})["closest rows"]
    print("fitted on half of the rows", flush=True)
    for figure, values in found.items():
        print(f"{figure:36s} " + "   ".join(f"{who} {value:.3f}" for who, value in values.items()), flush=True)

    made, other = clocked(lambda: smote(train, seed))
    model, fitted = clocked(lambda: Generator(random_state=seed, verbose=False).fit(train))
    print(f"{len(train):,} rows: fit {fitted:.0f} s; SMOTE-NC {other:.0f} s", flush=True)
    print(model.report(train, test, target="income", beside={"SMOTE-NC": made}), flush=True)

    print(f"\nasked for{'':24s}   new   test")
    for sex, education in ASKED:
        new = model.sample(DRAWN, given={"sex": sex, "education": education})["income"]
        real = test[(test["sex"] == sex) & (test["education"] == education)]["income"]
        high = [(found == ">50K").mean() for found in (new, real)]
        print(f"{sex + ', ' + education + ', income >50K':32s}  {high[0]:.3f}  {high[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
