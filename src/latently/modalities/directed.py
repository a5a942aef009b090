"""Rows whose direction is what they say: embeddings of length one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.modalities.rows import Rows
from latently.modalities.table import Table

__all__ = ["Directed"]


class Directed(Table):
    """A `Table` of embeddings, all columns on one scale: who is near whom is then what it was.

    A scale for each column would put other rows among the ten nearest, one of sixteen of sentence embeddings.
    """

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """None: it is asked for by a job."""
        return False

    def fit(
        self, x: NDArray[np.float64] | Rows, weight: NDArray[np.float64] | None = None, natural: bool = False
    ) -> Directed:
        """Learn one scale, besides what a table learns."""
        super().fit(x, weight, natural)
        self.scales_.scale = np.full_like(self.scales_.scale, np.sqrt(np.square(self.scales_.spread).mean()))
        return self
