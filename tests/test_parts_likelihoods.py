"""Likelihoods: nats of a cell against numpy and scipy, gradients against autograd, draws against moments."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import reference as ref
import torch
from scipy import special, stats
from torch import Tensor

from latently.errors import BadParameter
from latently.parts.likelihoods import (
    AbsoluteError,
    Bernoulli,
    Categorical,
    Gaussian,
    Huber,
    Laplace,
    Likelihood,
    Mixed,
    Ordinal,
    SquaredError,
)
from latently.values import Sizes

ROWS, CELLS, LEVELS = 8, 4, 5
Array = ref.Array


def spread(part: Likelihood) -> Array:
    """The scale of a location family, from its parameter."""
    raw = ref.array(part.spread)
    return np.exp(0.5 * (raw if isinstance(part.scale, float) else ref.log_variance(raw)))


def of_levels(x: Array, p: Array) -> Array:
    """`-log p_x` of `(rows, cells, levels)`."""
    return -np.log(np.take_along_axis(p, x.astype(int)[..., None], -1)[..., 0])


def categorical(x: Array, params: Array, part: Likelihood) -> Array:
    return of_levels(x, ref.softmax(params.reshape(len(x), -1, LEVELS)))


def ordinal(x: Array, params: Array, part: Likelihood) -> Array:
    return of_levels(x, ref.ordinal(params, ref.thresholds(ref.array(part.first), ref.array(part.steps))))


def mixed(x: Array, params: Array, part: Likelihood) -> Array:
    """Numbers in columns 2 and 0, a switch in 3, a level in 1: so does the decoder list them."""
    out = np.empty_like(x)
    out[:, [2, 0]] = -stats.norm.logpdf(x[:, [2, 0]], params[:, :2], spread(part.groups[0][1]))
    out[:, [3]] = -stats.bernoulli.logpmf(x[:, [3]], special.expit(params[:, [2]]))
    out[:, [1]] = categorical(x[:, [1]], params[:, 3:], part)
    return out


def numbers(seed: int) -> Tensor:
    return 2 * ref.draw(ROWS, CELLS, seed=seed)


def levels(seed: int, high: int = LEVELS) -> Tensor:
    return torch.randint(high, (ROWS, CELLS), generator=ref.generator(seed)).double()


def switches(seed: int) -> Tensor:
    return levels(seed, 2)


def columns(seed: int) -> Tensor:
    x = numbers(seed)
    return torch.stack([x[:, 0], levels(seed)[:, 1], x[:, 2], levels(seed, 2)[:, 3]], 1)


@dataclass
class Case:
    part: Likelihood
    nats: Callable[[Array, Array, Likelihood], Array]
    cells: Callable[[int], Tensor] = numbers


def location(part: Likelihood, family: stats.rv_continuous) -> Case:
    return Case(part, lambda x, mu, bound: -family.logpdf(x, mu, spread(bound)))


GROUPS = [([2, 0], Gaussian(0.5)), ([3], Bernoulli()), ([1], Categorical(LEVELS))]
CASES = {
    "squared error": Case(SquaredError(), lambda x, mu, _: (x - mu) ** 2),
    "mean squared error": Case(SquaredError(mean=True), lambda x, mu, _: (x - mu) ** 2 / CELLS),
    "absolute error": Case(AbsoluteError(), lambda x, mu, _: np.abs(x - mu)),
    "huber": Case(Huber(0.7), lambda x, mu, _: special.huber(0.7, x - mu)),
    **{f"gaussian {s}": location(Gaussian(s), stats.norm) for s in (0.7, "learned", "per_feature")},
    **{f"laplace {s}": location(Laplace(s), stats.laplace) for s in (0.7, "learned", "per_feature")},
    "bernoulli": Case(Bernoulli(), lambda x, a, _: -stats.bernoulli.logpmf(x, special.expit(a)), switches),
    "categorical": Case(Categorical(LEVELS), categorical, levels),
    "ordinal": Case(Ordinal(LEVELS), ordinal, levels),
    "ordinal of two": Case(Ordinal(2), ordinal, switches),
    "mixed": Case(Mixed(GROUPS), mixed, columns),
}
each_case = pytest.mark.parametrize("name", CASES)
POINTS = ["squared error", "mean squared error", "absolute error", "huber"]


def make(name: str, dtype: torch.dtype = torch.float64) -> tuple[Likelihood, Tensor, Tensor]:
    """The part, bound, its own parameters off their start; cells; what a decoder would give."""
    case = CASES[name]
    part = case.part.bind(Sizes(cells=CELLS, code=2, rows=ROWS)).double()
    for p in part.parameters():
        p.data += 0.5 * ref.draw(*p.shape, seed=4)
    params = 1.5 * ref.draw(ROWS, part.width(CELLS), seed=2)
    return part.to(dtype), case.cells(3).to(dtype), params.to(dtype)


@each_case
def test_nats_of_a_cell_are_minus_the_log_density(name):
    part, x, params = make(name)
    ref.near(part.each(x, params), CASES[name].nats(ref.array(x), ref.array(params), part), 1e-11)


def test_the_squared_error_of_a_row_is_the_lectures_norm():
    part, x, mu = make("squared error")
    ref.near(part.each(x, mu).sum(1), np.linalg.norm(ref.array(x) - ref.array(mu), axis=1) ** 2, 1e-12)
    half = Gaussian(0.5**0.5).bind(Sizes(CELLS, 2)).double()
    gap = half.each(x, mu) - part.each(x, mu)
    ref.near(gap, np.full((ROWS, CELLS), 0.5 * np.log(np.pi)), 1e-6)


def test_the_mean_squared_error_is_the_lectures():
    part, x, mu = make("mean squared error")
    ref.near(part.each(x, mu).sum(1).mean(), np.mean((ref.array(x) - ref.array(mu)) ** 2), 1e-12)


COEFFICIENTS = {
    "number": lambda dtype: 0.3,
    "row": lambda dtype: ref.draw(ROWS, 1, seed=6, dtype=dtype),
    "cell": lambda dtype: ref.draw(ROWS, CELLS, seed=6, dtype=dtype),
}


@each_case
@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
def test_run_and_back_agree_with_autograd_of_each(name, coefficient, dtype, tolerance):
    part, x, params = make(name, dtype)
    c, own, leaf = COEFFICIENTS[coefficient](dtype), list(part.parameters()), params.clone().requires_grad_()
    each = part.each(x, leaf)
    want = torch.autograd.grad((each * c).sum(), [leaf, *own])
    with torch.no_grad():
        nats, tape = part.run(x.clone(), params.clone())
        nats = nats.clone()
        slope = part.back(tape, c)
    ref.near(nats, each, tolerance)
    for got, exact in zip((slope, *(p.grad for p in own)), want, strict=True):
        ref.near(got, exact, tolerance)


@each_case
def test_back_agrees_with_finite_differences(name):
    part, x, params = make(name)
    c = COEFFICIENTS["cell"](torch.float64)
    got = part.back(part.run(x, params.clone())[1], c)
    ref.near(got, ref.slopes(lambda: (part.each(x, params) * c).sum(), params), 1e-7)
    for p in part.parameters():
        ref.near(p.grad, ref.slopes(lambda: (part.each(x, params) * c).sum(), p.data), 1e-7)


@each_case
def test_back_leaves_cells_and_output_as_they_were(name):
    part, x, params = make(name)
    copies = x.clone(), params.clone()
    part.back(part.run(x, params)[1], 0.3)
    assert torch.equal(x, copies[0])
    assert torch.equal(params, copies[1])


@pytest.mark.parametrize("family", [Gaussian, Laplace])
@pytest.mark.parametrize("raw", [-100.0, 100.0])
def test_a_learned_scale_stays_bounded(family, raw):
    part = family("learned").bind(Sizes(CELLS, 2)).double()
    part.spread.data.fill_(raw)
    assert part.log_variance().abs().item() <= 8
    assert part.each(numbers(0), numbers(1)).isfinite().all()


@pytest.mark.parametrize("family", [Gaussian, Laplace])
@pytest.mark.parametrize(("scale", "learned"), [(0.7, 0), ("learned", 1), ("per_feature", CELLS)])
def test_a_scale_is_given_or_learned_once_or_per_feature(family, scale, learned):
    part = family(scale).bind(Sizes(CELLS, 2))
    assert sum(p.numel() for p in part.parameters()) == learned
    assert spread(part).size in (1, CELLS)
    ref.near(spread(part), np.full(spread(part).shape, 0.7 if learned == 0 else 1.0), 1e-7)


def drawn(name: str, n: int = 20_000) -> tuple[Likelihood, Array, Tensor]:
    """The part, many draws from one row of parameters, and that row."""
    part, _, params = make(name)
    before = torch.get_rng_state()
    draws = part.sample(params[:1].repeat(n, 1), ref.generator(9))
    assert torch.equal(torch.get_rng_state(), before)
    return part, ref.array(draws), params[:1]


@pytest.mark.parametrize("name", POINTS)
def test_a_loss_without_a_spread_draws_its_centre(name):
    part, draws, params = drawn(name, 3)
    assert (draws == ref.array(params)).all()
    assert torch.equal(part.mean(params), params)


@pytest.mark.parametrize("name", [n for n in CASES if n.startswith(("gaussian", "laplace"))])
def test_draws_have_the_location_and_spread(name):
    part, draws, params = drawn(name)
    family = stats.norm if name.startswith("gaussian") else stats.laplace
    law = family(ref.array(params)[0], spread(part))
    assert (np.abs(draws.mean(0) - law.mean()) < 4.5 * law.std() / np.sqrt(len(draws))).all()
    assert (np.abs(draws.std(0) / law.std() - 1) < 4.5 * 1.2 / np.sqrt(len(draws))).all()
    share = (draws < law.ppf(0.1)).mean(0)
    assert (np.abs(share - 0.1) < 4.5 * 0.3 / np.sqrt(len(draws))).all()


def frequencies(name: str) -> tuple[Array, Array]:
    part, draws, params = drawn(name)
    got = np.stack([(draws == k).mean(0) for k in range(LEVELS)], 1)
    if name == "ordinal":
        return got, ref.array(part.probabilities(params)[0])
    return got, ref.softmax(ref.array(params).reshape(CELLS, LEVELS))


@pytest.mark.parametrize("name", ["categorical", "ordinal"])
def test_levels_are_drawn_as_often_as_they_are_probable(name):
    got, want = frequencies(name)
    assert got.sum() == pytest.approx(CELLS)
    assert (np.abs(got - want) < 4.5 * np.sqrt(want * (1 - want) / 20_000) + 1e-4).all()


def test_a_switch_is_on_as_often_as_its_probability():
    part, draws, params = drawn("bernoulli")
    p = special.expit(ref.array(params)[0])
    ref.near(part.mean(params)[0], p, 1e-12)
    assert set(np.unique(draws)) == {0.0, 1.0}
    assert (np.abs(draws.mean(0) - p) < 4.5 * np.sqrt(p * (1 - p) / len(draws))).all()


@pytest.mark.parametrize("name", ["categorical", "ordinal"])
def test_the_level_shown_is_the_most_probable(name):
    part, _, params = make(name)
    nats = torch.stack([part.each(torch.full((ROWS, CELLS), float(k)), params) for k in range(LEVELS)], -1)
    assert torch.equal(part.mean(params), nats.argmin(-1).double())


def test_mixed_keeps_the_order_of_the_columns():
    part, draws, params = drawn("mixed")
    shown = ref.array(part.mean(params))[0]
    own = ref.array(params)[0]
    ref.near(shown, np.array([own[1], own[3:].argmax(), own[0], special.expit(own[2])]), 1e-12)
    assert set(np.unique(draws[:, 3])) == {0.0, 1.0}
    assert set(np.unique(draws[:, 1])) <= set(range(LEVELS))
    assert (np.abs(draws[:, [0, 2]].mean(0) - own[[1, 0]]) < 4.5 * 0.5 / np.sqrt(len(draws))).all()


@pytest.mark.parametrize(
    "part",
    [
        Huber(0.0), Gaussian(-1.0), Laplace(0.0), Categorical(1), Ordinal(1),
        Mixed([([0, 1], Gaussian())]), Mixed([([0, 1, 2, 3], Gaussian()), ([3], Bernoulli())]),
        Mixed([([0, 1, 2], Gaussian()), ([3], Categorical(1))]),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(part):
    with pytest.raises(BadParameter, match="must be"):
        part.bind(Sizes(CELLS, 2))
