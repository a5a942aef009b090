"""What a few known anomalies teach about the others: a line and a forest, over what the views tell of each row."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, warn
from latently.modalities.rows import slices
from latently.tasks.sides import parts
from latently.tasks.strangeness import Tails

__all__ = ["Forest", "Lessons", "Line", "Pool", "marks"]

Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]
Nodes = NDArray[np.int32]

FOLDS = 5  # of the rows: none is judged, to learn what is usual, by a line or a forest that learned from it
AT_ONCE = 4096  # rows that walk through the trees together
EASED = float(np.log(10))  # nats
TREES = 100
LEAF = 5  # rows (3: as good with a hundred known anomalies, three points worse with ten)
LOOSE = 3.0  # inverse of the penalty, beside the mean loss (1 to 10: as good)
DOUBT = 5.0  # known anomalies with which all that is not learned from labels counts as much as all that is
SURE = 20.0  # known anomalies with which cross-validation has as much to say about the shares as the rule above
CHOICE = np.array(
    [(0, 1, 1), (0, 1, 0), (0, 0, 1), (0, 3, 1), (0, 1, 3), (1, 2, 2), (1, 1, 1), (2, 1, 1), (1, 1, 0), (4, 1, 1),
     (1, 0, 0)], np.float64,
)  # fmt: skip
CHOICE /= CHOICE.sum(1, keepdims=True)  # shares of what the views say, the line, the forest


def marks(y: Any) -> NDArray[np.int8] | None:
    """1 for a known anomaly, 0 for a known normal row, -1 for neither; None, and a warning, where `y` is no such thing.

    -1, NaN and None mean neither. `BadData` where every row is called an anomaly.
    """
    values = y.tolist()
    blank = [v is None or v != v for v in values]
    if not all(b or (not isinstance(v, str) and v in (-1, 0, 1)) for v, b in zip(values, blank, strict=True)):
        warn(
            "y is ignored, as it does not tell anomalies: expected 1 (True) for a known anomaly, 0 for a known normal "
            f"row, -1, NaN or None for neither; got values such as {list(dict.fromkeys(values))[:5]}."
        )
        return None
    found = np.array([-1 if b else int(v) for v, b in zip(values, blank, strict=True)], np.int8)
    if (found == 1).all():
        raise BadData("y calls every row an anomaly; leave -1 for rows that nobody looked at, 0 for normal ones.")
    return found if (found == 1).any() else None


@dataclass(frozen=True)
class Line:
    """A logistic regression, penalised by the squares of its slopes."""

    middle: Rows
    slope: Rows

    @classmethod
    def of(cls, told: Rows, anomaly: Mask, weight: Rows) -> Self:
        """Fitted to rows of these weights."""
        from sklearn.linear_model import LogisticRegression

        middle = np.average(told, axis=0, weights=weight)
        scale = np.sqrt(np.average(np.square(told - middle), axis=0, weights=weight))
        scale = np.where(scale > 1e-6 * (1 + np.abs(middle)), scale, np.inf)
        model = LogisticRegression(C=LOOSE / weight.sum(), max_iter=300, tol=1e-3)
        model.fit((told - middle) / scale, anomaly, weight)
        return cls(middle, model.coef_[0] / scale)

    def each(self, told: Rows) -> Rows:
        """What each feature adds to the log-odds, beside a row in the middle."""
        return np.asarray((told - self.middle) * self.slope)

    def score(self, told: Rows) -> Rows:
        """Log-odds, but for a constant."""
        return np.asarray(self.each(told).sum(1))


@dataclass(frozen=True)
class Forest:
    """Extremely randomised trees (Geurts 2006), as arrays over the nodes of all of them."""

    feature: Nodes
    threshold: NDArray[np.float32]
    below: Nodes  #: the node that follows where the feature is at most the threshold; of a leaf itself
    above: Nodes
    value: NDArray[np.float32]  #: share of anomalies among a node's rows, by weight
    roots: Nodes
    depth: int

    @classmethod
    def of(cls, told: Rows, anomaly: Mask, weight: Rows) -> Self:
        """Grown on rows of these weights."""
        from sklearn.ensemble import ExtraTreesClassifier

        model = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, random_state=0)
        grown = [tree.tree_ for tree in model.fit(told.astype(np.float32), anomaly, weight).estimators_]
        roots = np.cumsum([0, *(t.node_count for t in grown)])[:-1]

        def follows(ends: list[Any]) -> Nodes:
            each = [np.where(e < 0, np.arange(len(e)), e) + root for e, root in zip(ends, roots, strict=True)]
            return np.concatenate(each).astype(np.int32)

        return cls(
            np.concatenate([np.maximum(t.feature, 0) for t in grown]).astype(np.int32),
            np.concatenate([t.threshold for t in grown]).astype(np.float32),
            follows([t.children_left for t in grown]), follows([t.children_right for t in grown]),
            np.concatenate([t.value[:, 0, 1] / t.value[:, 0].sum(1) for t in grown]).astype(np.float32),
            roots.astype(np.int32), int(max(t.max_depth for t in grown)),
        )  # fmt: skip

    def each(self, told: Rows) -> Rows:
        """What each feature adds to the share of anomalies, on the way from the roots to the leaves (Saabas 2014)."""
        found, row = np.zeros(told.shape), np.arange(len(told))[:, None]
        for at, then in self._ways(told):
            np.add.at(found, (row, self.feature[at]), self.value[then].astype(np.float64) - self.value[at])
        return found / len(self.roots)

    def score(self, told: Rows) -> Rows:
        """Share of anomalies in a row's leaves, in the mean of the trees."""
        ends = (deque(self._ways(told[rows]), 1)[0][1] for rows in slices(len(told), AT_ONCE))
        return np.concatenate([self.value[leaf].astype(np.float64).mean(1) for leaf in ends])

    def _ways(self, told: Rows) -> Iterator[tuple[Nodes, Nodes]]:
        """From which nodes to which, a level at a time, `(rows, trees)`."""
        x, row = told.astype(np.float32), np.arange(len(told))[:, None]
        at = np.broadcast_to(self.roots, (len(told), len(self.roots)))
        for _ in range(max(1, self.depth)):
            then = np.where(x[row, self.feature[at]] <= self.threshold[at], self.below[at], self.above[at])
            yield at, then
            at = then


@dataclass(frozen=True)
class Pool:
    """Rows to learn from: what is told of each, and what each counts."""

    told: Rows  #: (rows, features)
    plain: Rows  #: what the views say
    weight: Rows
    anomaly: Mask
    usual: Mask  #: rows, not known as anomalies, that no autoencoder learned from
    group: Places  #: equal rows have one number, and are held out together

    def folds(self) -> Places:
        """The fold of each row; -1 of anomalies where they are too few to miss any."""
        rng, count = np.random.default_rng(0), int(self.anomaly.sum())
        fold = rng.permutation(int(self.group.max()) + 1)[self.group] % FOLDS
        fold[self.anomaly] = rng.permutation(count) % FOLDS if count >= FOLDS else -1
        return fold

    def balanced(self) -> Rows:
        """Weights by which the known anomalies count as much as all other rows."""
        sums = np.array([self.weight[~self.anomaly].sum(), self.weight[self.anomaly].sum()])
        return np.asarray(self.weight * len(self.weight) / 2 / sums[self.anomaly.astype(int)])


@dataclass(frozen=True)
class Lessons:
    """Strangeness where anomalies are known: what the views say, the line and the forest, `-log p` each, in shares.

    The line ranks best with some ten known anomalies, the forest with a hundred (seven sets: average precision 59 / 73
    and 55 / 80, boosted trees 42 / 74). Boosted trees over the same features lose to both (36 / 70).
    """

    line: Line
    forest: Forest
    tails: Tails
    shares: Rows
    column: Places  #: of each feature; -1: all of them

    @classmethod
    def of(cls, pool: Pool, column: Places) -> tuple[Self, Rows]:
        """What the pool teaches; and how strange its usual rows are to lines and forests that did not see them."""
        y, weight, fold = pool.anomaly, pool.balanced(), pool.folds()
        found, count = np.zeros((len(y), 2)), int(y.sum())
        for k in range(FOLDS):
            held = fold == k
            if held.any():
                line, forest = (part.of(pool.told[~held], y[~held], weight[~held]) for part in (Line, Forest))
                found[held] = np.column_stack([line.score(pool.told[held]), forest.score(pool.told[held])])
        usual, doubt, found = pool.usual, DOUBT / (DOUBT + count), np.column_stack([pool.plain, found])
        tails = Tails.of(found[usual], pool.weight[usual])
        nats = _eased(tails.nats(found))
        shares = np.array([doubt, (1 - doubt) / 2, (1 - doubt) / 2])
        if count >= FOLDS:
            shares = (SURE * shares + count * _best(nats, pool)) / (SURE + count)
        line, forest = Line.of(pool.told, y, weight), Forest.of(pool.told, y, weight)
        return cls(line, forest, tails, shares, column), (nats[usual] * shares).sum(1)

    def nats(self, plain: Rows, told: Rows) -> Rows:
        """What each of the three adds to a row's strangeness; the views say `plain`, and these features are told."""
        found = np.column_stack([plain, self.line.score(told), self.forest.score(told)])
        return np.asarray(_eased(self.tails.nats(found)) * self.shares)

    def parts(self, plain: Rows, told: Rows, shares: Rows) -> Rows:
        """Of each cell its share of the strangeness; `shares` are those of what the views say."""
        weighed, one = self.nats(plain, told), self.column >= 0
        columns = np.eye(shares.shape[1])[self.column] * one[:, None]
        total = weighed[:, :1] * shares
        for nats, each in zip(weighed.T[1:], (self.line.each(told), self.forest.each(told)), strict=True):
            found = each @ columns + each[:, ~one].sum(1, keepdims=True) * shares
            total = total + nats[:, None] * parts(np.maximum(found, 0))
        return parts(total)

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values."""
        found = {f"{n}_{f.name}": getattr(getattr(self, n), f.name) for n, kind in PARTS.items() for f in fields(kind)}
        return found | {"shares": self.shares, "column": self.column}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The lessons that `state` described."""
        made = {n: kind(**{f.name: state[f"{n}_{f.name}"] for f in fields(kind)}) for n, kind in PARTS.items()}
        return cls(**made, shares=state["shares"], column=state["column"])


PARTS: dict[str, Any] = {"line": Line, "forest": Forest, "tails": Tails}


def _eased(nats: Rows) -> Rows:
    """Beyond one row in ten a logarithm: that one of three goes to extremes is no reason not to hear the others.

    Measured on seven sets with 10 / 100 known anomalies: average precision 62.6 / 80.4 in place of 61.8 / 79.8.
    """
    return np.minimum(nats, EASED) + np.log1p(np.maximum(nats - EASED, 0))


def _best(nats: Rows, pool: Pool) -> Rows:
    """Shares of greatest average precision, known anomalies beside usual rows, all judged unseen."""
    from sklearn.metrics import average_precision_score

    some = pool.anomaly | pool.usual
    y, weight = pool.anomaly[some], pool.weight[some]
    found = [average_precision_score(y, (nats[some] * shares).sum(1), sample_weight=weight) for shares in CHOICE]
    return np.asarray(CHOICE[int(np.argmax(found))])
