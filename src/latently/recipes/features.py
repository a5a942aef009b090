"""Features for other models: a code whose directions tell which rows are alike."""

from dataclasses import dataclass

from latently.model import Parts
from latently.parts.neighbours import Contrast
from latently.recipes.base import Recipe

__all__ = ["Features"]


@dataclass
class Features(Recipe):
    """`L + alpha d KL(p || q)`: reconstruction, and codes that point where those of the nearest rows point (InfoNCE).

    For a linear model, k-means or a search by angle on codes of some eight numbers or more; maps in two dimensions want
    `neighbours`. p are the affinities of t-SNE among the 256 rows of a batch, `q_j|i ~ exp(cos(z_i, z_j) /
    temperature)` those of their codes. `alpha` is in units of the loss of one cell (d is their number), `perplexity` a
    number of neighbours within a batch. `noise` is how far a row is moved at random before its code is compared, as a
    share of the distance to its nearest row.
    """

    alpha: float = 0.25
    perplexity: float = 3.0
    noise: float = 0.6
    temperature: float = 0.5

    def parts(self, n_components: int) -> Parts:
        """A penalty on the encoder."""
        return Parts(penalties=[Contrast(self.alpha, self.perplexity, self.noise, self.temperature)])
