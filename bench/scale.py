"""Large indexes: memory of one that is mapped; from how many rows faiss pays: `python bench/scale.py [memory] [faiss]`.

`memory`: indexes of 1,000,000 rows of 64 bits and of 200,000 rows of 128 numbers, made at random. Each is loaded whole
and with `mmap=True` by a process of its own, which then asks 100 queries for their ten nearest. Told are MB resident
more than when the library was imported: after loading, after the queries, those of them that are no pages of the file
(or of a library), which the system takes back when others want them, and at the peak.

`faiss`: our scan, a flat index of faiss behind it (`engine="faiss"`: the same answers), and faiss's graph (HNSW, 32
links, 64 looked at) by numbers. Rows are 128 numbers about 1,000 centres, or the signs of 64 of them; bits are also
asked by numbers ("asym."). Milliseconds of one processor a query, 100 asked together and 5 one by one, and the share of
the true ten nearest that is found.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently import SearchIndex, save
from latently.engine.flat import Flat
from latently.engine.nearest import Bits, Numbers, Weighed, nearest
from latently.tasks.search import Codes

SIZES = (10_000, 30_000, 100_000, 1_000_000)
GRAPHS = 100_000  # rows: of more, a graph takes minutes to build
NUMBERS, BITS, TOGETHER, ALONE, K = 128, 64, 100, 5, 10

ASKER = """
import sys
import numpy as np
from latently import SearchIndex, load
from latently.tasks.search import Codes
import torch
def told(word):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1e3
start, own = told("VmRSS"), told("RssAnon")
index = load(sys.argv[1], mmap=sys.argv[2] == "mapped")
loaded = told("VmRSS")
values = np.array(index.codes().values[:100])
index.query(Codes(values, index.encoder_id_), k=10)
found = (loaded - start, told("VmRSS") - start, told("RssAnon") - own, told("VmHWM") - start)
print(*(f"{x:8.0f}" for x in found))
"""

Rows = NDArray[Any]


def memory() -> None:
    """A line an index and a way to load it."""
    rng = np.random.default_rng(0)
    some = rng.normal(size=(500, 64)).astype(np.float32)
    print(f"{'':44s} {'MB loaded':>9s} {'asked':>8s} {'own':>8s} {'peak':>8s}")
    for count, bits in ((1_000_000, BITS), (200_000, None)):
        index = SearchIndex(64, bits=bits, epochs=1, random_state=0, verbose=False, engine="exact").fit(some)
        values = rng.integers(0, 256, (count, BITS // 8), np.uint8)
        if bits is None:
            values = rng.normal(size=(count, NUMBERS)).astype(np.float32)
        index.remove(index.names_).add(Codes(values, index.encoder_id_))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "index.safetensors"
            save(index, path)
            what = f"{count:,} x {f'{bits} bits' if bits else f'{NUMBERS} numbers'}, {path.stat().st_size / 1e6:.0f} MB"
            for way in ("whole", "mapped"):
                done = subprocess.run(
                    [sys.executable, "-W", "ignore", "-c", ASKER, path, way], capture_output=True, text=True, check=True
                )
                print(f"{what + ', ' + way:44s} {done.stdout.rstrip()}", flush=True)


def timed(ask: Callable[[Rows], Any], queries: Rows) -> tuple[Any, float, float]:
    """What is found, milliseconds a query together and alone."""
    start = time.process_time()
    found = ask(queries)
    together = time.process_time() - start
    start = time.process_time()
    for i in range(ALONE):
        ask(queries[i : i + 1])
    return found, 1e3 * together / len(queries), 1e3 * (time.process_time() - start) / ALONE


def engines() -> None:
    """A line a size, a sort of code and an engine."""
    import faiss

    faiss.omp_set_num_threads(1)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(1000, NUMBERS)).astype(np.float32)
    print(f"{'rows':>9s} {'codes':11s} {'engine':12s} {'build s':>8s} {'ms, 100':>8s} {'ms, 1':>8s} {'recall':>7s}")
    for count in SIZES:
        rows = centres[rng.integers(0, 1000, count)] + rng.normal(size=(count, NUMBERS)).astype(np.float32)
        asked = centres[rng.integers(0, 1000, TOGETHER)] + rng.normal(size=(TOGETHER, NUMBERS)).astype(np.float32)
        packed, bits = (np.packbits(v[:, :BITS] >= 0, axis=1) for v in (rows, asked))
        for sort, make, held, queries in (("128 numbers", Numbers, rows, asked), ("64 bits", Bits, packed, bits)):
            truth, *own = timed(lambda q, m=make, h=held: nearest(m, h, q, K)[1], queries)
            show(count, sort, "ours", 0.0, own, 1.0)
            start = time.process_time()
            flat = Flat(held)
            built = time.process_time() - start
            found, *theirs = timed(lambda q, m=make, f=flat: f.nearest(m, q, K)[1], queries)
            show(count, sort, "faiss, flat", built, theirs, recall(found, truth))
            del flat
        _, *own = timed(lambda q, h=packed: nearest(Weighed, h, q[:, :BITS], K)[1], asked)
        show(count, "64 bits", "ours, asym.", 0.0, own, 1.0)
        if count <= GRAPHS:
            start = time.process_time()
            graph = faiss.IndexHNSWFlat(NUMBERS, 32)
            graph.hnsw.efSearch = 64
            graph.add(rows)
            built = time.process_time() - start
            truth = nearest(Numbers, rows, asked, K)[1]
            found, *theirs = timed(lambda q, g=graph: g.search(q, K)[1], asked)
            show(count, "128 numbers", "faiss, HNSW", built, theirs, recall(found, truth))


def recall(found: Rows, truth: Rows) -> float:
    """The share of the true neighbours that are found."""
    return float(np.mean([np.isin(t, f).mean() for t, f in zip(truth, found, strict=True)]))


def show(count: int, sort: str, engine: str, built: float, each: list[float], share: float) -> None:
    print(f"{count:9,d} {sort:11s} {engine:12s} {built:8.1f} {each[0]:8.2f} {each[1]:8.2f} {share:7.3f}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    words = sys.argv[1:] or ["memory", "faiss"]
    if "memory" in words:
        memory()
    if "faiss" in words:
        engines()
