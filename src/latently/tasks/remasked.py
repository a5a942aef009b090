"""Known cells of held-out rows, hidden and asked for: how far off a filled cell is, and how far it may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.engine.schedule import Judged
from latently.parts.corruptions import in_runs
from latently.parts.places import together
from latently.values import Batch

__all__ = ["FAR", "STRATA", "ColumnError", "Residuals", "Trial", "column_errors", "sides", "strata", "trials"]

STRATA = 4  # errors grow with the share of a row that is missing, so they are kept by quarters of it
ALONE = 16  # cells of a row, or pixels of an image, that are hidden one at a time, at most
CROWDS = 4  # times that a row loses a random share of its cells
FAR = (1, 4, 16)  # steps to the next known one: errors of series grow with them
RUNS = 6  # times that a series loses runs
MOST = 499  # residuals kept a column and stratum: evenly spaced order statistics, steps of 0.2 %
FEWEST = 30  # residuals a stratum needs to speak for itself; with fewer it speaks for the whole column

Matrix = NDArray[np.float64]
Fill = Callable[[Any, Batch], Tensor]


@dataclass(frozen=True)
class Trial:
    """Hidden cells of held-out rows: what they are, what the model that never saw them says, beside what."""

    truth: Tensor  #: rows in model units
    guess: Tensor  #: the same rows, filled
    hidden: NDArray[np.bool_]
    stratum: NDArray[np.int64]  #: of each cell
    alone: bool  #: whether a row lost one cell, or an image one pixel, only, or a series runs
    known: Tensor | None  #: cells that were known before
    mean: Tensor  #: of each column's known cells, in the rows that the model learned from; of categories the commonest
    median: Tensor  #: the same, the median

    @property
    def seen(self) -> Batch:
        """What was filled: the rows without the hidden cells."""
        return _without(Batch(self.truth, self.known), torch.from_numpy(self.hidden))


@dataclass(frozen=True)
class ColumnError:
    """Errors of one column's hidden cells, in its own unit, beside the mean's, the median's or the commonest level's.

    Each known cell of held-out rows was hidden by itself, the row's own gaps as they are; of series runs of all lengths
    were. A column of categories has accuracies, a column of numbers the rest.
    """

    column: str
    cells: int  #: how many were hidden
    rmse: float | None = None
    mae: float | None = None
    rmse_of_mean: float | None = None
    mae_of_median: float | None = None
    accuracy: float | None = None
    accuracy_of_commonest: float | None = None


def trials(judged: tuple[Judged, ...], fill: Fill, levels: tuple[int, ...], shape: tuple[int, ...] = ()) -> list[Trial]:
    """Every judged model asked for hidden cells of the rows that it did not learn from.

    Of images for whole pixels, of series for runs.
    """
    series = shape if len(shape) == 2 else ()
    rng = torch.Generator().manual_seed(0)  # which cells are hidden is no part of the fit's chance
    found = []
    for one in judged:
        batch, (mean, median) = _as_weighted(one.valid.to(torch.device("cpu")), rng), _plain(one.train, levels)
        for hidden, alone in _runs(batch, series, rng) if series else _hidings(batch, together(shape), rng):
            seen = _without(batch, hidden)
            assert seen.known is not None
            guess, groups = fill(one.model, seen), strata(seen.known, series)
            found.append(Trial(batch.x, guess, hidden.numpy(), groups, alone, batch.known, mean, median))
    return found


def _without(batch: Batch, hidden: Tensor) -> Batch:
    return Batch(batch.x.masked_fill(hidden, 0.0), ~hidden if batch.known is None else batch.known & ~hidden)


def strata(known: Tensor, series: tuple[int, ...] = ()) -> NDArray[np.int64]:
    """Of each cell, the quarter that its row's share of unknown cells lies in; in series, how far the next known is."""
    if not series:
        share = 1 - known.double().mean(1).numpy()
        quarter = np.minimum((share * STRATA).astype(np.int64), STRATA - 1)
        return np.broadcast_to(quarter[:, None], known.shape)
    left, right = sides(known, series)
    return torch.bucketize(torch.minimum(left, right), torch.tensor(FAR)).view_as(known).numpy()


def sides(known: Tensor, series: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Steps from each cell to the known ones on both sides, a million where there is none."""
    each, place = known.view(-1, *series), torch.arange(series[1])
    left = place.expand_as(each).masked_fill(~each, -(10**6)).cummax(2).values
    right = place.expand_as(each).masked_fill(~each, 10**6).flip(2).cummin(2).values.flip(2)
    return place - left, right - place


def _as_weighted(batch: Batch, rng: torch.Generator) -> Batch:
    """Rows as often as they weigh."""
    if batch.weight is None:
        return batch
    return batch.take(torch.multinomial(batch.weight, len(batch), replacement=True, generator=rng))


def _plain(batch: Batch, levels: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and median of each column's known cells; both are the commonest level where there are levels."""
    x = batch.x.double().cpu()
    known = torch.ones_like(x) if batch.known is None else batch.known.double().cpu()
    weight = known if batch.weight is None else known * batch.weight.double().cpu()[:, None]
    mean = (x * weight).sum(0) / weight.sum(0).clamp(min=1e-300)
    values, order = x.sort(0)
    passed = weight.gather(0, order).cumsum(0)
    middle = (passed >= passed[-1:] / 2).to(torch.int8).argmax(0, keepdim=True)
    median = values.gather(0, middle)[0]
    for j, count in enumerate(levels):
        if count:
            mean[j] = median[j] = torch.bincount(x[:, j].long(), weight[:, j], minlength=count).argmax()
    return mean, median


def _hidings(batch: Batch, channels: int, rng: torch.Generator) -> list[tuple[Tensor, bool]]:
    """Masks of cells to hide: each place alone (up to `ALONE` of a row), then random shares of the row.

    A place is `channels` cells, one in each channel.
    """
    known = torch.ones_like(batch.x, dtype=torch.bool) if batch.known is None else batch.known
    places = known.view(len(batch), channels, -1).any(1)
    draw = torch.empty(places.shape)
    order = draw.uniform_(generator=rng).masked_fill_(~places, 2.0).argsort(1)
    found = []
    for turn in range(min(ALONE, places.shape[1])):
        one = torch.zeros_like(places).scatter_(1, order[:, turn : turn + 1], True)
        found.append((one.repeat(1, channels) & known, True))
    for _ in range(CROWDS):
        share = torch.empty(len(batch), 1).uniform_(generator=rng)
        found.append((known & (draw.uniform_(generator=rng) < share).repeat(1, channels), False))
    return found


def _runs(batch: Batch, series: tuple[int, ...], rng: torch.Generator) -> list[tuple[Tensor, bool]]:
    """Masks of cells to hide: runs of all lengths, together up to half of a series."""
    known = torch.ones_like(batch.x, dtype=torch.bool) if batch.known is None else batch.known
    found = []
    for _ in range(RUNS):
        share = torch.empty(len(batch), 1).uniform_(0.05, 0.5, generator=rng)
        chance = in_runs(torch.empty_like(batch.x).uniform_(generator=rng), series, rng)
        found.append((known & (chance < share), True))
    return found


@dataclass(frozen=True)
class Residuals:
    """Sorted differences of truth and guess, in model units: `counts[stratum, column]` of them, one after the other.

    `kin` is the column of each cell: itself in tables, the channel in series.
    """

    values: NDArray[np.float32]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, found: list[Trial], kin: NDArray[np.int64]) -> Residuals:
        """The residuals of all trials."""
        columns = int(kin.max()) + 1
        keys, values = [], []
        for trial in found:
            row, column = trial.hidden.nonzero()
            keys.append(trial.stratum[row, column] * columns + kin[column])
            values.append((trial.truth - trial.guess).numpy()[row, column])
        key, value = np.concatenate(keys), np.concatenate(values)
        order = np.lexsort((value, key))
        ends = np.bincount(key, minlength=STRATA * columns).cumsum()[:-1]
        groups = np.split(value[order], ends)
        kept = []
        for i, group in enumerate(groups):
            few = len(group) < FEWEST
            kept.append(_thinned(np.sort(np.concatenate(groups[i % columns :: columns])) if few else group))
        counts = np.array([len(k) for k in kept], dtype=np.int64).reshape(STRATA, columns)
        return cls(np.concatenate(kept), counts)

    def at(self, rank: NDArray[np.int64], group: tuple[Any, ...]) -> NDArray[np.float32]:
        """The residual of this rank in each group `(stratum, column)`; a rank outside is infinitely far off."""
        counts, starts = self.counts[group], (self.counts.ravel().cumsum() - self.counts.ravel())
        starts = starts.reshape(self.counts.shape)[group]
        inside = (rank >= 0) & (rank < counts)
        found = np.append(self.values, np.float32(0))[np.where(inside, starts + rank, -1)]
        return np.where(inside, found, np.where(rank < 0, -np.inf, np.inf)).astype(np.float32)

    def ends(self, level: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Conformal limits by stratum and column: a new cell lies between them with probability `level` or more."""
        tail = (1 - level) / 2
        group = tuple(np.indices(self.counts.shape))
        low = np.floor((self.counts + 1) * tail + 1e-9).astype(np.int64) - 1
        high = np.ceil((self.counts + 1) * (1 - tail) - 1e-9).astype(np.int64) - 1
        return self.at(low, group), self.at(high, group)

    def drawn(self, stratum: NDArray[np.int64], kin: NDArray[np.int64], rng: torch.Generator) -> NDArray[np.float32]:
        """A residual for every cell of rows of these strata."""
        chance = torch.empty(stratum.shape, dtype=torch.float64).uniform_(generator=rng).numpy()
        group = (stratum, kin[None])
        counts = self.counts[group]
        found = self.at(np.minimum((chance * counts).astype(np.int64), counts - 1), group)
        return np.where(counts > 0, found, np.float32(0))


def _thinned(group: NDArray[np.float32]) -> NDArray[np.float32]:
    if len(group) <= MOST:
        return group
    return group[np.rint(np.arange(1, MOST + 1) * (len(group) + 1) / (MOST + 1)).astype(np.int64) - 1]


def column_errors(
    found: list[Trial],
    names: list[str],
    levels: tuple[int, ...],
    values: Callable[[Tensor], Matrix],
    kin: NDArray[np.int64],
) -> list[ColumnError]:
    """One record a column, of the cells that were hidden alone; `values` puts cells into user units."""
    sums = np.zeros((5, len(names)))
    for trial in found:
        if trial.alone:
            np.add.at(sums.T, kin, _sums(trial, levels, values).T)
    report = []
    for j, name in enumerate(names):
        count = max(float(sums[0, j]), 1.0)
        square, size, other, far = (float(v) / count for v in sums[1:, j])
        if not sums[0, j]:
            report.append(ColumnError(name, 0))
        elif levels[j]:
            report.append(ColumnError(name, int(count), accuracy=1 - size, accuracy_of_commonest=1 - far))
        else:
            report.append(ColumnError(name, int(count), square**0.5, size, other**0.5, far))
    return report


def _sums(trial: Trial, levels: tuple[int, ...], values: Callable[[Tensor], Matrix]) -> Matrix:
    """By column: cells hidden; squares and sizes of our errors; the mean's squares; the median's sizes."""
    named = np.array(levels) > 0
    truth = np.where(named, trial.truth.numpy(), values(trial.truth))

    def off(guess: Tensor) -> Matrix:
        cells = np.where(named, guess.numpy(), values(guess))
        error = np.where(trial.hidden, np.abs(cells - truth), 0.0)
        return np.where(named, error != 0, error)

    ours, mean, median = off(trial.guess), off(trial.mean[None].float()), off(trial.median[None].float())
    return np.stack([trial.hidden.sum(0), (ours**2).sum(0), ours.sum(0), (mean**2).sum(0), median.sum(0)])
