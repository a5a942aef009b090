"""The only training loop: fit, epoch, step; each rung can be read alone."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latently import rng as chance
from latently.engine.history import History
from latently.engine.pack import Packed
from latently.engine.plan import Plan
from latently.engine.store import Section
from latently.engine.watch import Watcher
from latently.model import Composition
from latently.values import Batch

__all__ = ["Split", "evaluate", "fit"]

BLOCK = 128 * 1024  # rows permuted at a time: a permuted copy of everything would cost its size
CHUNK = 2048  # rows a validation call
BAD_SHARE = 0.1  # of an epoch's steps not finite: go back to the last good state at half the rate
MOST_ROLLBACKS = 8


@dataclass(frozen=True)
class Split:
    """The rows to learn from, and those that only judge (None: no judging)."""

    train: Batch
    valid: Batch | None = None


@dataclass
class Run:
    """What changes while a fit runs, and so what a checkpoint holds."""

    packed: Packed
    history: History
    best: Tensor
    good: dict[str, Tensor]
    best_loss: float = math.inf
    epoch: int = 0
    rate: float = 1.0  #: factor on the learning rate, halved at each roll-back


def fit(
    model: Composition, data: Split, plan: Plan, rng: torch.Generator, watcher: Watcher, section: Section
) -> History:
    """Train `model` in place and leave it at the weights of its best look.

    `section` is the checkpoint's: a run found there goes on where it was, and ends with the same bytes.
    """
    start = time.monotonic()
    packed = Packed(model, plan)
    run = Run(packed, History(), packed.mean.clone(), {})
    judge = chance.child(rng.initial_seed(), "validation").initial_seed()
    if not _resume(run, model, rng, section):
        _look(run, model, data, judge, {})
        _remember(run)
        _save(run, model, rng, section, force=False)
    watcher.start(plan.last_epoch(), run.epoch)
    while run.epoch < plan.last_epoch() and run.history.stopped == "schedule":
        before, packed.tried = float(packed.steps), 0
        costs = epoch(model, packed, data.train, plan, rng, run)
        run.epoch += 1
        if _sound(run, before) and (run.epoch % plan.look_every() == 0 or run.epoch == plan.last_epoch()):
            _look(run, model, data, judge, costs)
            _stop(run, plan, start, data.valid is not None)
        elif plan.max_time is not None and time.monotonic() - start > plan.max_time:
            _look(run, model, data, judge, costs)
            run.history.stopped = "time"
        watcher.update(run.epoch, run.history)
        _save(run, model, rng, section, force=False)
    with torch.no_grad():
        packed.flat.copy_(run.best)
    packed.release()
    run.history.seconds = time.monotonic() - start
    watcher.finish(run.history)
    _save(run, model, rng, section, force=True)
    return run.history


def epoch(
    model: Composition, packed: Packed, train: Batch, plan: Plan, rng: torch.Generator, run: Run
) -> dict[str, float]:
    """Every row once, in a new order; returns the mean raw costs of a row, read from the device once."""
    rows = len(train)
    count = -(-rows // plan.batch_rows)
    size = -(-rows // count)
    done, total = run.epoch * count, plan.epochs * count
    horizon = max(10, min(500, total // 50))
    every = max(4, horizon // 10)
    kept: dict[str, list[Tensor]] = {}
    order = torch.randperm(rows, generator=rng, device=train.x.device)
    for block in order.split(max(BLOCK // size, 1) * size):
        picked = train.take(block)
        for i in range(0, len(picked), size):
            costs = model.gradients(picked.take(slice(i, i + size)), rng, done / total)
            packed.step(run.rate * rate_at(done / total, plan))
            done += 1
            if done % every == 0:
                packed.average(every / horizon)
            for name, value in costs.items():
                kept.setdefault(name, []).append(value)
    return {name: float(torch.cat([v.view(-1) for v in values]).nanmean()) for name, values in kept.items()}


def rate_at(progress: float, plan: Plan) -> float:
    """The learning rate when the share `progress` of the schedule is done: a ramp, then a cosine to zero."""
    if progress < plan.warmup:
        return plan.learning_rate * (progress + 1e-3) / (plan.warmup + 1e-3)
    return plan.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - plan.warmup) / (1 - plan.warmup)))


@torch.no_grad()
def evaluate(model: Composition, batch: Batch, seed: int) -> float:
    """The mean loss of a row, the same corruption and draws at every call (`seed`), final weights of all costs."""
    rng = chance.child(seed, "draw", batch.x.device)
    total = 0.0
    for i in range(0, len(batch), CHUNK):
        part = batch.take(slice(i, i + CHUNK))
        total += float(model.loss(part, rng)) * len(part)
    return total / len(batch)


def _look(run: Run, model: Composition, data: Split, judge: int, costs: dict[str, float]) -> None:
    """Judge the averaged weights, note the figures, keep the best."""
    packed = run.packed
    with torch.no_grad():
        here = packed.flat.clone()
        packed.flat.copy_(packed.mean)
        loss = evaluate(model, data.valid, judge) if data.valid is not None else math.nan
        packed.flat.copy_(here)
    if data.valid is None or loss < run.best_loss:
        run.best_loss = loss
        run.best.copy_(packed.mean)
        run.history.best_look = len(run.history.columns.get("epoch", ()))
    run.history.add({"epoch": float(run.epoch), "validation": loss, **costs})


def _stop(run: Run, plan: Plan, start: float, judged: bool) -> None:
    waited = len(run.history.columns["epoch"]) - 1 - run.history.best_look
    if judged and waited >= plan.patience:
        run.history.stopped = "patience"
    elif plan.max_time is not None and time.monotonic() - start > plan.max_time:
        run.history.stopped = "time"


def _remember(run: Run) -> None:
    run.good = {name: tensor.clone() for name, tensor in run.packed.state().items()}


def _sound(run: Run, before: float) -> bool:
    """Whether the epoch's steps were finite but for a few; if not, back to the last good state at half the rate."""
    packed = run.packed
    skipped = packed.tried - round(float(packed.steps) - before)
    run.history.skipped += skipped
    if skipped <= BAD_SHARE * packed.tried and bool(packed.flat.isfinite().all()):
        if not skipped:
            _remember(run)
        return True
    packed.restore(run.good)
    run.rate *= 0.5
    run.history.rollbacks += 1
    if run.history.rollbacks >= MOST_ROLLBACKS:
        run.history.stopped = "diverged"
    return False


def _save(run: Run, model: Composition, rng: torch.Generator, section: Section, force: bool) -> None:
    if not section.due(force):
        return
    tensors = {**run.packed.state(), "best": run.best, "chance": rng.get_state()}
    tensors |= {f"good.{name}": t for name, t in run.good.items()}
    tensors |= {f"buffer.{name}": b for name, b in model.named_buffers()}
    facts: dict[str, Any] = {
        "epoch": run.epoch, "rate": run.rate, "best_loss": run.best_loss, "done": force,
        "averaged": run.packed.averaged, "history": vars(run.history),
    }  # fmt: skip
    section.write(tensors, facts)


def _resume(run: Run, model: Composition, rng: torch.Generator, section: Section) -> bool:
    found = section.read()
    if found is None:
        return False
    tensors, facts = found
    run.packed.restore(tensors)
    run.best.copy_(tensors["best"])
    rng.set_state(tensors["chance"])
    run.good = {name[5:]: t for name, t in tensors.items() if name.startswith("good.")}
    for name, buffer in model.named_buffers():
        buffer.copy_(tensors[f"buffer.{name}"])
    run.epoch, run.rate, run.best_loss = facts["epoch"], facts["rate"], facts["best_loss"]
    run.packed.averaged, run.history = facts["averaged"], History(**facts["history"])
    return True
