"""The records that pass between the floors. Everything here is data; nothing decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Batch", "Code", "Cost", "Pass", "Sizes", "Sort", "Weight"]


class Sort(StrEnum):
    """What a cost is, and so where it counts."""

    NATS = "nats"  #: `(rows,)`, information in nats: in the bound, in the loss and in scores
    PENALTY = "penalty"  #: `(rows,)`, a price on a row's code: in the loss, never in a score
    STATISTIC = "statistic"  #: `()`, of the batch as a whole: in the loss, never in a score


@dataclass(frozen=True, slots=True)
class Cost:
    """A raw (unweighted) cost and its sort."""

    value: Float[Tensor, "*rows"]
    sort: Sort


@dataclass(frozen=True, slots=True)
class Weight:
    """The factor of a named cost in the loss: `value`, reached linearly over the first `warmup` of the run."""

    value: float
    warmup: float = 0.0

    def at(self, progress: float) -> float:
        """The factor when the share `progress` of the run is done."""
        return self.value if progress >= self.warmup else self.value * progress / self.warmup


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows on their way through a model: one float32 number a cell, finite everywhere (filler where unknown)."""

    x: Float[Tensor, "rows *cells"]
    known: Bool[Tensor, "rows *cells"] | None = None  #: None: every cell is known
    given: Float[Tensor, "rows *given"] | None = None  #: what the encoder sees instead of `x`, when supplied
    weight: Float[Tensor, " rows"] | None = None  #: importance of each row, mean one over the training rows
    shown: Bool[Tensor, "rows *given"] | None = None  #: which cells of `given` are known; None: those of `known`

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def cells(self) -> int:
        """How many numbers a row has."""
        return math.prod(self.x.shape[1:]) if len(self) else 0

    def take(self, index: Tensor | slice) -> Batch:
        """The rows at `index`."""
        if isinstance(index, Tensor) and index.dtype == torch.long:  # four times as fast as in brackets
            return self._each(lambda field: field.index_select(0, index))
        return self._each(lambda field: field[index])

    def repeat(self, times: int) -> Batch:
        """The whole batch `times` over, one copy after the other."""
        return self._each(lambda field: field.repeat(times, *[1] * (field.ndim - 1)))

    def to(self, device: torch.device) -> Batch:
        """The same rows on another device."""
        return self._each(lambda field: field.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        fields = (self.x, self.known, self.given, self.weight, self.shown)
        return Batch(*(None if f is None else change(f) for f in fields))  # type: ignore[arg-type]

    def seen_as(self, x: Tensor, known: Tensor | None) -> Batch:
        """The same rows with other cells: what a corruption makes of them."""
        return Batch(x, known, self.given, self.weight, self.shown)


@dataclass(frozen=True, slots=True)
class Code:
    """What a bottleneck makes of the encoder's output, and what that costs."""

    z: Float[Tensor, "rows code"]
    costs: Mapping[str, Cost] = field(default_factory=dict)
    spare: Float[Tensor, "rows code"] | None = None  #: units that `z` leaves out and that should learn nevertheless


@dataclass(frozen=True, slots=True)
class Pass:
    """One way through the model: `batch` as it is, `seen` by the encoder, its `code`, the decoder's `params`."""

    batch: Batch
    seen: Batch
    code: Code
    params: Float[Tensor, "rows *params"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a part may need to know of data and model before it can be built."""

    cells: int  #: numbers a row
    code: int  #: width of the code
    rows: int = 1  #: training rows
    low: Tensor | None = None  #: least value of each cell, model units
    high: Tensor | None = None  #: greatest value of each cell, model units
    levels: tuple[int, ...] = ()  #: of each cell that names a category, 0 for numbers; empty: all are numbers
    shape: tuple[int, ...] = ()  #: of the cells of a row: (channels, height, width) of images; empty: a list of columns
