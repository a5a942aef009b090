"""A sparse dictionary of sentence embeddings beside others: `python bench/dictionary.py [alpha|per|outside]`.

5,000 news of ag_news as 384 numbers each (all-MiniLM-L6-v2); the first 4,000 rows to learn from, the last 1,000 to
judge by. 4,096 units, k = 32 with seeds 0, 1 and 2, k = 16 and 64 with seed 0, everything else by default. `batch`:
BatchTopK instead of TopK. The L1 dictionary has the same networks (atoms of length one, a learned centre), noise,
batches and epochs, rectified units and the price `alpha sum_j |z_j|`, with an alpha for each k that leaves as many on.
`alpha [noise]` looks for these: it learns from 3,200 of the training rows and counts in the other 800; `per` compares
`row` and `batch` there. `outside`: PCA, and orthogonal matching pursuit, which solves for the code of each of 250 rows,
with atoms that were not learned (the training rows) and with those of our dictionary.

Unexplained: squared error over the squared distance to the training mean, on rows not learned from. Dead: on for no
training row; `history` is what the fit noted last: on for none of as many rows as the training set has, mean of an
epoch; `silent`: on for no held-out row, which with few of these is no sign of anything.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sets import folder
from sklearn.decomposition import PCA
from sklearn.linear_model import orthogonal_mp_gram

from latently import Autoencoder
from latently.parts import L1, Dictionary, Gaussian
from latently.recipes import Compose
from latently.recipes import Dictionary as Kind

UNITS, K, SEEDS, TRIES, NEAR = 4096, 32, (0, 1, 2), 5, 0.03
ALPHAS = {16: 4.36, 32: 3.2, 64: 2.01}
SOLVED = 250  # rows that matching pursuit is asked for
Rows = NDArray[np.float32]


def unexplained(held: Rows, again: Rows, mean: Rows) -> float:
    """Squared error over the squared distance to the mean."""
    return float(np.square(held - again).sum() / np.square(held - mean).sum())


def told(name: str, make: Callable[[], Autoencoder], train: Rows, held: Rows) -> float:
    """Fit it, print a line of figures, return how many units are on in the mean row."""
    start = time.process_time()
    model = make().fit(train)
    seconds = time.process_time() - start
    z, seen = model.transform(held), model.transform(train)
    last = model.history_.columns.get("dead", [float("nan")])[-1]
    dead, silent = (float((~(codes > 0).any(0)).mean()) for codes in (seen, z))
    on = float((z > 0).sum(1).mean())
    left = unexplained(held, model.reconstruct(held), train.mean(0))
    print(
        f"{name:30s} unexplained {left:.4f}   units on {on:6.2f}   "
        f"dead {dead:.2%}   history {last:.2%}   silent {silent:.2%}   "
        f"epochs {model.history_.columns['epoch'][-1]:.0f}   {seconds:.0f} s CPU",
        flush=True,
    )
    return on


def ours(k: int, per: str = "row", seed: int = 0) -> Autoencoder:
    """The kind."""
    return Autoencoder(UNITS, kind=Kind(k=k, per=per), random_state=seed, verbose=False)


def dense(alpha: float, noise: float, seed: int = 0) -> Autoencoder:
    """An L1 dictionary."""
    kind = Compose(corruption=Gaussian(noise) if noise else None, bottleneck=L1(alpha))
    return Autoencoder(UNITS, kind=kind, network=Dictionary(), random_state=seed, verbose=False)


def choose(x: Rows, noise: float) -> None:
    """Alphas on the way to k units, by the training part alone: along the line through the last two, in logarithms."""
    seen: dict[float, float] = {}
    for k, alpha in ALPHAS.items():
        for _ in range(TRIES):
            name = f"L1, alpha {alpha:.3g}, noise {noise:g}"
            alpha = float(f"{alpha:.3g}")
            on = seen[alpha] = told(name, lambda a=alpha: dense(a, noise), x[:3200], x[3200:4000])  # type: ignore[misc]
            if abs(math.log(on / k)) < NEAR:
                break
            known = sorted(seen, key=lambda a: abs(math.log(seen[a] / k)))[:2]
            slope = -2.0
            if len(known) == 2:
                slope = min(-0.5, math.log(seen[known[0]] / seen[known[1]]) / math.log(known[0] / known[1]))
            alpha = known[0] * math.exp(math.log(k / seen[known[0]]) / slope)


def solved(atoms: Rows, train: Rows, held: Rows, k: int) -> float:
    """Unexplained where matching pursuit finds the best `k` atoms one after the other, with any sign."""
    unit = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    mean = train.mean(0)
    codes = orthogonal_mp_gram(unit @ unit.T, unit @ (held - mean).T, n_nonzero_coefs=k)
    return unexplained(held, mean + codes.T.astype(np.float32) @ unit, mean)


def outside(train: Rows, held: Rows, k: int = K) -> None:
    """PCA, and codes that are solved for."""
    pca = PCA(k, random_state=0).fit(train)
    again = pca.inverse_transform(pca.transform(held)).astype(np.float32)
    print(f"PCA, {k} components: unexplained {unexplained(held, again, train.mean(0)):.4f}")
    start = time.process_time()
    left = solved(train - train.mean(0), train, held, k)
    print(
        f"pursuit, k {k}, atoms are the training rows: unexplained {left:.4f}   {time.process_time() - start:.0f} s CPU"
    )
    model = ours(k).fit(train)
    origin = model.inverse_transform(np.zeros((1, UNITS), np.float32))
    atoms = model.inverse_transform(np.eye(UNITS, dtype=np.float32)) - origin
    left = unexplained(held, model.reconstruct(held), train.mean(0))
    print(f"our codes: {left:.4f}; pursuit, our atoms: {solved(atoms, train, held, k):.4f}")


def compared(train: Rows, held: Rows) -> None:
    """Ours, one by `per`, and L1."""
    for k, alpha in ALPHAS.items():
        for seed in SEEDS if k == K else (0,):
            for per in ("row", "batch"):
                told(f"{per}, k {k}, seed {seed}", lambda k=k, p=per, s=seed: ours(k, p, s), train, held)
            told(f"L1, alpha {alpha}, seed {seed}", lambda a=alpha, s=seed: dense(a, Kind().noise, s), train, held)


def main() -> None:
    """What was asked for."""
    warnings.simplefilter("ignore")
    x = np.load(folder() / "minilm_agnews" / "minilm_agnews.npz")["E"].astype(np.float32)
    if "alpha" in sys.argv:
        choose(x, float(sys.argv[2]) if sys.argv[2:] else Kind().noise)
    elif "per" in sys.argv:
        for seed in SEEDS:
            for per in ("batch", "row"):
                for k in ALPHAS if seed == 0 else (K,):
                    told(f"{per}, k {k}, seed {seed}", lambda k=k, p=per, s=seed: ours(k, p, s), x[:3200], x[3200:4000])
    elif "outside" in sys.argv:
        outside(x[:4000], x[4000 : 4000 + SOLVED])
    else:
        compared(x[:4000], x[4000:])


if __name__ == "__main__":
    main()
