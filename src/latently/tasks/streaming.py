"""Rows that come in a stream: learning on, calibrating anew, and telling whether they are still like those before."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from latently import rng as chance
from latently.engine.plan import plan_for
from latently.engine.schedule import Schedule, further
from latently.engine.store import Checkpoint
from latently.engine.watch import watcher_for
from latently.errors import UnsupportedInput
from latently.model import Composition
from latently.tasks.alerting import Alerting
from latently.tasks.judges import Columns
from latently.tasks.moments import Moments
from latently.tasks.nearness import trusted
from latently.tasks.sides import Side, weights
from latently.tasks.strangeness import FEWER, REFERENCES
from latently.tasks.twice import BRISK
from latently.values import Batch

__all__ = ["Drift", "Streaming"]

Rows = NDArray[np.float64]
Learn = Callable[[Composition, Batch], Composition]

WINDOW = 10_000  # held-out rows that p-values compare with, and rows that references stand for: older ones make room
HALVES = 2  # of new rows: each is judged by models that have learned from the other
PASSES = 5  # over the new rows and some old ones
STEPS = 1000  # of a model, at most, unless one pass takes more
REHEARSED = 20  # old rows for a new one, as far as they go (one for one, a hundred rows spoiled a model: measured)
GENTLE = 1 / 256  # of the learning rate of a fit: more of it follows no better, and spoils what was learned (measured)
FULL = 100  # new rows that get this rate; fewer get less, or many small updates would spoil a model (measured)
APART = 0.1  # distance of two distributions of scores that is worth a word
CHANCE = 1e-3  # of an alarm about drift where there is none


@dataclass(frozen=True)
class Drift:
    """How strange new rows are beside the held-out rows, and how many are flagged."""

    distance: float  #: Kolmogorov-Smirnov, one-sided: how much more of the rows lie above some strangeness, at most
    distance_p_value: float  #: of such a distance, or a greater, by chance
    median: float  #: share of the held-out rows that are less strange than the median row: near .5 without drift
    flagged: int
    rows: int
    expected_flagged: int  #: of the held-out rows
    expected_rows: int
    p_value: float  #: of so many flagged, or more, by chance: Fisher's exact test, since both counts are chance

    @property
    def stranger(self) -> bool:
        """Whether the rows are stranger at large: a distance of .1 or more that is no chance (p below .001)."""
        return self.distance >= APART and self.distance_p_value < CHANCE

    @property
    def drifted(self) -> bool:
        """Whether they are, or more than twice as many are flagged as should be, and that by no chance."""
        return self.stranger or self._alarming

    @property
    def _alarming(self) -> bool:
        return self.p_value < CHANCE and self.rate > 2 * self.expected

    @property
    def rate(self) -> float:
        """Share of the rows that is flagged."""
        return self.flagged / self.rows

    @property
    def expected(self) -> float:
        """Share of the held-out rows that would be."""
        return self.expected_flagged / self.expected_rows

    def told(self) -> dict[str, Any]:
        """For a report: all of it as JSON values."""
        return {**asdict(self), "rate": self.rate, "expected": self.expected, "drifted": self.drifted}

    def text(self) -> str:
        """In words, two lines."""
        strange, many = (": DRIFT" if flag else "" for flag in (self.stranger, self._alarming))
        return (
            f"scores: half of the rows are stranger than {100 * self.median:.0f} % of held-out rows, 50 % without "
            f"drift (Kolmogorov-Smirnov distance {self.distance:.2f}, p {self.distance_p_value:.2g}){strange}\n"
            f"rows flagged: {100 * self.rate:.1f} % ({self.flagged:,} of {self.rows:,}), {100 * self.expected:.1f} % "
            f"({self.expected_flagged:,} of {self.expected_rows:,}) of held-out rows{many}"
        )


class Streaming(Alerting, ABC):
    """A detector that goes on learning, and knows when the rows that come are no longer those it knows."""

    _judge: Any
    _arrived: NDArray[np.int32]  # with which update each of `calibration_` came; 0: the fit
    _seed: int
    _updates: int
    _seen: int  # rows that were learned from

    def _begin(self, schedule: Schedule) -> None:
        """Right after a fit."""
        held = len(self.calibration_)
        self._seed, self._updates, self._seen = schedule.seed, 0, self.rows_ - held or self.rows_
        self._arrived = np.zeros(held, np.int32)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn on from new rows `X` (n, columns) of a table; the first call is `fit`, and `y` is ignored.

        Every model goes over the new rows, and 20 old ones for each, a few times at a 256th of the usual learning rate
        (fewer than a hundred new rows at less). Old ones come from the references, which stay a sample of all rows so
        far (a reservoir: Vitter 1985; beyond 10,000 rows new ones push out old ones faster, so that some 10,000 stand
        behind it). With "contaminated" rows far from the others teach little; with "clean" all count as normal.
        Columns, levels, scales, `history_` and `held_out_` stay those of the first fit. Equal rows of a call count
        once. The same calls give the same bytes, and a detector that was saved in between goes on as one that was not.

        Notes
        -----
        `calibration_` takes in the new rows, each half of them judged by models that learned from the other half
        (cross-conformal: Vovk 2015), and forgets all but the newest 10,000. p-values are valid where the row in
        question and those are exchangeable: drawn alike, and judged alike. In a stream that stands still or moves
        slowly both hold roughly. After a sudden change p is too small until the new sort of rows makes up a good part
        of the window. Then it is too large: rows judged early in the change look stranger than they would to the model
        of today, and until they leave the window weak anomalies are missed. `recalibrate` with rows of the new sort
        sets that right at once. What `set_threshold` said of alpha or rate, and `contamination`, holds beside the new
        calibration ("auto": p at most .01); a line drawn by count or labels stays where it is. Nothing changes where an
        error is raised: `UnsupportedInput` of what is no table, `BadData` and scikit-learn's errors of other columns.
        """
        if not hasattr(self, "model_"):
            return self.fit(X, y, sample_weight)  # type: ignore[attr-defined, no-any-return]
        if not isinstance(self._judge, Columns):
            raise UnsupportedInput(
                f"partial_fit is for rows of tables; this detector learned from {self.data_.item}s. Call fit with old "
                "and new ones together; recalibrate(X) sets p-values right without learning."
            )
        fresh, number = self.data_.more(self, X, sample_weight), self._updates + 1
        order = torch.randperm(len(fresh), generator=chance.child(self._seed, f"update {number}/halves"))
        strange, halves = np.empty(len(fresh)), order.tensor_split(HALVES)
        for i, (half, other) in enumerate(zip(halves, halves[::-1], strict=True)):
            judge = self._judge  # a row that comes alone has no other half
            if len(half) and len(other):
                judge, _ = self._moved(judge, fresh.take(other), f"update {number}/half {i + 1}")
            if len(half):
                strange[half.numpy()] = judge.strange(X, iter([fresh.take(half)]))
        judge, kept = self._moved(self._judge, fresh, f"update {number}")
        model = judge.sides[0].view.model
        codes = self._map(model.encode, kept.take(slice(0, len(self.codes_))))
        calibration = self._window(strange, weights(fresh), number)
        vars(self).update(
            calibration, model_=model, _judge=judge, codes_=codes, _updates=number, _seen=self._seen + len(fresh)
        )
        self._redraw()
        return self

    def recalibrate(self, X: Any) -> Self:
        """Take rows `X`, known to be normal or new and not labelled, for all of the calibration; nothing is learned.

        Then p-values are exact for rows drawn like `X`, which must not have been learned from: `p <= alpha` has a
        chance of at most alpha. Anomalies among them make p larger than need be. Where the line goes is said in
        `partial_fit`. Raises `UnsupportedInput` of series, whose steps do not stand for themselves.
        """
        check_is_fitted(self, "model_")
        if isinstance(self._judge, Moments):
            raise UnsupportedInput("recalibrate is not for series, whose steps are strange together. Call fit.")
        strange = np.sort(-self.score_samples(X))
        self.calibration_, self._counts = strange, np.ones(len(strange))
        self._arrived = np.full(len(strange), self._updates, np.int32)
        self._redraw()
        return self

    def drift(self, X: Any) -> Drift:
        """How the strangeness of rows `X`, which were not learned from, is spread beside that of the held-out rows.

        `data_.drift(X)` tells the same of each column of a table, beside the rows of the first fit. Steps of a series
        are strange together: there both p-values are too small.
        """
        from scipy.stats import fisher_exact

        strange = np.sort(-self.score_samples(X))
        held, counts = self.calibration_, np.cumsum(self._counts)
        ends = np.concatenate([held, strange])
        then = np.append(0, counts / counts[-1])[np.searchsorted(held, ends, side="right")]
        distance = max(0.0, float((then - np.searchsorted(strange, ends, side="right") / len(strange)).max()))
        rows, size = len(strange), counts[-1]
        chance = float(np.exp(-2 * distance**2 * rows * size / (rows + size)))
        median = float(1 - self._p(np.array([np.median(strange)]))[0])
        now, (usual, of) = int((strange > self.threshold_).sum()), self.expected_flags()
        many = float(fisher_exact([[now, rows - now], [usual, of - usual]], alternative="greater")[1])
        return Drift(distance, chance, median, now, rows, usual, of, many)

    # ------------------------------------------------------------------ an update

    def _moved(self, judge: Columns, fresh: Batch, name: str) -> tuple[Columns, Batch]:
        """The judge after `fresh` rows, and the references that it then has, in model units."""
        rng, old = chance.child(self._seed, f"{name}/rows"), judge.kept()
        most = FEWER if judge.sides[0].view.neighbours.alone else REFERENCES
        places = torch.randperm(len(old), generator=rng)[: min(FEWER, REHEARSED * len(fresh))]
        kept = _joined(old, fresh).take(_reservoir(len(old), len(fresh), self._seen, most, rng))
        schedule = Schedule({}, None, self._seed, watcher_for(self.verbose), Checkpoint(None, ""))
        sides = []
        for i, side in enumerate(judge.sides):

            def learn(model: Composition, rows: Batch, stage: str = f"{name}/side {i}") -> Composition:
                rate = BRISK["learning_rate"] if self.learning_rate == "auto" else float(self.learning_rate)
                plan = plan_for(len(rows), epochs=PASSES, learning_rate=GENTLE * rate * min(1, len(fresh) / FULL))
                epochs = max(1, min(PASSES, STEPS * plan.batch_rows // len(rows)))
                work = sum(p.numel() for p in model.parameters())
                return further(model, rows, replace(plan, epochs=epochs), replace(schedule, work=work), stage)

            sides.append(_after(side, (old, fresh, kept), places, min(self._seen, WINDOW), learn))
        return replace(judge, sides=tuple(sides)), kept

    def _window(self, strange: Rows, weight: Rows, number: int) -> dict[str, Any]:
        """The calibration with these rows, without what is too old."""
        strange, weight = np.append(self.calibration_, strange), np.append(self._counts, weight)
        arrived = np.append(self._arrived, np.full(len(strange) - len(self._arrived), number, np.int32))
        draws = torch.rand(len(strange), generator=chance.child(self._seed, f"update {number}/window")).numpy()
        newest = np.lexsort((draws, -arrived))[:WINDOW]
        order = newest[np.argsort(strange[newest], kind="stable")]
        return {"calibration_": strange[order], "_counts": weight[order], "_arrived": arrived[order]}

    def _extra(self) -> dict[str, Any]:
        return {
            "strange": self.calibration_, "counts": self._counts, "offset": self.offset_, "meant": list(self._meant),
            "arrived": self._arrived, "seed": self._seed, "updates": self._updates, "seen": self._seen,
        }  # fmt: skip

    def _adopt(self, extra: dict[str, Any]) -> None:
        self.calibration_, self._counts, self.offset_ = extra["strange"], extra["counts"], extra["offset"]
        self._meant = tuple(extra.get("meant", ("", 0.0)))
        self._arrived = extra.get("arrived", np.zeros(len(self.calibration_), np.int32))
        self._seed, self._updates = extra.get("seed", 0), extra.get("updates", 0)
        self._seen = extra.get("seen", self.rows_)


def _after(side: Side, rows: tuple[Batch, Batch, Batch], places: Tensor, stands: int, learn: Learn) -> Side:
    """A side after an update: rows before it, new ones, references after it; which of the first are gone over again.

    `stands`: how many rows the first stand for.
    """
    device = next(side.view.model.parameters()).device
    old, fresh, kept = (side.seen(b).to(device) for b in rows)
    both, count = _joined(old, fresh), len(old)
    if side.view.neighbours.alone:
        both, _ = trusted(side.view.model, both, None)
    lesson = both.take(torch.cat([places, torch.arange(count, len(both))]).to(device))
    assert both.weight is not None
    assert lesson.weight is not None
    model = learn(side.view.model, replace(lesson, weight=lesson.weight / lesson.weight.mean()))
    weight = both.weight.cpu().double()
    new, before = float(weight[count:].sum()), float(weight[:count].mean()) * stands
    view = side.view.moved(model, both.take(slice(count, None)), kept, new / (new + before))
    return replace(side, view=view)


def _joined(one: Batch, other: Batch) -> Batch:
    """Both batches, one after the other."""
    pair, known = (one, other), None
    if not all(b.known is None for b in pair):
        known = torch.cat([torch.ones_like(b.x, dtype=torch.bool) if b.known is None else b.known for b in pair])
    weight = torch.cat([b.x.new_ones(len(b)) if b.weight is None else b.weight for b in pair])
    return Batch(torch.cat([one.x, other.x]), known, weight=weight)


def _reservoir(old: int, fresh: int, seen: int, most: int, rng: torch.Generator) -> Tensor:
    """Which of the old and then the new rows to keep: of all seen, each with the same chance (Vitter 1985, R)."""
    filled = max(0, min(most - old, fresh))
    slots, coming = np.arange(old + filled), np.arange(filled, fresh)
    slot = torch.rand(len(coming), generator=rng, dtype=torch.float64).numpy() * np.minimum(seen + coming + 1, WINDOW)
    hit = slot < most
    slots[slot[hit].astype(int)] = old + coming[hit]
    return torch.from_numpy(slots)
