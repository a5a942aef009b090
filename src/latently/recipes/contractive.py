"""Codes that hardly move when the input does."""

from dataclasses import dataclass
from typing import Literal

from latently.model import Parts
from latently.parts.penalties import Contraction
from latently.recipes.base import Recipe

__all__ = ["Contractive"]


@dataclass
class Contractive(Recipe):
    """`L + alpha ||J||_F^2`, J the Jacobian of the code with respect to the input (Rifai 2011).

    `method="auto"` takes the closed form of one layer, or of two with a linear code, and one Rademacher probe
    elsewhere (unbiased, about the price of another forward pass); "exact" is the whole Jacobian; "probe" averages
    `probes` of them. `alpha=0.1` is in units of the summed squared error.
    """

    alpha: float = 0.1
    method: Literal["auto", "closed", "exact", "probe"] = "auto"
    probes: int = 1

    def parts(self, n_components: int) -> Parts:
        """A penalty on the encoder."""
        return Parts(penalties=[Contraction(self.alpha, self.method, self.probes)])
