"""Bottlenecks: each price against its formula, each gradient against autograd and finite differences."""

import numpy as np
import pytest
import reference as ref
import torch
from scipy import stats
from torch import Tensor

from latently.errors import BadParameter
from latently.parts import L1, BatchTopK, Bottleneck, Identity, KLSparse, Normal, TopK, kept
from latently.values import Code, Sizes, Sort, Weight

ROWS, CODE, SEED = 9, 6, 5
BOTTLENECKS = {
    "identity": Identity(),
    "l1": L1(0.3),
    "kl": KLSparse(0.1, 2.0),
    "topk": TopK(2),
    "batch topk": BatchTopK(2),
    "normal": Normal(),
    "free bits": Normal(free_bits=0.6),
    "drawn price": Normal(analytic=False),
}
SORTS = {"l1": Sort.PENALTY, "kl_sparse": Sort.STATISTIC, "kl": Sort.NATS, "free_bits": Sort.STATISTIC}
each_bottleneck = pytest.mark.parametrize("name", BOTTLENECKS)


def make(name: str, dtype: torch.dtype = torch.float64) -> tuple[Bottleneck, Tensor]:
    """The part, bound, and what an encoder would hand it."""
    part = BOTTLENECKS[name].bind(Sizes(cells=4, code=CODE, rows=30)).to(dtype)
    h = ref.draw(ROWS, part.inputs(CODE), seed=1, dtype=dtype)
    return part, torch.sigmoid(h) if part.activation == "sigmoid" else h


def total(code: Code, g: Tensor, coefficients: dict[str, Tensor | float]) -> Tensor:
    return (code.z * g).sum() + sum((c.value * coefficients[n]).sum() for n, c in code.costs.items())


def factors(code: Code, per_row: bool, dtype: torch.dtype) -> dict[str, Tensor | float]:
    rows = ref.draw(ROWS, seed=8, dtype=dtype).abs()
    return {n: rows if per_row and c.value.ndim else 0.7 for n, c in code.costs.items()}


def bound(part: Bottleneck, rows: int = 30) -> Bottleneck:
    return part.bind(Sizes(cells=4, code=CODE, rows=rows)).double()


@each_bottleneck
@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_run_and_back_agree_with_autograd_of_forward(name, per_row, dtype, tolerance):
    part, h = make(name, dtype)
    g = ref.draw(ROWS, CODE, seed=2, dtype=dtype)
    leaf = h.clone().requires_grad_()
    want = part(leaf, ref.generator(SEED))
    coefficients = factors(want, per_row, dtype)
    total(want, g, coefficients).backward()
    with torch.no_grad():
        got, tape = part.run(h.clone(), ref.generator(SEED))
        slope = part.back(tape, g.clone(), coefficients)
    ref.near(got.z, want.z, tolerance)
    ref.near(slope, leaf.grad, tolerance)
    assert got.costs.keys() == want.costs.keys()
    for cost in got.costs:
        ref.near(got.costs[cost].value, want.costs[cost].value, tolerance)


@each_bottleneck
def test_back_agrees_with_finite_differences(name):
    part, h = make(name)
    g = ref.draw(ROWS, CODE, seed=2)
    code, tape = part.run(h, ref.generator(SEED))
    coefficients = factors(code, True, h.dtype)
    got = part.back(tape, g.clone(), coefficients)
    ref.near(got, ref.slopes(lambda: total(part(h, ref.generator(SEED)), g, coefficients), h), 1e-7)


@each_bottleneck
def test_costs_carry_their_sort_and_shape(name):
    part, h = make(name)
    for rng in (None, ref.generator()):
        for cost, value in part(h, rng).costs.items():
            assert value.sort is SORTS[cost]
            assert value.value.shape == (() if value.sort is Sort.STATISTIC else (ROWS,))
            assert cost in part.weights()


@each_bottleneck
def test_without_a_generator_nothing_is_drawn(name):
    part, h = make(name)
    before = torch.get_rng_state()
    assert torch.equal(part(h).z, part(h).z)
    part(h, ref.generator())
    assert torch.equal(torch.get_rng_state(), before)


def test_l1_is_the_sum_of_magnitudes():
    part, h = make("l1")
    code = part(h)
    ref.near(code.costs["l1"].value, np.abs(ref.array(h)).sum(1), 1e-14)
    assert torch.equal(code.z, h)
    assert part.weights() == {"l1": Weight(0.3)}


def test_l1_pulls_on_no_unit_that_is_off():
    part, h = make("l1")
    _, tape = part.run(h.relu(), None)
    slope = part.back(tape, torch.zeros(ROWS, CODE, dtype=h.dtype), {"l1": 2.0})
    assert torch.equal(slope, 2.0 * (h > 0))


def test_kl_is_the_divergence_of_the_mean_activation():
    part, h = make("kl")
    want = ref.bernoulli_kl(0.1, ref.array(h).mean(0))  # before any batch, rho^ is the batch's
    ref.near(part(h).costs["kl_sparse"].value, np.array(want), 1e-12)
    assert part.weights() == {"kl_sparse": Weight(2.0)}
    assert part.activation == "sigmoid"


def test_kl_is_nothing_where_the_mean_activation_is_rho():
    part, _ = make("kl")
    assert float(part(torch.full((ROWS, CODE), 0.1, dtype=torch.float64)).costs["kl_sparse"].value) < 1e-12


@pytest.mark.parametrize("size", [30, 50, 120])
def test_after_one_epoch_the_running_mean_is_that_of_the_training_set(size):
    h = torch.sigmoid(ref.draw(120, CODE))
    part = bound(KLSparse(), rows=120)
    for batch in h.split(size):
        part.observe(batch)
    ref.near(part.average, h.mean(0), 1e-12)


@pytest.mark.parametrize("size", [30, 32, 50])
def test_the_running_mean_stays_at_that_of_the_training_set(size):
    h, rng = torch.sigmoid(ref.draw(1000, CODE)), ref.generator()
    part = bound(KLSparse(), rows=1000)
    for _ in range(8):
        for batch in h[torch.randperm(1000, generator=rng)].split(size):
            part.observe(batch)
    ref.near(part.average, h.mean(0), 0.01)
    far = bound(KLSparse(), rows=1000)
    assert (far.average - h.mean(0)).abs().min() > 0.3


def test_the_running_mean_follows_a_training_set_that_moves():
    part = bound(KLSparse(), rows=100)
    for level in [0.2] * 40 + [0.8] * 200:
        part.observe(torch.full((10, CODE), level, dtype=torch.float64))
    ref.near(part.average, np.full(CODE, 0.8), 1e-6)


def test_the_gradient_at_the_running_mean_is_the_batchs():
    part, h = make("kl")
    for seed in range(3):
        part.observe(torch.sigmoid(ref.draw(ROWS, CODE, seed=seed)))
    _, tape = part.run(h, None)
    got = part.back(tape, torch.zeros_like(h), {"kl_sparse": 1.5})
    old, mean, share = ref.array(part.average), ref.array(h).mean(0), ROWS / 30  # 27 of 30 rows were seen
    rate = old + (mean - old) * share
    want = 1.5 * ((1 - 0.1) / (1 - rate) - 0.1 / rate) / ROWS
    ref.near(got, np.broadcast_to(want, (ROWS, CODE)), 1e-12)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_units_that_are_always_off_or_on_cost_a_finite_price(level):
    part = bound(KLSparse())
    code, tape = part.run(torch.full((ROWS, CODE), level, dtype=torch.float64), None)
    assert code.costs["kl_sparse"].value.isfinite()
    assert code.costs["kl_sparse"].value > 0.1
    assert part.back(tape, torch.zeros(ROWS, CODE, dtype=torch.float64), {"kl_sparse": 1.0}).isfinite().all()


@pytest.mark.parametrize("k", [1, 3, CODE])
def test_topk_keeps_the_k_largest(k):
    h = ref.draw(ROWS, CODE).abs()
    z = bound(TopK(k))(h).z
    assert ((z != 0).sum(1) == k).all()
    assert torch.equal(z.sort(1).values[:, -k:], h.sort(1).values[:, -k:])
    assert torch.equal(z[z != 0], h[z != 0])


@pytest.mark.parametrize("wide", [0, 8192])
def test_topk_keeps_as_many_of_equal_units_as_there_are_places(monkeypatch, wide):
    monkeypatch.setattr(kept, "WIDE", wide)  # one of two ways
    part = bound(TopK(2)).float()
    h = torch.tensor([[1.0, 2, 2, 2, 0, 0], [3, 1, 1, -1, 0, 0], [1, 1, 1, 1, 1, 1], [5, 4, 3, 2, 1, 0]])
    differentiable = part(h).z
    with torch.no_grad():
        code, tape = part.run(h, None)
        slope = part.back(tape, torch.ones_like(code.z), {})
        assert torch.equal(code.z, part(h).z)
        assert torch.equal(code.z, differentiable)
    assert torch.equal(code.z.sum(1), torch.tensor([4.0, 4, 2, 9]))
    assert torch.equal(slope, (code.z > 0).float())
    assert ((code.z > 0).sum(1) == 2).all()


@pytest.mark.parametrize("revival", [0.0, 0.5])
def test_where_units_are_looked_up_nothing_changes(monkeypatch, revival):
    h, g = ref.draw(ROWS, CODE), ref.draw(ROWS, CODE, seed=2)
    found = []
    for wide in (0, 8192):
        monkeypatch.setattr(kept, "WIDE", wide)
        part = bound(TopK(2, revival))
        part.idle[:3] = 100
        with torch.no_grad():
            code, tape = part.run(h, ref.generator())
            found.append((code.z, part.back(tape, g, {}), part.idle, code.spare))
    for a, b in zip(*found, strict=True):
        assert a is b or torch.equal(a, b)


def test_topk_rectifies_what_it_keeps():
    h = -ref.draw(ROWS, CODE).abs()
    h[:, 2] = 1.5
    z = bound(TopK(3))(h).z
    assert (z[:, 2] == 1.5).all()
    assert z.sum() == 1.5 * ROWS


@pytest.mark.parametrize(("code", "kept"), [(1, 1), (3, 1), (16, 4), (1000, 32)])
def test_topk_alone_keeps_a_quarter(code, kept):
    part = TopK().bind(Sizes(cells=4, code=code))
    assert int((part(ref.draw(2, code).abs() + 1).z[0] > 0).sum()) == kept


def moments(h: Tensor) -> tuple[ref.Array, ref.Array]:
    mu, raw = np.split(ref.array(h), 2, axis=1)
    return mu, ref.log_variance(raw)


def test_kl_of_a_normal_code_is_the_closed_form():
    part, h = make("normal")
    h = h * 3
    mu, v = moments(h)
    code = part(h)
    ref.near(code.costs["kl"].value, ref.normal_kl(mu, np.exp(v)).sum(1), 1e-12)
    ref.near(code.z, mu, 0)


def test_a_normal_code_is_drawn_from_its_mean_and_variance():
    part, n = bound(Normal()), 40_000
    h = ref.draw(1, 2 * CODE, seed=3).repeat(n, 1)
    mu, v = (m[0] for m in moments(h[:1]))
    z = ref.array(part(h, ref.generator()).z)
    s = np.exp(v / 2)
    assert (np.abs(z.mean(0) - mu) < 4 * s / np.sqrt(n)).all()
    assert (np.abs(z.var(0) / s**2 - 1) < 4 * np.sqrt(2 / n)).all()
    assert (np.abs(np.corrcoef(z.T) - np.eye(CODE)) < 4.5 / np.sqrt(n)).all()


def test_the_drawn_price_is_log_q_minus_log_p_at_the_draw():
    part, h = make("drawn price")
    mu, v = moments(h)
    code = part(h, ref.generator())
    z = ref.array(code.z)
    want = stats.norm.logpdf(z, mu, np.exp(v / 2)) - stats.norm.logpdf(z)
    ref.near(code.costs["kl"].value, want.sum(1), 1e-12)
    ref.near(part(h).costs["kl"].value, ref.normal_kl(mu, np.exp(v)).sum(1), 1e-12)


def test_the_drawn_price_is_the_kl_on_average():
    part, n = bound(Normal(analytic=False)), 40_000
    h = ref.draw(1, 2 * CODE, seed=3).repeat(n, 1)
    mu, v = moments(h[:1])
    price = ref.array(part(h, ref.generator()).costs["kl"].value)
    assert abs(price.mean() - ref.normal_kl(mu, np.exp(v)).sum()) < 4 * price.std() / np.sqrt(n)
    assert price.std() > 0.1


def test_free_bits_make_up_what_is_missing_to_the_floor():
    part, h = make("free bits")
    mu, v = moments(h)
    each = ref.normal_kl(mu, np.exp(v)).mean(0)
    code = part(h)
    ref.near(code.costs["free_bits"].value, np.array(np.maximum(0.6 - each, 0).sum()), 1e-12)
    paid = code.costs["kl"].value.mean() + code.costs["free_bits"].value
    ref.near(paid, np.array(np.maximum(each, 0.6).sum()), 1e-12)
    assert (each < 0.6).any()
    assert (each > 0.6).any()


def test_under_the_floor_kl_does_not_pull():
    part = bound(Normal(free_bits=50.0))
    h = ref.draw(ROWS, 2 * CODE)
    _, tape = part.run(h, None)
    slope = part.back(tape, torch.zeros(ROWS, CODE, dtype=h.dtype), {"kl": 1 / ROWS, "free_bits": 1.0})
    ref.near(slope, torch.zeros_like(h), 1e-14)


@pytest.mark.parametrize("raw", [-1e4, 1e4])
def test_variances_stay_bounded(raw):
    part = bound(Normal())
    code = part(torch.tensor([0.0, raw]).double().repeat_interleave(CODE).repeat(ROWS, 1))
    want = ref.normal_kl(np.zeros((ROWS, CODE)), np.full((ROWS, CODE), np.exp(8 * np.sign(raw)))).sum(1)
    ref.near(code.costs["kl"].value, want, 1e-12)


@pytest.mark.parametrize(
    ("warmup", "progress", "want"),
    [(0.0, 0.0, 4.0), (0.5, 0.0, 0.0), (0.5, 0.25, 2.0), (0.5, 0.5, 4.0), (0.5, 1.0, 4.0), (1.0, 0.75, 3.0)],
)
def test_beta_warms_up_in_a_straight_line(warmup, progress, want):
    assert Normal(beta=4.0, warmup=warmup).weights()["kl"].at(progress) == want


@pytest.mark.parametrize(
    "part",
    [
        L1(-1.0), KLSparse(rho=0.0), KLSparse(rho=1.0), KLSparse(beta=-1.0), TopK(0), TopK(CODE + 1),
        Normal(beta=-1.0), Normal(warmup=1.5), Normal(free_bits=-0.1),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused_by_name(part):
    with pytest.raises(BadParameter, match=r"must be"):
        bound(part)
