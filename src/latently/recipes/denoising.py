"""Learn to undo a corruption."""

from dataclasses import dataclass
from typing import Literal

from latently.errors import BadParameter
from latently.model import Parts
from latently.parts.corruptions import Corruption, Gaussian, Masking, SaltAndPepper, Swap, Uniform
from latently.parts.spatial import Block
from latently.recipes.base import Recipe

__all__ = ["Denoising"]

Noise = Literal["gaussian", "masking", "block", "salt_and_pepper", "swap", "uniform"]
NOISES: dict[str, type[Corruption]] = {
    "gaussian": Gaussian, "masking": Masking, "block": Block, "salt_and_pepper": SaltAndPepper, "swap": Swap,
    "uniform": Uniform,
}  # fmt: skip


@dataclass
class Denoising(Recipe):
    """`L(x, g(f(x~)))`: the input is corrupted, the target is not (Vincent 2008, 2010).

    `level` is the share of corrupted cells for masking, block, salt-and-pepper and swap noise; for Gaussian and uniform
    noise the standard deviation, or half the width, in standard deviations of a column.
    `emphasis` is the share of the loss's weight on a corrupted cell: 0.5 weighs all alike, 1 counts only corrupted
    ones. `Autoencoder(loss="l1")` gives the L1 version.
    """

    noise: Noise = "masking"
    level: float = 0.3
    emphasis: float = 0.5

    def parts(self, n_components: int) -> Parts:
        """A corruption."""
        if self.noise not in NOISES:
            raise BadParameter(f"noise={self.noise!r}: expected one of {', '.join(NOISES)}.")
        return Parts(corruption=NOISES[self.noise](self.level), emphasis=self.emphasis)
