"""Which fits make a model: one judged on held-out rows, or cross-validated first and refitted on all of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from latently import rng as chance
from latently.device import fit_threads, keep_pages
from latently.engine.align import align
from latently.engine.fit import Split, fit
from latently.engine.history import History
from latently.engine.linear import EXACT_UP_TO, Principal, principal, start_linear
from latently.engine.plan import Plan, plan_for
from latently.engine.room import spoken
from latently.engine.store import Checkpoint
from latently.engine.view import View
from latently.engine.watch import Watcher
from latently.model import Composition
from latently.values import Batch

__all__ = ["HeldOut", "Judged", "Outcome", "Schedule", "further", "train"]

FOLDS = 3
CROSS_BELOW = 2500  # rows: fewer are too few to give some away, and cheap enough to fit four times
HELD_OUT = 0.1  # share of larger sets that only judges
MOST_HELD_OUT = 10_000  # rows
LEARNED = 4096  # training rows that tell the error on what was learned
WIDEST = 2**24  # numbers in the codes that are looked at together
SETTLED = 512  # rows that a network looks at before it learns
FEWEST = 9  # rows: with fewer nothing is held out

Build = Callable[[torch.Generator], Composition]
Trust = Callable[[Composition, Batch, Batch | None], tuple[Batch, Batch | None]]


@dataclass(frozen=True)
class HeldOut:
    """Squared error per known cell on rows not learned from: ours, the mean predictor's, PCA's of the same size."""

    model: float
    mean: float
    pca: float
    rows: int
    train: float  #: ours on rows that were learned from


@dataclass(frozen=True)
class Judged:
    """A model, the rows it learned from, and rows it did not: what calibration needs."""

    model: Composition
    train: Batch
    valid: Batch


@dataclass(frozen=True)
class Outcome:
    """A trained model and what is known of it."""

    model: Composition
    history: History
    held_out: HeldOut | None
    linear: bool  #: whether it started at PCA
    judged: tuple[Judged, ...] = ()  #: one, or one a fold, whose `valid` then hold every row once
    beside: Any = None  #: what a task trained besides


@dataclass(frozen=True)
class Schedule:
    """How to train: what the user fixed (the rest is "auto"), who looks on, where to keep the state."""

    given: dict[str, Any]
    validation: float | Literal["auto"] | None
    seed: int
    watcher: Watcher
    checkpoint: Checkpoint
    work: int = 0  #: multiplications a row and pass, to choose threads by
    together: int = 1  #: rows that belong together, one after the other: a split keeps them on one side
    split: str = ""  #: the stage whose split this one shares; its own where empty
    trust: Trust | None = None  #: gives the rows to learn from, and those that judge them, the weight they deserve

    def generator(self, name: str, device: torch.device | str = "cpu") -> torch.Generator:
        """The source of chance of one stage; what is drawn on a device needs a generator of that device."""
        return chance.child(self.seed, name, device)


def train(build: Build, rows: Batch, schedule: Schedule, name: str = "fit") -> Outcome:
    """The model that `build` makes, trained on `rows` by the schedule that suits their number."""
    plan = plan_for(len(rows), **schedule.given)
    with spoken(), keep_pages(), fit_threads(rows.x.device, schedule.work * plan.batch_rows * 3):
        outcome = _scheduled(build, rows, schedule, plan, name)
    align(outcome.model, rows)
    for judged in outcome.judged:
        if judged.model is not outcome.model:
            align(judged.model, judged.train)
    return outcome


def further(model: Composition, rows: Batch, plan: Plan, schedule: Schedule, name: str) -> Composition:
    """A copy of `model` that goes on to learn, from `rows`: nothing judges it, and its last weights stay."""
    learned, rng = copy.deepcopy(model), schedule.generator(name, rows.x.device)
    schedule.watcher.stage(name)
    with spoken(), keep_pages(), fit_threads(rows.x.device, schedule.work * plan.batch_rows * 3):
        fit(learned, Split(rows), plan, rng, schedule.watcher, schedule.checkpoint.section(name))
    return learned.eval()


def _scheduled(build: Build, rows: Batch, schedule: Schedule, plan: Plan, name: str) -> Outcome:
    units = len(rows) // schedule.together
    if schedule.validation in (None, 0, 0.0) or units < FEWEST:
        return _single(build, rows, schedule, plan, name, None)
    if schedule.validation == "auto" and units < CROSS_BELOW:
        return _crossed(build, rows, schedule, plan, name)
    share = HELD_OUT if schedule.validation == "auto" else float(schedule.validation)
    count = min(max(1, round(share * units)), units - 1)
    if schedule.validation == "auto":
        count = min(count, MOST_HELD_OUT)
    order = _order(rows, schedule, name)
    learned, held = (_rows_of(part, rows, schedule) for part in (order[count:], order[:count]))
    return _single(build, learned, schedule, plan, name, held)


def _order(rows: Batch, schedule: Schedule, name: str) -> Tensor:
    """What the split is of, in an order of chance: rows, or as many as belong together."""
    return torch.randperm(
        len(rows) // schedule.together, generator=schedule.generator(f"{schedule.split or name}/split")
    )


def _rows_of(units: Tensor, rows: Batch, schedule: Schedule) -> Batch:
    """The rows of some units."""
    index = units[:, None] * schedule.together + torch.arange(schedule.together)
    return rows.take(index.flatten().to(rows.x.device))


def _single(build: Build, rows: Batch, schedule: Schedule, plan: Plan, name: str, valid: Batch | None) -> Outcome:
    rng = schedule.generator(name, rows.x.device)
    model = build(schedule.generator(f"{name}/weights"))
    learned, watched = (rows, valid) if schedule.trust is None else schedule.trust(model, rows, valid)
    linear = start_linear(model, learned, rng)
    model.encoder.settle(model.door(model.see(_some(rows), None)))
    schedule.watcher.stage(name)
    section = schedule.checkpoint.section(name)
    history = fit(model, Split(learned, watched), plan, rng, schedule.watcher, section)
    model.settle((rows if valid is None else valid).take(slice(0, max(1, min(LEARNED, WIDEST // model.code)))))
    held_out = None if valid is None or not model.likelihood.measured else _compare(model, rows, valid, linear, rng)
    judged = () if valid is None else (Judged(model, rows, valid),)
    return Outcome(model, history, held_out, linear is not None, judged)


def _some(rows: Batch) -> Batch:
    """Rows from all over, `SETTLED` at most."""
    step = -(-len(rows) // SETTLED)
    return rows.take(torch.arange(0, len(rows), step, device=rows.x.device))


def _crossed(build: Build, rows: Batch, schedule: Schedule, plan: Plan, name: str) -> Outcome:
    """Three-fold cross-validation finds how long to train; then a fit of that length on every row.

    With few rows, each of them matters more than the time of four small fits.
    """
    start_seconds = 0.0
    folds = _order(rows, schedule, name).chunk(FOLDS)
    outcomes = []
    for i, fold in enumerate(folds):
        rest = _rows_of(torch.cat([f for j, f in enumerate(folds) if j != i]), rows, schedule)
        left = _time_left(plan, start_seconds, FOLDS + 1 - i)
        outcomes.append(
            _single(build, rest, schedule, left, f"{name} fold {i + 1} of {FOLDS}", _rows_of(fold, rows, schedule))
        )
        start_seconds += outcomes[-1].history.seconds
    looks = None if plan.whole else _best_look([o.history.columns["validation"] for o in outcomes])
    final = replace(_time_left(plan, start_seconds, 1), stop_after=looks)
    done = _single(build, rows, schedule, final, name, None)
    done.model.bottleneck.agree([o.model.bottleneck for o in outcomes])
    parts = [o.held_out for o in outcomes if o.held_out is not None]
    held_out = _pooled(parts) if parts else None
    seconds = start_seconds + done.history.seconds
    histories = [done.history, *(o.history for o in outcomes)]
    rollbacks, skipped = sum(h.rollbacks for h in histories), sum(h.skipped for h in histories)
    curves = [o.history.columns["validation"] for o in outcomes]
    stopped = "time" if any(h.stopped == "time" for h in histories) else done.history.stopped
    history = replace(
        done.history, seconds=seconds, rollbacks=rollbacks, skipped=skipped, folds=curves, stopped=stopped
    )
    judged = tuple(j for o in outcomes for j in o.judged)
    return Outcome(done.model, history, held_out, done.linear, judged)


def _pooled(parts: list[HeldOut]) -> HeldOut:
    """The errors on the rows of all folds together."""
    total = sum(p.rows for p in parts)
    mean = {f: sum(getattr(p, f) * p.rows for p in parts) / total for f in ("model", "mean", "pca", "train")}
    return HeldOut(**mean, rows=total)


def _time_left(plan: Plan, spent: float, stages: int) -> Plan:
    return plan if plan.max_time is None else replace(plan, max_time=max(0.0, plan.max_time - spent) / stages)


def _best_look(curves: list[list[float]]) -> int:
    """The look at which the mean of the folds is least; a fold that stopped early stays at its last value."""
    length = max(map(len, curves))
    means = [sum(c[min(i, len(c) - 1)] for c in curves) / len(curves) for i in range(length)]
    finite = [m if math.isfinite(m) else math.inf for m in means]
    return finite.index(min(finite))


@torch.no_grad()
def _compare(model: Composition, rows: Batch, valid: Batch, begun: Principal | None, rng: torch.Generator) -> HeldOut:
    most = max(1, WIDEST // model.code)
    few, valid = rows.take(slice(0, min(LEARNED, most))), valid.take(slice(0, most))
    view = View.over(model.door, rows)
    shown = view.of(valid)
    x = shown.x.flatten(1)
    copies = model.code >= x.shape[1] > EXACT_UP_TO  # as PCA with so many components does: not worth the time
    seen, k = view.of(rows), 1 if copies else model.code
    same = begun is not None and seen.x.data_ptr() == rows.x.data_ptr() and len(begun.directions) == k
    linear = begun if begun is not None and same else principal(seen, k, rng)
    return HeldOut(
        model=view.error(shown, view.guess(model, valid)),
        mean=view.error(shown, linear.mean.expand_as(x)),
        pca=0.0 if copies else view.error(shown, linear.reconstruct(x)),
        rows=len(valid),
        train=view.error(view.of(few), view.guess(model, few)),
    )
