"""Figures, tables of them, and what figures depend on."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from protocols import Rows
from sklearn.metrics import average_precision_score, roc_auc_score

__all__ = ["Figures", "cell", "head", "measures", "table"]

Figures = dict[str, dict[str, list[tuple[float, float]]]]  #: of methods, of sets: AUROC and AUPR of every seed


def measures(truth: Rows, strange: Rows) -> tuple[float, float]:
    """Area under the ROC curve and average precision, in per cent."""
    return 100 * float(roc_auc_score(truth, strange)), 100 * float(average_precision_score(truth, strange))


def cell(pairs: Sequence[tuple[float, float]] | None) -> str:
    """The means over the seeds, as AUROC / AUPR."""
    if not pairs:
        return "missing"
    auroc, aupr = np.mean(pairs, axis=0)
    return f"{auroc:.2f} / {aupr:.2f}"


def table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *lines])


def head(options: argparse.Namespace, part: str) -> str:
    """The command, the day, versions and machine."""
    compat = options.compat and part in ("clean", "contaminated")
    words = [part, *(["--compat"] if compat else []), *(["--published FILE"] if compat and options.published else [])]
    words += ["--setting", options.setting] if part == "ablation" and options.setting else []
    words += [
        f"--{name} {','.join(map(str, value))}" for name in ("seeds", "sets") if (value := getattr(options, name))
    ]
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    versions = [f"{n} {importlib.metadata.version(n)}" for n in ("latently", "torch", "numpy", "scikit-learn")]
    return (
        f"\n`python bench/anomaly {' '.join(words)}`, {datetime.date.today()}; Python {platform.python_version()}, "
        f"{', '.join(versions)}; {(names or [platform.processor()])[0]}, {os.cpu_count()} cores, "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}, load {os.getloadavg()[0]:.1f} at the start\n"
    )
