"""A code of whole steps and few bits."""

from dataclasses import dataclass
from typing import Literal

from latently.model import Parts
from latently.parts.rounded import Rounded
from latently.recipes.base import Recipe

__all__ = ["Compressive"]


@dataclass
class Compressive(Recipe):
    """A code rounded to whole steps, trained on error and rate together (Balle 2017): `L = D + beta R`.

    `step`: of the code, in model units; where the encoder is an orthonormal map, `step^2 / 12` is the error that
    rounding adds per unit. `beta`: the price of a nat; "auto" is `step^2 / 6`, which suits a squared error.
    """

    step: float = 0.25
    beta: float | Literal["auto"] = "auto"

    def parts(self, n_components: int) -> Parts:
        """The rounding bottleneck."""
        return Parts(bottleneck=Rounded(self.step, self.beta))
