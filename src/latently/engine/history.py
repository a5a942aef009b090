"""What happened in a fit, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["History"]


@dataclass
class History:
    """What happened, as data: one list a column, one entry a look."""

    columns: dict[str, list[float]] = field(default_factory=dict)
    best_look: int = 0
    stopped: str = "schedule"  #: schedule, patience, time or diverged
    rollbacks: int = 0
    skipped: int = 0
    seconds: float = 0.0
    folds: list[list[float]] = field(default_factory=list)  #: validation losses of cross-validation

    def add(self, row: dict[str, float]) -> None:
        """Append one look; a column that is new starts with blanks."""
        length = max((len(c) for c in self.columns.values()), default=0)
        for name, value in row.items():
            self.columns.setdefault(name, [math.nan] * length).append(value)
