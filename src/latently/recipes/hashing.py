"""A code whose signs keep neighbours: for search."""

from dataclasses import dataclass

from latently.model import Parts
from latently.parts.neighbours import Neighbours as Kept
from latently.parts.networks import Dense, Design
from latently.parts.signs import Signs
from latently.recipes.base import Recipe

__all__ = ["Hashing"]


@dataclass
class Hashing(Recipe):
    """`L + alpha n KL(P || Q)` with `Q_ij ~ 1 / (1 + ||tanh z_i - tanh z_j||^2)`: neighbours share signs.

    The divergence is that of the kind `neighbours` (van der Maaten 2009). Bounded units can only tell rows apart by
    taking sides, so many of them do: rows that are like each other agree in most signs, and the angle between codes is
    as good as their bits. `alpha` is in units of the loss, a sum over columns; `perplexity` is a number of neighbours
    within a batch; `noise` is how far a row is moved at random before its code is compared, as a share of the distance
    to its nearest row. `nearest` asks for the very nearest, not for groups: the price is then that the signs closest to
    a row's numbers are those of the rows closest to it (see `Signs`; `noise` is not used), and the code is linear.
    """

    alpha: float = 1000.0
    perplexity: float = 5.0
    noise: float = 0.6
    nearest: bool = False

    def parts(self, n_components: int) -> Parts:
        """A penalty on the encoder."""
        if self.nearest:
            return Parts(penalties=[Signs(self.alpha, self.perplexity)])
        return Parts(penalties=[Kept(self.alpha, self.perplexity, self.noise, bounded=True)])

    def network(self) -> Design | None:
        """For the nearest, one layer: on embeddings, hidden layers learn the rows by heart."""
        return Dense(hidden=()) if self.nearest else None
