"""Any parts together."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from latently.errors import BadParameter
from latently.model import Parts
from latently.parts.bottlenecks import Bottleneck, Identity, Normal
from latently.parts.bounds import Bound, ImportanceWeighted, Single
from latently.parts.clustered import Clustered
from latently.parts.corruptions import (
    Chain,
    Corruption,
    Gaussian,
    Masking,
    Remasking,
    SaltAndPepper,
    Swap,
    Uniform,
)
from latently.parts.kept import BatchTopK, TopK
from latently.parts.neighbours import Contrast, Neighbours
from latently.parts.part import Part
from latently.parts.penalties import Contraction, Penalty
from latently.parts.quantised import FSQ, VectorQuantised
from latently.parts.sparse import L1, KLSparse
from latently.parts.spatial import Block
from latently.parts.typos import Typos
from latently.recipes.base import Recipe

__all__ = ["WORDS", "Compose", "spelled"]


@dataclass
class Compose(Recipe):
    """A kind made of parts: `Compose(corruption=Masking(.3), bottleneck=TopK(32), penalties=[Contraction(1e-3)])`.

    What is left out is plain; `loss` is what a task's `loss="auto"` stands for with this kind. On the command line, and
    as a string, `masking:.3+topk:32+contractive:1e-3`.
    """

    corruption: Corruption | None = None
    bottleneck: Bottleneck | None = None
    penalties: list[Penalty] = field(default_factory=list)
    bound: Bound | None = None
    emphasis: float = 0.5
    loss: str = "auto"

    def parts(self, n_components: int) -> Parts:
        """Copies of the parts given."""
        bottleneck = copy.deepcopy(self.bottleneck) or Identity()
        bound = copy.deepcopy(self.bound) or Single()
        if bound.draws > 1 and isinstance(bottleneck, Normal):
            bottleneck.analytic = False  # importance weights are ratios at the drawn code
        usual = "likelihood" if isinstance(bottleneck, Normal) else "squared_error"
        loss = usual if self.loss == "auto" else self.loss
        parts = [copy.deepcopy(p) for p in self.penalties]
        return Parts(bottleneck, copy.deepcopy(self.corruption), parts, bound, self.emphasis, loss)


#: The words of a spelling, and the part each stands for; a number after a colon is that part's first option.
WORDS: dict[str, type[Part]] = {
    "gaussian": Gaussian, "masking": Masking, "remasking": Remasking, "salt_and_pepper": SaltAndPepper, "swap": Swap,
    "uniform": Uniform, "block": Block, "typos": Typos,
    "denoising": Masking, "undercomplete": Identity, "l1": L1, "sparse": L1, "kl": KLSparse, "topk": TopK,
    "batch_topk": BatchTopK,
    "variational": Normal, "vq": VectorQuantised, "fsq": FSQ, "clustering": Clustered,
    "contractive": Contraction, "importance": ImportanceWeighted, "neighbours": Neighbours,
    "features": Contrast,
}  # fmt: skip
COUNTS = {"topk", "batch_topk", "importance", "vq", "fsq", "clustering"}  # words whose number is whole


def spelled(text: str) -> Compose:
    """The composition of a spelling such as `masking:.3+topk+contractive`."""
    corruptions: list[Corruption] = []
    kind = Compose()
    for word in text.split("+"):
        part = _part(word.strip(), text)
        if isinstance(part, Corruption):
            corruptions.append(part)
        elif isinstance(part, Penalty):
            kind.penalties.append(part)
        else:
            slot = "bound" if isinstance(part, Bound) else "bottleneck"
            if getattr(kind, slot) is not None:
                raise BadParameter(f"kind={text!r} names two of the sort {slot}; a composition has one.")
            setattr(kind, slot, part)
    if corruptions:
        kind.corruption = corruptions[0] if len(corruptions) == 1 else Chain(corruptions)
    if isinstance(kind.bound, ImportanceWeighted) and not isinstance(kind.bottleneck, Normal):
        raise BadParameter(f"kind={text!r}: importance weighting needs a variational code; add 'variational'.")
    return kind


def _part(word: str, text: str) -> Part:
    name, _, value = word.partition(":")
    if name not in WORDS:
        raise BadParameter(f"kind={text!r}: unknown word {name!r}; known: {', '.join(sorted(WORDS))}.")
    if not value:
        return WORDS[name]()
    try:
        number = float(value)
    except ValueError:
        raise BadParameter(f"kind={text!r}: {value!r} after the colon is no number.") from None
    return WORDS[name](int(number) if name in COUNTS else number)
