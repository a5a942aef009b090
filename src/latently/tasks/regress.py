"""Numbers learned from few answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from latently.engine.schedule import Outcome
from latently.errors import BadData
from latently.tasks.pretrained import Pretrained
from latently.tasks.tuning import Answers, held_out

__all__ = ["PretrainedRegressor"]


@dataclass(kw_only=True, eq=False, repr=False)
class PretrainedRegressor(RegressorMixin, Pretrained):
    """Numbers from few answers: learned first from all rows without them, then from the rows that have one.

    As `PretrainedClassifier`, with a squared error in units of the variance of `y`. `fit(X, y)` takes NaN and None for
    rows without an answer: they teach the encoder, and are not asked for answers of their own.

    Parameters
    ----------
    n_components, kind, network, pretraining, epochs, tuning_epochs, validation_fraction :
        As for `PretrainedClassifier`.

    Attributes
    ----------
    judged_ : dict of what rows held out of the tuning said, "rows", "r2", "rmse"; None where none was
    tuned_ : the composition of encoder and head
    history_, held_out_, alarms_, model_ : of the autoencoder, as `Autoencoder`'s

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from latently import PretrainedRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> y[1::2] = float("nan")
    >>> PretrainedRegressor(16, epochs=5, random_state=0).fit(X, y).predict(X).shape
    (442,)
    """

    job = "regress"

    def _read(self, y: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        values = column_or_1d(np.asarray(y, dtype=np.float64), warn=True)
        known = ~np.isnan(values)
        if not known.any() or np.isinf(values).any():
            raise BadData("y is all missing, or contains infinity; expected numbers, NaN where there is no answer.")
        mean, spread = float(values[known].mean()), float(values[known].std())
        self._unit = mean, spread if spread > 0 else 1.0
        return np.nan_to_num((values - mean) / self._unit[1]).astype(np.float32), known, 0

    def _judge(self, outcome: Outcome) -> dict[str, Any] | None:
        self.mean_, self.scale_ = self._unit
        found, wanted = held_out(outcome)
        if len(wanted) < 2:
            return None
        error = float(np.square(found[:, 0].astype(np.float64) - wanted).mean())
        r2 = 1 - error / max(float(wanted.var()), 1e-12)
        return {"rows": len(wanted), "r2": r2, "rmse": error**0.5 * self.scale_}

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The number of every row, in the unit of `y`."""
        found = self._asked(X)[:, 0].astype(np.float64) * self.scale_ + self.mean_
        return self.data_.gathered(found, X)

    def to_torch(self) -> torch.nn.Module:
        """A module of its own: cells in model units (and which are known) to numbers in the unit of `y`, `(n, 1)`."""
        check_is_fitted(self, "tuned_")
        return Answers(self.tuned_, self.scale_, self.mean_)

    def _extra(self) -> dict[str, Any]:
        return super()._extra() | {"mean": self.mean_, "scale": self.scale_, "judged": self.judged_}

    def _adopt(self, extra: dict[str, Any]) -> None:
        self.mean_, self.scale_, self.judged_ = extra["mean"], extra["scale"], extra["judged"]
        self._adopted(extra, 0)
