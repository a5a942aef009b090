"""Rows as sums of few of many directions."""

from dataclasses import dataclass
from typing import Literal

from latently.errors import BadParameter
from latently.model import Parts
from latently.parts.corruptions import Gaussian
from latently.parts.kept import BatchTopK, TopK
from latently.parts.networks import Design
from latently.parts.networks import Dictionary as Atoms
from latently.recipes.base import Recipe

__all__ = ["Dictionary"]


@dataclass
class Dictionary(Recipe):
    """A sparse dictionary: `x^ = b + sum_j z_j d_j`, `|d_j| = 1`, `k` of many units on (Gao 2024, Bussmann 2024).

    `k`: units on; "auto" is a quarter of them, at most 32. `per="row"`: of every row; `per="batch"`: on the average of
    the rows, by a threshold once trained. `expansion`: units a column, where `n_components` is "auto". `revival`: the
    weight of the error that dead units are asked for (AuxK); 1/32 is the paper's, 0 leaves them dead. `noise`: added to
    what the encoder sees in training, in standard deviations of a column: with about as many units as rows, it learns
    these by heart without. With very many rows 0 is right.
    """

    k: int | Literal["auto"] = "auto"
    per: Literal["row", "batch"] = "row"
    expansion: float = 8.0
    revival: float = 1 / 32
    noise: float = 0.3

    def parts(self, n_components: int) -> Parts:
        """A bottleneck that keeps few."""
        if self.per not in ("row", "batch"):
            raise BadParameter(f"per={self.per!r}: expected 'row' or 'batch'.")
        neck = (BatchTopK if self.per == "batch" else TopK)(self.k, self.revival)
        return Parts(neck, Gaussian(self.noise) if self.noise else None)

    def network(self) -> Design:
        """Atoms of length one."""
        return Atoms()

    def width(self, cells: int) -> int:
        """`expansion` units a column."""
        if not self.expansion > 0:
            raise BadParameter(f"expansion={self.expansion!r} must be above 0: it is the number of units a column.")
        return max(1, round(self.expansion * cells))
