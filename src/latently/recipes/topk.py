"""Codes of which a fixed number of units is on."""

from dataclasses import dataclass
from typing import Literal

from latently.model import Parts
from latently.parts.kept import TopK as Keep
from latently.recipes.base import Recipe

__all__ = ["TopK"]


@dataclass
class TopK(Recipe):
    """The `k` largest units of each row stay on, the rest are zero (k-sparse, Makhzani 2013; Gao 2024).

    `k="auto"` keeps a quarter of the units, at least one and at most 32.
    """

    name = "topk"
    k: int | Literal["auto"] = "auto"

    def parts(self, n_components: int) -> Parts:
        """A bottleneck that keeps few."""
        return Parts(bottleneck=Keep(self.k))
