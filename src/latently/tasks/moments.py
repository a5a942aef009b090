"""What judges series: how strange every step is, in nats beside stretches not learned from; and intervals as reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latently.modalities.frames import source
from latently.modalities.spells import Spells
from latently.modalities.tracks import Tracks
from latently.modalities.windows import Windows
from latently.model import Composition
from latently.tasks.judges import Learned
from latently.tasks.regions import view_of
from latently.tasks.strangeness import Map, Tails, View, cut
from latently.values import Batch

__all__ = ["Interval", "Moments"]

Rows = NDArray[np.float64]

LEAST = 1e-3  # of a view: no tail falls off faster than this
CORE = 0.9  # of what is strange within a stretch: its interval holds that much
USUAL = 4.0  # times the mean surprise of held-out steps: less is nothing strange
MARKED = 0.1  # share of held-out steps (of a collection, series) that are stranger than what is marked
NEAR = 0.75  # of the greatest strangeness: what is named where nothing is marked
KEPT = 4096  # held-out values kept


@dataclass(frozen=True)
class Interval:
    """Why a series is strange: a stretch of its steps."""

    start: int  #: first step, from 0
    stop: int  #: the step behind the last
    first: Any  #: times of the first and the last step, where the series has times; else None
    last: Any
    channels: dict[str, float]  #: the share of each channel, most first
    step: int  #: where the leading channel is furthest from what is expected
    observed: float  #: there, in user units; None in a gap
    expected: float  #: what the steps around the interval call for there
    share: float  #: of what all marked steps of the series are beyond the usual
    p_value: float  #: how often something as strange occurs where nothing is wrong
    nats: float  #: the greatest strangeness

    @property
    def channel(self) -> str:
        """The channel that tells most."""
        return next(iter(self.channels))

    def text(self) -> str:
        """In words, such as `steps 400-419: value 9.1 at step 402 (expected 1.2; p .002)`."""
        return f"{self._where()}: {self.channel} {self.observed:.4g} at step {self.step} ({self._usual()})"

    def _usual(self) -> str:
        return f"expected {self.expected:.4g}; p {self.p_value:.2g}"

    def _where(self) -> str:
        when = "" if self.first is None else f" ({self.first} to {self.last})"
        return f"steps {self.start}-{self.stop - 1}{when}"

    def told(self) -> dict[str, Any]:
        """For a report."""
        where = f"{self._where()}, {self.channel}"
        return {"column": where, "observed": self.observed, "expected": self.expected, "share": self.share}


@dataclass(frozen=True)
class Usual:
    """What held-out stretches are like."""

    view: Tails  #: of steps: surprise and distance of the windows around
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
    held-out stretches have, as `-log p`. The mean of both is its strangeness.
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
        found, local, weight = [], [], []
        alone = not learned.outcome.judged  # the rows judged are then those learned from
        for v, j in zip(views, judged, strict=True):
            mine = replace(plain, view=v)
            kept, stretches = mine._stretches(j.valid)
            found += mine._steps(np.column_stack(mine._rows(kept, alone)), stretches)
            local += stretches.joined(mine._local(kept))
            weight += [] if j.valid.weight is None else [float(w) for w in j.valid.weight[:: data.together]]
        return plain._calibrated(found, local, np.array(weight) if weight else np.ones(len(found)))

    def _calibrated(self, found: list[Rows], local: list[Rows], weight: Rows) -> tuple[Self, Rows, Rows]:
        sizes = np.array([len(f) for f in found])
        each = np.repeat(weight / self.data.length_, sizes)  # steps of one window are judged together
        view = Tails.of(np.concatenate(found), each, least=LEAST)
        mean = np.average(np.concatenate(local), axis=0, weights=each)
        made = replace(self, usual=replace(self.usual, view=view, local=np.maximum(mean, 1e-12)))
        strange = [made._nats(f) for f in found]
        values = np.concatenate(strange) if self.data.stepwise_ else np.array([s.max() for s in strange])
        peaks, counts = _thinned(values, each if self.data.stepwise_ else weight)
        return replace(made, usual=replace(made.usual, peaks=peaks, counts=counts)), peaks, counts

    def _stretches(self, batch: Batch) -> tuple[Batch, Windows]:
        """Held-out windows as so many short series, those left out that share steps with windows beside them."""
        data = self.data
        together, margin = data.together, data.margin_
        units = max(1, len(batch) // together)
        inner = together - 2 * margin if len(batch) >= together else len(batch)
        margin = margin if len(batch) >= together else 0
        place = (np.arange(units)[:, None] * together + margin + np.arange(inner)).ravel()
        starts = np.tile(np.arange(inner) * data.stride_, units)
        steps = np.full(units, data.length_ + (inner - 1) * data.stride_)
        windows = Windows(data.length_, np.repeat(np.arange(units), inner), starts, steps)
        return Batch(batch.x[place]), windows

    # ------------------------------------------------------------------ windows, steps, items

    def _rows(self, batch: Batch, alone: bool = False) -> tuple[Rows, Rows]:
        """Surprise and distance of every window."""
        return self.view.cells(batch, self.run).mean(1), self.view.distance(batch, alone)

    def _steps(self, values: Rows, windows: Windows) -> list[Rows]:
        """Of every step, the mean over the windows around it, `(steps, 2)` an item."""
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
        return np.asarray(self.usual.view.nats(steps).mean(1))

    def _local(self, batch: Batch) -> Rows:
        """How surprising each cell of a window is given the others, by what the model does not reconstruct."""
        apart = self.run(lambda b: b.x - self.view.model.decode(self.view.model.encode(b)), batch)
        return self.data.white_.conditional(apart.astype(np.float64))

    def _items(self, found: Tracks, batches: Iterator[Batch]) -> list[Rows]:
        """The strangeness of every step of every item."""
        parts = [np.column_stack(self._rows(batch)) for batch in batches]
        return [self._nats(s) for s in self._steps(np.concatenate(parts), self.data.windows_of(found))]

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
        near = [r[np.abs(s + middle - np.arange(n)[:, None]).argmin(1)] for (r, s), n in zip(each, found.steps, strict=True)]
        return np.asarray(self.data.aligned(near, X))

    # ------------------------------------------------------------------ where

    def heat_maps(self, X: Any, batches: Iterator[Batch]) -> Iterator[NDArray[np.float32]]:
        """The strangeness of every step, in the shares that its channels have in it: `(time, channels)` an item."""
        for _, strange, local in self._seen(X, batches):
            yield (strange[:, None] * _shares(local, self.data.length_)).astype(np.float32)

    def _seen(self, X: Any, batches: Iterator[Batch]) -> Iterator[tuple[int, Rows, Rows]]:
        """Of every item its place, the strangeness of its steps, and what is surprising in each cell beside the usual."""
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
        times, found = _times(X, self.data), self.data.tracks(X)
        made = []
        for i, strange, local in self._seen(X, batches):
            rows = None if found.rows is None else found.rows[i]
            when = (lambda t, rows=rows: None if times is None else times(t if rows is None else int(rows[t])))
            made.append([self._told(found.arrays[i], *part, when) for part in self._parts(strange, local, top)])
        return made

    def _parts(self, strange: Rows, local: Rows, top: int) -> list[tuple[int, int, float, Rows, Rows]]:
        """Start, stop and share of the intervals, strangest first, with what they are found from."""
        peak, line = float(strange.max()), self.line(MARKED)
        if peak <= 0:
            return []
        line = line if peak > line else NEAR * peak
        beyond = np.maximum(strange - line, 0.0)
        marked = np.flatnonzero(beyond > 0)
        runs = np.split(marked, np.flatnonzero(np.diff(marked) > 1) + 1)
        found = []
        for a, b in ((int(run[0]), int(run[-1]) + 1) for run in runs):
            start, stop = _core(local[a:b].mean(1))
            found.append((a + start, a + stop, float(beyond[a:b].sum() / beyond.sum()), strange, local))
        return sorted(found, key=lambda part: -part[2])[:top]

    def _told(self, array: Rows, start: int, stop: int, share: float, strange: Rows, local: Rows, when: Any) -> Interval:
        order = local[start:stop].sum(0)
        shares = {self.data.channels[c]: float(order[c] / order.sum()) for c in np.argsort(-order, kind="stable")}
        lead = int(np.argmax(order))
        expected = self._expected(array, start, stop)[:, lead]
        gap = np.nan_to_num(np.abs(array[start:stop, lead] - expected), nan=-1.0)
        step = start + int(np.argmax(gap))
        nats = float(strange[start:stop].max())
        return Interval(
            start, stop, when(start), when(stop - 1), shares, step, float(array[step, lead]),
            float(expected[step - start]), share, float(self._p(np.array([nats]))[0]), nats,
        )  # fmt: skip

    def _expected(self, array: Rows, start: int, stop: int) -> Rows:
        """What the steps around an interval call for within it, in user units: piece by piece of half a window."""
        data, half = self.data, max(1, self.data.length_ // 2)
        units = (array - data.shift_) / data.scale_
        units[start:stop] = np.nan
        made = []
        for a in range(start, stop, half):
            b = min(a + half, stop)
            first = max(0, min((a + b - data.length_) // 2, len(array) - data.length_))
            windows = Windows(data.length_, np.zeros(1, np.int64), np.array([first]), np.array([len(array)]))
            row = data.white_.filled(windows.cut([units]).astype(np.float64)).reshape(-1, data.length_)
            made.append(row[:, a - first : b - first].T)
        return np.asarray(np.concatenate(made) * data.scale_ + data.shift_)

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
    shared = round((2 * -(-data.length_ // data.stride_) - 2) * kept)
    return replace(view, neighbours=replace(near, k=min(near.k + shared, max(1, len(near.rows) - 1))))


def _thinned(values: Rows, weight: Rows) -> tuple[Rows, Rows]:
    """Values in their order, and what each counts; of very many, every so manieth with the weight of those below it."""
    order = np.argsort(values, kind="stable")
    values, weight = values[order], weight[order]
    last = np.unique(np.linspace(0, len(values) - 1, min(KEPT, len(values))).round().astype(np.int64))
    return values[last], np.diff(np.append(0.0, np.cumsum(weight)[last]))


def _shares(local: Rows, length: int) -> Rows:
    """Of each channel in what is surprising around each step, within a quarter of a window either way."""
    from scipy.ndimage import convolve1d

    reach = 2 * (length // 4) + 1
    around = convolve1d(local, np.ones(reach) / reach, axis=0, mode="nearest") + 1e-12
    return np.asarray(around / around.sum(1, keepdims=True))


def _core(surprise: Rows) -> tuple[int, int]:
    """The shortest stretch that holds most of what goes beyond the usual."""
    line = min(USUAL, float((surprise.mean() + surprise.max()) / 2))
    beyond = np.append(0.0, np.cumsum(np.maximum(surprise - line, 0.0)))
    if beyond[-1] <= 0:
        return 0, len(surprise)
    stop = np.searchsorted(beyond, beyond + CORE * beyond[-1] * (1 - 1e-12))
    stop = np.where(stop < len(beyond), stop, 2 * len(beyond))
    start = int(np.argmin(stop - np.arange(len(stop))))
    return start, int(stop[start])


def _times(X: Any, data: Spells) -> Any:
    """When each row of `X` was, as a function of its place; None where it has no times."""
    if data.time is not None:
        found = source(X)
        column = found.arrow(found.names.index(data.time))
        return lambda row: column[row].as_py()
    index = getattr(X, "index", None)
    stamped = getattr(getattr(index, "dtype", None), "kind", "") in ("M", "m")
    return (lambda row: index[row]) if stamped else None  # type: ignore[index]
