"""What the units of a model of counted words speak of, and how well it foretells words."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently import rng as chance
from latently.errors import UnsupportedInput
from latently.parts.bottlenecks import Normal
from latently.parts.likelihoods import Multinomial
from latently.tasks.base import Task
from latently.values import Batch

__all__ = ["perplexity", "topics"]

FAR = 2.0  # standard deviations of a unit, from the mean code
PAIRS = 8  # draws of a code, each with its mirror image


def topics(task: Task, count: int) -> list[list[str]]:
    """The `count` words that each unit of the code brings forward most, most first; from any decoder.

    A unit is moved by two standard deviations from the mean code, to the side where its codes reach further. Words are
    ranked by `(p - q) / sqrt(q)`, how far what the decoder expects there lies from what it expects at the mean, beside
    what chance does to a count: by `p log(p / q)` the words of all documents come first.
    """
    _counting(task, "topics")
    z = task.codes_.astype(np.float64)
    mean, spread = z.mean(0), z.std(0)
    side = np.where(((z - mean) ** 3).mean(0) < 0, -1.0, 1.0)
    moved = np.concatenate([mean[None], mean + np.diag(FAR * side * spread)]).astype(np.float32)
    p = _shares(task, moved)
    gain = (p[1:] - p[0]) / np.sqrt(np.maximum(p[0], 1e-30))
    names = task.data_.names
    return [[names[j] for j in np.argsort(-row, kind="stable")[:count]] for row in gain]


def perplexity(task: Task, data: Any) -> float:
    """`exp(nats a word)` over all documents together: as uncertain as among so many words alike; lower is better.

    Of a variational kind from the bound `E_q[-log p(x|z)] + KL(q(z|x) || N(0, I))`, over one set of draws for all
    documents: the true perplexity is at most this. Of other kinds, whose codes cost nothing, it tells how well a
    document can be said again, and is no measure of a model of language.
    """
    model = _counting(task, "perplexity").model_
    eps = torch.empty(PAIRS, model.code).normal_(generator=chance.child(0, "perplexity"))

    def nats(batch: Batch) -> Tensor:
        neck = model.bottleneck
        if not isinstance(neck, Normal):
            return model.surprise(batch)
        h = model.encoder.plain(model.door(batch))
        mu, v = neck.moments(h)
        total = neck.each(h).sum(1)
        for e in torch.cat([eps, -eps]).to(mu.device):
            params = model.decoder.plain(mu + (0.5 * v).exp() * e)
            total = total + model.likelihood.each(batch.x, params).sum(1) / (2 * PAIRS)
        return total

    batch = task._batch(data)
    return float(
        np.exp(task._map(nats, batch).sum(dtype=np.float64) / max(1.0, float(batch.x.sum(dtype=torch.float64))))
    )


def _counting(task: Task, what: str) -> Task:
    if not isinstance(task.model_.likelihood, Multinomial):
        raise UnsupportedInput(f"{what} is for counted words; this model learned from other rows. Try data=Text().")
    return task


def _shares(task: Task, z: NDArray[np.float32]) -> NDArray[np.float64]:
    found = task._map(lambda b: task.model_.decode(b.x), Batch(torch.from_numpy(z))).astype(np.float64)
    return np.asarray(found / found.sum(1, keepdims=True))
