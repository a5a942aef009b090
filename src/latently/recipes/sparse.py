"""Codes of which most units are off, because being on has a price."""

from dataclasses import dataclass
from typing import Literal

from latently.errors import BadParameter
from latently.model import Parts
from latently.parts.sparse import L1, KLSparse
from latently.recipes.base import Recipe

__all__ = ["Sparse"]


@dataclass
class Sparse(Recipe):
    """Sparse codes, by a price on activations or on their means.

    `penalty="l1"`: `L + alpha sum_j |h_j|`, rectified code. `penalty="kl"`: `L + beta sum_j KL(rho || rho^_j)`, sigmoid
    code, `rho^_j` the mean activation of unit j over the training set (Ng 2011).

    Weights are in units of the loss, by default a sum over features: at `alpha=0.1` 70 % of the activations of 64
    units on digits are zero. `rho=0.05` is Ng's value. `beta=1` weighs one nat of a unit's divergence like a squared
    error of one.
    """

    penalty: Literal["l1", "kl"] = "l1"
    alpha: float = 0.1
    rho: float = 0.05
    beta: float = 1.0

    def parts(self, n_components: int) -> Parts:
        """A bottleneck that pays."""
        if self.penalty not in ("l1", "kl"):
            raise BadParameter(f"penalty={self.penalty!r}: expected 'l1' or 'kl'. For a fixed count use kind='topk'.")
        return Parts(bottleneck=L1(self.alpha) if self.penalty == "l1" else KLSparse(self.rho, self.beta))
