"""How far the nearest of some training rows are, and which rows of a fit lie near enough to others to be trusted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from latently import native
from latently.engine.infer import pieces
from latently.model import Composition
from latently.values import Batch

__all__ = ["AT_ONCE", "Neighbours", "features", "kept", "spread", "trusted"]

AT_ONCE = 256  # rows a call whose distances to all references are in memory together
NEAR = 1e-4  # of a row's square: squares below that are told again in full, since float32 has lost their digits
FAR = 1e30  # a row's square, from which on float32 cannot hold what is added to it
SAME = 1e-12  # likewise, in float64: what rounding leaves of nothing
JUDGES = 2048  # rows of a fit that tell how much to trust the others (as well as four times as many, measured)
LINE = 0.25  # share of the rows that are trusted wholly
POWER = 4  # of how much further away the others are (2 lets too much in, 8 adds nothing: measured)


@dataclass(frozen=True)
class Neighbours:
    """Distance to the k-th nearest of some training rows, over the features known in both, scaled up to all of them."""

    rows: Tensor  #: (references, features), float64, zero where unknown
    known: Tensor | None
    k: int
    alone: bool  #: a row is no neighbour of itself: for scoring the rows that the references were taken from

    def squares(self, x: Tensor, known: Tensor | None) -> Tensor:
        """Squared distances `(rows, references)`; infinite where nothing is known in both, or to itself."""
        if known is None and self.known is None:
            size = x.square().sum(1)[:, None] + self.rows.square().sum(1)
            squares = size - 2 * x @ self.rows.t()
        else:
            a = torch.ones_like(x) if known is None else known.to(x.dtype)
            b = torch.ones_like(self.rows) if self.known is None else self.known.to(x.dtype)
            x = x * a
            size = x.square() @ b.t() + a @ self.rows.square().t()
            share = x.shape[1] / (a @ b.t())
            squares = ((size - 2 * x @ self.rows.t()) * share).nan_to_num(nan=torch.inf)
        squares = squares.masked_fill(squares <= SAME * size, 0.0)
        return squares.masked_fill(squares == 0, torch.inf) if self.alone else squares

    def distance(self, x: Tensor, known: Tensor | None) -> Tensor:
        """To the k-th nearest; 0 for a row without a reference to compare with."""
        if known is None and self.known is None and len(self.rows) > self.k + 1:
            return self._quick(x)
        return self._full(x, known)

    def _full(self, x: Tensor, known: Tensor | None) -> Tensor:
        nearest = self.squares(x, known).topk(min(self.k, len(self.rows)), largest=False).values
        return nearest.masked_fill(nearest.isinf(), 0.0).amax(1).sqrt()

    def _quick(self, x: Tensor) -> Tensor:
        """The same where all is known: float32 finds the neighbour; where its digits do not do, float64 tells how far.

        A score holds some five digits of a distance, and these are a row's own: nothing here depends on other rows.
        """
        gaps, size = self._less(x.float()), x.square().sum(1)
        again = ~(size < FAR)
        if self.k == 1 and not self.alone:
            found = size + gaps.amin(1).double()
            close = found <= NEAR * size
            found[close] = self._exact(x[close], gaps[close].argmin(1))
        else:
            order = native.least(gaps, self.k + 1)[1]
            found, first, second = (self._exact(x, order[:, i]) for i in (self.k - 1, 0, 1))
            if self.alone:
                found = torch.where(first <= SAME * size, self._exact(x, order[:, self.k]), found)
                again |= second <= SAME * size  # copies
        for i in again.nonzero()[:, 0]:
            found[i] = self._each(x[i])
        return found.clamp(min=0).sqrt()

    def _each(self, x: Tensor) -> Tensor:
        squares = (x - self.rows).square().sum(1)
        if self.alone:
            squares = squares.masked_fill(squares <= SAME * x.square().sum(), torch.inf)
        nearest = squares.topk(self.k, largest=False).values[-1]
        return nearest.masked_fill(nearest.isinf(), 0.0)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_less"}  # which holds pointers

    def _exact(self, x: Tensor, which: Tensor) -> Tensor:
        return (x - self.rows[which]).square().sum(1)

    @functools.cached_property
    def _less(self) -> Callable[[Tensor], Tensor]:
        """Squared distances `(rows, references)` less the rows' own squares, in float32."""
        w, b = (-2 * self.rows).float().contiguous(), self.rows.square().sum(1).float()
        if native.fast():
            return native.Stack([native.Weights(w, b, None, None, False)]).infer
        return lambda x: torch.addmm(b, x, w.t())


def features(model: Composition, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """What the encoder sees of each column, without the mask channel, on the CPU in float64; which of it is known."""
    levels = model.door.levels
    widths = torch.tensor([n or 1 for n in levels])
    x = model.door(batch)[:, : int(widths.sum())].cpu().double()
    if batch.known is None:
        return x, None
    known = batch.known.flatten(1).cpu().repeat_interleave(widths, 1)
    return x * known, known


def kept(levels: tuple[int, ...], near: Neighbours) -> Batch:
    """The references as rows in model units again; a level never seen is unknown."""
    columns, seen = [], []
    ends = torch.tensor([n or 1 for n in levels]).cumsum(0).tolist()
    for end, n in zip(ends, levels, strict=True):
        part = near.rows[:, end - (n or 1) : end]
        columns.append(part.argmax(1) if n else part[:, 0])
        there = part.amax(1) > 0 if n else torch.ones(len(part)).bool()
        seen.append(there if near.known is None else there & near.known[:, end - 1])
    x, known = torch.stack(columns, 1).float(), torch.stack(seen, 1)
    return Batch(x) if bool(known.all()) else Batch(x.masked_fill(~known, 0.0), known)


def spread(rows: Batch, most: int) -> Batch:
    """At most so many of the rows, from all over: a table is often in the order of time."""
    places = torch.linspace(0, len(rows) - 1, min(most, len(rows)), dtype=torch.float64).round().long()
    return rows.take(places.to(rows.x.device))


def trusted(model: Composition, rows: Batch, valid: Batch | None) -> tuple[Batch, Batch | None]:
    """The rows, weighing less the further their neighbours are: anomalies may hide among them, and are to teach little.

    `min(1, line / distance)^4`, the distance being that to the fiftieth part of some of the rows, the fifth neighbour
    at least; a quarter of the rows lie within the line. The rows that judge are weighed by the same neighbours.
    """
    some, known = features(model, spread(rows, JUDGES).to(rows.x.device))
    near = Neighbours(some, known, min(max(5, len(some) // 50), max(1, len(some) - 1)), True)
    apart = _apart(model, near, rows)
    order = apart.argsort()
    reached = torch.ones(len(rows)).double() if rows.weight is None else rows.weight.cpu().double()
    reached = reached[order].cumsum(0)
    line = apart[order[int(torch.searchsorted(reached, LINE * reached[-1]))]]
    if line <= 0:  # a quarter of the rows are copies of each other: nothing to measure by
        return rows, valid
    learned = _weighed(rows, line / apart)
    return learned, None if valid is None else _weighed(valid, line / _apart(model, near, valid))


def _apart(model: Composition, near: Neighbours, batch: Batch) -> Tensor:
    device = next(model.parameters()).device
    return pieces(lambda b: near.distance(*features(model, b)), batch, AT_ONCE, device).double()


def _weighed(batch: Batch, trust: Tensor) -> Batch:
    trust = trust.clamp(max=1) ** POWER
    weight = trust if batch.weight is None else trust * batch.weight.cpu().double()
    weight = weight / weight.mean()
    return replace(batch, weight=weight.float().to(batch.x.device))
