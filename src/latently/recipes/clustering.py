"""A code that gathers around centres: clusters and features learned together."""

from dataclasses import dataclass

from latently.model import Parts
from latently.parts.clustered import Clustered
from latently.recipes.base import Recipe

__all__ = ["Clustering"]


@dataclass
class Clustering(Recipe):
    """`L + alpha KL(p || q)`, q soft assignments to centres, p their sharpened target (IDEC; Xie 2016, Guo 2017).

    `Autoencoder.clusters` tells the nearest centre of a row. The decoder stays in the loss, so that codes keep what
    rows look like. `alpha` is in units of the loss, a sum over columns.
    """

    clusters: int = 10
    alpha: float = 1.0

    def parts(self, n_components: int) -> Parts:
        """A bottleneck with centres."""
        return Parts(bottleneck=Clustered(self.clusters, self.alpha))
