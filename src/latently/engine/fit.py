"""The only training loop: fit, epoch, step; each rung can be read alone."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from latently import rng as chance
from latently.engine.history import History
from latently.engine.pack import Packed
from latently.engine.plan import Plan
from latently.engine.room import fewer, halving, tried
from latently.engine.store import Section
from latently.engine.watch import Watcher
from latently.model import Composition
from latently.values import Batch

__all__ = ["Split", "evaluate", "fit"]

CHUNK = 2048  # rows a validation call, fewer of wide codes
WIDEST = 2**22  # numbers in the codes of one
BAD_SHARE = 0.1  # of an epoch's steps not finite: go back to the last good state at half the rate
MOST_ROLLBACKS = 8


@dataclass(frozen=True)
class Split:
    """The rows to learn from, and those that only judge (None: no judging)."""

    train: Batch
    valid: Batch | None = None


@dataclass
class Run:
    """A fit under way: what it works on, and what changes, which is what a checkpoint holds."""

    model: Composition
    data: Split
    plan: Plan
    rng: torch.Generator
    section: Section
    packed: Packed
    history: History
    best: Tensor
    good: dict[str, Tensor]
    start: float
    best_loss: float = math.inf
    epoch: int = 0
    rate: float = 1.0  #: factor on the learning rate, halved at each roll-back
    chunk: int | None = None  #: rows a validation call

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return self.plan.max_time is not None and time.monotonic() - self.start > self.plan.max_time


def fit(
    model: Composition, data: Split, plan: Plan, rng: torch.Generator, watcher: Watcher, section: Section
) -> History:
    """Train `model` in place and leave it at the weights of its best look.

    `section` is the checkpoint's: a run found there goes on where it was, and ends with the same bytes.
    """
    packed = Packed(model, plan)
    run = Run(model, data, plan, rng, section, packed, History(), packed.mean.clone(), {}, time.monotonic())
    if not _resume(run):
        _look(run, {})
        _remember(run)
    watcher.start(plan.last_epoch(), run.epoch)
    try:
        while run.epoch < plan.last_epoch() and run.history.stopped == "schedule":
            _advance(run)
            watcher.update(run.epoch, run.history)
            _save(run, done=False)
        _save(run, done=True)
    finally:
        watcher.finish(run.history)
        with torch.no_grad():
            packed.flat.copy_(run.best)
        packed.release()
    run.history.seconds = time.monotonic() - run.start
    return run.history


def _advance(run: Run) -> None:
    """One epoch, and a look at the validation rows when one is due."""
    before, run.packed.tried = float(run.packed.steps), 0
    costs = _fitting(run)
    run.epoch += 1
    due = run.epoch % run.plan.look_every() == 0 or run.epoch == run.plan.last_epoch()
    if _sound(run, before) and (due or run.late):
        _look(run, costs)
        waited = len(run.history.columns["epoch"]) - 1 - run.history.best_look
        if run.data.valid is not None and waited >= run.plan.patience and not run.plan.whole:
            run.history.stopped = "patience"
    if run.late and run.history.stopped == "schedule":
        run.history.stopped = "time"


def _fitting(run: Run) -> dict[str, float]:
    """An epoch. Where memory runs out in it, it begins anew with half the rows a step, and nothing of it stays."""
    packed, drawn, averaged = run.packed, run.rng.get_state(), run.packed.averaged
    while (costs := tried(lambda: epoch(run))) is None:
        rows = fewer(step_rows(len(run.data.train), run.plan), "training on")
        run.plan, run.history.batch_rows = replace(run.plan, batch_rows=rows), rows
        _back(run)
        packed.grad.zero_()
        run.rng.set_state(drawn)
        packed.averaged, packed.tried = averaged, 0
    return costs


def step_rows(rows: int, plan: Plan) -> int:
    """Rows of a step, as many in each: at most those of the plan."""
    return -(-rows // -(-rows // plan.batch_rows))


def epoch(run: Run) -> dict[str, float]:
    """Every row once, in a new order; returns the mean raw costs of a row, and what the bottleneck noted."""
    model, packed, train, plan = run.model, run.packed, run.data.train, run.plan
    rows = len(train)
    size = step_rows(rows, plan)
    count = -(-rows // size)
    done, total = run.epoch * count, plan.epochs * count
    horizon = max(10, min(500, total // 50))
    every = max(4, horizon // 10)
    kept: dict[str, list[Tensor]] = {}
    order = torch.randperm(rows, generator=run.rng, device=train.x.device)
    for index in order.split(size):
        costs = model.gradients(train.take(index), run.rng, done / total)
        packed.step(run.rate * rate_at(done / total, plan))
        done += 1
        if done % every == 0:
            packed.average(every / horizon)
        for name, value in costs.items():
            kept.setdefault(name, []).append(value)
    means = {name: torch.cat([v.view(-1) for v in values]).nanmean() for name, values in kept.items()}
    means |= model.bottleneck.noted()
    return dict(zip(means, torch.stack(list(means.values())).tolist(), strict=True))


def rate_at(progress: float, plan: Plan) -> float:
    """The learning rate when the share `progress` of the schedule is done: a ramp, then a cosine to zero."""
    if progress < plan.warmup:
        return plan.learning_rate * (progress + 1e-3) / (plan.warmup + 1e-3)
    return plan.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - plan.warmup) / (1 - plan.warmup)))


def _chunk(model: Composition) -> int:
    return max(1, min(CHUNK, WIDEST // max(model.code, 1)))


@torch.no_grad()
def evaluate(model: Composition, batch: Batch, seed: int, chunk: int | None = None) -> float:
    """The mean loss of a row, the same corruption and draws at every call (`seed`), final weights of all costs."""
    rng = chance.child(seed, "validation", batch.x.device)
    size = chunk or _chunk(model)
    parts = [batch.take(slice(i, i + size)) for i in range(0, len(batch), size)]
    losses = [model.loss(part, rng) for part in parts]  # read from the device when all are on their way
    return sum(float(loss) * len(part) for loss, part in zip(losses, parts, strict=True)) / len(batch)


def _look(run: Run, costs: dict[str, float]) -> None:
    """Judge the averaged weights, note the figures, keep the best."""
    packed, valid = run.packed, run.data.valid
    loss = math.nan
    if valid is not None:
        seed, rows = run.rng.initial_seed(), run.chunk or min(_chunk(run.model), len(valid))
        with torch.no_grad():
            here = packed.flat.clone()
            packed.flat.copy_(packed.mean)
            loss, run.chunk = halving(lambda rows: evaluate(run.model, valid, seed, rows), rows, "judging")
            packed.flat.copy_(here)
    if valid is None or loss < run.best_loss or run.plan.whole:
        run.best_loss = loss
        run.best.copy_(packed.mean)
        run.history.best_look = len(run.history.columns.get("epoch", ()))
    run.history.add({"epoch": float(run.epoch), "validation": loss, **costs})


def _state(run: Run) -> dict[str, Tensor]:
    """Every tensor that changes while training, by name (not copies): parameters, moments, running means."""
    return run.packed.state() | {f"buffer.{name}": b for name, b in run.model.named_buffers()}


def _remember(run: Run) -> None:
    run.good = {name: tensor.clone() for name, tensor in _state(run).items()}


@torch.no_grad()
def _back(run: Run) -> None:
    for name, tensor in _state(run).items():
        tensor.copy_(run.good[name])


def _sound(run: Run, before: float) -> bool:
    """Whether the epoch's steps were finite but for a few; if not, back to the last good state at half the rate."""
    packed = run.packed
    skipped = packed.tried - round(float(packed.steps) - before)
    run.history.skipped += skipped
    if skipped <= BAD_SHARE * packed.tried and bool(packed.flat.isfinite().all()):
        if not skipped:
            _remember(run)
        return True
    _back(run)
    run.rate *= 0.5
    run.history.rollbacks += 1
    if run.history.rollbacks >= MOST_ROLLBACKS:
        run.history.stopped = "diverged"
    return False


def _save(run: Run, done: bool) -> None:
    if not run.section.due(done):
        return
    tensors = {**_state(run), "best": run.best, "chance": run.rng.get_state()}
    tensors |= {f"good.{name}": t for name, t in run.good.items()}
    facts: dict[str, Any] = {
        "epoch": run.epoch, "rate": run.rate, "best_loss": run.best_loss, "averaged": run.packed.averaged,
        "chunk": run.chunk, "history": vars(run.history),
    }  # fmt: skip
    run.section.write(tensors, facts)


def _resume(run: Run) -> bool:
    found = run.section.read()
    if found is None:
        return False
    tensors, facts = found
    with torch.no_grad():
        for name, tensor in _state(run).items():
            tensor.copy_(tensors[name])
    run.best.copy_(tensors["best"])
    run.rng.set_state(tensors["chance"])
    run.good = {name[5:]: t for name, t in tensors.items() if name.startswith("good.")}
    run.epoch, run.rate, run.best_loss = facts["epoch"], facts["rate"], facts["best_loss"]
    run.packed.averaged, run.chunk = facts["averaged"], facts.get("chunk")
    run.history = History(**facts["history"])
    if run.history.batch_rows:
        run.plan = replace(run.plan, batch_rows=run.history.batch_rows)
    if run.history.stopped == "time":  # there is time again
        run.history.stopped = "schedule"
    return True
