"""How long to train on many rows: `python bench/length.py [SETS]`.

From 30,000 rows on a fit takes 4,000 steps at a rate of .004 instead of 6,000 at .002 (and no less than 6 epochs
instead of 8). Both are fitted here with three seeds, on tables as arrays of numbers and on images as rows, with codes a
third as wide (32 at most). Told are squared errors of rows held out, as shares of their variance, means and standard
deviations of the seeds, and processor seconds of the fits. Data: `../shared/data` or $LATENTLY_DATA; columns that do
not vary are left out, texts are one-hots.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sets import folder

from latently import Autoencoder

SETS = ("made", "flights", "fraud", "fraud 200k", "campaign", "adult", "fashion")
SEEDS = 3
WIDEST = 32

Rows = NDArray[np.float32]


def made() -> Rows:
    """What `bench/peers` trains on at 30 columns."""
    sys.path.insert(0, str(Path(__file__).with_name("peers")))
    from workloads import structured

    return structured(54_096, 30, seed=0)


def numbers(name: str) -> NDArray[np.float64]:
    """A set as numbers."""
    if name == "flights":
        frame = pd.read_parquet(folder() / "nycflights13/flights.parquet").select_dtypes("number").dropna()
        return frame.sample(60_000, random_state=0).to_numpy(float)
    if name.startswith("fraud"):
        frame = pd.read_parquet(folder() / "fraud_simulated/fraud_575k.parquet")
        frame = frame.drop(columns=["TX_FRAUD", "TX_FRAUD_SCENARIO"]).select_dtypes("number").fillna(0)
        return frame.sample(200_000 if "200k" in name else 60_000, random_state=0).to_numpy(float)
    if name == "campaign":
        return np.load(folder() / "adbench/5_campaign.npz")["X"].astype(float)
    if name == "fashion":
        with np.load(folder() / "fashion_mnist/fashion_mnist.npz") as file:
            images = next(file[k] for k in file.files if file[k].ndim == 3 and len(file[k]) == 60_000)
        return images.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(len(images), -1)
    frame = pd.concat([pd.read_csv(folder() / f"tables/adult_{part}.csv.gz") for part in ("train", "test")])
    return pd.get_dummies(frame).fillna(0).to_numpy(float)


def rows_of(name: str) -> Rows:
    """Columns of mean 0 and variance 1, rows in an order of chance."""
    if name == "made":
        return made()
    x = numbers(name)
    x = x[:, x.std(0) > 0.05 * (name == "adult")]
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    return np.random.default_rng(0).permutation(x)


def compared(name: str) -> str:
    """A line of the table."""
    x = rows_of(name)
    held = min(4096, len(x) // 8)
    new, known = x[:held], x[held:]
    width = 16 if name == "made" else min(WIDEST, max(2, x.shape[1] // 3))
    before = {"epochs": max(8, round(6000 / -(-len(known) // 256))), "learning_rate": 2e-3}
    told = [f"| {name}, {len(known):,} x {x.shape[1]} "]
    for options in (before, {}):
        errors, seconds = [], []
        for seed in range(SEEDS):
            start = time.process_time()
            model = Autoencoder(width, random_state=seed, verbose=False, **options).fit(known)
            seconds.append(time.process_time() - start)
            errors.append(np.square(model.reconstruct(new) - new).mean() / np.square(new - known.mean(0)).mean())
        told.append(f"| {np.mean(errors):.5f} +- {np.std(errors):.5f} | {np.median(seconds):.2f} ")
    return "".join(told) + "|"


def main() -> None:
    """One line a set."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print("| | error at 6,000, .002 | s | error as it comes | s |\n|---|---|---|---|---|")
    for name in sys.argv[1:] or SETS:
        print(compared(name), flush=True)


if __name__ == "__main__":
    main()
