"""The step that is walked by hand gives the gradient of the loss, whatever the parts."""

import itertools
from typing import Any

import pytest
import reference as ref
import torch
from torch import Tensor

from latently import recipes
from latently.model import Composition
from latently.parts import L1, ImportanceWeighted
from latently.parts.doors import Door
from latently.parts.likelihoods import (
    AbsoluteError,
    Bernoulli,
    Categorical,
    Gaussian,
    Huber,
    Laplace,
    Mixed,
    SquaredError,
)
from latently.parts.networks import Dense
from latently.recipes.compose import Compose
from latently.recipes.contractive import Contractive
from latently.recipes.denoising import NOISES, Denoising
from latently.recipes.sparse import Sparse
from latently.recipes.variational import Variational
from latently.values import Batch, Weight

SEED, PROGRESS = 11, 0.15
DEEP = Dense(hidden=(6,), activation="tanh", line=False)
NETWORKS = {
    "one layer": Dense(hidden=()),
    "deep": DEEP,
    "beside a line": Dense(hidden=(6, 4), line=True),
    "tied": Dense(hidden=(6,), tied=True),
}
KINDS = {
    **{name: name for name in recipes.names()},
    "kl": Sparse(penalty="kl", beta=2.0),
    **{f"denoising {n}": Denoising(noise=n, emphasis=0.75) for n in NOISES},
    **{f"contractive {m}": Contractive(0.3, m, 2) for m in ("exact", "probe")},
    "variational, all options": Variational(beta=0.5, warmup=0.3, free_bits=0.4),
    "l1 over draws": Compose(bottleneck=L1(0.3), bound=ImportanceWeighted(3)),
    "importance weighted": Variational(beta=0.5, warmup=0.3, free_bits=0.4, draws=3),
    **{s: s for s in (
        "denoising+topk:2+contractive:.3", "denoising+variational", "variational+importance:3",
        "masking:.2+variational+importance:3+contractive", "swap+kl+contractive", "gaussian:.2+salt_and_pepper+l1",
    )},
}  # fmt: skip
PRECISIONS = [(torch.float64, 1e-9), (torch.float32, 1e-4)]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_precision = pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)


def make(kind: str, network: Dense = DEEP, *options: Any, **more: Any) -> Composition:
    """The kind, every weight of its costs on its way up."""
    model = ref.compose(KINDS[kind], network, *options, **more)
    model.weights = {name: Weight(w.value, warmup=0.3) for name, w in model.weights.items()}
    return model


def by_autograd(model: Composition, batch: Batch) -> list[Tensor]:
    loss = model.loss(batch, ref.generator(SEED), PROGRESS) / batch.cells
    return list(torch.autograd.grad(loss, list(model.parameters()), allow_unused=True, materialize_grads=True))


def by_hand(model: Composition, batch: Batch) -> list[Tensor]:
    model.gradients(batch, ref.generator(SEED), PROGRESS)
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]


def agree(model: Composition, batch: Batch, tolerance: float) -> None:
    want = by_autograd(model, batch)
    got = by_hand(model, batch)
    scale = max(float(g.abs().max()) for g in want)
    assert scale > 0
    for a, b in zip(got, want, strict=True):
        ref.near(a / scale, b / scale, tolerance)


@each_precision
@pytest.mark.parametrize("what", ["", "known", "weight", "known weight", "known given weight"])
@each_kind
def test_the_step_gives_the_gradient_of_the_loss(kind, what, dtype, tolerance):
    agree(make(kind, DEEP, dtype=dtype), ref.rows(what, dtype), tolerance)


PAIRS = [
    (n, k) for n, k in itertools.product(NETWORKS, KINDS)
    if n != "deep" and not (n == "tied" and any(word in k for word in ("variational", "importance")))
]  # fmt: skip


@each_precision
@pytest.mark.parametrize(("network", "kind"), PAIRS)
def test_so_it_does_on_every_network(network, kind, dtype, tolerance):
    model = make(kind, NETWORKS[network], dtype=dtype)
    agree(model, ref.rows("known weight", dtype), tolerance)


LIKELIHOODS = {
    "mean squared error": SquaredError(mean=True),
    "absolute error": AbsoluteError(),
    "huber": Huber(0.7),
    "laplace": Laplace("per_feature"),
    "gaussian": Gaussian("per_feature"),
    "bernoulli": Bernoulli(),
}


@pytest.mark.parametrize("kind", ["denoising", "variational, all options", "importance weighted"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_so_it_does_with_every_likelihood(kind, likelihood):
    agree(make(kind, DEEP, LIKELIHOODS[likelihood]), ref.rows("known weight"), 1e-9)


@pytest.mark.parametrize("kind", ["denoising", "denoising+topk:2+contractive:.3", "importance weighted"])
def test_so_it_does_with_columns_of_all_sorts(kind):
    mixed = Mixed([([0, 3], Gaussian()), ([4], Bernoulli()), ([1, 2], Categorical(3))])
    model = make(kind, DEEP, mixed, Door((0, 3, 3, 0, 2), masked=True))
    batch = ref.rows("known weight")
    batch.x[:, 1:3].round_().clamp_(0, 2)
    batch.x[:, 4].round_().clamp_(0, 1)
    agree(model, batch, 1e-9)


# A step has no slope, and what clusters are pulled to stands still; what is there instead is tested with the parts.
STRAIGHT_THROUGH = ("vector_quantised", "fsq", "clustering")


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in STRAIGHT_THROUGH])
def test_the_gradient_of_the_loss_agrees_with_finite_differences(kind):
    model, batch = make(kind), ref.rows("known weight")
    for p, got in zip(model.parameters(), by_autograd(model, batch), strict=True):
        want = ref.slopes(lambda: model.loss(batch, ref.generator(SEED), PROGRESS) / batch.cells, p.data)
        ref.near(got, want, 1e-7)


@each_kind
def test_the_step_reports_the_costs_of_its_pass(kind):
    model, batch = make(kind), ref.rows("known weight")
    rng = ref.generator(SEED)
    want = model.costs(model(batch, rng), rng)
    got = model.gradients(batch, ref.generator(SEED), PROGRESS)
    assert got.keys() - {"dead"} == want.keys()  # a figure, no cost
    for name, cost in want.items():
        ref.near(got[name], cost.value, 1e-12)


def test_steps_add_up():
    model, batch = make("variational"), ref.rows()
    once = [g.clone() for g in by_hand(model, batch)]
    for a, b in zip(by_hand(model, batch), once, strict=True):
        ref.near(a, 2 * b, 1e-12)
