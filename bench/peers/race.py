"""Workers and rounds: who runs when."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from envs import HERE, interpreter
from workloads import Entry, Workload

__all__ = ["Answers", "Worker", "race"]

Answers = dict[str, list[dict[str, Any]]]

PATIENCE = 1800  # seconds for one answer
ONE_THREAD = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip
NOT_THEIRS = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}  # a kernel chosen by hand slows numpy and scikit-learn


class Worker:
    """A process with one engine."""

    def __init__(self, entry: Entry, python: str, quiet: bool = True) -> None:
        hidden = NOT_THEIRS if entry.home == HERE else NOT_THEIRS | {"PYTHONPATH"}
        there = {k: v for k, v in os.environ.items() if k not in hidden}
        script = Path(__file__).with_name("worker.py")
        self.process = subprocess.Popen(
            [python, "-W", "ignore", str(script), entry.module],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if quiet else None,
            env={**there, **ONE_THREAD, **entry.variables},
        )  # fmt: skip

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """One order; an answer with `error` when there is none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            line = self.process.stdout.readline() if ready else b""
        except OSError:
            line = b""
        return json.loads(line) if line else {"error": "the process ended" if self.process.poll() else "no answer"}

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()  # type: ignore[union-attr]
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _order(workload: Workload, entry: Entry, epochs: int, rows: Path, afresh: bool = False) -> dict[str, Any]:
    widths = list(entry.widths or workload.widths)
    job = {
        "rows": str(rows), "held": str(rows.with_name("held.npy")), "widths": widths, "epochs": epochs,
        "batch": workload.batch, "rate": 1e-3, "seed": 0, "options": entry.options,
    }  # fmt: skip
    return {"engine": entry.engine, "afresh": afresh, "job": job}


def race(workload: Workload, epochs: int, options: argparse.Namespace, folder: Path) -> Answers:
    """Every entry's answers: the first whole run, then one a round."""
    parts = [part.lower() for part in options.engines.split(",") if part]
    entries = [e for e in workload.entries if not parts or any(part in e.label.lower() for part in parts)]
    answers: Answers = {entry.label: [] for entry in entries}
    workers: dict[str, Worker] = {}
    try:
        for entry in entries:
            python, reason = interpreter(entry.home, options.envs)
            if python is None:
                answers[entry.label].append({"error": f"not installed: {reason}"})
                continue
            workers[entry.label] = Worker(entry, python)
            few = workers[entry.label].ask(_order(workload, entry, 1, folder / "few.npy"))
            if "error" in few:
                answers[entry.label].append(few)
                workers.pop(entry.label).close()
        for turn in range(options.rounds + 1):
            for entry in entries if turn % 2 else reversed(entries):
                if entry.label in workers:
                    print(f"{workload.name}: round {turn}, {entry.label}", file=sys.stderr, flush=True)
                    found = workers[entry.label].ask(_order(workload, entry, epochs, folder / "rows.npy", turn == 0))
                    answers[entry.label].append(found)
                    if "error" in found:
                        workers.pop(entry.label).close()
    finally:
        for worker in workers.values():
            worker.close()
    return answers
