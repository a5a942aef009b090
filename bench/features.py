"""What codes are worth beside PCA's of the same size: `python bench/features.py [probe|clusters]`.

probe: accuracy of a logistic regression on standardised codes of the held-out 30 % of rows (split by the seed,
stratified), encoder and classifier fitted on the others; digits with codes of 16, isolet1 with 16 and 32. Beside the
default the kind for features, PCA of standardised and of raw columns, and all columns. clusters: normalised
mutual information and adjusted Rand index of ten clusters of all rows with the digit, digits and 4,000 rows of USPS,
codes of 16: 10-means (10 starts) of each code, and the clusters that the kind `clustering` learns with its code.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import Autoencoder

SEEDS = (0, 1, 2)
DATA = Path(os.environ.get("LATENTLY_DATA", "../shared/data"))
CLUSTERS = 10


def rows_of(name: str) -> tuple[Any, Any]:
    """Columns and classes."""
    if name == "digits":
        return load_digits(return_X_y=True)
    with np.load(DATA / name / f"{name}.npz") as file:
        x, y = file["X"], file["y"]
    few = np.random.default_rng(0).permutation(len(x))[:4000]
    return x.reshape(len(x), -1)[few].astype(float), y[few]


def encoders(k: int, seed: int) -> dict[str, Any]:
    """Who is compared."""
    return {
        "autoencoder": Autoencoder(k, random_state=seed),
        "autoencoder, features": Autoencoder(k, kind="features", random_state=seed),
        "PCA, standardised columns": make_pipeline(StandardScaler(), PCA(k, random_state=seed)),
        "PCA, raw columns": PCA(k, random_state=seed),
        "all columns": StandardScaler(),
    }


def probe(name: str, k: int) -> None:
    """Accuracy of a linear classifier on held-out rows."""
    x, y = rows_of(name)
    print(f"{name}, code of {k}, held-out accuracy")
    for who in encoders(k, 0):
        found = []
        for seed in SEEDS:
            train, test, truth, wanted = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
            encoder = encoders(k, seed)[who].fit(train)
            head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
            head.fit(encoder.transform(train), truth)
            found.append(head.score(encoder.transform(test), wanted))
        print(f"  {who:28s} {np.mean(found):.3f}   {np.round(found, 3).tolist()}", flush=True)


def clusters(name: str, k: int) -> None:
    """Agreement of clusters with classes."""
    x, y = rows_of(name)
    print(f"{name}, code of {k}, NMI and ARI of {CLUSTERS} clusters")
    fits: dict[int, Any] = {}  # of the latest kind
    for who in [*encoders(k, 0), "clustering", "clustering, its own"]:
        found = []
        for seed in SEEDS:
            if who == "clustering, its own":
                guess = fits[seed].clusters(x)
            else:
                usual = Autoencoder(k, kind=f"clustering:{CLUSTERS}", random_state=seed)
                fits[seed] = encoders(k, seed).get(who, usual).fit(x)
                guess = KMeans(CLUSTERS, n_init=10, random_state=seed).fit_predict(fits[seed].transform(x))
            found.append((normalized_mutual_info_score(y, guess), adjusted_rand_score(y, guess)))
        nmi, ari = np.mean(found, 0)
        print(f"  {who:28s} {nmi:.3f} {ari:.3f}   {np.round(found, 3).tolist()}", flush=True)


def main() -> None:
    """What was asked for, or both."""
    warnings.simplefilter("ignore")
    asked = sys.argv[1:] or ["probe", "clusters"]
    if "probe" in asked:
        for name, k in (("digits", 16), ("isolet1", 16), ("isolet1", 32)):
            probe(name, k)
    if "clusters" in asked:
        for name in ("digits", "usps"):
            clusters(name, 16)


if __name__ == "__main__":
    main()
