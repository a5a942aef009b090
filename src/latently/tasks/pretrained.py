"""Answers learned from few labels: an autoencoder of all rows, whose encoder is then tuned on the labelled ones."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sized
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.utils import Tags, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from latently.engine.pretrain import layer_wise
from latently.engine.rank import Curve
from latently.engine.schedule import Outcome, Schedule, train
from latently.errors import BadData, BadParameter
from latently.parts.networks import Conv, Dense
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.tuning import Answers, answering, asked, held_out, labelled, least, probabilities
from latently.values import Batch

__all__ = ["PretrainedClassifier", "PretrainedRegressor"]

WAYS = ("end_to_end", "layer_wise", None)
SMALL = 4096  # cells of an image
WIDTH = 512  # of a code where nobody says otherwise
PRETRAINING = 3000  # steps
STEPS = 1500  # of tuning
MOST = 200  # epochs of it
BATCH = 32
FEW = 512  # labelled rows: fewer take smaller batches, and so more steps
RATE = 1e-3  # of tuning, where layers are of WIDE inputs or more; up to twice as much where they are narrow
WIDE = 256
DECAY = 0.05
CLIP = 1.0  # a row's loss is that of one cell
Labels = NDArray[Any]


@dataclass(kw_only=True, eq=False, repr=False)
class Pretrained(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Task, ABC):
    """What classifier and regressor share."""

    quiet = ("no better than the mean", "no better than PCA", "overfit", "dead units")

    kind: Any = "masking:.5"
    pretraining: Literal["end_to_end", "layer_wise"] | None = "end_to_end"
    tuning_epochs: int | Literal["auto"] = "auto"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = []  # codes are float32 whatever came in
        tags.target_tags.required = True
        return tags

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from all rows `X`, and from the answers `y` of those that have one."""
        if self.pretraining not in WAYS:
            raise BadParameter(f"pretraining={self.pretraining!r}: expected 'end_to_end', 'layer_wise' or None.")
        tuning = self._tuning()
        if y is None:
            raise BadData(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        if isinstance(X, Sized) and not isinstance(X, (str, bytes)):
            check_consistent_length(X, y)
        targets, known, classes = self._read(y)
        schedule = self._fit(X, None)
        rows = self._answered(X, targets, known)
        batch = BATCH if len(rows) >= FEW else BATCH // 2
        epochs = max(8, min(MOST, STEPS // -(-len(rows) // batch))) if tuning == "auto" else tuning
        widest = max((p[0].numel() for p in self.model_.encoder.parameters() if p.ndim > 1), default=WIDE)
        rate = RATE * min(2.0, max(1.0, (WIDE / widest) ** 0.5))
        given = {"batch_rows": batch, "learning_rate": rate, "epochs": epochs, "clip": CLIP, "weight_decay": DECAY}
        given |= {"whole": True, "max_time": self.max_time}
        schedule = replace(schedule, given=given, together=1)
        stage = "tuning" if self.checkpoint is None else f"tuning {zlib.crc32(targets.tobytes() + known.tobytes()):08x}"
        outcome = train(lambda rng: answering(self.model_, classes), rows, schedule, stage)
        self.tuned_, self.labelled_ = outcome.model.eval(), int(known.sum())
        self._judge(outcome)
        return self

    @abstractmethod
    def _read(self, y: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        """Targets of all rows, which of them are known, and how many classes there are (0: they are numbers)."""

    @abstractmethod
    def _judge(self, outcome: Outcome) -> None:
        """What rows that were held out of the tuning say of it."""

    def _tuning(self) -> Any:
        epochs = self.tuning_epochs
        if epochs != "auto" and (not isinstance(epochs, (int, np.integer)) or isinstance(epochs, bool) or epochs < 1):
            raise BadParameter(f"tuning_epochs={epochs!r}: expected a whole number, at least 1, or 'auto'.")
        return epochs if epochs == "auto" else int(epochs)

    def _answered(self, X: Any, targets: NDArray[np.float32], known: NDArray[np.bool_]) -> Batch:
        """The labelled rows: answers, and what is seen of each. Where an item is several rows, each has its answer."""
        if self.data_.stepwise(X):
            raise BadData("one long series has no answers of its own. Give a list of series, and an answer for each.")
        rows, owners = self.data_.take(self, X), self.data_.owners(X)
        owners = np.arange(len(rows)) if owners is None else owners
        if len(owners) and int(owners.max()) + 1 != len(targets):
            raise BadData(f"y has {len(targets)} answers for {int(owners.max()) + 1} items of X.")
        chosen = np.flatnonzero(known[owners])
        seen = rows.take(torch.from_numpy(chosen))
        x = torch.from_numpy(targets[owners[chosen]])[:, None]
        return Batch(x, given=seen.x, shown=seen.known).to(next(self.model_.parameters()).device)

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        network, last = plan.network, plan.recipe.parts(1).bottleneck.activation
        if isinstance(self.network, str) and isinstance(network, Conv) and rows.cells <= SMALL:
            network = Dense()
        if isinstance(network, (Conv, Dense)):  # a path beside the layers would keep the code linear in the cells
            line = False if network.line == "auto" else network.line
            network = replace(network, line=line, code_activation=network.code_activation or (None if last else "silu"))
        return replace(plan, network=network), given

    def _paced(self, given: dict[str, Any], rows: int) -> dict[str, Any]:
        return {"steps": PRETRAINING} | given

    def _choose(self, plan: Blueprint, rows: Batch, schedule: Schedule) -> tuple[int, Curve | None]:
        parts = plan.recipe.parts(1)
        free = parts.corruption is not None or parts.bottleneck.priced or bool(parts.penalties)
        return WIDTH if free else min(WIDTH, max(1, rows.cells // 2)), None

    def _train(self, plan: Blueprint, rows: Batch, schedule: Schedule) -> Outcome:
        if self.pretraining == "layer_wise":
            return layer_wise(
                plan.build, plan.sizes(), lambda sizes: plan.recipe.parts(sizes.code).bind(sizes), rows, schedule
            )
        if self.pretraining is None:
            schedule = replace(schedule, given=schedule.given | {"epochs": 0}, validation=None)
        return super()._train(plan, rows, schedule)

    def _extra(self) -> dict[str, Any]:
        tuned = {f"tuned.{name}": t.cpu().numpy() for name, t in self.tuned_.state_dict().items()}
        return tuned | {"labelled": self.labelled_}

    def _adopted(self, extra: dict[str, Any], classes: int) -> None:
        tuned = answering(self.model_, classes)
        tuned.load_state_dict({n[6:]: torch.from_numpy(v) for n, v in extra.items() if n.startswith("tuned.")})
        self.tuned_, self.labelled_ = tuned.eval(), extra["labelled"]

    # ------------------------------------------------------------------ answers

    def _asked(self, X: Any) -> NDArray[np.float32]:
        """What the head says of every row."""
        batch = self._batch(X)
        return self._map(lambda b: asked(self.tuned_, b), batch)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The codes of rows, `(n, n_components_)` float32, by the tuned encoder; of several windows, their mean."""
        batch = self._batch(X)
        return self.data_.gathered(self._map(self.tuned_.encode, batch), X)


@dataclass(kw_only=True, eq=False, repr=False)
class PretrainedClassifier(ClassifierMixin, Pretrained):
    """Classes from few labels: learned first from all rows without them, then from the labelled rows.

    An autoencoder of all rows comes first; its encoder, with a linear layer on the code, then learns the labels, all of
    it together (Hinton 2006; Vincent 2010). `fit(X, y)` takes -1, NaN, None and "" for rows without a label. Where
    there would be one class only without -1, as in labels of -1 and 1, it is a class.

    Parameters
    ----------
    n_components : int or "auto"
        Width of the code that the labels are read from. "auto": 512, as what is kept of a row matters more than a
        short code; half of the cells, where nothing keeps such a code from copying its input.
    kind : str, recipe class or recipe
        How all rows are learned: "masking:.5" (the default) fills in cells that were hidden; "denoising",
        "contractive", "undercomplete", ... as for `Autoencoder`. What spoils rows there spoils them in tuning, too.
    network : "auto", widths, Dense, Conv or (encoder, decoder)
        As for `Autoencoder`. "auto" has fully connected layers for tables and for images of up to 4,096 cells, which
        learn as much from few labels as filters do in a fraction of the time.
    pretraining : {"end_to_end", "layer_wise", None}
        Whether all layers learn together, or each as an autoencoder of the codes of the last one, and then together
        (fully connected layers only; as many epochs in all). None: the network learns from labelled rows alone.
    epochs : int or "auto"
        Passes over all rows, without labels.
    tuning_epochs : int or "auto"
        Passes over the labelled rows. "auto": 1,500 steps of 32 rows, at most 60 passes, at least 8. Held-out rows do
        not end them: errors still fall when likelihoods no longer do, and the temperature puts those right.
    validation_fraction : float, "auto" or None
        As for `Autoencoder`, and of the labelled rows. Without any there is no calibration.

    Attributes
    ----------
    classes_ : array of the labels
    temperature_ : what logits are divided by, so that probabilities are frequencies (Guo 2017): found on labelled rows
        that were held out, under 2,500 of them by cross-validation; 1 where none was
    judged_ : dict of what held-out rows said, "rows", "accuracy", "log_loss" (calibrated); None where none was
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

    def _judge(self, outcome: Outcome) -> None:
        self.classes_: Labels = self._names
        logits, wanted = held_out(outcome)
        self.temperature_ = least(logits, wanted) if len(wanted) else 1.0
        self.judged_: dict[str, Any] | None = None
        if len(wanted):
            p = probabilities(logits, self.temperature_)
            own = p[np.arange(len(p)), wanted.astype(int)]
            self.judged_ = {
                "rows": len(p),
                "accuracy": float((p.argmax(1) == wanted).mean()),
                "log_loss": float(-np.log(own.clip(1e-12)).mean()),
            }

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class of `classes_`, calibrated, `(n, classes)`."""
        return self.data_.gathered(probabilities(self._asked(X), self.temperature_), X)

    def predict(self, X: Any) -> Labels:
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


@dataclass(kw_only=True, eq=False, repr=False)
class PretrainedRegressor(RegressorMixin, Pretrained):
    """Numbers from few answers: learned first from all rows without them, then from the rows that have one.

    As `PretrainedClassifier`, with a squared error in units of the variance of `y`. `fit(X, y)` takes NaN and None for
    rows without an answer.

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

    def _judge(self, outcome: Outcome) -> None:
        self.mean_, self.scale_ = self._unit
        found, wanted = held_out(outcome)
        self.judged_: dict[str, Any] | None = None
        if len(wanted) > 1:
            error = float(np.square(found[:, 0].astype(np.float64) - wanted).mean())
            r2 = 1 - error / max(float(wanted.var()), 1e-12)
            self.judged_ = {"rows": len(wanted), "r2": r2, "rmse": error**0.5 * self.scale_}

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
