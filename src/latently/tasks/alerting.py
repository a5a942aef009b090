"""Thresholds as a thing of their own: p-values, the line between normal and strange, and rows selected at a rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from latently.errors import BadParameter
from latently.tasks.base import Task
from latently.tasks.strangeness import cut
from latently.tasks.thresholds import alerts, best_f1, share

__all__ = ["AUTO", "Alerting"]

Rows = NDArray[np.float64]

AUTO = 0.01  # conformal p of contamination="auto"


class Alerting(Task, ABC):
    """A task that scores rows, higher being more normal, and knows how strange rows are that it did not learn from."""

    calibration_: Rows
    offset_: float
    _counts: Rows  # what each of `calibration_` counts
    _meant: tuple[str, float]  # what the line was drawn by, where it follows the calibration: "alpha" or "rate"

    @abstractmethod
    def score_samples(self, X: Any) -> Rows:
        """Minus the strangeness of every row."""

    def p_values(self, X: Any) -> Rows:
        """Conformal p of every row: how often a normal row would be at least as strange."""
        return self.p_values_of(self.score_samples(X))

    def p_values_of(self, scores: Any) -> Rows:
        """The same of rows whose `score_samples` are known, so that nothing is judged twice."""
        check_is_fitted(self, "model_")
        return self._p(-np.asarray(scores, np.float64))

    def _p(self, strange: Rows) -> Rows:
        above = np.append(np.cumsum(self._counts[::-1])[::-1], 0.0)
        at_least = above[np.searchsorted(self.calibration_, strange, side="left")]
        return np.asarray((1 + at_least) / (1 + above[0]))

    def select(self, X: Any, fdr: float = 0.1) -> NDArray[np.bool_]:
        """The rows of `X` that may be called anomalies while at most a share `fdr` of them is expected to be normal.

        Benjamini and Hochberg's rule over conformal p-values, which keeps its promise though all of them share the
        held-out rows (Bates et al. 2023). No p is below one in the held-out rows and one, so that with few of them, or
        many rows and few anomalies, none may be called so; then nothing is selected.
        """
        p = self.p_values(X)
        order = np.argsort(p, kind="stable")
        below = np.flatnonzero(p[order] <= share("fdr", fdr) * np.arange(1, len(p) + 1) / len(p))
        return np.asarray(p <= p[order[below[-1]]] if len(below) else np.zeros(len(p), bool))

    def expected_flags(self) -> tuple[int, int]:
        """How many rows like those of the fit are flagged, and of how many: the held-out rows beyond the line."""
        check_is_fitted(self, "model_")
        return round(self._counts[self.calibration_ > self.threshold_].sum()), round(self._counts.sum())

    # ------------------------------------------------------------------ where to draw the line

    @property
    def threshold_(self) -> float:
        """Strangeness above which a row is an anomaly: minus `offset_`."""
        check_is_fitted(self, "model_")
        return -self.offset_

    def set_threshold(
        self, *, alpha: float | None = None, rate: float | None = None, count: int | None = None,
        labels: Any = None, X: Any = None,
    ) -> Self:  # fmt: skip
        """Move the line between normal and strange, without learning anew.

        Give exactly one of

        - `alpha`: flag rows of conformal p at most this. If no p is that small, rows stranger than all held-out ones;
        - `rate`: the share of held-out rows to flag;
        - `count` with `X`: how many of these rows to flag, or as near to that as rows that tie allow;
        - `labels` with `X`: 1 or True for these rows' anomalies, 0 for the others; flags so that F1 is greatest.
        """
        check_is_fitted(self, "model_")
        given = {"alpha": alpha, "rate": rate, "count": count, "labels": labels}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            raise BadParameter(f"set_threshold got {' and '.join(named) or 'nothing'}; give one of {', '.join(given)}.")
        if (X is None) is (named[0] in ("count", "labels")):
            raise BadParameter("count and labels go with the rows they speak of, X; alpha and rate go without.")
        told = alpha if rate is None else rate
        meant = ("", 0.0) if told is None else (named[0], share(named[0], told))
        if count is not None:
            self.offset_ = -alerts(-self.score_samples(X), count)
        elif told is None:
            self.offset_ = -best_f1(-self.score_samples(X), labels)
        self._meant = meant
        self._redraw()
        return self

    def _redraw(self) -> None:
        """Put the line where the calibration has it; one that was drawn by other rows stays."""
        name, value = self._meant
        if name:
            at = self._at_level(value) if name == "alpha" else cut(self.calibration_, self._counts, value)
            self.offset_ = -at

    def _at_level(self, alpha: float) -> float:
        """The largest held-out strangeness whose p is above `alpha`."""
        usual = np.flatnonzero(self._p(self.calibration_) > alpha)
        return float(self.calibration_[usual[-1] if len(usual) else 0])
