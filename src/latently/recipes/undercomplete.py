"""The plain autoencoder: a code narrower than the input."""

from dataclasses import dataclass

from latently.model import Parts
from latently.recipes.base import Recipe

__all__ = ["Undercomplete"]


@dataclass
class Undercomplete(Recipe):
    """A code narrower than the input, and nothing else (Bourlard 1988): `L = ||x - g(f(x))||^2`.

    Where the networks have a linear path they start at PCA, so that no fit ends worse than PCA of its size.
    """

    def parts(self, n_components: int) -> Parts:
        """Plain parts."""
        return Parts()
