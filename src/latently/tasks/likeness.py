"""How like real rows made ones are: columns, pairs, a classifier's eye, what can be learned from them, copies."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently import rng as chance
from latently.errors import BadData, BadParameter
from latently.tasks.base import Task
from latently.tasks.walk import drawn_values

__all__ = ["Judge", "compared", "likeness", "reported"]

GROUPS = 8  # of a column of numbers, in pairs
MOST_PAIRS = 300
FIT = "rows of the fit"
MOST = 8000  # rows that a classifier tells apart
SHOWN = 5000  # rows that a picture of columns is drawn from
BARS = 24
CLOSEST = 2000  # made rows whose nearest real ones are looked for
AT_ONCE = 2**24  # distances
FOLDS = 4

Matrix = NDArray[np.float64]


def likeness(task: Task, rows: Any) -> dict[str, dict[str, Any]]:
    """New rows beside columns drawn by themselves, judged by `rows`: a section of figures."""
    judge = Judge(task.data_, _asked(task, rows), 0)
    return {"new rows": judge.told(_made(task, judge.real))}


def compared(task: Task, rows: Any) -> tuple[list[dict[str, Any]], Any, dict[str, dict[str, float]]]:
    """What a picture needs: each column in `rows` and in new rows, the new rows in user units, and the figures.

    A column is its name, the total variation (`apart`), what of it two samples of the same rows would have (`chance`,
    `sum_v sqrt(p_v (1 - p_v) / (pi n))`, of v levels or bins of share p), and counts (`real`, `new`) of its commonest
    levels (`names`) or of equal parts of its range.
    """
    known = _asked(task, rows)
    known = known[torch.randperm(len(known), generator=chance.child(0, "shown"))[:SHOWN].numpy()]
    data: Any = task.data_
    judge, made, columns = Judge(data, known, 0), _made(task, known), []
    for j, (column, (apart, luck)) in enumerate(zip(data.learned, judge.apart(made["new"]), strict=True)):
        sides = [x[~np.isnan(x[:, j]), j] for x in (known, made["new"])]
        fact: dict[str, Any] = {"name": column.name, "apart": apart, "chance": luck}
        if column.width:
            counts = [np.bincount(s.astype(np.int64), minlength=column.width) for s in sides]
            order = np.argsort(-counts[0], kind="stable")[:BARS]
            fact["names"] = [str(column.levels[k]) for k in order]
            counts = [c[order] for c in counts]
        else:
            both = np.concatenate(sides)
            ends = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
            counts = [np.histogram(s, BARS, ends)[0] for s in sides]
        columns.append(fact | {who: c.tolist() for who, c in zip(("real", "new"), counts, strict=True)})
    return columns, data.framed(made["new"]), judge.told(made)


def reported(
    task: Task, train: Any, held_out: Any, target: str | None, beside: Mapping[str, Any]
) -> tuple[int, dict[str, dict[str, Any]]]:
    """How many held-out rows judge, and every figure there is."""
    judge, known = Judge(task.data_, _asked(task, held_out), 0), _asked(task, train)
    made = _made(task, known) | {str(n): _asked(task, x) for n, x in beside.items()}
    sections: dict[str, dict[str, Any]] = {"new rows": judge.told(made | {FIT: known})}
    if target is not None:
        sections["learned"] = judge.learned(target, made | {FIT: known})
    return len(judge.real), sections | {"closest rows": judge.closest(known, made)}


def _asked(task: Task, rows: Any) -> Matrix:
    data: Any = task.data_
    return np.asarray(data.asked(rows, 0))


def _made(task: Task, known: Matrix) -> dict[str, Matrix]:
    """As many new rows as are known, and the columns of those, each in an order of its own."""
    rng = chance.child(0, "new rows")
    new = drawn_values(task, np.full(known.shape, np.nan), True, rng)
    columns = [known[torch.randperm(len(known), generator=rng).numpy(), j] for j in range(known.shape[1])]
    return {"new": new, "independent columns": np.column_stack(columns)}


@dataclass(frozen=True)
class Judge:
    """Judges made rows by real ones that the fit had not, all in user units with NaN where missing.

    `data`: the fitted reading of the table, which says what is a level. `seed`: of the classifiers and choices.
    """

    data: Any
    real: Matrix
    seed: int

    def told(self, made: Mapping[str, Matrix]) -> dict[str, dict[str, float]]:
        """Figure, and who: total variation of columns and of pairs, and how surely a classifier tells rows apart."""
        return {
            "columns, total variation": {n: float(np.mean([v for v, _ in self.apart(x)])) for n, x in made.items()},
            "pairs, total variation": {n: self._pairs(x) for n, x in made.items()},
            "told from real rows, AUC": {n: self._apart(x) for n, x in made.items()},
        }

    # ------------------------------------------------------------------ shares

    def _places(self, x: Matrix, groups: int | None = None) -> NDArray[np.int64]:
        places: NDArray[np.int64] = self.data.batch(x).x.numpy().astype(np.int64)
        for j, (n, column) in enumerate(zip(self.data.levels, self.data.learned, strict=True)):
            if groups is not None and not column.width:
                places[:, j] = np.where(places[:, j] >= n, groups, places[:, j] * groups // n)
        return np.asarray(places)

    def apart(self, x: Matrix) -> list[tuple[float, float]]:
        """Total variation of every column, and what of it is chance among so few rows."""
        a, b = self._places(self.real), self._places(x)
        return [(_variation(a[:, j], b[:, j]), _luck(a[:, j])) for j in range(a.shape[1])]

    def _pairs(self, x: Matrix) -> float:
        a, b = self._places(self.real, GROUPS), self._places(x, GROUPS)
        pairs = list(itertools.combinations(range(a.shape[1]), 2))
        order = torch.randperm(len(pairs), generator=chance.child(self.seed, "pairs"))[:MOST_PAIRS].tolist()
        wide = max(self.data.levels, default=0) + GROUPS + 1
        found = [_variation(*(p[:, i] * wide + p[:, j] for p in (a, b))) for i, j in (pairs[k] for k in order)]
        return float(np.mean(found)) if found else float("nan")

    # ------------------------------------------------------------------ classifiers

    def _apart(self, x: Matrix) -> float:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import cross_val_predict

        count = min(len(x), len(self.real), MOST)
        both = np.concatenate([x[self._few(len(x), count)], self.real[self._few(len(self.real), count)]])
        label = np.repeat([1, 0], count)
        model = HistGradientBoostingClassifier(random_state=self.seed)
        told = cross_val_predict(model, both, label, cv=min(FOLDS, count), method="predict_proba")[:, 1]
        return float(roc_auc_score(label, told))

    def _few(self, rows: int, count: int) -> NDArray[np.int64]:
        return torch.randperm(rows, generator=chance.child(self.seed, "few"))[:count].numpy()

    def learned(self, target: str, made: Mapping[str, Matrix]) -> dict[str, dict[str, float]]:
        """What trees that learn from made rows score on real ones: AUC of two levels, accuracy of more, R2."""
        if target not in self.data.names:
            raise BadParameter(f"target={target!r}: no learned column; known: {', '.join(self.data.names[:20])}.")
        j = self.data.names.index(target)
        levels = self.data.learned[j].width
        figure = f"{target} learned from, {'R2' if not levels else 'AUC' if levels == 2 else 'accuracy'}"
        return {figure: {n: self._scored(j, levels, x) for n, x in made.items()}}

    def _scored(self, j: int, levels: int, made: Matrix) -> float:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from sklearn.metrics import roc_auc_score

        (x, y), (real, truth) = _without(made, j), _without(self.real, j)
        if len(np.unique(y)) < 2 or (levels == 2 and len(np.unique(truth)) < 2):
            return float("nan")
        if not levels:
            return float(HistGradientBoostingRegressor(random_state=self.seed).fit(x, y).score(real, truth))
        model = HistGradientBoostingClassifier(random_state=self.seed).fit(x, y)
        return float(roc_auc_score(truth, model.predict_proba(real)[:, 1]) if levels == 2 else model.score(real, truth))

    # ------------------------------------------------------------------ copies

    def closest(self, train: Matrix, made: Mapping[str, Matrix]) -> dict[str, dict[str, float]]:
        """Whether made rows are nearer to those of the fit than to as many others: half of them when nothing is copied.

        The distance of two rows is Gower's (1971), numbers by their rank: 0 where all is alike, 1 where nothing is.
        """
        count = min(len(train), len(self.real))
        if not count:
            raise BadData("no rows to compare with; give rows of the fit and held-out ones.")
        halves = [x[self._few(len(x), count)] for x in (train, self.real)]
        share, distance = {}, {}
        for name, x in made.items():
            near, far = (self._nearest(x[:CLOSEST], half) for half in halves)
            share[name] = float((near < far).mean() + (near == far).mean() / 2)
            distance[name] = float(np.median(near))
        return {"closer to the fit's rows, share": share, "closest of the fit's rows, median": distance}

    def _nearest(self, x: Matrix, to: Matrix) -> NDArray[np.float32]:
        a, b = self._ranks(x), self._ranks(to)
        coded, found = [c.width > 0 for c in self.data.learned], []
        step = max(1, AT_ONCE // len(b))
        for part in (a[i : i + step] for i in range(0, len(a), step)):
            total = np.zeros((len(part), len(b)), np.float32)
            for j, level in enumerate(coded):
                p, q = part[:, j, None], b[:, j]
                total += p != q if level else np.minimum(np.abs(p - q), 1)
            found.append(total.min(1) / len(coded))
        return np.concatenate(found)

    def _ranks(self, x: Matrix) -> NDArray[np.float32]:
        """Levels as they are, -1 where missing; the share of real rows below a number, -1 where missing."""
        ranks = np.where(np.isnan(x), -1, x)
        for j, column in enumerate(self.data.learned):
            if not column.width:
                known = np.sort(self.real[~np.isnan(self.real[:, j]), j])
                here = np.searchsorted(known, x[:, j]) / max(len(known), 1)
                ranks[:, j] = np.where(np.isnan(x[:, j]), -1, here)
        return ranks.astype(np.float32)


def _without(x: Matrix, j: int) -> tuple[Matrix, Matrix]:
    """The other columns of rows whose j-th cell is known, and that."""
    known = ~np.isnan(x[:, j])
    return np.delete(x[known], j, 1), x[known, j]


def _variation(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Half of what the shares of values differ by, all together: 0 for the same, 1 where none is shared."""
    values, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    shares = [np.bincount(p, minlength=len(values)) / max(len(p), 1) for p in (place[: len(a)], place[len(a) :])]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _luck(places: NDArray[np.int64]) -> float:
    """The total variation to be expected between two samples of as many rows from one distribution."""
    share = np.unique(places, return_counts=True)[1] / max(len(places), 1)
    return float(np.sqrt(share * (1 - share) / (np.pi * max(len(places), 1))).sum())
