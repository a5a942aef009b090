"""PyOD's autoencoder at its defaults, run by an interpreter that has PyOD: `python pyod_worker.py FILE.npz ...`.

Each file holds `train`, `test` and `seed`; beside it goes `FILE.out.npz` with the strangeness of `test`, and the
seconds of the processor and on the wall that the fit took. A small fit first, so that loading is not timed.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from pyod.models.auto_encoder import AutoEncoder


def main() -> None:
    """One file after the other."""
    AutoEncoder(epoch_num=1, verbose=0, random_state=0).fit(np.random.default_rng(0).normal(size=(64, 4)))
    for name in sys.argv[1:]:
        held = np.load(name)
        model = AutoEncoder(verbose=0, random_state=int(held["seed"]))
        start = time.process_time(), time.perf_counter()
        model.fit(held["train"])
        cpu, wall = time.process_time() - start[0], time.perf_counter() - start[1]
        strange = np.nan_to_num(model.decision_function(held["test"]))
        np.savez(name.removesuffix(".npz") + ".out.npz", strange=strange, cpu=cpu, wall=wall)


if __name__ == "__main__":
    main()
