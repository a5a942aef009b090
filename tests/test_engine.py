"""The plan and the only loop: every row once, the best look kept, steps that are not finite left out."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import reference as ref
import torch
from torch import nn

from latently.engine import fit as loop
from latently.engine.fit import Split, evaluate, fit, rate_at
from latently.engine.history import History
from latently.engine.pack import Packed
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
    data = data or Split(rows, rows.take(slice(0, 6)))
    rng = torch.Generator().manual_seed(seed)
    return fit(model, data, plan, rng, Watcher(), Checkpoint(None, "").section("fit"))


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


# ---------------------------------------------------------------- the plan


@pytest.mark.parametrize("rows", [1, 7, 40, 150, 1797, 20_000, 10**6, 10**8])
def test_automatic_sizes_keep_their_promises(rows):
    plan = plan_for(rows, epochs="auto", batch_rows="auto", learning_rate="auto")
    steps = -(-rows // plan.batch_rows)
    assert plan == plan_for(rows)
    assert 1 <= plan.batch_rows <= min(rows, 256)
    usual, least, pace = (4000, 6, 4e-3) if rows >= 30_000 else (6000, 8, 2e-3)
    assert least <= plan.epochs <= 400
    assert plan.epochs in (least, 400) or abs(plan.epochs * steps - usual) <= steps
    assert plan.learning_rate == pace


def test_who_asks_for_a_length_or_a_rate_of_training_gets_it_however_many_rows_there_are():
    few, many = plan_for(1000), plan_for(10**6, steps=4000)
    assert (many.epochs, many.learning_rate) == (8, few.learning_rate)
    assert plan_for(10**6, epochs=3).learning_rate == few.learning_rate
    assert plan_for(10**6, learning_rate=few.learning_rate).epochs == 8


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


def test_every_epoch_takes_every_row_once_in_a_new_order():
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
    data = Split(rows.take(slice(4, 12)), judges)
    history = trained(model, Plan(epochs=60, batch_rows=4, learning_rate=0.3), data, seed=5)
    curve = history.columns["validation"]
    assert min(curve) < min(curve[0], curve[-1]), "the case is too easy: the best look is the first or the last"
    assert history.best_look == int(np.argmin(curve))
    assert evaluate(model, judges, seed=5) == pytest.approx(min(curve), rel=1e-6)


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
