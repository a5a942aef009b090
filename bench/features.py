"""What codes are worth beside PCA's of the same size: `python bench/features.py`.

Digits, code of 16, default settings. Probe: accuracy of a logistic regression on standardised codes, five-fold, and on
a 70/30 split with the encoder fitted on the training part only. Clusters: normalised mutual information of 10-means (10
starts) with the digit. PCA on standardised pixels (what our tables do) and on raw ones.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import Autoencoder

SEEDS = (0, 1, 2)
K = 16


def figures(encoder: object, seed: int) -> tuple[float, float]:
    """Probe accuracy on held-out rows, NMI of k-means on all rows."""
    x, y = load_digits(return_X_y=True)
    train, test, truth, wanted = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    encoder.fit(train)  # type: ignore[attr-defined]
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    probe.fit(encoder.transform(train), truth)  # type: ignore[attr-defined]
    codes = encoder.transform(x)  # type: ignore[attr-defined]
    clusters = KMeans(10, n_init=10, random_state=seed).fit_predict(codes)
    return probe.score(encoder.transform(test), wanted), normalized_mutual_info_score(y, clusters)  # type: ignore[attr-defined]


def main() -> None:
    """One line an encoder, means over the seeds."""
    warnings.simplefilter("ignore")
    print(f"{'codes':26s} {'probe':>6s} {'NMI':>6s}")
    for name in ("autoencoder-16", "PCA-16, standardised", "PCA-16, raw pixels", "pixels"):
        rows = []
        for seed in SEEDS:
            encoder = {
                "autoencoder-16": Autoencoder(K, random_state=seed),
                "PCA-16, standardised": make_pipeline(StandardScaler(), PCA(K, random_state=seed)),
                "PCA-16, raw pixels": PCA(K, random_state=seed),
                "pixels": StandardScaler(with_mean=False, with_std=False),
            }[name]
            rows.append(figures(encoder, seed))
        probe, nmi = np.mean(rows, 0)
        print(f"{name:26s} {probe:6.3f} {nmi:6.3f}   per seed {np.round(rows, 3).tolist()}", flush=True)


if __name__ == "__main__":
    main()
