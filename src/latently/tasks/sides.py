"""Views of a row, by its cells, its neighbours and its place, as one model has them that reads rows in one way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latently.engine.schedule import Judged
from latently.modalities.bent import Bend
from latently.model import Composition
from latently.tasks.strangeness import Map, View, Yardstick
from latently.values import Batch

__all__ = ["Side", "known_of", "parts", "weights"]

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """What a model makes of rows, and what is usual."""

    view: View
    yard: Yardstick
    bend: Bend | None  #: how the rows are read, None: as they are

    @classmethod
    def of(
        cls, judged: tuple[Judged, ...], model: Composition, rows: Batch, clean: bool, run: Map, bend: Bend | None
    ) -> tuple[Self, Rows]:
        """From models with rows that they did not learn from; `-log p` of those rows, too."""
        k, alone = (1, False) if clean else (0, True)
        views = [View.of(j.model, j.train, k, alone) for j in judged]
        view = views[0] if judged[0].model is model else View.of(model, rows, k, alone)
        cells = np.concatenate([v.cells(j.valid, run) for v, j in zip(views, judged, strict=True)])
        # Distances know no model: a row left out of the references stands for a new one better than a fold does.
        near = np.concatenate([view.distance(j.valid, alone=True) for j in judged])
        out = [
            np.concatenate(parts)
            for parts in zip(*(v.out(j.valid) for v, j in zip(views, judged, strict=True)), strict=True)
        ]
        apart = np.column_stack([near, *out])
        masks = [known_of(j.valid) for j in judged]
        known = None if masks[0] is None else np.concatenate([m for m in masks if m is not None])
        yard = Yardstick.of(
            cells, known, apart, np.concatenate([weights(j.valid) for j in judged]), any(model.door.levels)
        )
        return cls(view, yard, bend), yard.nats(cells, known, apart)

    def seen(self, batch: Batch) -> Batch:
        """Rows as this model reads them."""
        return batch if self.bend is None else self.bend.batch(batch)

    def nats(self, batch: Batch, run: Map) -> Rows:
        """`-log p` of each row in every view."""
        seen = self.seen(batch)
        return self._nats(seen, self.view.cells(seen, run))

    def _nats(self, seen: Batch, cells: Rows) -> Rows:
        apart = np.column_stack([self.view.distance(seen), *self.view.out(seen)])
        return self.yard.nats(cells, known_of(seen), apart)

    def shares(self, batch: Batch, run: Map) -> tuple[Rows, list[Rows], Rows]:
        """The same; of each cell its share in every view; and p: how often its column surprises at least as much."""
        seen, known = self.seen(batch), known_of(batch)
        cells = self.view.cells(seen, run)
        p = np.exp(-self.yard.cell.nats(self.yard.units(cells, known)))
        return self._nats(seen, cells), [parts(self.yard.counted(cells, known)), *map(parts, self.view.apart(seen))], p

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the model."""
        return self.view.state() | self.yard.state()

    @classmethod
    def from_state(cls, model: Composition, state: dict[str, Any], bend: Bend | None) -> Self:
        """The side that `state` described."""
        return cls(View.from_state(model, state), Yardstick.from_state(state), bend)


def weights(batch: Batch) -> Rows:
    """How much each row counts."""
    return np.ones(len(batch)) if batch.weight is None else batch.weight.cpu().numpy().astype(np.float64)


def known_of(batch: Batch) -> NDArray[np.bool_] | None:
    """Which cells are known; None: all."""
    return None if batch.known is None else batch.known.flatten(1).cpu().numpy()


def parts(values: Rows) -> Rows:
    """Each row's values as shares of their sum; zeros where that is zero."""
    total = values.sum(1, keepdims=True)
    return values / np.where(total > 0, total, 1.0)
