"""Judges rows of a table with the help of known anomalies."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight, _num_samples
from torch import Tensor

from latently.engine.infer import pieces
from latently.engine.schedule import Judged
from latently.errors import warn
from latently.modalities import Modality
from latently.model import Composition
from latently.tasks.judges import Again, Beside, Columns, Learned
from latently.tasks.known import Lessons, Pool, marks
from latently.tasks.nearness import AT_ONCE, features, spread
from latently.tasks.probes import labels_of
from latently.tasks.sides import Side, known_of, weights
from latently.tasks.strangeness import Map, View
from latently.values import Batch

__all__ = ["Known", "Taught", "judge_from"]

Rows = NDArray[np.float64]

MOST = 8192  # training rows that stand for all, besides those held out (16,000 rank no better: measured)
CELLS = 2**24  # numbers that are told of them, about
FEWEST = 10  # different rows not known as anomalies
NORMAL = 5.0  # what a known normal row counts: often a false alarm, and so rare (1: two points worse then, 20: as good)
KNOWN = "known_"  # before what a file holds of the lessons


@dataclass(frozen=True)
class Known:
    """Rows that somebody looked at, as they came, and what each counts."""

    anomalies: Any
    normal: Any
    weights: tuple[Rows, Rows]

    @classmethod
    def of(cls, X: Any, y: Any, sample_weight: Any) -> tuple[Self | None, Any]:
        """None where there is no known anomaly; the weights of all rows, with which none is learned from as it is."""
        mark = marks(labels_of(y, _num_samples(X)))
        weight = _check_sample_weight(sample_weight, y if mark is None else mark)
        if mark is None or not weight[mark == 1].any():
            return None, sample_weight
        each = [np.flatnonzero((mark == sort) & (weight > 0)) for sort in (1, 0)]
        anomalies, normal = (_safe_indexing(X, rows) for rows in each)
        return cls(anomalies, normal, (weight[each[0]], NORMAL * weight[each[1]])), np.where(mark == 1, 0.0, weight)

    def read(self, take: Callable[[Any], Batch]) -> list[Batch]:
        """Normal rows, if any, and anomalies."""
        pairs = zip((self.normal, self.anomalies), self.weights[::-1], strict=True)
        return [replace(take(rows), weight=torch.from_numpy(w).float()) for rows, w in pairs if len(w)]


@dataclass(frozen=True)
class Taught(Columns):
    """Judges rows by their cells and their neighbours, and by what known anomalies teach of both (`Lessons`)."""

    lessons: Lessons

    @classmethod
    def by(cls, judge: Columns, learned: Learned, known: list[Batch]) -> tuple[Columns, Rows | None]:
        """The judge, and the strangeness of the rows held out; the last of `known` are the anomalies.

        The judge given and None where too few rows are left to learn from.

        What an autoencoder makes of a row that it learned from is no example of what it makes of others. So rows are
        told by models that did not learn from them, as far as there are such.
        """
        asked = [(_of_fold(judge, learned, i), j.valid, True) for i, j in enumerate(learned.judged)]
        column = _columns(judge)
        held = sum(len(j.valid) for j in learned.judged)
        if held < len(learned.rows):
            asked.append((judge.sides, spread(learned.rows, min(MOST, CELLS // len(column))), True))
        asked += [(judge.sides, batch, False) for batch in known]
        seen = [_told(sides, batch, judge.run, alone) for sides, batch, alone in asked]
        told = np.concatenate([np.concatenate([each for _, each in one], axis=1) for one in seen])
        plain = np.concatenate([judge._fused([nats for nats, _ in one]) for one in seen])
        cells = np.concatenate([batch.x.flatten(1).cpu().numpy() for _, batch, _ in asked])
        place = np.arange(len(told))
        pool = Pool(
            told, plain, np.concatenate([weights(batch) for _, batch, _ in asked]),
            place >= len(told) - len(known[-1]), place < held,
            np.unique(cells, axis=0, return_inverse=True)[1].ravel(),
        )  # fmt: skip
        if len(np.unique(pool.group[~pool.anomaly])) < FEWEST:
            warn(f"y is ignored: anomalies can be told from {FEWEST} different other rows, and from no fewer.")
            return judge, None
        lessons, strange = Lessons.of(pool, column)
        return cls(judge.sides, judge.data, judge.run, lessons), strange

    def strange(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """What the views say of each row, the line and the forest, in shares; 0 for a row without a known cell."""
        return np.concatenate([self._strange(batch) for batch in batches])

    def _strange(self, batch: Batch) -> Rows:
        known, found = known_of(batch), self.lessons.nats(*self._seen(batch)).sum(1)
        return np.asarray(found if known is None else found * known.any(1))

    def _seen(self, batch: Batch) -> tuple[Rows, Rows]:
        """What the views say of each row, and what is told of it to learn from."""
        found = _told(self.sides, batch, self.run, False)
        return self._fused([nats for nats, _ in found]), np.concatenate([each for _, each in found], axis=1)

    def _shares(self, batch: Batch) -> tuple[Rows, Rows]:
        shares, p = super()._shares(batch)
        return self.lessons.parts(*self._seen(batch), shares), p

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the first model."""
        return super().state() | {KNOWN + name: value for name, value in self.lessons.state().items()}


def judge_from(model: Composition, state: dict[str, Any], run: Map, data: Modality, again: Again) -> Columns:
    """The judge that `state` described; `Taught` where there were lessons."""
    judge = Columns.from_state(model, state, run, data, again)
    known = {name.removeprefix(KNOWN): value for name, value in state.items() if name.startswith(KNOWN)}
    return Taught(judge.sides, data, run, Lessons.from_state(known)) if known else judge


def _told(sides: tuple[Side, ...], batch: Batch, run: Map, alone: bool) -> list[tuple[Rows, Rows]]:
    """Of each side `-log p` in every view; and those, the surprise of every cell and what its encoder sees.

    `alone` when the rows are, or may be, among the references.
    """
    found = []
    for side in sides:
        seen, known, view = side.seen(batch), known_of(batch), side.view
        cells = view.cells(seen, run)
        nats = side.yard.nats(cells, known, np.column_stack([view.distance(seen, alone), *view.out(seen)]))
        device = next(view.model.parameters()).device
        x = pieces(functools.partial(_features, view.model), seen, AT_ONCE, device).numpy()
        found.append((nats, np.column_stack([nats, np.log1p(side.yard.units(cells, known)), x])))
    return found


def _features(model: Composition, batch: Batch) -> Tensor:
    return features(model, batch)[0]


def _columns(judge: Columns) -> NDArray[np.int64]:
    """The column of each number that `_told` tells; -1: all of them."""
    found = []
    for side in judge.sides:
        levels = side.view.model.door.levels
        of_views = np.full(1 + 1 + (side.view.cloud is not None), -1)
        found += [of_views, np.arange(len(levels)), np.repeat(np.arange(len(levels)), [n or 1 for n in levels])]
    return np.concatenate(found)


def _of_fold(judge: Columns, learned: Learned, fold: int) -> tuple[Side, ...]:
    """The sides with the models of one fold; distances know no model, and stay those to all rows."""
    beside = learned.outcome.beside
    outcomes = [learned.outcome, beside.outcome] if isinstance(beside, Beside) else [learned.outcome]
    return tuple(_of(side, outcome.judged[fold]) if outcome.judged else side
                 for side, outcome in zip(judge.sides, outcomes, strict=True))  # fmt: skip


def _of(side: Side, judged: Judged) -> Side:
    if judged.model is side.view.model:
        return side
    near = side.view.neighbours
    view = View.of(judged.model, judged.train, 0 if near.alone else 1, near.alone)
    return replace(side, view=replace(view, neighbours=near))
