"""Greedy layer-wise pretraining: each layer is an autoencoder of the last one's codes, then all are one (Hinton 2006).

With a corruption the layers are stacked denoising autoencoders (Vincent 2010), with a penalty contractive ones (Rifai
2011), with neither plain ones (Bengio 2007). Every layer is trained by the schedule of any other fit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import torch

from latently.engine.infer import pieces
from latently.engine.plan import plan_for
from latently.engine.schedule import Build, Outcome, Schedule, train
from latently.errors import BadParameter
from latently.model import Composition, Parts
from latently.parts.bottlenecks import Identity
from latently.parts.doors import Door
from latently.parts.likelihoods import SquaredError
from latently.parts.networks import MLP
from latently.values import Batch, Sizes

__all__ = ["layer_wise"]

ROWS = 4096  # whose codes are computed at once
FAINT = 1e-6  # spread of codes: with less, all are alike


Make = Callable[[Sizes], Parts]


def layer_wise(build: Build, sizes: Sizes, parts: Make, rows: Batch, schedule: Schedule) -> Outcome:
    """The model that `build` makes for `sizes`, its layers trained one by one from the first, then together.

    Each stage takes its share of the epochs, so that all together cost no more than one fit; as every layer has seen
    every row, none is held out. `parts` makes those of the kind for a layer's sizes. Raises `BadParameter` where
    encoder and decoder are no fully connected stacks.
    """
    whole = build(schedule.generator("fit/weights"))
    into, out = whole.encoder, whole.decoder
    if not isinstance(into, MLP) or not isinstance(out, MLP) or into.outputs != whole.code:
        raise BadParameter(
            "pretraining='layer_wise' needs fully connected layers without a path beside them and a code that is the "
            "last one: network=(256, 128) or Dense(..., line=False), and no variational kind. 'end_to_end' takes all."
        )
    plan = plan_for(len(rows), **schedule.given)
    stage = {"epochs": max(1, round(plan.epochs / (len(into.weights) + 1))), "learning_rate": plan.learning_rate}
    brief = replace(schedule, given=schedule.given | stage, validation=None)
    seen, scale = rows, 1.0
    for i in range(len(into.weights)):
        a, b = into.widths[i : i + 2]
        own = Sizes(a, b, len(seen)) if i else replace(sizes, code=b)
        done = train(_layer(whole, i, own, parts), seen, brief, f"layer {i + 1}").model
        _unroll(whole, i, done, scale)
        codes = pieces(done.encode, seen, ROWS, rows.x.device).to(rows.x.device)
        scale = float(codes.std().clamp(min=FAINT))  # noise of a layer is in units of its codes
        seen = Batch(codes / scale, weight=rows.weight)
    whole.bottleneck.load_state_dict(done.bottleneck.state_dict())
    state = {name: t.clone() for name, t in whole.state_dict().items()}

    def unrolled(rng: torch.Generator) -> Composition:
        model = build(rng)
        model.load_state_dict(state)
        return model

    return train(unrolled, rows, brief, "fit")


def _layer(whole: Composition, i: int, sizes: Sizes, parts: Make) -> Build:
    """The i-th layer and its inverse as an autoencoder of its own."""
    into = whole.encoder
    assert isinstance(into, MLP)
    act, last = into.activations[i].name, i + 1 == len(into.weights)

    def build(rng: torch.Generator) -> Composition:
        door = Door((0,) * sizes.cells, False) if i else copy.deepcopy(whole.door)
        likelihood = SquaredError().bind(sizes) if i else copy.deepcopy(whole.likelihood)
        encoder = MLP(into.widths[i : i + 2], last=act).start(rng)
        decoder = MLP((sizes.code, sizes.cells if i else whole.decoder.outputs)).start(rng)
        encoder.gemm = decoder.gemm = into.gemm
        own = parts(sizes)
        own = own if last else replace(own, bottleneck=Identity())
        return Composition(door, encoder, decoder, likelihood, own, sizes.code).to(into.biases[0].device)

    return build


@torch.no_grad()
def _unroll(whole: Composition, i: int, done: Composition, scale: float) -> None:
    """Put a trained layer, which saw codes divided by `scale`, where it belongs on both sides."""
    into, out = whole.encoder, whole.decoder
    own, back = done.encoder, done.decoder
    assert isinstance(into, MLP)
    assert isinstance(out, MLP)
    assert isinstance(own, MLP)
    assert isinstance(back, MLP)
    j = len(out.biases) - 1 - i
    for mine, value in ((into.weights[i], own.weights[0] / scale), (into.biases[i], own.biases[0])):
        mine.copy_(value)
    if len(out.weights):  # tied ones follow the encoder
        out.weights[j].copy_(back.weights[0] * scale)
    out.biases[j].copy_(back.biases[0] * scale)
