"""A plan of training is a value: what a fit will do, known before it starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Plan", "plan_for"]


MANY = 30_000  # rows: with as many, two thirds of the steps at twice the rate end as low, or lower
OWN = {"steps", "epochs", "learning_rate", "together"}  # what is asked for with a length of training in mind


@dataclass(frozen=True)
class Plan:
    """Everything the loop needs to know that is not model, data or chance."""

    epochs: int
    batch_rows: int
    learning_rate: float
    looks: int = 40  #: at most this many looks at the validation rows
    stop_after: int | None = None  #: end after this look of the schedule (found by cross-validation)
    patience: int = 12  #: looks without a better one before the fit stops
    whole: bool = False  #: run to the end and keep the last weights: held-out rows are for others to judge by
    weight_decay: float = 1e-3  #: of matrices, decoupled (AdamW), per unit of learning rate
    warmup: float = 0.03  #: share of the run over which the learning rate rises; it then falls as a cosine
    clip: float = 0.1  #: greatest norm of the gradient of the loss per cell
    max_time: float | None = None  #: seconds

    def data(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)

    def look_every(self) -> int:
        """Epochs between two looks."""
        return -(-self.epochs // self.looks)

    def last_epoch(self) -> int:
        """Where the run ends when nothing stops it."""
        return self.epochs if self.stop_after is None else min(self.epochs, self.stop_after * self.look_every())


def plan_for(rows: int, **given: Any) -> Plan:
    """Batch size and epochs from the number of rows; whatever is `given` and not "auto" stays.

    Small sets take small batches, so that an epoch has some forty steps; every set gets some 6,000 steps (or the
    `steps` that the parts ask for), at least 8 epochs and at most 400. From 30,000 rows on, where nothing is asked, it
    is two thirds of that at twice the rate. Parts that compare rows ask for `together` in a batch, and get as many
    where there are twice that many: one step an epoch teaches nothing.
    """
    given = {name: value for name, value in given.items() if value != "auto"}
    brisk = rows >= MANY and not OWN & given.keys()
    usual, least, pace = (4000, 6, 4e-3) if brisk else (6000, 8, 2e-3)
    wanted = given.pop("steps", usual)
    together = min(given.pop("together", 0), max(32, rows // 2))
    batch = given.get("batch_rows") or together or min(256, max(32, 1 << max(rows // 40, 1).bit_length()))
    batch = max(1, min(batch, rows))
    steps = -(-rows // batch)
    epochs = given.get("epochs", max(least, min(400, round(wanted / steps))))
    rate = given.get("learning_rate") or pace
    rest = {k: v for k, v in given.items() if k not in ("batch_rows", "epochs", "learning_rate")}
    return Plan(epochs=epochs, batch_rows=batch, learning_rate=rate, **rest)
