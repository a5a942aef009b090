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
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_consistent_length

from latently.engine.pretrain import layer_wise
from latently.engine.rank import Curve
from latently.engine.schedule import Outcome, Schedule, train
from latently.errors import BadData, BadParameter
from latently.model import Composition
from latently.parts.networks import Conv, Dense
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.options import plain
from latently.tasks.tuning import answering, asked
from latently.values import Batch

__all__ = ["Pretrained"]

WAYS = ("end_to_end", "layer_wise", None)
SMALL = 4096  # cells of an image
WIDTH = 512  # of a code where nobody says otherwise
PRETRAINING = 3000  # steps
JUDGED = 0.1  # of all rows end the pretraining, where there are FEWEST
FEWEST = 50
STEPS = 1500  # of tuning
MOST = 200  # epochs of it
BATCH = 32
FEW = 512  # labelled rows: fewer take smaller batches, and so more steps
RATE = 1e-3  # of tuning, where layers are of WIDE inputs or more; up to twice as much where they are narrow
WIDE = 256
DECAY = 0.05
CLIP = 1.0  # a row's loss is that of one cell


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
        schedule = replace(schedule, given=given, validation=plain(self)["validation"], together=1)
        stage = "tuning" if self.checkpoint is None else f"tuning {zlib.crc32(targets.tobytes() + known.tobytes()):08x}"
        outcome = train(lambda rng: self._answering(classes), rows, schedule, stage)
        self.tuned_, self.labelled_ = outcome.model.eval(), int(known.sum())
        self.judged_: dict[str, Any] | None = self._judge(outcome)
        return self

    @abstractmethod
    def _read(self, y: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        """Targets of all rows, which of them are known, and how many classes there are (0: they are numbers)."""

    @abstractmethod
    def _judge(self, outcome: Outcome) -> dict[str, Any] | None:
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

    def _answering(self, classes: int) -> Composition:
        return answering(self.model_, classes, self.data_.shape if self.data_.item == "image" else ())

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        network, last = plan.network, plan.recipe.parts(1).bottleneck.activation
        if isinstance(self.network, str) and isinstance(network, Conv) and rows.cells <= SMALL:
            network = Dense()
        if isinstance(network, (Conv, Dense)):  # a path beside the layers would keep the code linear in the cells
            line = False if network.line == "auto" else network.line
            network = replace(network, line=line, code_activation=network.code_activation or (None if last else "silu"))
        if given["validation"] == "auto":  # one fit: four, as cross-validation has, would not make better codes
            given |= {"validation": JUDGED if len(rows) >= FEWEST else None}
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
        tuned = self._answering(classes)
        tuned.load_state_dict({n[6:]: torch.from_numpy(v) for n, v in extra.items() if n.startswith("tuned.")})
        self.tuned_, self.labelled_ = tuned.eval(), extra["labelled"]

    def _carried(self) -> dict[str, Any]:
        return super()._carried() | {"labelled": self.labelled_, "answers": self.judged_}

    def _figures(self, X: Any, y: Any) -> dict[str, dict[str, Any]]:
        return {} if self.judged_ is None else {"held-out answers": self.judged_}

    # ------------------------------------------------------------------ answers

    def _asked(self, X: Any) -> NDArray[np.float32]:
        """What the head says of every row."""
        batch = self._batch(X)
        return self._map(lambda b: asked(self.tuned_, b), batch)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The codes of rows, `(n, n_components_)` float32, by the tuned encoder; of several windows, their mean."""
        batch = self._batch(X)
        return self.data_.gathered(self._map(self.tuned_.encode, batch), X)
