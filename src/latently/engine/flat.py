"""The nearest of very many rows by faiss, and the same as `nearest` finds to the last tie."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.engine.nearest import Far, Make, Places, nearest
from latently.errors import MissingExtra

__all__ = ["Flat", "there"]

MORE = 64  # rows asked for beyond k: what rounding or ties put in the wrong order
ROUNDING = float(np.finfo(np.float32).eps)


def there() -> bool:
    """Whether faiss is installed."""
    return importlib.util.find_spec("faiss") is not None


class Flat:
    """Rows in a flat index of faiss, float32 numbers or packed bits.

    It gives candidates. Their distances are taken again, pair by pair; a query whose last candidate is not surely
    farther than its k-th neighbour is asked of `nearest`.
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        try:
            faiss = importlib.import_module("faiss")
        except ImportError:
            raise MissingExtra("engine='faiss' needs faiss. Try: pip install 'latently[search]'") from None
        self.rows, self.packed = rows, rows.dtype == np.uint8
        width = rows.shape[1]
        self.index = faiss.IndexBinaryFlat(8 * width) if self.packed else faiss.IndexFlatL2(width)
        self.index.add(np.ascontiguousarray(rows))
        longest = 0.0 if self.packed or not len(rows) else float(np.square(rows, dtype=np.float64).sum(1).max())
        self.slack = 4 * width * ROUNDING * longest

    def nearest(self, make: Make, queries: NDArray[Any], k: int) -> tuple[Far, Places]:
        """As `nearest(make, rows, queries, k)`."""
        wide = min(len(self.rows), k + MORE)
        rough, near = self.index.search(np.ascontiguousarray(queries), wide)
        far, places, unsure = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64), []
        for i, query in enumerate(queries):
            some = np.sort(near[i])
            exact = make(self.rows[some]).exact(query, np.arange(wide))
            order = np.argsort(exact, kind="stable")[:k]
            far[i], places[i] = exact[order], some[order]
            own = 0.0 if self.packed else 4 * queries.shape[1] * ROUNDING * float(np.square(query, dtype=float).sum())
            if wide < len(self.rows) and not far[i, -1] < rough[i, -1] - self.slack - own:
                unsure.append(i)
        if unsure:
            far[unsure], places[unsure] = nearest(make, self.rows, queries[unsure], k)
        return far, places
