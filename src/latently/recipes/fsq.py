"""Codes of whole numbers on a fixed grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from latently.model import Parts
from latently.parts.quantised import FSQ as Grid
from latently.recipes.base import Recipe

__all__ = ["FSQ"]


@dataclass
class FSQ(Recipe):
    """Finite scalar quantisation (Mentzer 2024): each component is one of a few levels of tanh, and nothing is priced.

    `levels` are those of each component in turn, from the beginning again when the code is wider; "auto" is the
    paper's (8, 5, 5, 5).
    """

    levels: Sequence[int] | int | Literal["auto"] = "auto"

    def parts(self, n_components: int) -> Parts:
        """A bottleneck that rounds."""
        return Parts(bottleneck=Grid(self.levels))
