"""Reconstruction of test images beside PCA of the same size: `python bench/images.py [SET ...]`.

Squared error a pixel, pixels from 0 to 1. Default settings, one thread, seed 0; CPU seconds of the whole fit. PCA's
images are cut off at 0 and 1 as ours are. `fashion_mnist` has an official test part; of the others a fifth of the
images is kept for the test.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sets import images

from latently import Autoencoder
from latently.parts.networks import Conv, Dense

CODE = 32
CASES = ["digits", "usps", "olivetti", "fashion_mnist"]
NETWORKS = {"conv": Conv(), "dense": Dense()}


def linear(train: NDArray, test: NDArray) -> NDArray:
    """PCA's images of the test part."""
    from sklearn.decomposition import PCA

    flat, shown = (np.asarray(x, np.float32).reshape(len(x), -1) for x in (train, test))
    pca = PCA(CODE, svd_solver="covariance_eigh").fit(flat)
    return np.clip(pca.inverse_transform(pca.transform(shown)), 0, flat.max()).reshape(test.shape)


def main() -> None:
    """One line a set and network."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(f"{'set':14s} {'network':8s} {'ours':>8s} {'PCA':>8s} {'ratio':>6s} {'CPU s':>6s} {'stopped':>9s}")
    for name in sys.argv[1:] or CASES:
        (train, _), (test, _) = images(name)
        top = float(train.max())

        def error(guess: NDArray, test: NDArray = test, top: float = top) -> float:
            return float(np.square((guess.astype(np.float32) - test) / top).mean())

        pca = error(linear(train, test))
        for network, spec in NETWORKS.items():
            start = time.process_time()
            model = Autoencoder(CODE, network=spec, random_state=0).fit(train)
            seconds = time.process_time() - start
            ours = error(model.reconstruct(test))
            stop = model.history_.stopped
            print(
                f"{name:14s} {network:8s} {ours:8.5f} {pca:8.5f} {ours / pca:6.3f} {seconds:6.0f} {stop:>9s}",
                flush=True,
            )


if __name__ == "__main__":
    main()
