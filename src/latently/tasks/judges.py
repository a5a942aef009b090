"""What judges rows, and why a row is strange: its cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from latently.engine.schedule import Judged, Outcome
from latently.modalities import Modality
from latently.model import Composition
from latently.tasks.strangeness import Map, View, Yardstick
from latently.values import Batch

__all__ = ["Columns", "Learned", "Reason"]

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """What a fit leaves to learn a judge from."""

    outcome: Outcome
    rows: Batch
    clean: bool  #: the rows are normal, and others are judged: the nearest neighbour counts
    run: Map  #: a function of batches over all rows, in pieces of one shape

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Models with rows that they did not learn from; where none were held out, with those that they did."""
        return self.outcome.judged or (Judged(self.outcome.model, self.rows, self.rows),)


@dataclass(frozen=True)
class Reason:
    """Why a row is strange: one of its cells."""

    column: str
    observed: Any  #: in user units: a number, a level, a date; None for a level never seen
    expected: Any  #: what the model puts there, given the row's other cells
    share: float  #: of the row's strangeness
    p_value: float  #: of the cell: how often a cell of this column is at least as surprising

    def text(self) -> str:
        """In words, such as `age 90 (expected 41)`."""
        observed, expected = (_shown(v) for v in (self.observed, self.expected))
        if observed == expected:  # the likeliest value, and yet few rows like this one have it
            return f"{self.column} {observed} (rare beside the others)"
        return f"{self.column} {observed} (expected {expected})"

    def told(self) -> dict[str, Any]:
        """For a report."""
        return {"column": self.column, "observed": self.observed, "expected": self.expected, "share": self.share}


@dataclass(frozen=True)
class Columns:
    """Judges rows by their cells and by their neighbours."""

    view: View
    yard: Yardstick
    data: Modality
    run: Map

    @classmethod
    def of(cls, learned: Learned, data: Modality) -> tuple[Self, Rows, Rows]:
        """The judge, the strangeness of the rows held out, and how much each of them counts."""
        judged, run, model = learned.judged, learned.run, learned.outcome.model
        k, alone = (1, False) if learned.clean else (0, True)
        views = [View.of(j.model, j.train, k, alone) for j in judged]
        view = views[0] if judged[0].model is model else View.of(model, learned.rows, k, alone)
        cells = np.concatenate([v.cells(j.valid, run) for v, j in zip(views, judged, strict=True)])
        # Distances know no model: a row left out of the references stands for a new one better than a fold does.
        distance = np.concatenate([view.distance(j.valid, alone=True) for j in judged])
        weight = np.concatenate([weights(j.valid) for j in judged])
        masks = [known_of(j.valid) for j in judged]
        known = None if masks[0] is None else np.concatenate([m for m in masks if m is not None])
        yard = Yardstick.of(cells, known, distance, weight)
        return cls(view, yard, data, run), yard.nats(cells, known, distance).mean(1), weight

    def nats(self, batch: Batch) -> Rows:
        """`-log p` of each row in both views."""
        return self.yard.nats(self.view.cells(batch, self.run), known_of(batch), self.view.distance(batch))

    def strange(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """The mean of both views of each row."""
        return np.concatenate([self.nats(batch).mean(1) for batch in batches])

    def features(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """What the encoder sees of each row, without the mask channel."""
        door = self.view.model.door
        return np.concatenate([self.run(lambda b: door(b)[:, : door.features], b) for b in batches]).astype(np.float64)

    def explain(self, X: Any, batches: Iterator[Batch], top: int) -> list[list[Reason]]:
        """The `top` cells of each row."""
        return [reasons for batch in batches for reasons in self._reasons(batch, top)]

    def _reasons(self, batch: Batch, top: int) -> list[list[Reason]]:
        cells, known = self.view.cells(batch, self.run), known_of(batch)
        units = self.yard.units(cells, known)
        nats = self.yard.nats(cells, known, self.view.distance(batch))
        shares = _parts(units) * nats[:, :1] + _parts(self.view.apart(batch)) * nats[:, 1:]
        shares = _parts(shares)
        p = np.exp(-self.yard.cell.nats(units))
        order = np.argsort(-np.where(known, shares, -1.0) if known is not None else -shares, axis=1, kind="stable")
        found: list[list[Reason]] = [[] for _ in shares]
        names = self.data.names
        row = np.arange(len(shares))
        observed = self.data.values(batch.x)
        for column in order.T[:top]:
            filled = batch.x.flatten(1).clone()
            filled[row, column] = torch.from_numpy(self.view.expected(batch, column, self.run)).to(filled.dtype)
            expected = self.data.values(filled)
            for j in np.unique(column):
                rows = np.flatnonzero((column == j) & (True if known is None else known[row, column]))
                pairs = (self.data.objects(int(j), values[rows, j]) for values in (observed, expected))
                for i, seen, usual in zip(rows, *pairs, strict=True):
                    found[i].append(Reason(names[j], seen, usual, float(shares[i, j]), float(p[i, j])))
        return found

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the model."""
        return self.view.state() | self.yard.state()

    @classmethod
    def from_state(cls, model: Composition, state: dict[str, Any], run: Map, data: Modality) -> Self:
        """The judge that `state` described."""
        return cls(View.from_state(model, state), Yardstick.from_state(state), data, run)


def _shown(value: Any) -> str:
    if value is None:
        return "never seen before"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def weights(batch: Batch) -> Rows:
    """How much each row counts."""
    return np.ones(len(batch)) if batch.weight is None else batch.weight.cpu().numpy().astype(np.float64)


def known_of(batch: Batch) -> NDArray[np.bool_] | None:
    """Which cells are known; None: all."""
    return None if batch.known is None else batch.known.flatten(1).cpu().numpy()


def _parts(values: Rows) -> Rows:
    """Each row's values as shares of their sum; zeros where that is zero."""
    total = values.sum(1, keepdims=True)
    return values / np.where(total > 0, total, 1.0)
