"""Wrong cells of tables: those that the rest of their row contradicts, and what belongs there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.engine.schedule import Outcome
from latently.modalities.binned import Binned
from latently.model import Composition
from latently.recipes.remasking import Remasking
from latently.tasks.assemble import Blueprint
from latently.tasks.noise import Noise, noise_named
from latently.tasks.ways import Rows, Suited
from latently.values import Batch

__all__ = ["Cells", "ColumnCleaned"]

Matrix = NDArray[np.float64]
Places = NDArray[np.int64]

GROUPS = 64  # cells of a row are judged one by one, of wider tables in so many groups
CUTS = np.r_[0.02:0.9:45j]  # shares of wrong cells found, for each of which a limit is looked at
SURE = 0.1  # of cells made wrong on purpose, found at least where their share is measured
USUAL = 0.05  # share of wrong cells where nobody says, at most: what is measured is a limit, loose in small tables
# Of 2,400 rows of letter and adult_train, cells mended and right ones changed: shares up to .5, hidden cells alone in
# the loss 812 and 253, 314 and 289; up to 1 and .9 of the weight 736 and 230, 313 and 332.
HIDING = (0.0, 0.5, 1.0)
# Rows are learned by heart, wrong cells too: of 7,200 rows of letter .355 were mended after 30 times through, .277
# after 140, of others .419 and .435.
EPOCHS = 30


@dataclass(frozen=True)
class ColumnCleaned:
    """What cleaning does to one column, told from held-out rows as noisy as all others; None where it means nothing."""

    column: str
    noise: float | None = None  #: standard deviation of the noise of numbers, in the column's unit
    left: float | None = None  #: error left after cleaning (Stein's estimate, which needs nothing clean)
    changed: float | None = None  #: share of cells that are replaced
    found: float | None = None  #: the same, of cells made wrong on purpose
    mended: float | None = None  #: share of those that come back right, numbers with half of the error at most
    broken: float | None = None  #: share of right cells that are replaced


class Cells(Rows):
    """Wrong cells: a level, or a number, that the others of its row make far less likely than rows at large do.

    A masked autoencoder tells the probabilities of a cell given the others (`Binned`). What a cell's own has to fall
    short of, beside its share in the column, is chosen by column: held-out rows get cells of other rows, and as many
    of these should come back right, and as few others change, as can be. How many are wrong, if nobody says, follows
    from how seldom cells look as wrong as those.
    """

    sort = "cell"
    data: Binned

    def suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> Suited:
        """Any cells hidden, all asked for."""
        told = noise_named(self.noise) or Noise("swap")
        width = min(256, max(32, 1 << (8 * rows.cells - 1).bit_length()))
        facts = asdict(told) | {"clean": vars(self.task)["clean"] is True, "measured": None}
        own = {"epochs": EPOCHS} if given.get("epochs", "auto") == "auto" else {}
        return replace(plan, recipe=Remasking(*HIDING)), given | own | {"n_components": width}, facts

    def kept(self, rows: Batch) -> dict[str, Any]:
        """How usual each level is."""
        x, mass = rows.x.cpu().long(), None if rows.weight is None else rows.weight.cpu().double()
        each = [torch.bincount(x[:, j], mass, n + 1)[:n].double() for j, n in enumerate(self.data.levels)]
        return {"usual": torch.cat([(c + 0.5) / (c.sum() + 0.5 * len(c)) for c in each]).numpy()}

    def judged(self, outcome: Outcome) -> dict[str, Any]:
        """Limits, from cells of held-out rows that were made wrong."""
        trials = [self._trial(one.model, one.valid.to(torch.device("cpu"))) for one in outcome.judged]
        if not trials:
            return {"limits": np.full(self.data.cells, -np.inf), "report": []}
        each = [
            [np.concatenate(parts, 1) for parts in zip(*columns, strict=True)] for columns in zip(*trials, strict=True)
        ]
        told, clean = self.noise_, self.noise_["clean"]
        share = told["high"] or USUAL
        if told["high"] is None and not clean:
            told["measured"] = _share(each)
            share = min(USUAL, told["measured"])
        found = [_limit(own, wrong, share, 0.0 if clean else share) for own, wrong in each]
        report = [ColumnCleaned(n, None, None, *map(float, f[1:])) for n, f in zip(self.data.names, found, strict=True)]
        return {"limits": np.array([f[0] for f in found]), "report": [asdict(r) for r in report]}

    def _trial(self, model: Composition, valid: Batch) -> list[tuple[Matrix, Matrix]]:
        """By column, the scores of cells as they are; of cells of other rows, which are others, and which get mended.

        A score is infinite where nothing would change, or nothing is wrong.
        """
        rng, found = torch.Generator().manual_seed(0), []
        other = valid.x.numpy()[torch.rand(valid.x.shape, generator=rng).argsort(0).numpy(), range(valid.cells)]
        for j, p in self._guesses(model, valid):
            y, v, n = valid.x[:, j].numpy().astype(np.int64), other[:, j].astype(np.int64), self.data.levels[j]
            known = (y < n) & (v < n)
            y, v, p = y[known], v[known], p[known]
            guess = self._best(j, p)
            mended = guess == y if self.data.learned[j].width else 2 * np.abs(guess - y) <= np.abs(v - y)
            own, wrong = (np.where(guess == a, np.inf, self._score(j, a, p)) for a in (y, v))
            found.append((own[None], np.stack([np.where(v == y, np.inf, wrong), v != y, mended])))
        return found

    def _guesses(self, model: Composition, batch: Batch) -> Iterator[tuple[int, Matrix]]:
        """Column by column, the probabilities of its levels given the other cells of each row."""
        ends = list(accumulate(model.likelihood.features(batch.cells), initial=0))
        for first in range(min(GROUPS, batch.cells)):
            group = list(range(first, batch.cells, GROUPS))
            known = torch.ones_like(batch.x, dtype=torch.bool)
            known[:, group] = False

            def told(b: Batch, group: list[int] = group) -> torch.Tensor:
                p = model.likelihood.expected(model.decoder.plain(model.encode(b)))
                return torch.cat([p[:, ends[j] : ends[j + 1]] for j in group], 1)

            found = self.task._map(told, Batch(batch.x.masked_fill(~known, 0.0), known)).astype(np.float64)
            widths = [self.data.levels[j] for j in group]
            yield from zip(group, np.split(found, np.cumsum(widths)[:-1], axis=1), strict=True)

    def _best(self, j: int, p: Matrix) -> Places:
        """The most probable level; of numbers the median."""
        if self.data.learned[j].width:
            return np.asarray(p.argmax(1))
        return np.asarray(np.minimum((p.cumsum(1) < 0.5).sum(1), p.shape[1] - 1))

    def _score(self, j: int, places: Places, p: Matrix) -> Matrix:
        """Low for what is unlikely here beside elsewhere; of categories lower where something else is sure."""
        start = sum(self.data.levels[:j])
        usual = vars(self.task)["_facts"]["usual"][start : start + p.shape[1]]
        ratio = np.log(p[np.arange(len(p)), places] + 1e-12) - np.log(usual[places])
        return np.asarray(ratio - np.log(p.max(1) + 1e-12) if self.data.learned[j].width else ratio)

    def cleaned(self, data: Any, passes: int | None) -> Any:
        """Cells that contradict the others replaced; all else to the bit."""
        task = self.task
        batch, limits = task._batch(data), vars(task)["_facts"]["limits"]
        places, changed = batch.x.clone(), ~self.data.gaps(task, data)
        for j, p in self._guesses(task.model_, batch):
            own, best = batch.x[:, j].numpy().astype(np.int64), self._best(j, p)
            inside = np.minimum(own, p.shape[1] - 1)
            low = self._score(j, inside, p) < limits[j]
            changed[:, j] &= low & (own == inside) & (own != best)
            places[:, j] = torch.from_numpy(best)
        return self.data.rebuilt(self.data.values(places), data, changed)


def _share(columns: list[list[Matrix]]) -> float:
    """Cells that are wrong, at most: those of any look are no more often found than wrong ones are, times their share.

    (The share of one population in another, from the slope at which their distributions begin: Blanchard 2010.)
    """
    own, wrong = (np.concatenate([c[i][0] for c in columns]) for i in (0, 1))
    least = 0.99
    for cut in CUTS[CUTS >= SURE]:
        count = float((own < np.quantile(wrong, cut, method="lower")).sum())
        least = min(least, (count + count**0.5 + 1) / len(own) / float(cut))
    return least


def _limit(own: Matrix, wrong: Matrix, share: float, within: float) -> tuple[float, ...]:
    """The score below which a cell is replaced; shares changed, found, mended and broken at that.

    `share`: of wrong cells that are expected; `within`: of those among `own`.
    """
    best, found = 0.0, (-np.inf, 0.0, 0.0, 0.0, 0.0)
    for limit in np.quantile(wrong[0], CUTS, method="lower") if wrong.size else ():
        changed, caught = float((own[0] < limit).mean()), float((wrong[0] < limit).mean())
        mended = float(((wrong[0] < limit) & (wrong[2] > 0)).mean())
        broken = max(changed - within * caught, 0.0)
        if share * mended - broken > best:
            best, other = share * mended - broken, float(wrong[1].mean())
            found = float(limit), changed, caught / other, mended / other, broken / (1 - within * other)
    return found
