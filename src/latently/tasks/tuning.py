"""From a pretrained model to answers: its encoder and a linear head, trained as any composition on labelled rows."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from torch import Tensor, nn

from latently.engine.schedule import Outcome
from latently.errors import BadData
from latently.model import Composition, Parts
from latently.parts.likelihoods import Categorical, Likelihood, SquaredError
from latently.parts.networks import MLP
from latently.parts.spatial import Shift
from latently.values import Batch, Sizes, Weight

__all__ = ["Answers", "answering", "asked", "held_out", "labelled", "least", "probabilities"]

HALVINGS = 60
COLDEST, HOTTEST = 0.05, 20.0  # temperatures: a few labels must not make anything certain, or everything chance


def answering(model: Composition, classes: int, shape: tuple[int, ...]) -> Composition:
    """A composition, its head not trained, whose rows are answers: labels of so many `classes`, or (0) numbers.

    It sees `Batch.given` through the door and a copy of the encoder of `model`, has a linear head that starts at zero
    for a decoder, and pays nothing for its code. No cell is spoiled; where a kind spoiled some and rows are images, of
    a `shape` of three numbers, they are shifted.
    """
    body = copy.deepcopy(model)
    likelihood: Likelihood = (Categorical([classes]) if classes else SquaredError()).bind(Sizes(1, model.code))
    likelihood.measured = False
    head = MLP((model.code, likelihood.width(1)))
    head.gemm = body.encoder.gemm
    moved = body.corruption is not None and len(shape) == 3
    shift = Shift().bind(Sizes(math.prod(shape), model.code, shape=shape)) if moved else None
    made = Composition(body.door, body.encoder, head, likelihood, Parts(body.bottleneck, shift), model.code)
    made.weights = {name: Weight(0.0) for name in made.weights}
    return made.to(next(model.parameters()).device)


def asked(model: Composition, batch: Batch) -> Tensor:
    """What the head says of rows `batch.x`: logits of the classes, or a number."""
    return model.decoder.plain(model.encode(batch))


@torch.no_grad()
def held_out(outcome: Outcome) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What was said of the rows held out, and their answers; of a cross-validation every labelled row, once."""
    found, wanted = [torch.zeros(0, 1)], [torch.zeros(0)]
    for judged in outcome.judged:
        held = judged.valid
        assert held.given is not None
        found.append(asked(judged.model.eval(), Batch(held.given, held.shown)).cpu())
        wanted.append(held.x[:, 0].cpu())
    return torch.cat(found[1:] or found).numpy(), torch.cat(wanted).numpy()


def least(logits: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    """The temperature that makes labels most likely (Guo 2017).

    Cross-entropy is convex in its inverse: the place where the slope changes its sign is found by halving.
    """
    x = logits.astype(np.float64)
    own = x[np.arange(len(x)), labels.astype(int)]
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        beta = (low * high) ** 0.5
        slope = float(((probabilities(logits, 1 / beta) * x).sum(1) - own).mean())
        low, high = (beta, high) if slope < 0 else (low, beta)
    return 1 / low


def probabilities(logits: NDArray[np.float32], heat: float) -> NDArray[np.float64]:
    """Of each class, from logits divided by a temperature."""
    x = logits.astype(np.float64) / heat
    p = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(p / p.sum(1, keepdims=True))


def labelled(y: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The labels that are there, and which rows have one: not those of NaN, None, "" and -1.

    Where -1 and one other label are all there is, as in labels of -1 and 1, it is a label.
    """
    labels = column_or_1d(np.asarray(y), warn=True)
    known = np.array([v is not None and v == v and not (isinstance(v, str) and not v) for v in labels.tolist()], bool)
    minus = np.array([not isinstance(v, (str, bool)) and v == -1 for v in labels.tolist()], bool)
    if len(set(labels[known & ~minus].tolist())) > 1:
        known &= ~minus
    found = labels[known]
    if len({isinstance(v, str) for v in found.tolist()}) > 1:
        raise BadData("y mixes texts and numbers; expected labels of one sort, None where there is none.")
    return np.array(found.tolist()) if found.dtype == object else found, known


class Answers(nn.Module):
    """A tuned model as a plain module: cells in model units, `(rows, cells)`, to `scale` times what it says + `shift`.

    `known`, of the same shape, says which cells are; None: all.
    """

    def __init__(self, model: Composition, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.model, self.scale, self.shift = copy.deepcopy(model), scale, shift

    def forward(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """Logits, `(rows, classes)`, or numbers, `(rows, 1)`."""
        return asked(self.model, Batch(x, known)) * self.scale + self.shift
