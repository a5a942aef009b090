"""What judges series: how strange every step is, in nats beside stretches that were not learned from."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from latently.modalities.spells import Spells
from latently.modalities.tracks import Tracks
from latently.modalities.windows import Windows
from latently.model import Composition
from latently.tasks.intervals import Interval, core, times_of
from latently.tasks.judges import Learned
from latently.tasks.regions import view_of
from latently.tasks.strangeness import Map, Tails, View, cut
from latently.values import Batch

__all__ = ["Moments"]

Rows = NDArray[np.float64]

WEIGHTS = (1.0, 1.0, 0.5, 0.5)  # surprise, distance, how far out, level (a quarter of NAB: AUROC .837, with it .851)
LEAST = 1e-3  # of a view: no tail falls off faster than this
MARKED = 0.1  # share of held-out steps (of a collection, series) that are stranger than what is marked
NEAR = 0.75  # of the greatest strangeness: what is named where nothing is marked
KEPT = 4096  # held-out values kept


@dataclass(frozen=True)
class Usual:
    """What held-out stretches are like."""

    view: Tails  #: of steps, each view
    local: Rows  #: (channels,), mean of how surprising a step is given the others of its window
    peaks: Rows  #: strangeness of steps, or of items where those are judged; least first
    counts: Rows  #: what each counts

    def state(self) -> dict[str, Any]:
        """Arrays by name."""
        return {
            "view_grid": self.view.grid, "view_scale": self.view.scale, "local": self.local, "peaks": self.peaks,
            "peak_counts": self.counts,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """What `state` described."""
        view = Tails(state["view_grid"], state["view_scale"])
        return cls(view, state["local"], state["peaks"], state["peak_counts"])


@dataclass(frozen=True)
class Moments:
    """Judges the steps of series by the windows around them, and series by their strangest step.

    A window is surprising as its patterns are when a denoising autoencoder reconstructs them, and far from others as
    its distance to its neighbours among training windows says. A step has the mean of the windows around it, which
    count less the further their middle is away, to nothing at one window's length; each view beside what steps of
    held-out stretches have, as `-log p`. Their mean is its strangeness. Where anomalies may have been learned,
    views that no model has a part in count half: the squared distance of a window to the mean window, and, of one long
    series, that of the mean of half a window around a step to the mean of all.
    """

    view: View
    usual: Usual
    data: Spells
    run: Map

    @classmethod
    def of(cls, learned: Learned, data: Any) -> tuple[Self, Rows, Rows]:
        """The judge, the strangeness of steps or items held out, and how much each of them counts."""
        judged, run, model = learned.judged, learned.run, learned.outcome.model
        views = [_view(j.model, j.train, learned.clean, data) for j in judged]
        view = views[0] if judged[0].model is model else _view(model, learned.rows, learned.clean, data)
        nothing = Usual(Tails(np.zeros((0, 0)), np.zeros(0)), np.zeros(0), np.zeros(0), np.zeros(0))
        plain = cls(view, nothing, data, run)
        found, local = [], []
        alone = not learned.outcome.judged  # the rows judged are then those learned from
        for v, j in zip(views, judged, strict=True):
            mine = replace(plain, view=v)
            kept, stretches = mine._stretches(j.valid)
            found += mine._views(kept, stretches, alone)
            local += stretches.joined(mine._local(kept))
        return plain._calibrated(found, local)

    def _calibrated(self, found: list[Rows], local: list[Rows]) -> tuple[Self, Rows, Rows]:
        sizes = np.array([len(f) for f in found])
        data = self.data
        each = np.repeat((sizes - data.length_ + data.fine_) / sizes / data.length_, sizes)  # a window counts one
        view = Tails.of(np.concatenate(found), each, least=LEAST)
        mean = np.average(np.concatenate(local), axis=0, weights=each)
        made = replace(self, usual=replace(self.usual, view=view, local=np.maximum(mean, 1e-12)))
        strange = [made._nats(f) for f in found]
        values = np.concatenate(strange) if self.data.stepwise_ else np.array([s.max() for s in strange])
        peaks, counts = _thinned(values, each if self.data.stepwise_ else np.ones(len(found)))
        return replace(made, usual=replace(made.usual, peaks=peaks, counts=counts)), peaks, counts

    def _stretches(self, batch: Batch) -> tuple[Batch, Windows]:
        """Held-out windows as so many short series, those left out that share steps with windows beside them."""
        data = self.data
        together, margin = data.together, data.margin_
        units = max(1, len(batch) // together)
        inner = together - 2 * margin if len(batch) >= together else len(batch)
        margin = margin if len(batch) >= together else 0
        place = (np.arange(units)[:, None] * together + margin + np.arange(inner)).ravel()
        starts = np.tile(np.arange(inner) * data.fine_, units)
        steps = np.full(units, data.length_ + (inner - 1) * data.fine_)
        windows = Windows(data.length_, np.repeat(np.arange(units), inner), starts, steps)
        return Batch(batch.x[place]), windows

    # ------------------------------------------------------------------ windows, steps, items

    def _rows(self, batch: Batch, alone: bool = False) -> list[Rows]:
        """Surprise and distance of every window; where strange ones may have been learned, how far out it lies, too."""
        views = [self.view.cells(batch, self.run).mean(1), self.view.distance(batch, alone)]
        if self.view.neighbours.alone:
            patterns = batch.x.cpu().numpy().astype(np.float64) * self.data.white_.sizes
            views.append(np.square(patterns).mean(1))
        return views

    def _views(self, batch: Batch, windows: Windows, alone: bool = False) -> list[Rows]:
        """What the views make of each step of every item, `(steps, views)`."""
        found = self._steps(np.column_stack(self._rows(batch, alone)), windows)
        if not (self.data.stepwise_ and self.view.neighbours.alone):
            return found
        mean = self.data.white_.mean.reshape(-1, windows.length).mean(1)
        values = windows.joined(self.data.white_.back(batch.x.cpu().numpy().astype(np.float64)))
        level = [np.square(_around(v, windows.length // 4) - mean).mean(1) for v in values]
        return [np.column_stack(both) for both in zip(found, level, strict=True)]

    def _steps(self, values: Rows, windows: Windows) -> list[Rows]:
        """Of every step, the mean over the windows around it, `(steps, values)` an item."""
        length, ends = windows.length, np.cumsum(windows.steps)
        begin = np.append(0, ends[:-1])[windows.item]
        size = windows.steps[windows.item]
        sums, total = np.zeros((ends[-1], values.shape[1])), np.zeros(ends[-1])
        for offset in range(-(length // 2), length + (length + 1) // 2):
            near = 1 - abs(offset - (length - 1) / 2) / (length + 1)
            place = windows.start + offset
            here = (place >= 0) & (place < size)
            np.add.at(sums, begin[here] + place[here], near * values[here])
            np.add.at(total, begin[here] + place[here], near)
        return np.split(sums / total[:, None], ends[:-1])

    def _nats(self, steps: Rows) -> Rows:
        return np.asarray(np.average(self.usual.view.nats(steps), axis=1, weights=WEIGHTS[: steps.shape[1]]))

    def _local(self, batch: Batch) -> Rows:
        """How surprising each cell of a window is given the others, by what the model does not reconstruct."""
        apart = self.run(lambda b: b.x - self.view.model.decode(self.view.model.encode(b)), batch)
        return self.data.white_.conditional(apart.astype(np.float64))

    def _items(self, found: Tracks, batches: Iterator[Batch]) -> list[Rows]:
        """The strangeness of every step of every item."""
        whole = Batch(torch.cat([b.x for b in batches]))
        return [self._nats(views) for views in self._views(whole, self.data.windows_of(found))]

    def strange(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """The strangeness of each step in the order of its rows, or of each item."""
        items = self._items(self.data.tracks(X), batches)
        return self.data.aligned(items, X) if self.data.stepwise_ else np.array([s.max() for s in items])

    def features(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """What is compared of steps (the window in whose middle they are), or of items (the mean of their windows)."""
        rows, found = np.concatenate([b.x.numpy() for b in batches]).astype(np.float64), self.data.tracks(X)
        windows = self.data.windows_of(found)
        each = [(rows[windows.item == i], windows.start[windows.item == i]) for i in range(len(found.steps))]
        if not self.data.stepwise_:
            return np.stack([r.mean(0) for r, _ in each])
        middle = self.data.length_ // 2
        near = [
            r[np.abs(s + middle - np.arange(n)[:, None]).argmin(1)] for (r, s), n in zip(each, found.steps, strict=True)
        ]
        return np.asarray(self.data.aligned(near, X))

    # ------------------------------------------------------------------ where

    def heat_maps(self, X: Any, batches: Iterator[Batch]) -> Iterator[NDArray[np.float32]]:
        """The strangeness of every step, in the shares that its channels have in it: `(time, channels)` an item."""
        for _, strange, local in self._seen(X, batches):
            yield (strange[:, None] * _shares(local, self.data.length_)).astype(np.float32)

    def _seen(self, X: Any, batches: Iterator[Batch]) -> Iterator[tuple[int, Rows, Rows]]:
        """Of every item its place, the strangeness of its steps, and how surprising each cell is beside the usual."""
        found, whole = self.data.tracks(X), list(batches)
        local = self.data.windows_of(found).joined(np.concatenate([self._local(b) for b in whole]))
        for i, (strange, cells) in enumerate(zip(self._items(found, iter(whole)), local, strict=True)):
            yield i, strange, cells / self.usual.local

    def line(self, share: float) -> float:
        """Nats that this share of held-out steps (of a collection, series) go beyond."""
        return cut(self.usual.peaks, self.usual.counts, share)

    def _p(self, strange: Rows) -> Rows:
        above = np.append(np.cumsum(self.usual.counts[::-1])[::-1], 0.0)
        return np.asarray((1 + above[np.searchsorted(self.usual.peaks, strange, side="left")]) / (1 + above[0]))

    def explain(self, X: Any, batches: Iterator[Batch], top: int) -> list[list[Interval]]:
        """The `top` strangest intervals of each item."""
        times, found = times_of(X, self.data), self.data.tracks(X)
        made = []
        for i, strange, local in self._seen(X, batches):
            when = functools.partial(times, None if found.rows is None else found.rows[i])
            parts = self._parts(strange, local, top)
            made.append([self._told(found, i, part, strange, local, when) for part in parts])
        return made

    def _parts(self, strange: Rows, local: Rows, top: int) -> list[tuple[int, int, float]]:
        """Start, stop and share of the intervals, strangest first."""
        peak, line = float(strange.max()), self.line(MARKED)
        if peak <= 0:
            return []
        line = line if peak > line else NEAR * peak
        beyond = np.maximum(strange - line, 0.0)
        marked = np.flatnonzero(beyond > 0)
        runs = np.split(marked, np.flatnonzero(np.diff(marked) > 1) + 1)
        found = []
        for a, b in ((int(run[0]), int(run[-1]) + 1) for run in runs):
            start, stop = core(local[a:b].mean(1))
            found.append((a + start, a + stop, float(beyond[a:b].sum() / beyond.sum())))
        return sorted(found, key=lambda part: -part[2])[:top]

    def _told(
        self, found: Tracks, item: int, part: tuple[int, int, float], strange: Rows, local: Rows, when: Any
    ) -> Interval:
        start, stop, share = part
        each = local[start:stop].sum(0)
        total = max(float(each.sum()), 1e-300)
        shares = {self.data.channels[c]: float(each[c] / total) for c in np.argsort(-each, kind="stable")}
        lead = int(np.argmax(each))
        observed, expected = found.arrays[item][start:stop, lead], self.data.between(found, item, start, stop)[:, lead]
        far = int(np.argmax(np.nan_to_num(np.abs(observed - expected), nan=-1.0)))
        nats = float(strange[start:stop].max())
        p = float(self._p(np.array([nats]))[0])
        seen, usual = float(observed[far]), float(expected[far])
        return Interval(start, stop, when(start), when(stop - 1), shares, start + far, seen, usual, share, p, nats)

    # ------------------------------------------------------------------ files

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the model."""
        return self.view.state() | self.usual.state()

    @classmethod
    def from_state(cls, model: Composition, state: dict[str, Any], run: Map, data: Any) -> Self:
        """The judge that `state` described."""
        return cls(View.from_state(model, state), Usual.from_state(state), data, run)


def _view(model: Composition, rows: Batch, clean: bool, data: Spells) -> View:
    """The model, and windows drawn from those it learned from.

    A window judged may lie among them, and others that share its steps with it: where that may be, the neighbour that
    counts is as many places further away.
    """
    view = view_of(model, rows, clean)
    if clean:
        return view
    near = view.neighbours
    kept = len(near.rows) / len(rows)
    shared = round((2 * -(-data.length_ // data.fine_) - 2) * kept)
    return replace(view, neighbours=replace(near, k=min(near.k + shared, max(1, len(near.rows) - 1))))


def _thinned(values: Rows, weight: Rows) -> tuple[Rows, Rows]:
    """Values in their order, and what each counts; of very many, every so manieth with the weight of those below it."""
    order = np.argsort(values, kind="stable")
    values, weight = values[order], weight[order]
    last = np.unique(np.linspace(0, len(values) - 1, min(KEPT, len(values))).round().astype(np.int64))
    return values[last], np.diff(np.append(0.0, np.cumsum(weight)[last]))


def _shares(local: Rows, length: int) -> Rows:
    """Of each channel in what is surprising around each step, within a quarter of a window either way."""
    around = _around(local, length // 4) + 1e-12
    return np.asarray(around / around.sum(1, keepdims=True))


def _around(values: Rows, reach: int) -> Rows:
    """The mean of the steps around each; beyond the ends the last one goes on."""
    from scipy.ndimage import uniform_filter1d

    return np.asarray(uniform_filter1d(values, 2 * reach + 1, axis=0, mode="nearest"))
