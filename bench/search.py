"""Retrieval on Fashion-MNIST by label, defaults, labels unseen: `python bench/search.py [choose] [SEED ...]`.

The 60,000 training images are learned from and indexed; 500 test images, drawn once, ask. Mean average precision over
the whole ranking (mAP@all), the share of the ten nearest that have the query's label (P@10), bytes an image in the
index, seconds of a processor to learn and to index, milliseconds of a processor a query for the ten nearest, its
encoding included. `choose`: the same on training images alone, 20,000 indexed and 500 others that ask, which is where
defaults were chosen.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sets import folder

from latently import SearchIndex

QUERIES = 500
BITS = 64
ROUNDS = 50  # of ITQ

Labels = NDArray[np.integer]
Pixels = NDArray[np.float32]
Row = tuple[str, tuple[float, float], float, float, float]


def split(choose: bool) -> tuple[NDArray[np.uint8], Labels, NDArray[np.uint8], Labels]:
    """Images to index, their labels, images that ask, theirs."""
    held = np.load(folder() / "fashion_mnist" / "fashion_mnist.npz")
    x, y = held["X_train"], held["y_train"]
    if choose:
        order = np.random.default_rng(11).permutation(len(x))
        some, others = order[:20_000], order[20_000 : 20_000 + QUERIES]
        return x[some], y[some], x[others], y[others]
    asked = np.random.default_rng(0).choice(len(held["X_test"]), QUERIES, replace=False)
    return x, y, held["X_test"][asked], held["y_test"][asked]


def figures(ranking: NDArray[np.integer], labels: Labels, wanted: Labels) -> tuple[float, float]:
    """mAP@all and P@10."""
    return precision(ranking, labels, wanted), float((labels[ranking[:, :10]] == wanted[:, None]).mean())


def precision(ranking: NDArray[np.integer], labels: Labels, wanted: Labels) -> float:
    """Mean average precision of whole rankings, `(queries, items)` places."""
    each = []
    for order, label in zip(ranking, wanted, strict=True):
        hits = labels[order] == label
        each.append((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())
    return float(np.mean(each))


def ranked(far: NDArray[Any]) -> NDArray[np.integer]:
    """Places of all items, nearest first, ties in order."""
    return np.argsort(far, axis=1, kind="stable")


def flat(images: NDArray[np.uint8]) -> Pixels:
    return images.reshape(len(images), -1).astype(np.float32) / 255


def euclidean(a: Pixels, b: Pixels) -> Pixels:
    return np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T


def pixels(items: NDArray[np.uint8], queries: NDArray[np.uint8], y: Labels, wanted: Labels) -> Row:
    a, b = flat(items), flat(queries)
    start = time.process_time()
    np.argpartition(euclidean(b, a), 10, axis=1)
    each = time.process_time() - start
    return "pixels, Euclidean", figures(ranked(euclidean(b, a)), y, wanted), 4 * a.shape[1], 0.0, each


def itq(items: NDArray[np.uint8], queries: NDArray[np.uint8], y: Labels, wanted: Labels, seed: int) -> Row:
    """PCA and iterative quantisation (Gong 2011), pixels in [0, 1], centred."""
    start = time.process_time()
    a, b = flat(items), flat(queries)
    mean = a.mean(0)
    axes = np.linalg.eigh(np.cov((a - mean).T.astype(np.float64)))[1][:, ::-1][:, :BITS]
    v = (a - mean) @ axes.astype(np.float32)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(BITS, BITS)))[0].astype(np.float32)
    for _ in range(ROUNDS):
        u, _, w = np.linalg.svd(np.where(v @ turn >= 0, 1, -1).astype(np.float32).T @ v)
        turn = (u @ w).T
    learned = time.process_time() - start
    start = time.process_time()
    codes = np.packbits((b - mean) @ axes.astype(np.float32) @ turn >= 0, axis=1).view(np.uint64)
    index = np.packbits(v @ turn >= 0, axis=1).view(np.uint64)
    far = np.bitwise_count(codes ^ index[:, 0])
    np.argpartition(far, 10, axis=1)
    each = time.process_time() - start
    return f"PCA-ITQ, {BITS} bits", figures(ranked(far), y, wanted), BITS / 8, learned, each


def ours(items: NDArray[np.uint8], queries: NDArray[np.uint8], y: Labels, wanted: Labels, seed: int) -> Iterator[Row]:
    """`SearchIndex` with numbers and with bits."""
    for bits in (None, BITS):
        start = time.process_time()
        index = SearchIndex(bits=bits, random_state=seed, verbose=False).fit(items)
        learned = time.process_time() - start
        start = time.process_time()
        index.query(queries, k=10)
        each = time.process_time() - start
        size = index.codes().values[:1].nbytes
        name = f"SearchIndex, {bits} bits" if bits else f"SearchIndex, {index.codes().values.shape[1]} numbers"
        yield name, figures(index.query(queries, k=len(items))[1], y, wanted), size, learned, each


def main() -> None:
    """A line a method; ours for each seed."""
    warnings.simplefilter("ignore")
    choose, seeds = "choose" in sys.argv, [int(word) for word in sys.argv[1:] if word.isdigit()] or [0]
    items, y, queries, wanted = split(choose)
    head = f"{len(items):,} indexed, {len(queries)} ask"
    print(f"{head:28s} {'mAP@all':>8s} {'P@10':>6s} {'bytes':>6s} {'fit s':>7s} {'ms/query':>9s}")
    show(pixels(items, queries, y, wanted))
    for seed in seeds:
        show(itq(items, queries, y, wanted, seed))
        for row in ours(items, queries, y, wanted, seed):
            show(row)


def show(row: Row) -> None:
    name, value, size, learned, asked = row
    print(
        f"{name:28s} {value[0]:8.3f} {value[1]:6.3f} {size:6.0f} {learned:7.1f} {1000 * asked / QUERIES:9.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
