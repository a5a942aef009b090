"""PyOD's autoencoder, in an environment of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from methods import Clock
from places import interpreter
from protocols import Given, Rows

__all__ = ["NAME", "Peer"]

NAME = "PyOD AutoEncoder"
WORKER = Path(__file__).with_name("pyod_worker.py")


@dataclass
class Peer:
    """An interpreter with PyOD; without one every answer is None, and `missing` says why."""

    python: str | None
    missing: str = ""
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def of(cls, options: argparse.Namespace) -> Peer:
        """The interpreter that `--pyod` names, or that of an environment made under `--envs`."""
        if options.pyod:
            return cls(str(options.pyod))
        return cls(*interpreter("pyod", options.envs))

    def strange(self, tasks: list[tuple[Given, int]]) -> list[Rows] | None:
        """Strangeness of the rows of every task with its seed, by one process; its threads are those of ours."""
        if self.python is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            names = [Path(folder) / f"{i}.npz" for i in range(len(tasks))]
            for name, (given, seed) in zip(names, tasks, strict=True):
                np.savez(name, train=given.train, test=given.test, seed=seed)
            done = subprocess.run([self.python, str(WORKER), *map(str, names)], capture_output=True, text=True)
            if done.returncode:
                self.python, self.missing = None, (done.stderr.strip().splitlines() or ["it failed"])[-1][:160]
                print(f"{NAME}: {self.missing}", file=sys.stderr, flush=True)
                return None
            found = [np.load(name.with_suffix(".out.npz")) for name in names]
            self.clock.cpu += [float(f["cpu"]) for f in found]
            self.clock.wall += [float(f["wall"]) for f in found]
            return [f["strange"] for f in found]
