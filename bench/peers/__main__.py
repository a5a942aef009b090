"""Us beside every peer, on the same rows, widths, batch, optimiser and epochs.

    python bench/peers [--rounds 7] [--only train30,score] [--quick] [--envs DIR]

Every engine has a process of its own that stays alive and takes orders by pipe. A small fit first (imports, compiling),
then a round whose memory is noted and whose time is not, then the rounds that count: in each of them every engine runs
once, so that what else the machine does meets all alike. Peers live in environments of their own (`envs.py` names every
version), made under DIR at the first run; one that cannot be installed stands in the table with the reason.

- One thread: each process is bound to one core, with one thread for OpenMP, MKL, OpenBLAS and XLA. No variable chooses
  OpenBLAS's kernel.
- *rows / CPU s*: rows times epochs by seconds of the processor, of the call that trains (`clock`), median of the rounds
  and least to greatest; *whole fit* adds what the library does besides. CPU seconds bear a busy machine, wall time not.
- *memory*: the peak of the first whole run beyond what the process held before it, libraries and rows loaded.
- *loss*: squared error a cell of the training rows, by one function, from what the engine rebuilds at the end.
- *time / ours*: medians of CPU seconds a row, that of the engine over that of the base named.
- *products alone*: the matrix products of a step at these shapes, nothing else: by MKL
  and oneDNN (both inside torch), by numpy's OpenBLAS, and in bfloat16.

Adam with a rate of 1e-3 everywhere; ours lets it rise and fall, clips, decays and averages, which its time includes.
PyOD's and scikit-learn's codes have a rectifier that cannot be turned off; the work is the same.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import tempfile
from pathlib import Path

import numpy as np
from envs import ENVIRONMENTS, HERE, default_folder
from race import Answers, race
from report import table
from workloads import WORKLOADS, Workload, structured


def machine() -> str:
    """Processor, cores, load: what figures depend on."""
    info = Path("/proc/cpuinfo")
    facts = dict(
        [part.strip() for part in line.split(":", 1)]
        for line in (info.read_text().split("\n\n")[0].splitlines() if info.exists() else [])
        if ":" in line
    )
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in facts.get("flags", "").split()]
    name = facts.get("model name", platform.processor())
    return (
        f"{name}, family {facts.get('cpu family', '?')} model {facts.get('model', '?')} ({', '.join(wide)}), "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
    )


def command(options: argparse.Namespace) -> str:
    """What prints the tables again, without folders."""
    named = [f" --{name} {value}" for name in ("rounds", "only", "engines") if (value := getattr(options, name))]
    return f"`python bench/peers{''.join(named)}{' --quick' * options.quick}`"


def versions(workload: Workload) -> str:
    """Of the interpreter, of what runs here, of the peers."""
    here = [f"{name}=={importlib.metadata.version(name)}" for name in ("latently", "torch", "numpy")]
    homes = {entry.home for entry in workload.entries} - {HERE}
    peers = [p for home in sorted(homes) for p in (*ENVIRONMENTS[home].packages, *ENVIRONMENTS[home].alone)]
    return ", ".join(dict.fromkeys([f"Python {platform.python_version()}", *here, *peers]))


def measured(workload: Workload, options: argparse.Namespace, folder: Path) -> tuple[Answers, int]:
    """The answers of every entry; and how many rows an answer is of."""
    count, epochs = workload.quick if options.quick else (workload.rows, workload.epochs)
    for name in ("rows", "held"):
        (folder / f"{name}.npy").unlink(missing_ok=True)
    both = structured(count + workload.held, workload.widths[0], seed=0)
    np.save(folder / "rows.npy", both[:count])
    np.save(folder / "held.npy", both[count:])
    np.save(folder / "few.npy", both[: min(count, 8 * workload.batch)])
    del both
    return race(workload, epochs, options, folder), count * epochs


def main() -> None:
    """One table a workload."""
    parser = argparse.ArgumentParser(prog="python bench/peers", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, help="that count; 7, with --quick 1")
    parser.add_argument("--only", default="", help=f"some of {','.join(w.name for w in WORKLOADS)}")
    parser.add_argument("--engines", default="", help="parts of the labels of those that run")
    parser.add_argument("--quick", action="store_true", help="few rows, one round: does every piece work?")
    parser.add_argument("--envs", type=Path, default=default_folder())
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    unknown = set(wanted) - {w.name for w in WORKLOADS}
    if unknown:
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}")
    options.rounds = options.rounds or (1 if options.quick else 7)
    print(f"{command(options)}, {datetime.date.today()}\n\n{machine()}.")
    with tempfile.TemporaryDirectory() as folder:
        for workload in WORKLOADS:
            if not wanted or workload.name in wanted:
                answers, rows = measured(workload, options, Path(folder))
                print(f"\n### {workload.title}\n\n{table(workload, answers, rows)}\n\n{versions(workload)}", flush=True)


if __name__ == "__main__":
    main()
