"""The second decoder of a lossy image codec: convolutions that take out what rounding did."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from latently import device as machine
from latently import rng as chance
from latently.engine.schedule import Schedule, train
from latently.engine.store import Checkpoint
from latently.engine.watch import watcher_for
from latently.modalities.blocks import Blocks
from latently.modalities.crops import Crops, Pair
from latently.model import Composition
from latently.parts.networks import Pyramid
from latently.recipes.compose import Compose
from latently.tasks.assemble import Blueprint
from latently.values import Batch

__all__ = ["arrays", "restored", "trained"]

Pixels = NDArray[Any]

CROPS = 16  # a step
RATE = 2e-3


def trained(task: Any, data: Blocks, seen: list[Pixels], wanted: list[Pixels], steps: int) -> Composition:
    """A composition that gives images back from what the transform decodes of them, in the transform's units.

    `task` is the estimator whose options say where, how exactly and by which chance to compute.
    """
    crops = Crops()
    rows, _ = crops.learn(task, Pair(seen, wanted), None, False)
    a, b = float((crops.scale_ / data.scale_).mean()), float(((crops.shift_ - data.shift_) / data.scale_).mean())
    assert rows.given is not None
    rows = Batch(rows.x * a + b, given=rows.given * a + b).to(machine.resolve(task.device))
    plan, batch = _plan(task, crops, len(rows)), min(CROPS, len(rows))
    given = {"batch_rows": batch, "epochs": max(1, round(steps * batch / len(rows))), "learning_rate": RATE}
    schedule = Schedule(
        given, None, chance.seed_of(task.random_state), watcher_for(task.verbose), Checkpoint(None, ""), plan.work()
    )
    return train(plan.build, rows, schedule, "repair").model.eval()


def _plan(task: Any, crops: Crops, rows: int) -> Blueprint:
    network, target = Pyramid(), machine.resolve(task.device)
    code = network.code(crops.shape)
    return Blueprint(Compose(), network, crops, "squared_error", code, rows, target, task.precision)


def arrays(repair: Composition | None) -> dict[str, Any]:
    """All that it takes to make it again, under names that begin with `repair`."""
    if repair is None:
        return {"repair": []}
    steps: Any = repair.encoder.steps
    return {"repair": list(steps.shape[1:])} | {f"repair.{n}": t.cpu().numpy() for n, t in repair.state_dict().items()}


def restored(task: Any, data: Blocks, extra: dict[str, Any]) -> Composition | None:
    """The composition that gave these arrays."""
    if not extra["repair"]:
        return None
    height, width = extra["repair"]
    crops = Crops().restore(data.state() | {"height": height, "width": width})
    repair = _plan(task, crops, 1).build(chance.child(0, "load")).eval()
    repair.load_state_dict({n[7:]: torch.from_numpy(v) for n, v in extra.items() if n.startswith("repair.")})
    return repair
