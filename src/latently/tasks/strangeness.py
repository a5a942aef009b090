"""How strange a row is: two views of it, each in nats beside rows that were not learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently import rng as chance
from latently.engine.infer import pieces
from latently.model import Composition
from latently.parts.corruptions import Gaussian
from latently.tasks.cloud import Cloud
from latently.tasks.nearness import AT_ONCE, Neighbours, features, spread
from latently.values import Batch

__all__ = ["Map", "Tails", "View", "Yardstick", "cut", "limits", "noise_for"]

Rows = NDArray[np.float64]
Map = Callable[[Callable[[Batch], Tensor], Batch], NDArray[np.float32]]

PAIRS = 4  # draws of noise at scoring, each with its mirror image
REFERENCES = 8192  # training rows that distances are measured to
FEWER = 2048  # where the neighbour that counts is the fiftieth part of them away: as good (measured), and faster
ROUNDS = 5  # of putting what the model expects in a cell's place: a spoiled cell spoils the first guess (measured)
LEVELS = np.linspace(1.0, 0.1, 46)  # chances of exceeding whose quantiles are kept; beyond, an exponential
FAINT = 1e-3  # of the mean column's surprise: a column may not be told better than this


@dataclass(frozen=True)
class Tails:
    """`-log P(V >= v)` of each column: quantiles of values seen, an exponential above the 90th percentile."""

    grid: Rows  #: (levels, columns)
    scale: Rows  #: (columns,), the mean excess over the last quantile

    @classmethod
    def of(cls, values: Rows, weight: Rows, known: NDArray[np.bool_] | None = None, least: float = 0.0) -> Tails:
        """Tails of the columns of `values`, over known cells; no exponential is steeper than `1 / least`."""
        grid, scale = np.zeros((len(LEVELS), values.shape[1])), np.ones(values.shape[1])
        for j in range(values.shape[1]):
            here: Any = slice(None) if known is None else known[:, j]
            if known is None or here.any():
                order = np.argsort(values[here, j], kind="stable")
                v, w = values[here, j][order], weight[here][order]
                places = np.searchsorted(np.cumsum(w), (1 - LEVELS) * w.sum() * (1 - 1e-12))
                grid[:, j] = v[np.minimum(places, len(v) - 1)]
                beyond = np.maximum(v - grid[-1, j], 0)
                over = beyond > 0
                excess = np.average(beyond[over], weights=w[over]) if over.any() else 0.0
                scale[j] = max(float(excess), least, 1e-3 * float(np.abs(v).mean()), 1e-12)
        return cls(grid, scale)

    def nats(self, values: Rows) -> Rows:
        """How surprising each value is: 0 at or below the least one seen."""
        out, steps = np.empty_like(values), -np.log(LEVELS)
        for j in range(values.shape[1]):
            grid, v = self.grid[:, j], values[:, j]
            right = np.clip(np.searchsorted(grid, v, side="left"), 1, len(grid) - 1)
            width = grid[right] - grid[right - 1]
            part = np.clip((v - grid[right - 1]) / np.where(width > 0, width, 1), 0, 1)
            inside = steps[right - 1] + part * (steps[right] - steps[right - 1])
            out[:, j] = inside + np.maximum(v - grid[-1], 0) / self.scale[j]
        return out


@dataclass(frozen=True)
class View:
    """What a model, and the rows that it learned from, make of other rows."""

    model: Composition
    noise: Tensor  #: (draws, cells), shared by all rows
    low: Tensor  #: least value of each cell among the rows learned from
    high: Tensor
    neighbours: Neighbours
    cloud: Cloud | None = None  #: of the rows of a table

    @classmethod
    def of(cls, model: Composition, rows: Batch, k: int, alone: bool) -> View:
        """`k`: which neighbour counts, 0 for the fiftieth part of the references, the fifth at least."""
        noise, (low, high) = noise_for(model, rows.cells), limits(rows, 1 + max(1, len(rows) // 100) if alone else 1)
        near = _near(model, spread(rows, REFERENCES if k else FEWER), k, alone)
        return cls(model, noise, low, high, near, Cloud.of(model, rows, not alone))

    def moved(self, model: Composition, fresh: Batch, kept: Batch, share: float) -> View:
        """After `model` learned on: `fresh` rows, by their weights a `share` of all, and the references `kept` now."""
        alone, cloud = self.neighbours.alone, self.cloud
        low, high = limits(kept, 1 + max(1, len(kept) // 100)) if alone else limits(fresh, 1)
        low = torch.where(low.isinf(), self.low, low if alone else torch.minimum(low, self.low))
        high = torch.where(high.isinf(), self.high, high if alone else torch.maximum(high, self.high))
        near, cloud = _near(model, kept, 0 if alone else 1, alone), cloud and cloud.moved(model, fresh, share)
        return replace(self, model=model, low=low, high=high, neighbours=near, cloud=cloud)

    def cells(self, batch: Batch, run: Map) -> Rows:
        """Surprise of every cell, 0 where unknown: its nats in the mean over the draws, and how far out of range."""
        return run(self._surprise, batch).astype(np.float64)

    def _surprise(self, batch: Batch) -> Tensor:
        x = batch.x.flatten(1)
        total = torch.zeros_like(x)
        for noise in self.noise.to(x.device):
            given = (x + noise).view_as(batch.x)
            given = given if batch.known is None else given.masked_fill(~batch.known, 0.0)
            params = self.model(replace(batch, given=given)).params
            total += self.model.likelihood.each(batch.x, params).flatten(1)
        # A network may copy what lies far outside of everything it saw: beyond the range nothing is expected.
        out = (x - self.high.to(x.device)).clamp(min=0) + (self.low.to(x.device) - x).clamp(min=0)
        each = total / len(self.noise) + out.square()
        return each if batch.known is None else each.masked_fill(~batch.known.flatten(1), 0.0)

    def expected(self, batch: Batch, column: NDArray[np.int64], run: Map) -> Rows:
        """What belongs in one cell of each row, given the others: put there what the model makes of it, and again.

        Numbers out of range count as at its edge: a model makes of what it never saw anything, or now this, now that.
        """
        which = torch.from_numpy(column)[:, None]
        low, high = self.low[which], self.high[which]
        x = batch.x.flatten(1)
        inside = torch.tensor([n == 0 for n in self.model.door.levels]).expand_as(x)
        inside = inside if batch.known is None else inside & batch.known.flatten(1)
        x = torch.where(inside, x.clamp(self.low, self.high), x)
        for _ in range(ROUNDS):
            guess = run(
                lambda b: self.model.decode(self.model.encode(b)), batch.seen_as(x.view_as(batch.x), batch.known)
            )
            x = x.scatter(1, which, torch.from_numpy(guess).flatten(1).gather(1, which).clamp(low, high))
        return x.gather(1, which)[:, 0].numpy().astype(np.float64)

    def distance(self, batch: Batch, alone: bool = False) -> Rows:
        """How far the neighbours are; `alone` when the rows are, or may be, among the references."""
        near = self.neighbours if not alone or self.neighbours.alone else replace(self.neighbours, alone=True)
        device = next(self.model.parameters()).device
        return pieces(lambda b: near.distance(*features(self.model, b)), batch, AT_ONCE, device).numpy()

    def out(self, batch: Batch) -> list[Rows]:
        """How far from the middle of the rows, where there is a cloud."""
        if (cloud := self.cloud) is None:
            return []
        device = next(self.model.parameters()).device
        return [pieces(lambda b: cloud.distance(*features(self.model, b)), batch, AT_ONCE, device).numpy()]

    def apart(self, batch: Batch) -> list[Rows]:
        """Squared distance to the neighbour that counts, and from the middle, column by column."""
        device = next(self.model.parameters()).device
        found = [pieces(lambda b: self._columns(self._apart(*features(self.model, b))), batch, AT_ONCE, device).numpy()]
        if (cloud := self.cloud) is None:
            return found
        far = pieces(lambda b: self._columns(cloud.parts(*features(self.model, b))), batch, AT_ONCE, device).numpy()
        return [*found, far]

    def _apart(self, x: Tensor, known: Tensor | None) -> Tensor:
        near = self.neighbours
        which = near.squares(x, known).topk(near.k, largest=False).indices[:, -1]
        gap = (x - near.rows[which]).square()
        gap = gap if known is None else gap * known
        return gap if near.known is None else gap * near.known[which]

    def _columns(self, each: Tensor) -> Tensor:
        """Of every column what its features have together."""
        levels = self.model.door.levels
        column = torch.arange(len(levels)).repeat_interleave(torch.tensor([n or 1 for n in levels]))
        return torch.zeros(len(each), len(levels), dtype=each.dtype).index_add_(1, column, each)

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the model."""
        near = self.neighbours
        found: dict[str, Any] = {
            "noise": self.noise.numpy(), "low": self.low.numpy(), "high": self.high.numpy(),
            "references": near.rows.numpy().astype(np.float32), "k": near.k, "alone": near.alone,
        }  # fmt: skip
        found |= {} if self.cloud is None else self.cloud.state()
        return found if near.known is None else found | {"references_known": near.known.numpy()}

    @classmethod
    def from_state(cls, model: Composition, state: dict[str, Any]) -> View:
        """The view that `state` described."""
        noise, low, high, rows = (torch.from_numpy(state[n]).clone() for n in ("noise", "low", "high", "references"))
        known = torch.from_numpy(state["references_known"]).clone() if "references_known" in state else None
        near = Neighbours(rows.double(), known, state["k"], state["alone"])
        return cls(model, noise, low, high, near, Cloud.from_state(state))


def _near(model: Composition, rows: Batch, k: int, alone: bool) -> Neighbours:
    some, known = features(model, rows)
    return Neighbours(some, known, min(k or max(5, len(some) // 50), max(1, len(some) - alone)), alone)


def limits(rows: Batch, place: int) -> tuple[Tensor, Tensor]:
    """Of each column the value at this place from below, and from above, among those known.

    The end of them where fewer are known; of a column of which nothing is known, no limits.
    """
    x = rows.x.flatten(1)
    known = torch.ones_like(x, dtype=torch.bool) if rows.known is None else rows.known.flatten(1)
    return _end(x, known, place).cpu(), -_end(-x, known, place).cpu()


def _end(x: Tensor, known: Tensor, place: int) -> Tensor:
    filled = x.masked_fill(~known, torch.inf)
    found = filled.kthvalue(min(place, len(x)), 0).values
    found = torch.where(found.isinf(), filled.amin(0), found)
    return found.masked_fill(~known.any(0), -torch.inf)


def noise_for(model: Composition, cells: int) -> Tensor:
    """Noise as in training, where that is Gaussian, in mirrored pairs; none for categories and for other kinds."""
    if not isinstance(model.corruption, Gaussian):
        return torch.zeros(1, cells)
    draws = torch.empty(PAIRS, cells).normal_(generator=chance.child(0, "scoring")) * model.corruption.sigma
    draws[:, [n > 0 for n in model.door.levels]] = 0.0
    return torch.cat([draws, -draws])


@dataclass(frozen=True)
class Yardstick:
    """What is usual, learned from rows that the judging models did not learn from."""

    low: Rows  #: least surprise of each column's cells
    mean: Rows  #: mean surprise above that
    cell: Tails  #: of each column's cells, in units of `mean`
    mixed: bool  #: numbers and categories: each column counts by its own `-log p`, for they have no unit in common
    view: Tails  #: of the rows: mean surprise of the known cells, distances

    @classmethod
    def of(
        cls, cells: Rows, known: NDArray[np.bool_] | None, apart: Rows, weight: Rows, mixed: bool = False
    ) -> Yardstick:
        """From the surprise of cells and the distances of rows `(rows, views)`, each row counting `weight`."""
        counts = np.broadcast_to(weight[:, None], cells.shape) if known is None else weight[:, None] * known
        low = np.asarray(np.where(counts > 0, cells, np.inf).min(axis=0))
        low = np.where(np.isfinite(low), low, 0.0)
        mean = ((cells - low) * counts).sum(0) / np.maximum(counts.sum(0), 1e-300)
        mean = np.maximum(mean, max(FAINT * float(mean.mean()), 1e-12))
        nothing = Tails(np.zeros((len(LEVELS), 0)), np.zeros(0))
        made = cls(low, mean, nothing, mixed, nothing)
        made = replace(made, cell=Tails.of(made.units(cells, known), weight, known, least=0.05))
        return replace(made, view=Tails.of(np.column_stack([made.surprise(cells, known), apart]), weight))

    def units(self, cells: Rows, known: NDArray[np.bool_] | None) -> Rows:
        """Surprise of cells beside their column's usual one; 0 where unknown."""
        return self.beyond(cells, known) / self.mean

    def beyond(self, cells: Rows, known: NDArray[np.bool_] | None) -> Rows:
        """Surprise of cells above the least of their column; 0 where unknown."""
        found = np.maximum(cells - self.low, 0)
        return found if known is None else found * known

    def counted(self, cells: Rows, known: NDArray[np.bool_] | None) -> Rows:
        """What each cell adds to its row's surprise."""
        if not self.mixed:
            return self.beyond(cells, known)
        nats = self.cell.nats(self.units(cells, known))
        return nats if known is None else nats * known

    def surprise(self, cells: Rows, known: NDArray[np.bool_] | None) -> Rows:
        """The mean over the known cells of each row."""
        count = cells.shape[1] if known is None else np.maximum(known.sum(1), 1)
        return np.asarray(self.counted(cells, known).sum(1) / count)

    def nats(self, cells: Rows, known: NDArray[np.bool_] | None, apart: Rows) -> Rows:
        """`-log p` in every view, `(rows, views)`; nothing for a row without a known cell."""
        found = self.view.nats(np.column_stack([self.surprise(cells, known), apart]))
        return found if known is None else found * known.any(axis=1, keepdims=True)

    def state(self) -> dict[str, Any]:
        """Arrays by name."""
        return {
            "low_nats": self.low, "mean_nats": self.mean, "cell_grid": self.cell.grid, "cell_scale": self.cell.scale,
            "view_grid": self.view.grid, "view_scale": self.view.scale, "mixed": self.mixed,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Yardstick:
        """The yardstick that `state` described."""
        cell, view = (Tails(state[f"{n}_grid"], state[f"{n}_scale"]) for n in ("cell", "view"))
        return cls(state["low_nats"], state["mean_nats"], cell, state["mixed"], view)


def cut(strange: Rows, weight: Rows, share: float) -> float:
    """The value above which lie rows of at most `share` of the weight: midway to the next row, if there is one."""
    order = np.argsort(-strange, kind="stable")
    order = order[weight[order] > 0]
    s, total = strange[order], np.cumsum(weight[order])
    flagged = int(np.searchsorted(total, share * total[-1] * (1 + 1e-12), side="right"))
    if flagged == len(s):
        return float(np.nextafter(s[-1], -np.inf))
    flagged = int(np.searchsorted(-s, -s[flagged]))  # equal rows stay together
    if not flagged:
        return float(s[0])
    middle = (s[flagged - 1] + s[flagged]) / 2
    return float(middle if middle < s[flagged - 1] else s[flagged])  # neighbours among floats, or infinite
