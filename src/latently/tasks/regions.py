"""What judges images: how strange every place is, and the whole; each in nats beside images not learned from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from latently import rng as chance
from latently.modalities import Textured
from latently.model import Composition
from latently.parts.filters import kernel
from latently.tasks.judges import Learned
from latently.tasks.nearness import Neighbours, features
from latently.tasks.region import Look, Region
from latently.tasks.strangeness import Map, Tails, View, limits, noise_for
from latently.values import Batch

__all__ = ["Regions"]

Rows = NDArray[np.float64]

REFERENCES = 4096  # places that distances are measured to
SHARE = 0.005  # of the places: the strangest ones stand for an image
OWN = 10.0  # images' worth of what is usual at all places, mixed into what is usual at one
NOWHERE = -10.0  # deviations: how strange an image is of which no place was seen
NEAR = 0.75  # of the greatest heat of a region: where its box is drawn
COARSE = 4  # a side of the grid on which whole images are compared
MARKED = 0.05  # share of ordinary images in which anything is marked


@dataclass(frozen=True)
class Usual:
    """What held-out images are like."""

    cell: Rows  #: (features,), mean surprise
    middle: Rows  #: (places, 2), mean of the logarithms of surprise and distance
    spread: Rows  #: (2,), and their deviation from that
    view: Tails  #: of images: their strangest places, the whole
    place: Tails  #: of places
    peaks: Rows  #: the strangest place of each image in nats, least first
    counts: Rows  #: what each of `peaks` counts

    def state(self) -> dict[str, Any]:
        """Arrays by name."""
        return {
            "cell": self.cell, "middle": self.middle, "spread": self.spread, "peaks": self.peaks,
            "peak_counts": self.counts, "view_grid": self.view.grid, "view_scale": self.view.scale,
            "place_grid": self.place.grid, "place_scale": self.place.scale,
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """What `state` described."""
        view, place = (Tails(state[f"{n}_grid"], state[f"{n}_scale"]) for n in ("view", "place"))
        return cls(state["cell"], state["middle"], state["spread"], view, place, state["peaks"], state["peak_counts"])


@dataclass(frozen=True)
class Regions:
    """Judges images by their strangest places and as a whole.

    A place is strange by its most surprising feature when a denoising autoencoder reconstructs them, and by the
    distance to its neighbours among places of training images; each as a logarithm, beside what held-out images have at
    this place. The mean over the strangest `SHARE` of the places is one view of an image; the other is the distance of
    its features, averaged over a coarse grid, to those of the nearest training image.
    """

    view: View
    whole: Neighbours
    usual: Usual
    data: Textured
    run: Map

    @classmethod
    def of(cls, learned: Learned, data: Any) -> tuple[Self, Rows, Rows]:
        """The judge, the strangeness of the images held out, and how much each of them counts."""
        judged, run, model = learned.judged, learned.run, learned.outcome.model
        views = [view_of(j.model, j.train, learned.clean) for j in judged]
        view = views[0] if judged[0].model is model else view_of(model, learned.rows, learned.clean)
        rows = judged[0].train if judged[0].model is model else learned.rows
        nothing = Tails(np.zeros((0, 0)), np.zeros(0))
        blank = Usual(np.ones(0), np.zeros((0, 2)), np.ones(2), nothing, nothing, np.zeros(0), np.zeros(0))
        plain = cls(view, Neighbours(torch.zeros(0), None, 1, not learned.clean), blank, data, run)
        made = replace(plain, whole=plain._references(rows, learned.clean))
        cells = [v.cells(j.valid, run) for v, j in zip(views, judged, strict=True)]
        weight = np.concatenate([plain._weights(j.valid) for j in judged])
        seen = np.concatenate([plain._seen(j.valid) for j in judged])
        mean = np.maximum(np.average(np.concatenate(cells), axis=0, weights=(weight[:, None] * seen).ravel()), 1e-12)
        made = replace(made, usual=replace(blank, cell=mean))
        apart = [v.distance(j.valid) for v, j in zip(views, judged, strict=True)]
        logs = made._logarithms(np.concatenate(cells), np.concatenate(apart))
        made = made._with_places(logs, seen, weight)
        whole = np.concatenate([made._distance(j.valid, alone=True) for j in judged])
        return made._with_images(logs, seen, whole, weight)

    # ------------------------------------------------------------------ calibration

    def _with_places(self, logs: Rows, seen: NDArray[np.bool_], weight: Rows) -> Self:
        """What is usual at every place, and the spread about it."""
        each = (weight[:, None] * seen)[:, :, None]
        total = each.sum(0)
        whole = (logs * each).sum((0, 1)) / max(float(each.sum()), 1e-12)
        own = self._smooth((logs * each).sum(0).T)[:, :, None], self._smooth(total.T)[:, :, None]
        middle = ((own[0][:, :, 0].T) + OWN * whole) / (own[1][:, :, 0].T + OWN)
        spread = np.sqrt((np.square(logs - middle) * each).sum((0, 1)) / max(float(each.sum()), 1e-12))
        return replace(self, usual=replace(self.usual, middle=middle, spread=np.maximum(spread, 1e-6)))

    def _with_images(self, logs: Rows, seen: NDArray[np.bool_], whole: Rows, weight: Rows) -> tuple[Self, Rows, Rows]:
        maps = self._maps(logs, seen)
        views = np.column_stack([self._top(maps, seen), whole])
        chosen = seen.ravel()
        each = np.repeat(weight, maps.shape[1])[chosen]
        place = Tails.of(maps.ravel()[chosen, None], each, least=0.05)
        made = replace(self, usual=replace(self.usual, view=Tails.of(views, weight), place=place))
        peaks = made._heat(maps, seen).max(1)
        order = np.argsort(peaks, kind="stable")
        made = replace(made, usual=replace(made.usual, peaks=peaks[order], counts=weight[order]))
        return made, made.usual.view.nats(views).mean(1), weight

    def _references(self, rows: Batch, clean: bool) -> Neighbours:
        found = self._coarse(rows)
        k = 1 if clean else min(max(5, len(found) // 50), max(1, len(found) - 1))
        return Neighbours(found, None, k, not clean)

    # ------------------------------------------------------------------ places

    def _weights(self, batch: Batch) -> Rows:
        n = len(batch) // self.data.places
        return (
            np.ones(n) if batch.weight is None else batch.weight[:: self.data.places].cpu().numpy().astype(np.float64)
        )

    def _seen(self, batch: Batch) -> NDArray[np.bool_]:
        shape = len(batch) // self.data.places, self.data.places
        return np.ones(shape, bool) if batch.known is None else batch.known[:, 0].cpu().numpy().reshape(shape)

    def _logarithms(self, cells: Rows, apart: Rows) -> Rows:
        """`(images, places, 2)`."""
        surprise = (cells / self.usual.cell).max(1)
        logs = np.log(np.maximum(np.column_stack([surprise, apart]), 1e-12))
        return np.asarray(logs.reshape(-1, self.data.places, 2))

    def _maps(self, logs: Rows, seen: NDArray[np.bool_]) -> Rows:
        """How strange every place is, and its surroundings: `(images, places)`; 0 where nothing was seen."""
        units = ((logs - self.usual.middle) / self.usual.spread).mean(2) * seen
        return self._smooth(units) / np.maximum(self._smooth(seen.astype(np.float64)), 1e-6) * seen

    def _smooth(self, maps: Rows) -> Rows:
        down, across = (kernel(n, n, 0.7, 0).double().numpy() for n in self.data.grid)
        return np.asarray(down @ maps.reshape(-1, *self.data.grid) @ across.T).reshape(len(maps), -1)

    def _top(self, maps: Rows, seen: NDArray[np.bool_]) -> Rows:
        """The mean over the strangest places of each image."""
        count = max(1, round(SHARE * maps.shape[1]))
        best = -np.sort(-np.where(seen, maps, -np.inf), axis=1)[:, :count]
        best = np.where(np.isfinite(best), best, np.minimum(best[:, :1], 0.0))
        return np.asarray(np.where(np.isfinite(best), best, NOWHERE).mean(1))

    def _heat(self, maps: Rows, seen: NDArray[np.bool_]) -> Rows:
        """`-log p` of every place."""
        return self.usual.place.nats(maps.reshape(-1, 1)).reshape(maps.shape) * seen

    def _judged(self, batch: Batch) -> tuple[Rows, NDArray[np.bool_]]:
        seen = self._seen(batch)
        return self._maps(self._logarithms(self.view.cells(batch, self.run), self.view.distance(batch)), seen), seen

    # ------------------------------------------------------------------ the whole

    def _coarse(self, batch: Batch) -> Tensor:
        """Features averaged over a coarse grid, in float64: `(images, numbers)`."""
        down, across = self.data.grid
        x = batch.x.cpu().view(-1, down, across, batch.x.shape[1]).permute(0, 3, 1, 2)
        return functional.adaptive_avg_pool2d(x, (min(COARSE, down), min(COARSE, across))).flatten(1).double()

    def _distance(self, batch: Batch, alone: bool = False) -> Rows:
        near = replace(self.whole, alone=alone or self.whole.alone)
        return near.distance(self._coarse(batch), None).numpy()

    # ------------------------------------------------------------------ judge

    def nats(self, batch: Batch) -> tuple[Rows, NDArray[np.float32]]:
        """`-log p` of each image in both views, nothing for one of which no place was seen; and that of its places."""
        maps, seen = self._judged(batch)
        views = self.usual.view.nats(np.column_stack([self._top(maps, seen), self._distance(batch)]))
        heat = self._heat(maps, seen).astype(np.float32).reshape(-1, *self.data.grid)
        return views * seen.any(1, keepdims=True), heat

    def heat(self, batch: Batch) -> NDArray[np.float32]:
        """`-log p` of every place, `(images, down, across)`."""
        return self._heat(*self._judged(batch)).astype(np.float32).reshape(-1, *self.data.grid)

    def strange(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """The mean of both views of each image."""
        return np.concatenate([self.nats(batch)[0].mean(1) for batch in batches])

    def look(self, X: Any, batches: Iterator[Batch], top: int) -> Look:
        """Scores, reasons and heat of each image."""
        found, sizes = [self.nats(batch) for batch in batches], self.data.sizes(X)
        maps = np.concatenate([heat for _, heat in found])
        reasons = [self._regions(heat, size, top) for heat, size in zip(maps, sizes, strict=True)]
        scores = -np.concatenate([nats.mean(1) for nats, _ in found])
        return Look(scores, reasons, lambda i: self._grown(maps[i], sizes[i]))

    def features(self, X: Any, batches: Iterator[Batch]) -> Rows:
        """What is compared of images as a whole."""
        return np.concatenate([self._coarse(batch).numpy() for batch in batches])

    def heat_maps(self, X: Any, batches: Iterator[Batch]) -> Iterator[NDArray[np.float32]]:
        """The heat of each image at its own size."""
        maps = (heat for batch in batches for heat in self.heat(batch))
        return (self._grown(heat, size) for heat, size in zip(maps, self.data.sizes(X), strict=True))

    def _grown(self, heat: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        whole = self.data.whole(size)
        grown = functional.interpolate(torch.from_numpy(heat)[None, None], whole, mode="bilinear", align_corners=False)
        return np.asarray(grown[0, 0, : size[0], : size[1]].numpy())

    def line(self, alpha: float) -> float:
        """Nats that the strangest place of a share `alpha` of ordinary images goes beyond."""
        p = self._p(self.usual.peaks)
        usual = np.flatnonzero(p > alpha)
        return float(self.usual.peaks[usual[-1] if len(usual) else 0])

    def _p(self, peaks: Rows) -> Rows:
        above = np.append(np.cumsum(self.usual.counts[::-1])[::-1], 0.0)
        return np.asarray((1 + above[np.searchsorted(self.usual.peaks, peaks, side="left")]) / (1 + above[0]))

    def explain(self, X: Any, batches: Iterator[Batch], top: int) -> list[list[Region]]:
        """The `top` strangest regions of each image."""
        maps = (heat for batch in batches for heat in self.heat(batch))
        return [self._regions(heat, size, top) for heat, size in zip(maps, self.data.sizes(X), strict=True)]

    def _regions(self, heat: NDArray[np.float32], size: tuple[int, int], top: int) -> list[Region]:
        from scipy.ndimage import label

        peak = float(heat.max())
        if peak <= 0:
            return []
        line = self.line(MARKED)
        line = line if peak > line else peak / 2
        marks, count = label(heat > line, structure=np.ones((3, 3)))
        beyond = np.maximum(heat - line, 0.0)
        found = []
        for here in (marks == i + 1 for i in range(count)):
            own = float(heat[here].max())
            p = float(self._p(np.array([own]))[0])
            box = _box(here & (heat > NEAR * own), self.data.whole(size), size)
            part = float(beyond[here].sum() / beyond.sum())
            found.append(Region(box, part, p, *(self.data.spot(box) or ())))
        return sorted(found, key=lambda region: -region.share)[:top]

    # ------------------------------------------------------------------ files

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the model."""
        whole = {"whole": self.whole.rows.numpy().astype(np.float32), "whole_k": self.whole.k}
        return self.view.state() | whole | self.usual.state()

    @classmethod
    def from_state(cls, model: Composition, state: dict[str, Any], run: Map, data: Any) -> Self:
        """The judge that `state` described."""
        view = View.from_state(model, state)
        whole = Neighbours(torch.from_numpy(state["whole"]).double(), None, state["whole_k"], state["alone"])
        return cls(view, whole, Usual.from_state(state), data, run)


def view_of(model: Composition, rows: Batch, clean: bool) -> View:
    """The model, and places drawn from all that it learned from."""
    order = torch.randperm(len(rows), generator=chance.child(0, "references"))[:REFERENCES].to(rows.x.device)
    some, seen = features(model, rows.take(order.sort().values))
    k = 1 if clean else min(max(5, len(some) // 50), max(1, len(some) - 1))
    place = 1 if clean else 1 + max(1, len(rows) // 100)
    return View(model, noise_for(model, rows.cells), *limits(rows, place), Neighbours(some, seen, k, not clean))


def _box(marked: NDArray[np.bool_], whole: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels that marked places stand for; filters see far, so a box is drawn where heat is near the greatest."""
    down, across = (np.flatnonzero(marked.any(axis)) for axis in (1, 0))
    tall, wide = (n / m for n, m in zip(whole, marked.shape, strict=True))
    top, left = min(int(down[0] * tall), size[0] - 1), min(int(across[0] * wide), size[1] - 1)
    bottom, right = int(np.ceil((down[-1] + 1) * tall)), int(np.ceil((across[-1] + 1) * wide))
    return top, left, min(bottom, size[0]), min(right, size[1])
