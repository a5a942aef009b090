"""Classes learned from few labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from latently.engine.schedule import Outcome
from latently.errors import BadData
from latently.tasks.pretrained import Pretrained
from latently.tasks.tuning import Answers, held_out, labelled, least, probabilities

__all__ = ["PretrainedClassifier"]


@dataclass(kw_only=True, eq=False, repr=False)
class PretrainedClassifier(ClassifierMixin, Pretrained):
    """Classes from few labels: learned first from all rows without them, then from the labelled rows.

    An autoencoder of all rows comes first; its encoder, with a linear layer on the code, then learns the labels, all of
    it together (Hinton 2006; Vincent 2010). Rows without a label teach the encoder and are not asked afterwards:
    to learn from guesses about them helped on digits, and harmed on clothes. `fit(X, y)` takes -1, NaN, None and "" for
    rows without a label. Where there would be one class only without -1, as in labels of -1 and 1, it
    is a class.

    Parameters
    ----------
    n_components : int or "auto"
        Width of the code that the labels are read from. "auto": 512, as what is kept of a row matters more than a
        short code; half of the cells, where nothing keeps such a code from copying its input.
    kind : str, recipe class or recipe
        How all rows are learned: "masking:.5" (the default) fills in cells that were hidden; "denoising",
        "contractive", "undercomplete", ... as for `Autoencoder`. In tuning no cell is spoiled, but where the kind
        spoils any, images are moved by up to a sixteenth of their sides; where an answer is a place, take a kind that
        spoils nothing.
    network : "auto", widths, Dense, Conv or (encoder, decoder)
        As for `Autoencoder`. "auto" has fully connected layers for tables and for images of up to 4,096 cells, which
        learn as much from few labels as filters do in a fraction of the time.
    pretraining : {"end_to_end", "layer_wise", None}
        Whether all layers learn together, or each as an autoencoder of the codes of the last one, and then together
        (fully connected layers only; as many epochs in all). None: the network learns from labelled rows alone.
    epochs : int or "auto"
        Passes over all rows, without labels.
    tuning_epochs : int or "auto"
        Passes over the labelled rows. "auto": 1,500 steps of 32 rows, at most 200 passes, at least 8. Held-out rows do
        not end them: errors still fall when likelihoods no longer do, and the temperature puts those right.
    validation_fraction : float, "auto" or None
        Of the labelled rows, as for `Autoencoder`; without any there is no calibration. Of all rows "auto" is a tenth.

    Attributes
    ----------
    classes_ : array of the labels
    temperature_ : what logits are divided by, so that probabilities are frequencies (Guo 2017): found on labelled rows
        that were held out, under 2,500 of them by cross-validation; 1 where none was
    judged_ : dict of what held-out rows said, "rows", "accuracy", "most_common" (the share of the class that most
        are of), "log_loss" (calibrated); None where none was
    tuned_ : the composition of encoder and head
    history_, held_out_, alarms_, model_ : of the autoencoder, as `Autoencoder`'s

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from latently import PretrainedClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> y[1::2] = -1
    >>> PretrainedClassifier(16, epochs=5, random_state=0).fit(X, y).predict_proba(X).shape
    (150, 3)
    """

    job = "classify"

    def _read(self, y: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        labels, known = labelled(y)
        try:
            check_classification_targets(labels)
        except ValueError as problem:
            raise BadData(f"{problem} PretrainedRegressor takes amounts.") from None
        self._names, index = np.unique(labels, return_inverse=True)
        if len(self._names) < 2:
            raise BadData(f"y holds {len(self._names)} class(es), {list(self._names)}; expected at least two.")
        targets = np.zeros(len(known), np.float32)
        targets[known] = index
        return targets, known, len(self._names)

    def _judge(self, outcome: Outcome) -> dict[str, Any] | None:
        self.classes_: NDArray[Any] = self._names
        logits, wanted = held_out(outcome)
        self.temperature_ = least(logits, wanted) if len(wanted) else 1.0
        if not len(wanted):
            return None
        p = probabilities(logits, self.temperature_)
        own = p[np.arange(len(p)), wanted.astype(int)]
        return {
            "rows": len(p),
            "accuracy": float((p.argmax(1) == wanted).mean()),
            "most_common": float(np.bincount(wanted.astype(int)).max() / len(p)),
            "log_loss": float(-np.log(own.clip(1e-12)).mean()),
        }

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class of `classes_`, calibrated, `(n, classes)`."""
        found = self._asked(X)
        return self.data_.gathered(probabilities(found, self.temperature_), X)

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of every row."""
        best = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[best])

    def to_torch(self) -> torch.nn.Module:
        """A module of its own: cells in model units (and which are known) to logits, softmax of which calibrated."""
        check_is_fitted(self, "tuned_")
        return Answers(self.tuned_, 1 / self.temperature_)

    def _extra(self) -> dict[str, Any]:
        kept = {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str, "judged": self.judged_}
        return super()._extra() | kept | {"temperature": self.temperature_}

    def _adopt(self, extra: dict[str, Any]) -> None:
        self.classes_ = np.array(extra["classes"], dtype=np.dtype(extra["dtype"]))
        self.temperature_, self.judged_ = extra["temperature"], extra["judged"]
        self._adopted(extra, len(self.classes_))
