"""Codes of tokens from a learned codebook."""

from dataclasses import dataclass
from typing import Literal

from latently.model import Parts
from latently.parts.quantised import VectorQuantised as Codebook
from latently.recipes.base import Recipe

__all__ = ["VectorQuantised"]


@dataclass
class VectorQuantised(Recipe):
    """`||x - g(z)||^2 + beta ||f(x) - sg(z)||^2`, z the codebook vectors nearest to f(x) (van den Oord 2017).

    The code's numbers are cut into `groups` tokens, each with a codebook of `levels` vectors, so that a row is `groups`
    whole numbers. `levels="auto"` is a power of two, at most 512, that leaves four training rows a vector;
    `groups="auto"` makes tokens of two numbers. `beta=0.25` is the paper's.
    """

    levels: int | Literal["auto"] = "auto"
    groups: int | Literal["auto"] = "auto"
    beta: float = 0.25

    def parts(self, n_components: int) -> Parts:
        """A bottleneck with codebooks."""
        return Parts(bottleneck=Codebook(self.levels, self.groups, self.beta))
