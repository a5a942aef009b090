"""Learn to fill gaps: hide cells that are known, ask for them."""

from dataclasses import dataclass

from latently.model import Parts
from latently.parts.corruptions import Remasking as Hiding
from latently.recipes.base import Recipe

__all__ = ["Remasking"]


@dataclass
class Remasking(Recipe):
    """`L(x, g(f(x~)))`, where x~ is x with cells hidden at a share drawn for each row from `[low, high]`.

    The kind of `Imputer` (after the masked autoencoders of Du 2024 for tables). Cells that stay visible count in the
    loss too; `emphasis` is the share of the weight on a hidden cell: 0.5 weighs all alike, 1 counts only hidden ones.
    """

    low: float = 0.1
    high: float = 0.9
    emphasis: float = 0.5

    def parts(self, n_components: int) -> Parts:
        """The hiding corruption."""
        return Parts(corruption=Hiding(self.low, self.high), emphasis=self.emphasis)
