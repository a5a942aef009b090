"""What every task shares: its options, how they are read, and a fitted composition."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from latently import device as machine
from latently import rng as chance
from latently.engine.alarms import alarms
from latently.engine.infer import pieces
from latently.engine.rank import choose
from latently.engine.schedule import Schedule, train
from latently.engine.store import Checkpoint
from latently.engine.watch import watcher_for
from latently.errors import BadData, BadParameter, FitAlarm
from latently.modalities import Table
from latently.modalities.frames import matrix, names_of, refuse_infinite
from latently.modalities.table import distinct
from latently.recipes import Recipe, resolve
from latently.tasks.assemble import LOSSES, Blueprint, network_of
from latently.values import Batch
from latently.version import version as latently_version

__all__ = ["Task"]

KEPT_CODES = 5000  # training codes kept, to fit a density to when one is asked for


@dataclass(kw_only=True, eq=False, repr=False)
class Task(BaseEstimator):
    """Options common to every task."""

    n_components: int | Literal["auto"] = field(default="auto", kw_only=False)
    kind: Any = "undercomplete"
    network: Any = "auto"
    loss: str = "auto"
    epochs: int | Literal["auto"] = "auto"
    max_time: float | None = None
    batch_size: int | Literal["auto"] = "auto"
    learning_rate: float | Literal["auto"] = "auto"
    validation_fraction: float | Literal["auto"] | None = "auto"
    precision: str = "auto"
    device: str = "auto"
    checkpoint: Any = None
    random_state: Any = None
    verbose: bool | Literal["auto"] = "auto"

    # ------------------------------------------------------------------ scikit-learn's side

    def set_params(self, **params: Any) -> Self:
        """Set options; `kind__x` and `network__x` reach into a kind or a network given by name."""
        if any(name.startswith("kind__") for name in params):
            self.kind = resolve(params.pop("kind", self.kind))
        if any(name.startswith("network__") for name in params):
            self.network = network_of(params.pop("network", self.network))
        super().set_params(**params)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check_options(self) -> None:
        for name in ("n_components", "epochs", "batch_size", "learning_rate"):
            value, whole = getattr(self, name), name != "learning_rate"
            number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
            if not (number and value > 0) and not (isinstance(value, str) and value == "auto"):
                what = "a whole number, at least 1" if whole else "a positive number"
                raise BadParameter(f"{name}={value!r}: expected {what}, or 'auto'.")
        if self.loss not in LOSSES:
            raise BadParameter(f"loss={self.loss!r}: expected one of {', '.join(LOSSES)}.")
        if self.max_time is not None and not self.max_time > 0:
            raise BadParameter(f"max_time={self.max_time!r}: expected seconds, more than 0, or None for no limit.")
        share = self.validation_fraction
        if share not in ("auto", None) and not (isinstance(share, Real) and 0 <= share < 1):
            raise BadParameter(f"validation_fraction={share!r}: expected a share in [0, 1), 'auto' or None.")

    # ------------------------------------------------------------------ data in

    def _read(self, data: Any, reset: bool) -> NDArray[np.float64]:
        """A finite float64 matrix with NaN where missing; names and number of columns checked or remembered."""
        x = check_array(matrix(data), dtype=np.float64, ensure_all_finite=False, estimator=self)
        names = names_of(data)
        validate_data(self, x if names is None else data, reset=reset, skip_check_array=True)
        refuse_infinite(x, names)
        return x  # type: ignore[no-any-return]

    def _batch(self, data: Any) -> Batch:
        """Rows for a fitted model, in model units."""
        check_is_fitted(self, "model_")
        return self.table_.batch(self._read(data, reset=False))

    # ------------------------------------------------------------------ fit

    def _fit(self, data: Any, sample_weight: Any) -> None:
        """Read, assemble, train, take stock."""
        machine.keep_pages()
        self._check_options()
        recipe, network, target = resolve(self.kind), network_of(self.network), machine.resolve(self.device)
        x = self._read(data, reset=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        x, weight = distinct(x, weight)
        if not len(x):
            raise BadData("every row has sample weight 0; give at least one row a positive weight.")
        rate = parts_loss(recipe, self.loss)
        self.table_ = Table(natural=rate == "likelihood").fit(x, weight)
        rows = self.table_.batch(x, weight).to(target)

        self.recipe_, self.network_, self.rows_ = recipe, network, len(rows)
        schedule = self._schedule(rows, target)
        self.components_curve_ = None
        k = self.n_components
        if k == "auto":
            k, self.components_curve_ = choose(lambda width: self._blueprint(width, target).build, rows, schedule)
        self.n_components_ = self._n_features_out = int(k)
        plan = self._blueprint(self.n_components_, target)
        warn_wide(plan)
        outcome = train(plan.build, rows, schedule)
        self.model_, self.history_, self.held_out_ = outcome.model.eval(), outcome.history, outcome.held_out
        self.alarms_ = alarms(outcome, rows)
        kept = rows.take(slice(0, KEPT_CODES))
        self.codes_ = self._map(self.model_.encode, kept)
        for alarm in self.alarms_:
            warnings.warn(f"{alarm.name}: {alarm.message}", FitAlarm, stacklevel=3)

    def _blueprint(self, k: int, target: torch.device) -> Blueprint:
        """The composition for a code of width `k`."""
        return Blueprint(self.recipe_, self.network_, self.table_, self.loss, k, self.rows_, target, self.precision)

    def _schedule(self, rows: Batch, target: torch.device) -> Schedule:
        key = fingerprint(self.get_params(deep=False), rows) if self.checkpoint is not None else ""
        checkpoint = Checkpoint(self.checkpoint, key)
        given = {
            "epochs": self.epochs, "batch_rows": self.batch_size, "learning_rate": self.learning_rate,
            "max_time": self.max_time,
        }  # fmt: skip
        seed = checkpoint.seed(lambda: chance.seed_of(self.random_state))
        plan = self._blueprint(1 if self.n_components == "auto" else int(self.n_components), target)
        return Schedule(given, self.validation_fraction, seed, watcher_for(self.verbose), checkpoint, plan.work())

    # ------------------------------------------------------------------ fitted

    def _map(self, function: Any, batch: Batch) -> NDArray[np.float32]:
        """`function` of batches over all rows, in pieces of one fixed shape."""
        machine.fork_safe()
        device = next(self.model_.parameters()).device
        widest = max(self.model_.encoder.inputs, *(p.shape[0] for p in self.model_.parameters()))
        return np.asarray(pieces(function, batch, machine.chunk_rows(widest), device))

    def summary(self) -> dict[str, Any]:
        """What was fitted and how it went, as JSON values."""
        check_is_fitted(self, "model_")
        model, history = self.model_, self.history_
        return {
            "task": type(self).__name__, "kind": self.recipe_.name,
            "options": {name: repr(v) for name, v in self.recipe_.get_params().items()},
            "columns": int(self.n_features_in_), "names": [str(n) for n in getattr(self, "feature_names_in_", [])],
            "rows": self.rows_, "components": self.n_components_,
            "encoder": model.encoder.stack(), "decoder": model.decoder.stack(),
            "parameters": sum(p.numel() for p in model.parameters()),
            "loss": parts_loss(self.recipe_, self.loss),
            "epochs": int(history.columns["epoch"][-1]), "stopped": history.stopped, "seconds": history.seconds,
            "curve": None if self.components_curve_ is None else asdict(self.components_curve_),
            "held_out": None if self.held_out_ is None else asdict(self.held_out_),
            "alarms": [asdict(a) for a in self.alarms_],
            "versions": {"latently": latently_version(), "torch": torch.__version__},
        }  # fmt: skip

    @property
    def encoder_(self) -> torch.nn.Module:
        """`f`, a torch module."""
        check_is_fitted(self, "model_")
        return self.model_.encoder

    @property
    def decoder_(self) -> torch.nn.Module:
        """`g`, a torch module."""
        check_is_fitted(self, "model_")
        return self.model_.decoder


def parts_loss(recipe: Recipe, loss: str) -> str:
    """What `loss="auto"` means with this kind."""
    return recipe.parts(1).loss if loss == "auto" else loss


def warn_wide(plan: Blueprint) -> None:
    """An overcomplete code that nothing restrains can copy its input."""
    parts, cells = plan.recipe.parts(plan.code), len(plan.table.mean)
    if plan.code < cells or parts.bottleneck.priced or parts.penalties or parts.corruption:
        return
    warnings.warn(
        f"a code of {plan.code} for {cells} columns can copy its input, and nothing keeps it from doing so. "
        "Use fewer components, or kind='sparse', 'topk', 'denoising', 'contractive' or 'variational'.",
        FitAlarm,
        stacklevel=4,
    )


def fingerprint(params: dict[str, Any], rows: Batch) -> str:
    """What a checkpoint must agree on: options, data, versions."""
    skip = ("checkpoint", "verbose", "device", "max_time")
    told = {name: repr(value) for name, value in params.items() if name not in skip}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    digest.update(f"{latently_version()} {torch.__version__}".encode())
    for field_ in (rows.x, rows.known, rows.weight):
        digest.update(b"-" if field_ is None else np.ascontiguousarray(field_.cpu().numpy()).tobytes())
    return digest.hexdigest()
