"""Answers as a table."""

from __future__ import annotations

import math
import statistics
from typing import Any

from race import Answers
from workloads import Workload

__all__ = ["table"]


def _short(value: float) -> str:
    return f"{value / 1e6:.2f}M" if value >= 1e6 else f"{value / 1e3:.1f}k" if value >= 1e3 else f"{value:.0f}"


def _rates(rounds: list[dict[str, Any]], field: str, rows: int) -> list[float]:
    return [rows / max(answer[field], 1e-9) for answer in rounds]


def table(workload: Workload, answers: Answers, rows: int) -> str:
    """One line an engine."""
    main = "wall" if workload.wall else "cpu"
    counted = {label: rounds[1:] for label, rounds in answers.items() if "error" not in rounds[-1]}
    base = counted.get(workload.base)
    ours = statistics.median(a[main] for a in base) if base else math.nan
    lines = [
        f"| | rows / CPU s | | whole fit, rows / CPU s | s on the wall | memory, MB | loss | time / {workload.base} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, rounds in answers.items():
        if label not in counted:
            lines.append(f"| {label} | {rounds[-1]['error']} | | | | | | |")
            continue
        done = counted[label]
        rates, whole = (_rates(done, field, rows) for field in ("cpu", "whole_cpu"))
        loss = statistics.median(a["loss"] for a in done)
        ratio = statistics.median(a[main] for a in done) / ours
        cells = [
            label, _short(statistics.median(rates)), f"{_short(min(rates))} to {_short(max(rates))}",
            _short(statistics.median(whole)), f"{statistics.median(a['wall'] for a in done):.2f}",
            f"{rounds[0]['memory']:.0f}", "" if math.isnan(loss) else f"{loss:.4f}", f"{ratio:.2f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
