"""A code that keeps neighbours: for maps."""

from dataclasses import dataclass

from latently.model import Parts
from latently.parts.neighbours import Neighbours as Kept
from latently.recipes.base import Recipe

__all__ = ["Neighbours"]


@dataclass
class Neighbours(Recipe):
    """`L + alpha n KL(P || Q)`: reconstruction, and neighbours that stay neighbours (van der Maaten 2009).

    P are the affinities of t-SNE among the 256 rows of a batch, Q those of their codes. The encoder is a parametric
    t-SNE, so new rows find their place without a refit, and the decoder turns any point of the code into a row.
    `alpha` is in units of the loss, a sum over columns. `perplexity` is a number of neighbours within a batch. `noise`
    is how far a row is moved at random before its code is compared, as a share of the distance to its nearest row.
    """

    alpha: float = 300.0
    perplexity: float = 10.0
    noise: float = 0.6

    def parts(self, n_components: int) -> Parts:
        """A penalty on the encoder."""
        return Parts(penalties=[Kept(self.alpha, self.perplexity, self.noise)])
