"""The optimiser and the only loop: steps that are AdamW's, bad ones that leave no trace, the best look kept."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import reference as ref
import torch
from torch import nn

from latently import rng as chance
from latently.engine import fit as loop
from latently.engine.fit import Split, evaluate, fit, rate_at
from latently.engine.history import History
from latently.engine.pack import ALIGN, BETAS, EPS, Packed
from latently.engine.plan import Plan, plan_for
from latently.engine.store import Checkpoint
from latently.engine.watch import Watcher
from latently.model import Composition
from latently.parts.networks import Dense
from latently.recipes.sparse import Sparse
from latently.values import Batch

PLAN = Plan(epochs=4, batch_rows=4, learning_rate=1e-2)
NOISY = "denoising+variational"


def compose(kind: object = "undercomplete") -> Composition:
    return ref.compose(kind, Dense(hidden=(6,), line=False), dtype=torch.float32)


def trained(model: Composition, plan: Plan = PLAN, data: Split | None = None, seed: int = 5) -> History:
    rows = ref.rows(dtype=torch.float32)
    rng = torch.Generator().manual_seed(seed)
    section = Checkpoint(None, "").section("fit")
    return fit(
        model, data or Split(rows, ref.rows(dtype=torch.float32).take(slice(0, 6))), plan, rng, Watcher(), section
    )


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def spoil(model: Composition, bad: Callable[[int], bool], cells: bool = False) -> list[torch.Tensor]:
    """Make the steps whose number is `bad` give NaN (by their rows, with `cells`); the weights before each step."""
    walk, number, seen = model.gradients, itertools.count(), []

    def gradients(batch: Batch, rng: torch.Generator, progress: float) -> dict[str, torch.Tensor]:
        seen.append(weights(model))
        wrong = bad(next(number))
        costs = walk(replace(batch, x=batch.x * math.nan) if wrong and cells else batch, rng, progress)
        if wrong and not cells:
            next(model.parameters()).grad.fill_(math.nan)
        return costs

    model.gradients = gradients
    return seen


# ---------------------------------------------------------------- one flat vector


def layers() -> nn.Module:
    model = nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 7), nn.PReLU())
    for i, p in enumerate(model.parameters()):
        p.data = ref.draw(*p.shape, seed=i, dtype=p.dtype)
    return model


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


# ---------------------------------------------------------------- the plan


@pytest.mark.parametrize("rows", [1, 7, 40, 150, 1797, 20_000, 10**6, 10**8])
def test_automatic_sizes_keep_their_promises(rows):
    plan = plan_for(rows, epochs="auto", batch_rows="auto", learning_rate="auto")
    steps = -(-rows // plan.batch_rows)
    assert plan == plan_for(rows)
    assert 1 <= plan.batch_rows <= min(rows, 256)
    assert 8 <= plan.epochs <= 400
    assert plan.epochs in (8, 400) or abs(plan.epochs * steps - 6000) <= steps
    assert plan.learning_rate > 0


def test_what_is_given_stays():
    plan = plan_for(1000, epochs=3, batch_rows=17, learning_rate=0.5, max_time=2.0)
    assert (plan.epochs, plan.batch_rows, plan.learning_rate, plan.max_time) == (3, 17, 0.5, 2.0)
    assert plan_for(10, batch_rows=64).batch_rows == 10
    assert Plan(**plan.data()) == plan


def test_the_rate_rises_then_falls_as_a_cosine_to_zero():
    plan = Plan(epochs=1, batch_rows=1, learning_rate=0.4, warmup=0.2)
    rates = [rate_at(p, plan) for p in np.linspace(0, 1, 101)]
    assert 0 < rates[0] < 0.01 * 0.4
    assert max(rates) == rates[20] == 0.4
    assert all(np.diff(rates[:21]) > 0)
    assert all(np.diff(rates[20:]) < 0)
    assert rates[60] == pytest.approx(0.2)
    assert rates[40] == pytest.approx(0.2 * (1 + math.sqrt(0.5)))
    assert rates[100] == pytest.approx(0, abs=1e-12)


# ---------------------------------------------------------------- the loop


def test_every_epoch_takes_every_row_once_in_a_new_order(monkeypatch):
    monkeypatch.setattr(loop, "BLOCK", 8)
    model, batches = compose(), []
    walk = model.gradients
    model.gradients = lambda batch, rng, progress: batches.append(batch.x) or walk(batch, rng, progress)
    rows = ref.rows(dtype=torch.float32).take(slice(0, 11))
    trained(model, Plan(epochs=3, batch_rows=4, learning_rate=1e-3), Split(rows))
    assert [len(b) for b in batches] == [4, 4, 3] * 3
    orders = [torch.cat(batches[i : i + 3])[:, 0] for i in (0, 3, 6)]
    for order in orders:
        assert torch.equal(order.sort().values, rows.x[:, 0].sort().values)
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise([rows.x[:, 0], *orders]))


def test_validation_uses_one_draw_for_all_looks():
    model, rows = compose(NOISY), ref.rows(dtype=torch.float32)
    first, again, other = (evaluate(model, rows, seed) for seed in (3, 3, 4))
    assert first == again != other
    curve = trained(model, replace(PLAN, learning_rate=1e-30, weight_decay=0.0)).columns["validation"]
    assert len(curve) == PLAN.epochs + 1
    assert len(set(curve)) == 1


@pytest.mark.parametrize("kind", ["undercomplete", NOISY])
def test_the_weights_of_the_best_look_are_restored(kind):
    model, rows = compose(kind), ref.rows(dtype=torch.float32)
    judges = rows.take(slice(0, 4))
    history = trained(model, Plan(epochs=60, batch_rows=4, learning_rate=0.3), Split(rows.take(slice(4, 12)), judges))
    curve = history.columns["validation"]
    assert min(curve) < min(curve[0], curve[-1]), "the case is too easy: the best look is the first or the last"
    assert history.best_look == int(np.argmin(curve))
    judge = chance.child(5, "validation").initial_seed()
    assert evaluate(model, judges, judge) == pytest.approx(min(curve), rel=1e-6)


def test_a_fit_without_progress_stops_when_patience_ends():
    plan = Plan(epochs=100, batch_rows=12, learning_rate=1e-30, weight_decay=0.0, looks=25, patience=3)
    history = trained(compose(), plan)
    assert history.stopped == "patience"
    assert history.columns["epoch"] == [0, 4, 8, 12]


def test_without_rows_that_judge_the_last_look_is_kept():
    model = compose()
    history = trained(model, replace(PLAN, patience=1), Split(ref.rows(dtype=torch.float32)))
    assert history.stopped == "schedule"
    assert history.columns["epoch"][history.best_look] == PLAN.epochs
    assert np.isnan(history.columns["validation"]).all()


def test_time_runs_out_in_the_middle():
    model = compose()
    history = trained(model, Plan(epochs=10**6, batch_rows=4, learning_rate=1e-3, max_time=0.2, patience=10**6))
    assert history.stopped == "time"
    assert 0.2 <= history.seconds < 2
    assert 0 < history.columns["epoch"][-1] < 10**6
    assert bool(weights(model).isfinite().all())


def test_history_says_each_cost_at_each_look():
    history = trained(compose(Sparse(alpha=0.2)), Plan(epochs=6, batch_rows=4, learning_rate=1e-2, looks=3))
    assert set(history.columns) == {"epoch", "validation", "reconstruction", "l1"}
    assert history.columns["epoch"] == [0, 2, 4, 6]
    for name in ("reconstruction", "l1"):
        column = history.columns[name]
        assert math.isnan(column[0])
        assert all(v > 0 for v in column[1:])


# ---------------------------------------------------------------- steps that are not finite


def test_a_few_bad_steps_are_left_out():
    model = compose()
    seen = spoil(model, lambda i: i == 5)
    history = trained(model, Plan(epochs=2, batch_rows=1, learning_rate=1e-2, clip=0.1))
    assert (history.skipped, history.rollbacks, history.stopped) == (1, 0, "schedule")
    assert torch.equal(seen[6], seen[5])
    assert not torch.equal(seen[5], seen[4])


def test_after_many_the_loop_goes_back_to_the_last_good_state_at_half_the_rate(monkeypatch):
    rates, model = [], compose()
    step = Packed.step
    monkeypatch.setattr(Packed, "step", lambda self, rate: (rates.append(rate), step(self, rate)))
    seen = spoil(model, lambda i: i in (5, 7, 8))
    plan = Plan(epochs=5, batch_rows=3, learning_rate=1e-2)
    history = trained(model, plan)
    starts = seen[::4]
    assert (history.skipped, history.rollbacks) == (3, 2)
    assert torch.equal(starts[2], starts[1])
    assert torch.equal(starts[3], starts[1])
    assert not torch.equal(seen[7], starts[1]), "no step of the bad epoch was taken, so nothing was undone"
    factors = [rate / rate_at(i / 20, plan) for i, rate in enumerate(rates)]
    assert factors == pytest.approx([1] * 8 + [0.5] * 4 + [0.25] * 8)
    assert bool(weights(model).isfinite().all())


def test_a_fit_that_never_has_a_finite_step_ends_where_it_began():
    model = compose()
    before = weights(model)
    spoil(model, lambda i: True)
    history = trained(model, Plan(epochs=50, batch_rows=3, learning_rate=1e-2))
    assert history.stopped == "diverged"
    assert history.rollbacks == loop.MOST_ROLLBACKS
    assert torch.equal(weights(model), before)


def test_running_means_go_back_with_the_weights():
    model = compose(Sparse(penalty="kl"))
    spoil(model, lambda i: 8 <= i < 12, cells=True)
    history = trained(model, Plan(epochs=6, batch_rows=3, learning_rate=1e-2))
    assert history.rollbacks == 1
    assert bool(model.bottleneck.average.isfinite().all())
    assert math.isfinite(history.columns["validation"][-1])
