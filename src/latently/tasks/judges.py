"""What judges rows, and why a row is strange: its cells."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from latently.engine.infer import pieces
from latently.engine.schedule import Judged, Outcome
from latently.modalities import Modality
from latently.modalities.bent import Bend
from latently.model import Composition
from latently.tasks.nearness import AT_ONCE, Neighbours, features, kept
from latently.tasks.sides import Side, known_of, parts, weights
from latently.tasks.strangeness import Map
from latently.values import Batch

__all__ = ["Beside", "Columns", "Learned", "Reason"]

Rows = NDArray[np.float64]
Again = Callable[[Bend], Composition]

MIXED = 0.75  # what cells count where there are categories: numbers and categories make poor distances together
VIEWS = ("cells", "neighbours", "cloud")
SIDES = ("", ", bent")  # what a view is called of each side
BENT = "bent_"  # before what a file holds of the second side


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
class Beside:
    """A second fit: how it reads the rows, and what came of it."""

    bend: Bend
    rows: Batch
    outcome: Outcome


@dataclass(frozen=True)
class Columns:
    """Judges rows by their cells and by their neighbours, each on the side where it is stranger.

    One side reads the rows as they are, another, where there are numbers, bent (`Bend`).
    """

    sides: tuple[Side, ...]
    data: Modality
    run: Map

    @classmethod
    def of(cls, learned: Learned, data: Modality) -> tuple[Self, Rows, Rows]:
        """The judge, the strangeness of the rows held out, and how much each of them counts."""
        clean, run, beside = learned.clean, learned.run, learned.outcome.beside
        found = [Side.of(learned.judged, learned.outcome.model, learned.rows, clean, run, None)]
        if isinstance(beside, Beside):
            other = Learned(beside.outcome, beside.rows, clean, run)
            found.append(Side.of(other.judged, beside.outcome.model, beside.rows, clean, run, beside.bend))
        weight = np.concatenate([weights(j.valid) for j in learned.judged])
        made = cls(tuple(side for side, _ in found), data, run)
        return made, made._fused([nats for _, nats in found]), weight

    def kept(self) -> Batch:
        """The rows that distances are measured to, in model units."""
        view = self.sides[0].view
        return kept(view.model.door.levels, view.neighbours)

    def views(self, batch: Batch) -> dict[str, Rows]:
        """`-log p` of each row in every view of every side."""
        found: dict[str, Rows] = {}
        for name, side in zip(SIDES, self.sides, strict=False):
            found |= {view + name: nats for view, nats in zip(VIEWS, side.nats(batch, self.run).T, strict=False)}
        return found

    def strange(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """What the cells say of each row and what the distances say, each on the side that says more."""
        return np.concatenate([self._fused([side.nats(b, self.run) for side in self.sides]) for b in batches])

    def _fused(self, nats: list[Rows]) -> Rows:
        best = np.max(nats, axis=0)
        return np.asarray(best @ self._weights(best.shape[1]))

    def _weights(self, views: int) -> Rows:
        """What each view counts: cells one share, all distances together the rest."""
        cells = MIXED if self.sides[0].yard.mixed else 0.5
        return np.array([cells, *[(1 - cells) / (views - 1)] * (views - 1)])

    def features(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """What the encoder sees of each row, without the mask channel."""
        door = self.sides[0].view.model.door
        return np.concatenate([self.run(lambda b: door(b)[:, : door.features], b) for b in batches]).astype(np.float64)

    def normal(self, batches: Iterator[Batch], line: float) -> Batch:
        """For every row the most similar other one of the references, those stranger than `line` aside.

        The less strange half never is. For a row without a known cell a row without one.
        """
        rows, strange = self._references
        rows = rows.take(torch.from_numpy(np.flatnonzero(strange <= max(line, np.median(strange)))))
        side, model = self.sides[-1], self.sides[-1].view.model
        device = next(model.parameters()).device
        near = Neighbours(*features(model, side.seen(rows).to(device)), 1, True)
        found = []
        for batch in batches:
            gaps, seen = known_of(batch), side.seen(batch)
            which = pieces(lambda b: near.squares(*features(model, b)).argmin(1), seen, AT_ONCE, device).long()
            there = np.ones((len(batch), 1), bool) if gaps is None else gaps.any(1, keepdims=True)
            usual = rows.take(which)
            mask = torch.from_numpy(there).expand(len(batch), usual.cells)
            found.append((usual.x, mask if usual.known is None else mask & usual.known))
        return Batch(*(torch.cat(part) for part in zip(*found, strict=True)))

    @functools.cached_property
    def _references(self) -> tuple[Batch, Rows]:
        """The training rows that distances are measured to, and how strange each is."""
        rows = self.kept()
        return rows, self.strange(None, iter([rows]))

    def explain(self, X: Any, batches: Iterator[Batch], top: int) -> list[list[Reason]]:
        """The `top` cells of each row."""
        return [reasons for batch in batches for reasons in self._reasons(batch, top)]

    def _shares(self, batch: Batch) -> tuple[Rows, Rows]:
        """Of each cell its share of the row's strangeness, each view on the side it is stranger on; and p."""
        each, told, chances = zip(*(side.shares(batch, self.run) for side in self.sides), strict=True)
        nats = np.stack(each)
        ahead, best, row = nats.argmax(0), nats.max(0), np.arange(len(batch))
        found = [np.stack([shares[v] for shares in told])[ahead[:, v], row] for v in range(best.shape[1])]
        best = best * self._weights(best.shape[1])
        shares = parts(sum(share * best[:, v : v + 1] for v, share in enumerate(found)))
        return shares, np.stack(chances)[ahead[:, 0], row]

    def _reasons(self, batch: Batch, top: int) -> list[list[Reason]]:
        view, known = self.sides[0].view, known_of(batch)
        shares, p = self._shares(batch)
        order = np.argsort(-np.where(known, shares, -1.0) if known is not None else -shares, axis=1, kind="stable")
        found: list[list[Reason]] = [[] for _ in shares]
        names = self.data.names
        row = np.arange(len(shares))
        observed = self.data.values(batch.x)
        for column in order.T[:top]:
            filled = batch.x.flatten(1).clone()
            filled[row, column] = torch.from_numpy(view.expected(batch, column, self.run)).to(filled.dtype)
            expected = self.data.values(filled)
            for j in np.unique(column):
                rows = np.flatnonzero((column == j) & (True if known is None else known[row, column]))
                pairs = (self.data.objects(int(j), values[rows, j]) for values in (observed, expected))
                for i, seen, usual in zip(rows, *pairs, strict=True):
                    found[i].append(Reason(names[j], seen, usual, float(shares[i, j]), float(p[i, j])))
        return found

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the first model."""
        state = self.sides[0].state()
        for side in self.sides[1:]:
            assert side.bend is not None
            more = side.state() | {f"bend_{n}": v for n, v in side.bend.state().items()}
            more |= {f"model.{n}": t.cpu().numpy() for n, t in side.view.model.state_dict().items()}
            state |= {BENT + name: value for name, value in more.items()}
        return state

    @classmethod
    def from_state(
        cls, model: Composition, state: dict[str, Any], run: Map, data: Modality, again: Again | None = None
    ) -> Self:
        """The judge that `state` described; `again` builds a model that reads the rows bent."""
        sides = [Side.from_state(model, state, None)]
        more = {name.removeprefix(BENT): value for name, value in state.items() if name.startswith(BENT)}
        if more and again is not None:
            bend = Bend(**{f.name: more[f"bend_{f.name}"] for f in fields(Bend)})
            other = again(bend)
            other.load_state_dict({n[6:]: torch.from_numpy(v) for n, v in more.items() if n.startswith("model.")})
            sides.append(Side.from_state(other, more, bend))
        return cls(tuple(sides), data, run)


def _shown(value: Any) -> str:
    if value is None:
        return "never seen before"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
