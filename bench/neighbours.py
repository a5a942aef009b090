"""Neighbours of sentence embeddings by 64 bits: `python bench/neighbours.py [choose] [SEED ...]`.

5,000 embeddings of news (MiniLM, 384 numbers of length one) in an order drawn once: the first 500 ask, the other 4,500
are learned from and indexed. The truth of a query are its 10 nearest of the 4,500 by the cosine of the embeddings. Told
are the share of these among the first 10 and among the first 100 that a code finds, ties in the order of the index.
Symmetric: both sides are bits, compared by Hamming distance. Asymmetric: the index is 64 bits a row, the query keeps
its numbers, and a bit that differs counts by the size of the query's number. Every method is shown both ways.
`choose`: the same among the 4,500 alone, of which 500 ask, which is where defaults were chosen.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sets import folder

from latently import SearchIndex

QUERIES, BITS, ROUNDS, K, FAR = 500, 64, 50, 10, 100

Numbers = NDArray[np.float32]
Row = tuple[str, Numbers, Numbers, float]  # name, the queries' numbers whose signs are bits, the index's, seconds


def split(choose: bool) -> tuple[Numbers, Numbers]:
    """Embeddings to index, embeddings that ask."""
    held = np.load(folder() / "minilm_agnews" / "minilm_agnews.npz")["E"].astype(np.float32)
    held = held[np.random.default_rng(0).permutation(len(held))]
    if choose:
        held = held[QUERIES:][np.random.default_rng(11).permutation(len(held) - QUERIES)]
    return held[QUERIES:], held[:QUERIES]


def unit(x: Numbers) -> Numbers:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def first(far: NDArray[np.floating], k: int) -> NDArray[np.integer]:
    """Places of the `k` nearest, ties in order."""
    return np.argsort(far, axis=1, kind="stable")[:, :k]


def signs(x: Numbers) -> Numbers:
    return np.where(x >= 0, np.float32(1), np.float32(-1))


def recalls(far: NDArray[np.floating], truth: NDArray[np.integer]) -> tuple[float, float]:
    """Of the true neighbours, those among the first 10 and among the first 100."""
    shares = [[np.isin(true, found).mean() for true, found in zip(truth, first(far, k), strict=True)] for k in (K, FAR)]
    return float(np.mean(shares[0])), float(np.mean(shares[1]))


def baselines(items: Numbers, queries: Numbers, seed: int) -> Iterator[Row]:
    """Random hyperplanes, signs of principal components, and these after the rotation of ITQ (Gong 2011)."""
    rng = np.random.default_rng(seed)
    start = time.process_time()
    planes = rng.normal(size=(items.shape[1], BITS)).astype(np.float32)
    mean = items.mean(0)
    yield "random hyperplanes", (queries - mean) @ planes, (items - mean) @ planes, time.process_time() - start
    start = time.process_time()
    axes = np.linalg.eigh(np.cov((items - mean).T.astype(np.float64)))[1][:, ::-1][:, :BITS].astype(np.float32)
    v, w = (items - mean) @ axes, (queries - mean) @ axes
    yield "signs of 64 principal components", w, v, time.process_time() - start
    turn = np.linalg.qr(rng.normal(size=(BITS, BITS)))[0].astype(np.float32)
    for _ in range(ROUNDS):
        left, _, right = np.linalg.svd(signs(v @ turn).T @ v)
        turn = (left @ right).T
    yield "ITQ", w @ turn, v @ turn, time.process_time() - start


def main() -> None:
    """A line a method, the baselines and ours for each seed."""
    warnings.simplefilter("ignore")
    choose, seeds = "choose" in sys.argv, [int(word) for word in sys.argv[1:] if word.isdigit()] or [0]
    items, queries = split(choose)
    truth = first(-unit(queries) @ unit(items).T, K)
    print(
        f"{len(items):,} indexed, {len(queries)} ask, {BITS} bits".ljust(40), "sym@10 sym@100 asym@10 asym@100  fit s"
    )
    for seed in seeds:
        for name, asked, held, seconds in baselines(items, queries, seed):
            far = -asked @ signs(held).T
            show(name, recalls(-signs(asked) @ signs(held).T, truth), recalls(far, truth), seconds)
        start = time.process_time()
        index = SearchIndex(bits=BITS, random_state=seed, verbose=False).fit(items)
        seconds = time.process_time() - start
        found = [index.query(asked, k=FAR)[1] for asked in (index.encode(queries), queries)]
        both = [
            [[np.isin(t, n[:k]).mean() for t, n in zip(truth, names, strict=True)] for k in (K, FAR)] for names in found
        ]
        symmetric, asymmetric = (tuple(float(np.mean(shares)) for shares in side) for side in both)
        show("SearchIndex(bits=64)", symmetric, asymmetric, seconds)


def show(name: str, symmetric: tuple[float, ...], asymmetric: tuple[float, ...], seconds: float) -> None:
    figures = (*symmetric, *asymmetric)
    print(name.ljust(40), "{:6.3f} {:7.3f} {:7.3f} {:8.3f}".format(*figures), f"{seconds:6.1f}", flush=True)


if __name__ == "__main__":
    main()
