"""Cumulative logits are ordered probabilities; nats of steps hold far out, where float32 has no digits left."""

import numpy as np
import pytest
import reference as ref
import torch
from scipy import special

from latently.parts.likelihoods import Bernoulli, Ordinal
from latently.values import Sizes

CELLS, LEVELS = 4, 5


@pytest.mark.parametrize("count", [2, 3, LEVELS])
def test_ordinal_probabilities_sum_to_one_and_move_up_with_the_decoder(count):
    part = Ordinal(count).bind(Sizes(CELLS, 2)).double()
    s = torch.linspace(-4, 4, 40, dtype=torch.float64).unsqueeze(1).repeat(1, CELLS)
    p = part.probabilities(s)
    assert p.shape == (40, CELLS, count)
    assert (p > 0).all()
    ref.near(p.sum(-1), np.ones((40, CELLS)), 1e-12)
    assert (p.cumsum(-1)[..., :-1].diff(dim=0) < 0).all()
    assert part.mean(s)[0].eq(0).all()
    assert part.mean(s)[-1].eq(count - 1).all()
    assert (part.mean(s).diff(dim=0) >= 0).all()


def test_ordinal_thresholds_start_one_apart_and_centred():
    part = Ordinal(LEVELS).bind(Sizes(CELLS, 2))
    got = ref.thresholds(ref.array(part.first), ref.array(part.steps))
    ref.near(got, np.tile([-1.5, -0.5, 0.5, 1.5], (CELLS, 1)), 1e-3)


@pytest.mark.parametrize("s", [-40.0, -20.0, 20.0, 40.0])
@pytest.mark.parametrize("level", [0, 2, LEVELS - 1])
def test_ordinal_nats_hold_in_float32_far_from_the_thresholds(s, level):
    part = Ordinal(LEVELS).bind(Sizes(1, 2)).double()
    x, params = torch.full((1, 1), float(level)), torch.full((1, 1), s)
    t = np.concatenate([[-np.inf], ref.thresholds(ref.array(part.first), ref.array(part.steps))[0], [np.inf]])
    low, high = s - t[level], s - t[level + 1]  # log(sigmoid(-high) - sigmoid(-low)), without cancelling
    inside = -special.log_expit(-high) - special.log_expit(low) - np.log(-np.expm1(high - low))
    nats, tape = part.float().run(x, params)
    assert abs(nats.item() - inside) < 1e-3 * max(1.0, inside)
    if inside > 1:
        assert abs(part.back(tape, 1.0).item()) > 0.1


@pytest.mark.parametrize("logit", [-80.0, 80.0])
def test_bernoulli_nats_hold_far_out(logit):
    x = torch.tensor([[0.0, 1.0]])
    nats = Bernoulli().each(x, torch.full((1, 2), logit))
    ref.near(nats, np.array([[max(logit, 0), max(-logit, 0)]]), 1e-6)
