"""The detector under the names that users of another library know."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from scipy.stats import binom
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from latently.errors import BadParameter
from latently.tasks.anomaly import AnomalyDetector

__all__ = ["PyODDetector"]

Rows = NDArray[np.float64]
Labels = NDArray[np.int64]


class PyODDetector(BaseEstimator):
    """`AnomalyDetector` under the names and signs of PyOD's detectors; PyOD itself is not needed.

    Scores grow with strangeness, labels are 0 (normal) and 1 (outlier), and `decision_scores_`, `labels_` and
    `threshold_` of the training rows are there after the fit. What PyOD has no word for is at `detector_`:
    `detector_.explain(X)`, `.p_values(X)`, `.select(X, fdr=.1)`.

    Parameters
    ----------
    contamination : float in (0, 0.5] or "auto"
        Share of the training rows to label as outliers; 0.1 as in PyOD. "auto" needs no such guess: the line of
        `AnomalyDetector(contamination="auto")`.
    detector : AnomalyDetector, optional
        One with options other than the defaults, not yet fitted, such as `AnomalyDetector(setting="clean")` for
        training rows without outliers, of which held-out ones tell the threshold. Its own `contamination` gives way.

    Attributes
    ----------
    detector_ : AnomalyDetector
    decision_scores_, labels_ : arrays
        Strangeness of the training rows in nats; 1 for those above the threshold, else 0.
    threshold_ : float
        Scores above it are outliers. Set it to move the line.

    Examples
    --------
    >>> import numpy as np
    >>> from latently import AnomalyDetector
    >>> from latently.compat import PyODDetector
    >>> rows = np.random.default_rng(0).normal(size=(200, 3))
    >>> found = PyODDetector(detector=AnomalyDetector(epochs=5, random_state=0)).fit(rows)
    >>> found.predict([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    array([0, 1])
    """

    def __init__(
        self, contamination: float | Literal["auto"] = 0.1, *, detector: AnomalyDetector | None = None
    ) -> None:
        self.contamination = contamination
        self.detector = detector

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what rows are like; `y` is ignored."""
        detector = AnomalyDetector() if self.detector is None else clone(self.detector)
        self.detector_ = detector.set_params(contamination=self.contamination).fit(X)
        self.n_features_in_, self.decision_scores_ = self.detector_.n_features_in_, self.decision_function(X)
        self.threshold_ = self.detector_.threshold_
        self.labels_ = self._labels(self.decision_scores_)
        return self

    def fit_predict(self, X: Any, y: Any = None) -> Labels:
        """`labels_` of a fit."""
        return self.fit(X, y).labels_

    def decision_function(self, X: Any) -> Rows:
        """Strangeness of every row, higher is more abnormal."""
        check_is_fitted(self, "detector_")
        return -self.detector_.score_samples(X)

    def predict(self, X: Any, return_confidence: bool = False) -> Labels | tuple[Labels, Rows]:
        """1 for outliers, 0 for others; with `return_confidence`, `predict_confidence` beside them."""
        scores = self.decision_function(X)
        labels = self._labels(scores)
        return (labels, self._confidence(scores)) if return_confidence else labels

    def predict_proba(
        self, X: Any, method: str = "linear", return_confidence: bool = False
    ) -> Rows | tuple[Rows, Rows]:
        """A column for normal, a column for outlier, from 0 to 1.

        "linear": the place between the least and the greatest training score, which one far outlier stretches.
        "unify": Gaussian scaling beside the training scores' mean and deviation (Kriegel et al. 2011). Neither is
        calibrated; `detector_.p_values(X)` is.
        """
        if method not in ("linear", "unify"):
            raise BadParameter(f"method={method!r}: expected 'linear' or 'unify'.")
        scores = self.decision_function(X)
        usual = self.decision_scores_
        if method == "linear":
            odd = (scores - usual.min()) / (np.ptp(usual) or 1.0)
        else:
            odd = erf((scores - usual.mean()) / (np.sqrt(2) * usual.std() or 1.0))
        odd = odd.clip(0, 1)
        both = np.column_stack([1 - odd, odd])
        return (both, self._confidence(scores)) if return_confidence else both

    def predict_confidence(self, X: Any) -> Rows:
        """How surely each row would get the same label had the training rows been others (Perini et al. 2020)."""
        return self._confidence(self.decision_function(X))

    def _confidence(self, scores: Rows) -> Rows:
        n = len(self.decision_scores_)
        share = self.labels_.mean() if self.contamination == "auto" else self.contamination
        below = np.searchsorted(np.sort(self.decision_scores_), scores, side="right")
        outlier = binom.sf(n - int(n * share), n, (1 + below) / (2 + n))
        return np.asarray(np.where(scores > self.threshold_, outlier, 1 - outlier))

    def _labels(self, scores: Rows) -> Labels:
        return (scores > self.threshold_).astype(np.int64)
