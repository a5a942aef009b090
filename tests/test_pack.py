"""Parameters as one flat vector: steps that are AdamW's, and bad ones that leave no trace."""

import math
from dataclasses import replace

import numpy as np
import pytest
import reference as ref
import torch
from torch import nn

from latently.engine.pack import ALIGN, BETAS, EPS, Packed
from latently.engine.plan import Plan

PLAN = Plan(epochs=4, batch_rows=4, learning_rate=1e-2)


@pytest.fixture(autouse=True, params=["here", "there"])
def way(request, monkeypatch):
    """On the processor, and as on a device that no step may read."""
    if request.param == "there":
        monkeypatch.setattr(Packed, "_step_here", lambda self, norm, rate: self._step_there(torch.tensor(norm), rate))


def layers() -> nn.Module:
    model = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 7), nn.PReLU())
    for i, p in enumerate(model.parameters()):
        p.data = ref.draw(*p.shape, seed=i, dtype=p.dtype)
    return model


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def push(packed: Packed, seed: int, size: float = 1.0) -> list[np.ndarray]:
    """Give every parameter a gradient; returns them."""
    for i, p in enumerate(packed.params):
        p.grad += size * ref.draw(*p.shape, seed=1000 * seed + i, dtype=p.dtype)
    return [ref.array(p.grad) for p in packed.params]


def outside(packed: Packed) -> torch.Tensor:
    """Which entries of the flat vector belong to no parameter."""
    free = torch.ones(len(packed.flat), dtype=torch.bool)
    for p in packed.params:
        start = (p.data_ptr() - packed.flat.data_ptr()) // p.element_size()
        free[start : start + p.numel()] = False
    return free


def test_parameters_and_gradients_are_views_that_start_on_cache_lines():
    model = layers()
    before = [p.detach().clone() for p in model.parameters()]
    packed = Packed(model, PLAN)
    for p, value in zip(model.parameters(), before, strict=True):
        assert torch.equal(p, value)
        for tensor, whole in ((p, packed.flat), (p.grad, packed.grad)):
            offset = (tensor.data_ptr() - whole.data_ptr()) // tensor.element_size()
            assert 0 <= offset <= len(whole) - tensor.numel()
            assert offset % ALIGN == 0
    packed.flat.fill_(3.0)
    assert bool((weights(model) == 3).all())


def test_released_parameters_own_their_memory_and_have_no_gradients():
    model = layers()
    packed = Packed(model, PLAN)
    packed.release()
    before = weights(model)
    packed.flat.fill_(9.0)
    assert torch.equal(weights(model), before)
    assert all(p.grad is None for p in model.parameters())


def test_padding_stays_zero():
    packed = Packed(layers(), replace(PLAN, weight_decay=0.1))
    free = outside(packed)
    assert bool(free.any())
    for i in range(5):
        push(packed, i)
        packed.step(0.1)
        packed.average(0.5)
    for name, tensor in packed.state().items():
        if tensor.ndim:
            assert bool((tensor[free] == 0).all()), name
            assert bool((tensor[~free] != 0).all()), name


@pytest.mark.parametrize("clip", [1e9, 0.1])
def test_a_step_is_adamw_on_the_clipped_gradient_and_decays_matrices_only(clip):
    packed = Packed(layers(), replace(PLAN, weight_decay=0.3, clip=clip))
    w = [ref.array(p).copy() for p in packed.params]
    m, v = ([np.zeros_like(x) for x in w] for _ in range(2))
    for t, rate in enumerate((0.1, 0.02, 0.05), start=1):
        grads = push(packed, t, size=0.01 if t == 2 else 1.0)
        norm = math.sqrt(sum((g**2).sum() for g in grads))
        assert t == 2 or norm > 0.1
        for i, g in enumerate(grads):
            g = g / max(1.0, norm / clip)
            m[i] = BETAS[0] * m[i] + (1 - BETAS[0]) * g
            v[i] = BETAS[1] * v[i] + (1 - BETAS[1]) * g**2
            w[i] = w[i] * (1 - rate * 0.3 * (w[i].ndim > 1))
            w[i] = w[i] - rate * (m[i] / (1 - BETAS[0] ** t)) / (np.sqrt(v[i] / (1 - BETAS[1] ** t)) + EPS)
        packed.step(rate)
        for p, want in zip(packed.params, w, strict=True):
            ref.near(p, want, 2e-6)
        assert not packed.grad.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(bad):
    packed, other = (Packed(layers(), replace(PLAN, weight_decay=0.3)) for _ in range(2))
    for p in (packed, other):
        push(p, 1)
        p.step(0.1)
    before = {name: t.clone() for name, t in packed.state().items()}
    push(packed, 2)
    packed.params[1].grad.view(-1)[0] = bad
    packed.step(0.1)
    for name, tensor in packed.state().items():
        assert torch.equal(tensor, before[name]), name
    assert (packed.tried, float(packed.steps)) == (2, 1)
    for p in (packed, other):
        push(p, 3)
        p.step(0.1)
    assert torch.equal(packed.flat, other.flat), "the bad gradient was not forgotten"


def test_the_average_is_a_plain_mean_until_it_is_long_enough():
    packed = Packed(layers(), PLAN)
    values = [packed.flat.clone()]
    for i in range(4):
        packed.flat.copy_(ref.draw(len(packed.flat), seed=i))
        values.append(packed.flat.clone())
        packed.average(0.01)
    ref.near(packed.mean, torch.stack(values).mean(0), 1e-6)
    for _ in range(100):
        packed.average(0.3)
    ref.near(packed.mean, packed.flat, 1e-6)
