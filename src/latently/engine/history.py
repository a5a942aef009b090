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
    batch_rows: int | None = None  #: rows of a batch that memory had room for; None: as many as planned
    seconds: float = 0.0
    folds: list[list[float]] = field(default_factory=list)  #: validation losses of cross-validation

    @property
    def judged(self) -> float | None:
        """The loss of held-out rows at the look that was kept, the mean of the folds; None where none were held out."""
        curves = self.folds or [self.columns.get("validation") or [math.nan]]
        found = sum(curve[min(self.best_look, len(curve) - 1)] for curve in curves) / len(curves)
        return found if math.isfinite(found) else None

    def add(self, row: dict[str, float]) -> None:
        """Append one look; a column that is new starts with blanks."""
        length = max((len(c) for c in self.columns.values()), default=0)
        for name, value in row.items():
            self.columns.setdefault(name, [math.nan] * length).append(value)
