"""The rounding bottleneck prices what a file would hold."""

import math

import pytest
import torch
from numpy.testing import assert_allclose

from latently.errors import BadParameter
from latently.parts.rounded import Rounded
from latently.values import Sizes

SIZES = Sizes(cells=6, code=3, rows=1000)


def bound(step=0.5, **options):
    return Rounded(step, **options).bind(SIZES)


def test_codes_are_whole_steps_and_the_gradient_passes_through():
    h = torch.tensor([[0.6, -0.2, 3.3]], requires_grad=True)
    z = bound()(h).z
    assert_allclose(z.detach(), [[0.5, 0.0, 3.5]])
    z.sum().backward()
    assert_allclose(h.grad, torch.ones(1, 3))


def test_probabilities_of_all_steps_sum_to_one():
    neck = bound(0.25)
    z = 0.25 * torch.arange(-400, 401).double()[:, None]
    for spread in (0.1, 1.0, 20.0):
        total = torch.exp(-neck.nats(z, torch.tensor([spread]).double())).sum()
        assert abs(float(total) - 1) < 1e-6


def test_the_rate_is_close_to_the_entropy_of_the_symbols():
    rng = torch.Generator().manual_seed(0)
    u = torch.rand(20_000, 3, generator=rng) - 0.5
    h = -u.sign() * torch.log1p(-2 * u.abs()) * torch.tensor([0.3, 1.0, 4.0])  # Laplace
    neck = bound()
    neck.observe(h)
    nats = float(neck(h).costs["rate"].value.mean())
    entropy = 0.0
    for column in neck.symbols(h).t():
        p = torch.unique(column, return_counts=True)[1] / len(column)
        entropy -= float((p * p.log()).sum())
    assert entropy < nats < 1.03 * entropy


def test_noise_in_training_is_uniform_over_a_step():
    h = torch.zeros(5000, 3)
    noise = bound()(h, torch.Generator().manual_seed(1)).z
    assert float(noise.abs().max()) <= 0.25
    assert math.isclose(float(noise.var()), 0.25 / 12, rel_tol=0.03)


@pytest.mark.parametrize("options", [{"step": 0.0}, {"step": -1.0}, {"step": 1.0, "beta": -1.0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(BadParameter):
        bound(**options)


def test_the_price_follows_from_the_step():
    assert math.isclose(bound(0.6).weights()["rate"].value, 0.06)
    assert bound(0.6, beta=2.0).weights()["rate"].value == 2.0
