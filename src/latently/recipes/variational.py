"""Codes with a distribution, and so a way to generate."""

from dataclasses import dataclass

from latently.model import Parts
from latently.parts.bottlenecks import Normal
from latently.parts.bounds import ImportanceWeighted, Single
from latently.recipes.base import Recipe

__all__ = ["Variational"]


@dataclass
class Variational(Recipe):
    """`-log p(x|z) + beta KL(q(z|x) || N(0, I))`, nats a row, reparameterised (Kingma 2014; beta: Higgins 2017).

    Both terms are sums over features and units, and the output's variance is learned, so `beta=1` means the same at
    every size. `warmup` is the share of the run over which beta grows from 0: 0.2 lets the decoder find a use for the
    code first. `free_bits` is a floor, in nats a unit, under which KL costs nothing; `pooled` makes it one floor under
    all units together, so that few may carry it. `draws` above 1 trains the importance-weighted bound (Burda 2016).
    """

    beta: float = 1.0
    warmup: float = 0.2
    free_bits: float = 0.0
    draws: int = 1
    pooled: bool = False

    def parts(self, n_components: int) -> Parts:
        """A normal code; several draws make a bound."""
        bound = Single() if self.draws == 1 else ImportanceWeighted(self.draws)
        bottleneck = Normal(self.beta, self.warmup, self.free_bits, self.draws == 1, self.pooled)
        return Parts(bottleneck=bottleneck, bound=bound, loss="likelihood")
