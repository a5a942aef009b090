"""A sparse dictionary of sentence embeddings beside a dense L1 dictionary: `python bench/dictionary.py [alpha]`.

5,000 news of ag_news as 384 numbers each (all-MiniLM-L6-v2); the first 4,000 rows to learn from, the last 1,000 to
judge by. 4,096 units, k = 32, everything else by default. The L1 dictionary has the same networks (atoms of length
one, a learned centre), noise, batches and epochs, rectified units and the price `alpha sum_j |z_j|`. `alpha`: learns
from 3,200 of the training rows and bisects alpha until k units are on in the mean of the other 800.

Unexplained: squared error over the squared distance to the training mean, on rows not learned from. Dead: on for no
training row; `history` is what the fit noted last: on for none of as many rows as the training set has, mean of an
epoch; `silent`: on for no held-out row, which with few of these is no sign of anything.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
from numpy.typing import NDArray
from sets import folder

from latently import Autoencoder
from latently.parts import L1, Dictionary, Gaussian
from latently.recipes import Compose
from latently.recipes import Dictionary as Kind

UNITS, K, TRIES = 4096, 32, 4
LOW, HIGH = 1.7, 4.0  # between which alpha is looked for
ALPHA = 2.6  # between 2.2 (58 on) and 4 (8 on), learned from 3,200 and counted on 800 of the training rows
Rows = NDArray[np.float32]


def on(model: Autoencoder, x: Rows) -> float:
    """Units that are on in the mean row."""
    return float((model.transform(x) > 0).sum(1).mean())


def told(name: str, model: Autoencoder, train: Rows, held: Rows, seconds: float) -> None:
    """A line of figures."""
    z, seen = model.transform(held), model.transform(train)
    left = np.square(held - model.reconstruct(held)).sum() / np.square(held - train.mean(0)).sum()
    last = model.history_.columns.get("dead", [float("nan")])[-1]
    dead, silent = (float((~(codes > 0).any(0)).mean()) for codes in (seen, z))
    print(
        f"{name:24s} unexplained {left:.4f}   units on {float((z > 0).sum(1).mean()):6.2f}   dead {dead:.2%}   "
        f"history {last:.2%}   silent {silent:.2%}   epochs {model.history_.columns['epoch'][-1]:.0f}   "
        f"{seconds:.0f} s CPU",
        flush=True,
    )


def dense(alpha: float, train: Rows) -> Autoencoder:
    """An L1 dictionary."""
    kind = Compose(corruption=Gaussian(Kind().noise), bottleneck=L1(alpha))
    return Autoencoder(UNITS, kind=kind, network=Dictionary(), random_state=0, verbose=False).fit(train)


def choose(x: Rows) -> None:
    """Alphas on the way to k units, by the training part alone."""
    low, high = LOW, HIGH
    for _ in range(TRIES):
        alpha, start = (low * high) ** 0.5, time.process_time()
        model = dense(alpha, x[:3200])
        told(f"L1, alpha {alpha:.3g}", model, x[:3200], x[3200:4000], time.process_time() - start)
        low, high = (alpha, high) if on(model, x[3200:4000]) > K else (low, alpha)


def main() -> None:
    """Ours, then the L1 dictionary."""
    warnings.simplefilter("ignore")
    x = np.load(folder() / "minilm_agnews" / "minilm_agnews.npz")["E"].astype(np.float32)
    if "alpha" in sys.argv:
        choose(x)
        return
    start = time.process_time()
    ours = Autoencoder(UNITS, kind=Kind(k=K), random_state=0, verbose=False).fit(x[:4000])
    told("dictionary", ours, x[:4000], x[4000:], time.process_time() - start)
    start = time.process_time()
    told(f"L1, alpha {ALPHA}", dense(ALPHA, x[:4000]), x[:4000], x[4000:], time.process_time() - start)


if __name__ == "__main__":
    main()
