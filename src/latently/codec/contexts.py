"""How large a symbol will be, guessed from decoded symbols by whole numbers alone.

Coefficients are planes over the grid of an image's blocks, decoded one after the other. Within a plane the blocks go
in two sets, like the fields of a chess board: all of a set can be decoded at once, and the second knows its four
neighbours of the same plane. The guess is linear: whole weights times the magnitudes of all earlier planes at the
block and at its four neighbours. Sums of whole numbers below 2^53 are exact in float64 whatever the order, so the
products run at the speed of floats and give the same integers everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contexts", "Scores", "Weights", "magnitudes", "neighbours", "sites"]

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
F = TypeVar("F", np.float32, np.float64)

FINE = 16  # steps of a magnitude for each doubling
SCALE = 1 << 12  # one, in weights
LARGEST = 255  # magnitudes count up to here
GROUP = 16  # planes that are handed on to all later ones together
SITES = 60_000  # a set: more teach the weights nothing
RIDGE = 2.0  # variance of a magnitude that means nothing
PRIOR = 20_000.0  # with few blocks, weights stay near zero

_SIZE = np.array([FINE * (n := (1 + a).bit_length() - 1) + ((1 + a - (1 << n)) * FINE >> n) for a in range(256)])


def magnitudes(symbols: Ints) -> Floats:
    """16 times the logarithm to base two of `1 + |s|`, by a line within each doubling: whole numbers."""
    return _SIZE[np.minimum(np.abs(symbols), LARGEST)].astype(np.float64)


def neighbours(m: NDArray[F]) -> NDArray[F]:
    """The sum over the four neighbours on the last two axes; one beyond the edge counts as its opposite."""

    def along(a: NDArray[F]) -> NDArray[F]:
        if a.shape[-1] == 1:
            return np.zeros_like(a)
        return np.concatenate([2 * a[..., 1:2], a[..., :-2] + a[..., 2:], 2 * a[..., -2:-1]], -1)

    return along(m) + along(m.swapaxes(-1, -2)).swapaxes(-1, -2)


def sites(grid: tuple[int, int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of the two sets in a flattened (images, rows, columns) grid of blocks."""
    _, y, x = np.indices(grid)
    odd = ((y + x) % 2).astype(bool).ravel()
    return np.flatnonzero(~odd), np.flatnonzero(odd)


@dataclass(frozen=True)
class Weights:
    """Of one set of blocks: what the block's and its neighbours' earlier planes say of each plane."""

    own: Ints  #: (planes, planes), strictly lower triangular
    near: Ints  #: (planes, planes), lower triangular; the second set has a diagonal
    bias: NDArray[np.int64]


class Scores:
    """The guesses for one plane, asked for when they are needed."""

    def __init__(self, owner: Walk, plane: int) -> None:
        self.owner, self.plane = owner, plane

    def of(self, half: int, symbols: Ints) -> Floats:
        """One whole number a block of this set; `symbols` are the plane's, those of the first set filled in."""
        found = self.owner.sums[half][:, self.plane]
        own = float(self.owner.weights[half].near[self.plane, self.plane])
        if half and own:
            m = neighbours(magnitudes(symbols).reshape(self.owner.grid)).ravel()
            found = found + own * m[self.owner.sites[half]]
        return found


class Walk:
    """One pass over the planes of some images: sums so far, for each set of blocks and each plane to come."""

    def __init__(self, weights: tuple[Weights, Weights], grid: tuple[int, int, int]) -> None:
        self.weights, self.grid, self.sites = weights, grid, sites(grid)
        self.planes = len(weights[0].bias)
        self.sums = [np.tile(w.bias.astype(np.float64), (len(s), 1)) for w, s in zip(weights, self.sites, strict=True)]

    def run(self, visit: Callable[[int, Scores], Ints | None]) -> None:
        """Call `visit(plane, scores)` for every plane; it returns the plane's symbols, or None when all are zero."""
        for start in range(0, self.planes, GROUP):
            end = min(start + GROUP, self.planes)
            kept: list[tuple[int, Floats, Floats]] = []
            for k in range(start, end):
                symbols = visit(k, Scores(self, k))
                if symbols is not None:
                    m = magnitudes(symbols)
                    kept.append((k, m, neighbours(m.reshape(self.grid)).ravel()))
                    self._add(kept[-1:], slice(k + 1, end))
            self._add(kept, slice(end, None))

    def _add(self, kept: list[tuple[int, Floats, Floats]], later: slice) -> None:
        if not kept:
            return
        at = [k for k, _, _ in kept]
        own, near = np.stack([m for _, m, _ in kept], 1), np.stack([n for _, _, n in kept], 1)
        for weights, where, sums in zip(self.weights, self.sites, self.sums, strict=True):
            both = np.concatenate([weights.own[later, at], weights.near[later, at]], 1).astype(np.float64)
            sums[:, later] += np.concatenate([own[where], near[where]], 1) @ both.T


@dataclass(frozen=True)
class Contexts:
    """Weights for both sets of blocks, and the thresholds that turn a guess into the number of a table."""

    weights: tuple[Weights, Weights]
    thresholds: NDArray[np.int64]

    @property
    def planes(self) -> int:
        """How many planes have a guess."""
        return len(self.weights[0].bias)

    def walk(self, grid: tuple[int, int, int], visit: Callable[[int, Scores], Ints | None]) -> None:
        """Over the planes of images whose blocks form this grid."""
        Walk(self.weights, grid).run(visit)

    def table(self, scores: Floats) -> NDArray[np.intp]:
        """The number of a table for each guess."""
        return np.searchsorted(self.thresholds, scores)

    @classmethod
    def fit(cls, symbols: list[Ints], planes: int, tables: int) -> Contexts:
        """From the symbols of training images, each `(images, rows, columns, planes or more)`."""
        weights = (_regress(symbols, planes, 0), _regress(symbols, planes, 1))
        return cls(weights, _thresholds(weights, symbols, tables))


def _regress(symbols: list[Ints], planes: int, half: int) -> Weights:
    """Least squares of every plane's magnitudes on all that is known before it, in one Cholesky factor.

    The unit lower triangle L of the covariance `L D L'` makes `L^-1 x` the residuals of all nested regressions.
    """
    shift, total, count = 1 if half else 0, np.zeros(2 * planes), 0
    gram = np.zeros((2 * planes, 2 * planes))
    for rows in _rows(symbols, planes, half):
        f = np.empty((len(rows[0]), 2 * planes), np.float32)
        f[:, shift::2], f[:, 1 - shift :: 2] = rows
        gram += f.T @ f
        total += f.sum(0, dtype=np.float64)
        count += len(f)
    mean = total / max(count, 1)
    gram -= count * np.outer(mean, mean)
    gram[np.diag_indices(2 * planes)] += RIDGE * count + PRIOR
    lower = np.linalg.cholesky(gram)
    solved = np.linalg.inv(lower / np.diag(lower))
    wanted = -SCALE * solved[shift::2]
    own, near = (np.rint(np.clip(np.tril(wanted[:, at::2], -1), -32767, 32767)) for at in (shift, 1 - shift))
    if half:
        near[np.diag_indices(planes)] = np.rint(np.clip(np.diag(wanted[:, 0::2]), -32767, 32767))
    bias = SCALE * mean[shift::2] - own @ mean[shift::2] - near @ mean[1 - shift :: 2]
    return Weights(own.astype(np.int32), near.astype(np.int32), np.rint(bias).astype(np.int64))


def _rows(symbols: list[Ints], planes: int, half: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Magnitudes at the blocks of one set, and at their neighbours; of evenly spaced images when there are many."""
    per = max(sum(s.shape[0] * s.shape[1] * s.shape[2] for s in symbols) // (2 * SITES), 1)
    for i, s in enumerate(symbols):
        images = s[i % per :: per] if len(s) >= per else s if i % per == 0 else s[:0]
        if len(images):
            m = magnitudes(np.moveaxis(images[..., :planes], -1, 0)).astype(np.float32)
            where = sites(images.shape[:3])[half]
            near = neighbours(m)
            yield m.reshape(planes, -1)[:, where].T, near.reshape(planes, -1)[:, where].T


def _thresholds(weights: tuple[Weights, Weights], symbols: list[Ints], tables: int) -> NDArray[np.int64]:
    """Cuts between guesses so that each table gets about the same share of what there is to tell."""
    seen: list[Floats] = []

    def look(image: Ints) -> Callable[[int, Scores], Ints]:
        def visit(k: int, scores: Scores) -> Ints:
            plane = np.ascontiguousarray(image[..., k]).ravel()
            seen.extend(scores.of(half, plane)[::7] for half in (0, 1))
            return plane

        return visit

    for s in symbols[:: max(len(symbols) // 20, 1)]:
        few = s[:: max(len(s) // 20, 1)]
        Walk(weights, few.shape[:3]).run(look(few))
    found = np.sort(np.concatenate(seen))
    mass = np.cumsum(np.maximum(found - found[0], 0) + 0.3 * SCALE)
    cuts = found[np.searchsorted(mass, mass[-1] * np.arange(1, tables) / tables)]
    return np.unique(np.rint(cuts).astype(np.int64))
