"""Held-out reconstruction beside PCA of the same size, default settings: `python bench/reconstruction.py [SET ...]`.

Squared error over the training variance of each column, mean over cells; constant columns left out. 70/30 split, seeds
0 to 2. `own` is the estimate that the fit itself makes from its training rows, as a ratio to PCA's.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
from sets import matrix
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from latently import Autoencoder

CASES = [
    ("digits", 8), ("digits", 16), ("letter", 4), ("letter", 8), ("california", 2), ("california", 4),
    ("isolet1", 16), ("wine_red", 4), ("concrete", 3), ("ionosphere", 8),
]  # fmt: skip
SEEDS = (0, 1, 2)


def run(name: str, k: int, seed: int, **options: object) -> tuple[float, float, float, float]:
    """Our error, PCA's, the ratio that the fit expected, seconds."""
    train, test = train_test_split(matrix(name), test_size=0.3, random_state=seed)
    mean, spread = train.mean(0), train.std(0)
    live = spread > 0

    def error(guess: np.ndarray) -> float:
        return float((((guess - test) / np.where(live, spread, 1))[:, live] ** 2).mean())

    units = np.where(live, spread, 1)
    pca = PCA(k, random_state=seed).fit((train - mean) / units)
    linear = pca.inverse_transform(pca.transform((test - mean) / units)) * units + mean
    start = time.perf_counter()
    model = Autoencoder(k, random_state=seed, **options).fit(train)
    seconds = time.perf_counter() - start
    own = model.held_out_.model / model.held_out_.pca
    return error(model.reconstruct(test)), error(linear), own, seconds


def main() -> None:
    """One line a case."""
    warnings.simplefilter("ignore")
    wanted = sys.argv[1:]
    print(f"{'set':12s} {'code':>4s} {'ours':>7s} {'PCA':>7s} {'ratio':>6s} {'worst':>6s} {'own':>6s} {'s/fit':>6s}")
    for name, k in CASES:
        if wanted and name not in wanted:
            continue
        rows = np.array([run(name, k, seed) for seed in SEEDS])
        ratio = rows[:, 0] / rows[:, 1]
        ours, pca, own, seconds = rows.mean(0)
        print(
            f"{name:12s} {k:4d} {ours:7.4f} {pca:7.4f} {ours / pca:6.3f} {ratio.max():6.3f} {own:6.3f} {seconds:6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
