"""The composition: its loss is the lecture's, number for number; reading it needs no chance and no mode."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import reference as ref
import torch

from latently import recipes
from latently.errors import BadParameter
from latently.model import Composition
from latently.parts import Masking, Normal
from latently.parts.likelihoods import Gaussian, Likelihood
from latently.parts.networks import MLP, Dense
from latently.recipes.compose import Compose
from latently.recipes.contractive import Contractive
from latently.recipes.denoising import Denoising
from latently.recipes.sparse import Sparse
from latently.recipes.topk import TopK
from latently.recipes.undercomplete import Undercomplete
from latently.recipes.variational import Variational
from latently.values import Batch, Sort, Weight

SEED, ROWS = 6, ref.ROWS
Array = ref.Array


def through(network: MLP, x: Array) -> Array:
    for w, b, g in zip(network.matrices(), network.biases, network.activations, strict=True):
        x = ref.layer(x, ref.array(w), ref.array(b), g.name)
    return x


def encoded(model: Composition, x: Array) -> tuple[Array, Array]:
    """`h = g(W x + b)`, `x^ = f(W* h + c)`."""
    h = through(model.encoder, x)
    return h, through(model.decoder, h)


def weighed(x: Array, mean: Array, batch: Batch, cells: Array | float = 1.0) -> Array:
    """Squared errors of the known cells, summed over each row."""
    known = 1.0 if batch.known is None else ref.array(batch.known)
    return ((x - mean) ** 2 * known * cells).sum(1)


def plain(model: Composition, batch: Batch) -> tuple[Array, float]:
    x = ref.array(batch.x)
    return weighed(x, encoded(model, x)[1], batch), 0.0


def l1(model: Composition, batch: Batch) -> tuple[Array, float]:
    x = ref.array(batch.x)
    return plain(model, batch)[0] + 0.3 * np.abs(encoded(model, x)[0]).sum(1), 0.0


def kl(model: Composition, batch: Batch) -> tuple[Array, float]:
    rate = encoded(model, ref.array(batch.x))[0].mean(0)
    return plain(model, batch)[0], 2.0 * ref.bernoulli_kl(0.1, rate)


def topk(model: Composition, batch: Batch) -> tuple[Array, float]:
    x = ref.array(batch.x)
    h = np.maximum(encoded(model, x)[0], 0)
    h[h < np.sort(h, 1)[:, [-2]]] = 0
    return weighed(x, through(model.decoder, h), batch), 0.0


def denoising(model: Composition, batch: Batch) -> tuple[Array, float]:
    """Corrupted cells weigh 2 e, the others 2 (1 - e)."""
    gone = ref.array(torch.rand(batch.x.shape, generator=ref.generator(SEED), dtype=batch.x.dtype)) < 0.4
    x, e = ref.array(batch.x), 0.75
    mean = encoded(model, np.where(gone, 0.0, x))[1]
    return weighed(x, mean, batch, np.where(gone, 2 * e, 2 * (1 - e))), 0.0


def contractive(model: Composition, batch: Batch) -> tuple[Array, float]:
    """The Jacobian of a sigmoid layer, entry by entry: `h_j (1 - h_j) W_ji`."""
    h = encoded(model, ref.array(batch.x))[0]
    jacobian = (h * (1 - h))[:, :, None] * ref.array(model.encoder.weights[0])[None]
    return plain(model, batch)[0] + 0.2 * (jacobian**2).sum((1, 2)), 0.0


def variational(model: Composition, batch: Batch) -> tuple[Array, float]:
    x, known = ref.array(batch.x), 1.0 if batch.known is None else ref.array(batch.known)
    mu, raw = np.split(through(model.encoder, x), 2, 1)
    v = ref.log_variance(raw)
    eps = torch.empty(mu.shape, dtype=torch.float64).normal_(generator=ref.generator(SEED))
    mean = through(model.decoder, mu + np.exp(v / 2) * ref.array(eps))
    s = np.exp(ref.array(model.likelihood.log_variance()) / 2)
    nats = (ref.normal_nats(x, mean, s) * known).sum(1)
    return nats + 0.5 * ref.normal_kl(mu, np.exp(v)).sum(1), 0.0


@dataclass
class Objective:
    kind: object
    value: Callable[[Composition, Batch], tuple[Array, float]]  #: of each row, and of the batch
    activation: str | None = None
    likelihood: Likelihood | None = None


OBJECTIVES = {
    "plain": Objective(Undercomplete(), plain, "tanh"),
    "l1": Objective(Sparse(alpha=0.3), l1),
    "kl": Objective(Sparse(penalty="kl", rho=0.1, beta=2.0), kl),
    "topk": Objective(TopK(k=2), topk),
    "denoising": Objective(Denoising(noise="masking", level=0.4, emphasis=0.75), denoising),
    "contractive": Objective(Contractive(alpha=0.2), contractive, "sigmoid"),
    "variational": Objective(Variational(beta=0.5), variational, None, Gaussian("per_feature")),
}
each_objective = pytest.mark.parametrize("name", OBJECTIVES)
each_batch = pytest.mark.parametrize("what", ["", "known", "weight", "known weight"])


def make(name: str) -> Composition:
    case = OBJECTIVES[name]
    return ref.compose(case.kind, Dense(hidden=(), code_activation=case.activation), case.likelihood)


@each_batch
@each_objective
def test_the_loss_is_the_lectures(name, what):
    model, batch = make(name), ref.rows(what)
    each, whole = OBJECTIVES[name].value(model, batch)
    weight = np.ones(ROWS) if batch.weight is None else ref.array(batch.weight)
    got = model.loss(batch, ref.generator(SEED))
    ref.near(got, np.array((weight * each).sum() / ROWS + whole), 1e-11)


@pytest.mark.parametrize("emphasis", [0.0, 0.8, 1.0])
def test_emphasis_weighs_corrupted_cells_exactly(emphasis):
    model, batch = ref.compose(Denoising(level=0.4, emphasis=emphasis), Dense(hidden=())), ref.rows()
    batch.x[:, 0] = 0.0  # masking leaves these as they are, and yet they are corrupted
    seen = model.see(batch, ref.generator(SEED))
    mean = encoded(model, ref.array(seen.x))[1]
    cells = np.where(ref.array(seen.known) > 0, 2 * (1 - emphasis), 2 * emphasis)
    want = weighed(ref.array(batch.x), mean, batch, cells).mean()
    ref.near(model.loss(batch, ref.generator(SEED)), np.array(want), 1e-11)


def test_a_supplied_input_is_what_the_encoder_sees():
    model, batch = make("denoising"), ref.rows("given")
    given, x = ref.array(batch.given), ref.array(batch.x)
    want = weighed(x, encoded(model, given)[1], batch, 1.5).mean()  # every cell differs from what is seen
    ref.near(model.loss(batch), np.array(want), 1e-11)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (1.0, 1.0)])
def test_beta_warms_up_in_the_loss(progress, share):
    model = ref.compose(Variational(beta=0.5, warmup=0.4), Dense(hidden=()))
    costs = model.costs(model(ref.rows(), ref.generator(SEED)))
    want = (costs["reconstruction"].value + share * 0.5 * costs["kl"].value).mean()
    ref.near(model.loss(ref.rows(), ref.generator(SEED), progress), want, 1e-12)


def test_the_importance_weighted_loss_takes_the_bound_of_all_nats_but_no_penalty():
    kind = Compose(None, Normal(0.5, analytic=False), [*Contractive(0.2).parts(3).penalties])
    kind.bound = recipes.resolve("variational+importance:4").bound
    model, batch = ref.compose(kind, Dense(hidden=(6,), line=False)), ref.rows("weight")
    costs = model.costs(model(batch, ref.generator(SEED)), ref.generator())
    nats = ref.array(costs["reconstruction"].value + 0.5 * costs["kl"].value).reshape(4, ROWS)
    rows = ref.importance_bound(nats)
    contraction = model.encoder.jacobian(batch.x)[:, : ref.CODE].square().sum((1, 2))
    model.penalties[0].method = "exact"
    want = (ref.array(batch.weight) * (rows + 0.2 * ref.array(contraction))).mean()
    ref.near(model.loss(batch, ref.generator(SEED)), np.array(want), 1e-10)


KINDS = [*recipes.names(), Sparse(penalty="kl"), "masking:.2+topk:2+contractive", "variational+swap+importance:3"]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
DEEP = Dense(hidden=(6,), activation="tanh")


@each_kind
def test_costs_carry_their_sort_and_shape(kind):
    model, batch = ref.compose(kind, DEEP), ref.rows("known weight")
    draws = model.bound.draws
    shapes = {Sort.NATS: (draws * ROWS,), Sort.PENALTY: (ROWS,), Sort.STATISTIC: ()}
    sorts = {"reconstruction": Sort.NATS, "kl": Sort.NATS, "l1": Sort.PENALTY, "contraction": Sort.PENALTY}
    sorts["neighbours"] = sorts["contrast"] = sorts["commitment"] = sorts["clustering"] = sorts["revival"] = (
        Sort.PENALTY
    )
    sorts["rate"] = Sort.NATS
    costs = model.costs(model(batch, ref.generator()), ref.generator())
    assert costs["reconstruction"].sort is Sort.NATS
    for name, cost in costs.items():
        assert cost.sort is sorts.get(name, Sort.STATISTIC)
        assert cost.value.shape == shapes[cost.sort]
    assert set(model.weights) <= set(costs)


@each_kind
def test_mode_and_global_generator_change_nothing(kind):
    model, batch, before = ref.compose(kind, DEEP), ref.rows("known"), torch.get_rng_state()

    def readings(train: bool) -> list[torch.Tensor]:
        same = copy.deepcopy(model).train(train)
        gone = same(batch, ref.generator()).params, same.loss(batch, ref.generator())
        costs = same.gradients(batch, ref.generator(), 1.0)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in same.parameters()]
        return [*gone, same.encode(batch), same.surprise(batch), *costs.values(), *grads]

    assert all(torch.equal(a, b) for a, b in zip(readings(True), readings(False), strict=True))
    assert torch.equal(torch.get_rng_state(), before)


@each_kind
def test_without_a_generator_nothing_is_corrupted_or_drawn(kind):
    model, batch = ref.compose(kind, DEEP), ref.rows()
    once = model(batch)
    assert torch.equal(once.seen.x, batch.x)
    assert once.code.z.shape == (ROWS, ref.CODE)
    assert torch.equal(once.code.z, model.encode(batch))
    assert torch.equal(model.likelihood.mean(once.params), model.decode(once.code.z))


@pytest.mark.parametrize("what", ["", "known"])
@each_kind
def test_surprise_is_unweighted_nats_on_the_scale_of_a_full_row(kind, what):
    model, batch = ref.compose(kind, DEEP), ref.rows(what)
    model.weights = dict.fromkeys(model.weights, Weight(100.0))
    done = model(batch)
    known = np.ones((ROWS, ref.CELLS)) if batch.known is None else ref.array(batch.known)
    nats = ref.array(model.likelihood.each(batch.x, done.params)) * known
    want = nats.sum(1) * ref.CELLS / known.sum(1)
    for name in done.code.costs.keys() & {"kl", "rate"}:
        want = want + ref.array(done.code.costs[name].value)
    ref.near(model.surprise(batch), want, 1e-11)
    ref.near(model.each(batch), nats, 1e-11)


# A step has no slope; what stands for it is tested with the parts.
STRAIGHT_THROUGH = ("vector_quantised", "fsq", "compressive")


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in STRAIGHT_THROUGH], ids=str)
def test_the_jacobian_of_the_code_agrees_with_finite_differences(kind):
    model, batch = ref.compose(kind, DEEP), ref.rows()
    whole = ref.slopes(lambda: model.encode(batch), batch.x)
    ref.near(model.jacobian(batch), torch.einsum("aoai->aoi", whole), 1e-7)


def test_only_a_training_step_moves_the_running_mean():
    model, batch = make("kl"), ref.rows()
    before = model.bottleneck.average.clone()
    model.loss(batch, ref.generator())
    model.surprise(batch)
    assert torch.equal(model.bottleneck.average, before)
    model.gradients(batch, ref.generator(), 1.0)
    ref.near(model.bottleneck.average, model.encode(batch).mean(0), 1e-12)


def test_the_number_after_a_kind_that_is_no_part_is_its_first_option():
    assert recipes.resolve("dictionary:8") == recipes.Dictionary(k=8)
    assert recipes.resolve("hashing:1.5") == recipes.Hashing(alpha=1.5)
    with pytest.raises(BadParameter, match="'few' after the colon is no number"):
        recipes.resolve("dictionary:few")


def test_a_spelled_option_holds_beside_importance_weighting():
    kind = recipes.resolve("masking:.2+variational:.5+importance:3")
    assert kind.bottleneck.beta == 0.5
    assert not kind.parts(2).bottleneck.analytic
    assert isinstance(kind.corruption, Masking)
