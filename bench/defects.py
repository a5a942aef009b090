"""Images unlike those learned from: defects of magnetic tiles, and medical images of another kind.

    python bench/defects.py [tile] [med] [hidden] [seed or class ...]

tile: five seeded splits of the groups (one tile is photographed up to six times), 60 % to learn from, and of those the
defect-free images alone; judged are all images of the other groups. med: each class in turn is normal, half of it to
learn from, the other half and all other classes to judge. hidden (only when asked for): tiles of the groups to learn
from, their defects among them at their natural rate, each judged by the fit that it was part of. Area under the ROC
curve, and of tiles also that of pixels.
Process time; OMP_NUM_THREADS=1 is best for these sizes.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from sets import folder
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from latently import AnomalyDetector
from latently.modalities import Textures

Pixels = Callable[[], np.ndarray] | None
Strange = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, Pixels]]  # of images; of pixels, when asked for


def ours(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, Pixels]:
    setting = "contaminated" if test is train else "clean"
    model = AnomalyDetector(setting=setting, random_state=0, verbose=False).fit(train)
    return -model.score_samples(test), lambda: model.heat_map(test)


def principal(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, Pixels]:
    """Squared error of 16 components of the pixels."""
    a, b = (x.reshape(len(x), -1).astype(np.float32) for x in (train, test))
    pca = PCA(16, svd_solver="randomized", random_state=0).fit(a)
    error = np.square(b - pca.inverse_transform(pca.transform(b)))
    return error.sum(1), lambda: error.reshape(test.shape)


def nearest(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, Pixels]:
    """Distance of the pixels to the nearest training image."""
    a, b = (x.reshape(len(x), -1).astype(np.float32) for x in (train, test))
    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(a)
    return near.kneighbors(None if test is train else b)[0][:, 0], None  # no image is its own neighbour


def mahalanobis(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, Pixels]:
    """Our filters without an autoencoder: the Mahalanobis distance of every place, its maximum."""

    class Owner:
        pass

    data = Textures()
    x = data.learn(Owner(), train, None, False)[0].x.numpy().astype(np.float64)
    inverse = np.linalg.inv(np.cov(x.T) + 1e-3 * np.eye(x.shape[1]))
    y = np.concatenate([batch.x.numpy() for batch in data.portions(Owner(), test)]).astype(np.float64)
    maps = np.einsum("ni,ij,nj->n", y, inverse, y).reshape(-1, *data.grid)
    high, wide = (n // m for n, m in zip(test.shape[1:], data.grid, strict=True))
    return maps.max((1, 2)), lambda: maps.repeat(high, 1).repeat(wide, 2)


METHODS: dict[str, Strange] = {"ours": ours, "PCA": principal, "pixels, 1-NN": nearest, "filters, Mahal.": mahalanobis}


def tile(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Training images, images to judge, which of these are defective, where."""
    x, y, masks, learned = tiles(seed)
    return x[learned & (y == 0)], x[~learned], y[~learned] > 0, masks[~learned]


def hidden(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The same images twice: those of the groups to learn from, defects among them."""
    x, y, masks, learned = tiles(seed)
    mixed = x[learned]
    return mixed, mixed, y[learned] > 0, masks[learned]


def tiles(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All tiles, their sort of defect (0: none), where it is, and which tiles are to learn from."""
    held = np.load(folder() / "magnetic_tile" / "magnetic_tile_96.npz")
    masks = np.unpackbits(held["masks_packed"], axis=-1).astype(bool)
    groups = np.random.RandomState(seed).permutation(np.unique(held["group"]))
    return held["X"], held["y"], masks, np.isin(held["group"], groups[: round(0.6 * len(groups))])


def med(kind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """The same with one class as the normal one."""
    held = np.load(folder() / "mednist_3600" / "mednist_3600.npz")
    x, y = held["X"], held["y"]
    normal = np.random.RandomState(kind).permutation(np.flatnonzero(y == kind))
    half = len(normal) // 2
    judged = np.concatenate([normal[half:], np.flatnonzero(y != kind)])
    return x[normal[:half]], x[judged], y[judged] != kind, None


SETS = {"tile": (tile, range(5)), "med": (med, range(6)), "hidden": (hidden, range(5))}


def main() -> None:
    """One line a split, and the means."""
    warnings.simplefilter("ignore")
    words = sys.argv[1:]
    chosen = [int(w) for w in words if w.isdigit()]
    for name in [w for w in words if w in SETS] or ["tile", "med"]:
        make, parts = SETS[name]
        print(f"{name:8s} " + " ".join(f"{m:>16s}" for m in METHODS) + "   s (ours)")
        found = []
        for part in [p for p in parts if not chosen or p in chosen]:
            train, test, truth, masks = make(part)
            row, seconds = [], 0.0
            for method, strange in METHODS.items():
                start = time.process_time()
                images, pixels = strange(train, test)
                seconds += (time.process_time() - start) * (method == "ours")
                here = np.nan if masks is None or pixels is None else roc_auc_score(masks.ravel(), pixels().ravel())
                row.append((roc_auc_score(truth, images), here))
            found.append(row)
            print(f"{part:8d} {line(row)} {seconds:8.0f}", flush=True)
        print(f"{'mean':8s} {line(np.mean(found, 0))}", flush=True)


def line(row: list[tuple[float, float]] | np.ndarray) -> str:
    return " ".join(f"{image:8.3f} /{'   -   ' if np.isnan(pixel) else f'{pixel:6.3f} '}" for image, pixel in row)


if __name__ == "__main__":
    main()
