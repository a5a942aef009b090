"""A process that stays alive and takes orders by pipe: `python worker.py ENGINES_MODULE`, one JSON line an order.

An engine is a function `run(job, clock) -> loss`. What lies within `with clock:` is its training (or scoring); the
whole call is timed as well. Whatever a library prints goes to the error stream.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Clock", "Job", "lean", "mean_square", "unscored"]


@dataclass
class Job:
    """What every engine is given."""

    rows: np.ndarray  #: float32, in order
    held: np.ndarray  #: rows of the same source that nobody learns from
    widths: list[int]  #: from input to code; the decoder mirrors them
    epochs: int
    batch: int
    rate: float
    seed: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def all_widths(self) -> list[int]:
        """From input to output."""
        return [*self.widths, *reversed(self.widths[:-1])]

    def linear_after(self) -> set[int]:
        """Places in `all_widths` that no activation follows: code and output."""
        return {len(self.widths) - 1, len(self.all_widths) - 1}

    def steps(self) -> int:
        """In all epochs."""
        return self.epochs * -(-len(self.rows) // self.batch)


@dataclass
class Clock:
    """CPU seconds of this process with all its threads, and seconds on the wall, of what runs inside it."""

    cpu: float = 0.0
    wall: float = 0.0
    used: bool = False

    def __enter__(self) -> Clock:
        self.start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time() - self.start[0]
        self.wall += time.perf_counter() - self.start[1]
        self.used = True


def mean_square(rows: np.ndarray, rebuild: Callable[[np.ndarray], Any]) -> float:
    """Squared error a cell, of every engine by this function."""
    total = 0.0
    for i in range(0, len(rows), 4096):
        part = rows[i : i + 4096]
        total += float(np.square(np.asarray(rebuild(part), dtype=np.float64) - part).sum())
    return total / rows.size


def unscored(scores: Any, job: Job) -> float:
    """No loss: scores are of different scales; but there is one for every row."""
    if np.shape(scores) != (len(job.rows),) or not np.isfinite(np.asarray(scores)).all():
        raise ValueError("not a finite score a row")
    return float("nan")


def lean(module: Any) -> Callable[[np.ndarray], np.ndarray]:
    """`rebuild` of a torch module that takes and returns rows."""
    torch = importlib.import_module("torch")

    def rebuild(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(rows)).numpy()

    return rebuild


def _kilobytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return float(line.split()[1])
    return float("nan")


def _give_back() -> None:
    """What earlier runs freed goes back to the system, so that the next shows what it takes."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _measured(run: Callable[[Job, Clock], float], job: Job) -> dict[str, float]:
    """One run, its time and the memory it took beyond what was there before (libraries and data)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, clock, whole = _kilobytes("VmRSS"), Clock(), Clock()
    with whole:
        loss = run(job, clock)
    timed = clock if clock.used else whole
    return {
        "cpu": timed.cpu, "wall": timed.wall, "whole_cpu": whole.cpu, "whole_wall": whole.wall, "loss": loss,
        "memory": (_kilobytes("VmHWM") - before) / 1024,
    }  # fmt: skip


def main() -> None:
    """Orders in, figures out."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core: a pool of threads gains nothing
    engines = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if engines is None:
                engines = importlib.import_module(sys.argv[1]).ENGINES
            rows = {name: np.load(order["job"].pop(name)) for name in ("rows", "held")}
            if order["afresh"]:
                _give_back()
            answer = _measured(engines[order["engine"]], Job(**rows, **order["job"]))
        except Exception as problem:  # named in the table
            answer = {"error": f"{type(problem).__name__}: {problem}"[:200]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
