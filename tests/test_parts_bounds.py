"""Bounds: from the nats of each draw to the loss of each row."""

import itertools

import numpy as np
import pytest
import reference as ref
import torch
from torch import Tensor

from latently.errors import BadParameter
from latently.parts import ImportanceWeighted, Normal, Single
from latently.parts.bounds import Bound
from latently.parts.likelihoods import Gaussian
from latently.values import Sizes

ROWS = 6
SIZES = Sizes(cells=4, code=2)
each_count = pytest.mark.parametrize("draws", [1, 2, 5, 64])


def nats(draws: int) -> Tensor:
    return 4 * ref.draw(draws * ROWS, seed=draws)


@each_count
def test_the_importance_weighted_loss_is_minus_the_log_of_the_mean_importance(draws):
    value, _ = ImportanceWeighted(draws)(nats(draws))
    ref.near(value, ref.importance_bound(ref.array(nats(draws)).reshape(draws, ROWS)), 1e-12)


@each_count
def test_its_derivative_is_each_draws_share_of_the_importance(draws):
    leaf = nats(draws).requires_grad_()
    value, slope = ImportanceWeighted(draws)(leaf)
    want = ref.softmax(-ref.array(leaf).reshape(draws, ROWS), 0).reshape(-1)
    ref.near(slope, want, 1e-12)
    ref.near(slope, torch.autograd.grad(value.sum(), leaf)[0], 1e-12)
    ref.near(slope.view(draws, ROWS).sum(0), np.ones(ROWS), 1e-12)


def test_one_draw_is_the_single_bound():
    one, slope = ImportanceWeighted(1)(nats(1))
    single, unit = Single()(nats(1))
    ref.near(one, single, 1e-12)
    ref.near(slope, np.full(ROWS, unit), 1e-12)


def test_a_loss_far_from_zero_neither_overflows_nor_vanishes():
    value, slope = ImportanceWeighted(3)(nats(3).float() + 1e5)
    ref.near(value - 1e5, ImportanceWeighted(3)(nats(3))[0], 1e-2)
    assert slope.isfinite().all()


def mean_loss(bound: Bound, rows: int = 4000) -> tuple[float, float]:
    """Mean and standard error of the bound on one x, at a normal model whose evidence is known."""
    part = Normal(analytic=False).bind(Sizes(1, 1)).double()
    code = part(torch.tensor([[0.3, 0.4]]).double().repeat(rows * bound.draws, 1), ref.generator(2))
    x = torch.full((rows * bound.draws, 1), 1.5).double()
    price = Gaussian(1.0).bind(Sizes(1, 1)).double().each(x, code.z).sum(1) + code.costs["kl"].value
    value = bound(price)[0]
    return float(value.mean()), float(value.std()) / rows**0.5


def test_more_draws_come_closer_to_the_evidence_from_above():
    """`p(x) = N(0, 2)` when `z ~ N(0, 1)` and `x | z ~ N(z, 1)`."""
    evidence = float(ref.normal_nats(np.array(1.5), np.array(0.0), 2**0.5))
    losses = [mean_loss(b) for b in (Single(), ImportanceWeighted(5), ImportanceWeighted(50))]
    for (loose, a), (tight, b) in itertools.pairwise(losses):
        assert loose - tight > 4 * (a + b)
    assert losses[-1][0] > evidence - 4 * losses[-1][1]
    assert losses[-1][0] - evidence < 0.1 * (losses[0][0] - evidence)


@pytest.mark.parametrize("draws", [0, -1])
def test_no_draws_are_refused(draws):
    with pytest.raises(BadParameter, match="draws must be"):
        ImportanceWeighted(draws).bind(SIZES)
