"""What every task shares: its options, how they are read, and a fitted composition."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from latently import device as machine
from latently import rng as chance
from latently.engine.alarms import alarms
from latently.engine.infer import pieces, resident
from latently.engine.rank import Curve, choose
from latently.engine.schedule import Outcome, Schedule, train
from latently.engine.store import Checkpoint
from latently.engine.watch import watcher_for
from latently.errors import BadParameter, warn
from latently.modalities import Modality
from latently.modalities.unread import unread
from latently.parts.bottlenecks import Normal
from latently.recipes import Recipe, resolve
from latently.tasks.assemble import Blueprint, network_of
from latently.tasks.options import fingerprint, plain
from latently.values import Batch
from latently.version import version as latently_version

__all__ = ["Task"]

KEPT_CODES = 5000  # training codes kept, to fit a density to when one is asked for
MOST_KEPT = 2**21  # numbers in them
ACTIVE = 0.01  # variance of a posterior mean: with less, a unit says nothing of the input (Burda 2016)


@dataclass(kw_only=True, eq=False, repr=False)
class Task(BaseEstimator):
    """Options common to every task."""

    job: ClassVar[str] = ""  #: the verb that stands for this task
    remasks: ClassVar[bool] = False  #: whether cells are hidden on purpose, so that the encoder always sees a mask
    judged: ClassVar[str] = "none"  #: what `evaluate` needs where a row is a piece of an image
    quiet: ClassVar[tuple[str, ...]] = ()  #: names of alarms that mean nothing for what this task does

    n_components: int | Literal["auto"] = field(default="auto", kw_only=False)
    kind: Any = "undercomplete"
    network: Any = "auto"
    data: Any = "auto"
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
        tags.input_tags.allow_nan = tags.input_tags.sparse = tags.input_tags.categorical = True
        return tags

    # ------------------------------------------------------------------ data in

    def _batch(self, data: Any) -> Batch:
        """Rows for a fitted model, in model units."""
        check_is_fitted(self, "model_")
        machine.fork_safe()
        return self.data_.take(self, data)

    # ------------------------------------------------------------------ fit

    @machine.keep_pages()
    def _fit(self, data: Any, sample_weight: Any) -> Schedule:
        """Read, assemble, train, take stock. Nothing of an earlier fit is touched before this one has succeeded.

        What comes back is the schedule, for a task that trains more.
        """
        machine.fork_safe()
        given = plain(self)
        source = self._modality(data)
        recipe, target = self._recipe(source), machine.resolve(self.device)
        network_of(self.network)  # refused before the data is read
        given |= {n: v for n, v in recipe.parts(1).plan().items() if given.get(n, "auto") == "auto"}
        seed = functools.partial(chance.seed_of, self.random_state)
        rows, remember = source.learn(self, data, sample_weight, parts_loss(recipe, self.loss) == "likelihood")
        given |= {n: v for n, v in source.plan(len(rows)).items() if given.get(n, "auto") == "auto"}
        rows, network = resident(rows, target), network_of(self._named(recipe), source)
        plan = Blueprint(recipe, network, source, self.loss, 1, len(rows), target, self.precision, self.remasks)
        plan, given = self._suited(plan, given, rows)
        k, curve = given.pop("n_components"), None
        k = (recipe.width(source.cells) or k) if k == "auto" else k
        fixed = replace(plan, code=1 if k == "auto" else k)
        fixed.check()
        given |= {n: v for n, v in fixed.pace().items() if given.get(n, "auto") == "auto"}
        checkpoint = Checkpoint(
            self.checkpoint, "" if self.checkpoint is None else fingerprint(self.get_params(deep=False), rows)
        )
        validation = given.pop("validation")
        schedule = Schedule(
            self._paced(given, len(rows)),
            validation,
            checkpoint.seed(seed),
            watcher_for(self.verbose),
            checkpoint,
            fixed.work(),
            source.together,
        )
        if k == "auto":
            k, curve = self._choose(plan, rows, schedule)
        plan = replace(plan, code=k)
        if rows.given is None:
            warn_wide(plan)
        outcome = self._train(plan, rows, schedule)
        remember()
        self._keep(plan, outcome, rows, curve)
        self._learn(outcome, rows)
        return schedule

    def _recipe(self, source: Modality) -> Recipe:
        """What `kind=` stands for with such data, before it is read."""
        return resolve(self.kind)

    def _named(self, recipe: Recipe) -> Any:
        """The option `network`, where it is "auto" what the kind calls for."""
        auto = isinstance(self.network, str) and self.network == "auto"
        return (recipe.network() or self.network) if auto else self.network

    def _modality(self, data: Any) -> Modality:
        """What reads the data of a fit."""
        return modality_of(self.data, data).suited(self.job)

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        """What a task makes of the plan and its numbers once it knows the rows."""
        return plan, given

    def _paced(self, given: dict[str, Any], rows: int) -> dict[str, Any]:
        """The numbers of the plan that the user gave; a task may put its own in the place of "auto"."""
        return given

    def _choose(self, plan: Blueprint, rows: Batch, schedule: Schedule) -> tuple[int, Curve | None]:
        """The width of code that "auto" stands for, and the curve that shows why."""
        return choose(lambda width: replace(plan, code=width).build, rows, schedule)

    def _train(self, plan: Blueprint, rows: Batch, schedule: Schedule) -> Outcome:
        """The fit itself."""
        return train(plan.build, rows, schedule)

    def _keep(self, plan: Blueprint, outcome: Outcome, rows: Batch, curve: Curve | None) -> None:
        """The fitted attributes; alarms are raised as warnings."""
        self.recipe_, self.network_, self.data_, self.rows_ = plan.recipe, plan.network, plan.data, plan.rows
        self.n_components_ = self._n_features_out = plan.code
        self.model_, self.history_, self.held_out_ = outcome.model.eval(), outcome.history, outcome.held_out
        self.components_curve_, quiet = curve, (*self._quiet(plan), *plan.data.quiet)
        self.alarms_ = [alarm for alarm in alarms(outcome, rows, plan.data.noun) if alarm.name not in quiet]
        kept = min(KEPT_CODES, max(1, MOST_KEPT // plan.code))
        self.codes_ = self._map(self.model_.encode, rows.take(slice(0, kept)))
        for alarm in self.alarms_:
            warn(f"{alarm.name}: {alarm.message}")

    def _quiet(self, plan: Blueprint) -> tuple[str, ...]:
        """Names of alarms that mean nothing for this plan."""
        return self.quiet

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        """What a task learns beyond the composition: calibration, references. `outcome.judged` is there for it."""

    def _extra(self) -> dict[str, Any]:
        """What `_learn` learned, as arrays and JSON values, for a file."""
        return {}

    def _adopt(self, extra: dict[str, Any]) -> None:
        """Take back what `_extra` gave."""

    def _figures(self, data: Any, y: Any) -> dict[str, dict[str, Any]]:
        """What `evaluate` should tell besides of this task: sections of figures, JSON values."""
        return {}

    # ------------------------------------------------------------------ fitted

    def _map(self, function: Any, batch: Batch | Iterable[Batch]) -> NDArray[np.float32]:
        """`function` of batches over all rows, in pieces of one fixed shape; of several batches one after the other."""
        machine.fork_safe()
        device = next(self.model_.parameters()).device
        widest = max(self.model_.encoder.inputs, *(p.shape[0] for p in self.model_.parameters()))
        rows = machine.chunk_rows(widest, self.model_.code == widest)
        done = [pieces(function, b, rows, device) for b in ([batch] if isinstance(batch, Batch) else batch)]
        return np.asarray(done[0] if len(done) == 1 else torch.cat(done))

    def _drawn(self, z: NDArray[np.float32], rng: torch.Generator) -> NDArray[Any]:
        """Rows in user units from drawn codes: every cell drawn from the likelihood, of images the mean.

        For noise that knows nothing of neighbours is no picture. A quantised kind takes the nearest code it could make.
        """
        model, data = self.model_, self.data_
        params = self._map(lambda b: model.decoder.plain(model.bottleneck.nearest(b.x)), Batch(torch.from_numpy(z)))
        with torch.no_grad():
            likelihood, found = copy.deepcopy(model.likelihood).cpu(), torch.from_numpy(params)
            if not model.door.common:
                return data.shown(data.values(likelihood.sample(found, rng)))
            return data.shown(np.clip(data.values(likelihood.mean(found)), *data.bounds()))

    def summary(self) -> dict[str, Any]:
        """What was fitted and how it went, as JSON values."""
        check_is_fitted(self, "model_")
        model, history = self.model_, self.history_
        return {
            "task": type(self).__name__, "kind": self.recipe_.name,
            "options": {name: repr(v) for name, v in self.recipe_.get_params().items()},
            "columns": int(self.n_features_in_), "names": [str(n) for n in getattr(self, "feature_names_in_", [])],
            "schema": self.data_.schema(), "rows": self.rows_ // self.data_.places, "components": self.n_components_,
            "encoder": model.encoder.stack(), "decoder": model.decoder.stack(),
            "parameters": sum(p.numel() for p in model.parameters()), **self._carried(),
            "loss": self.data_.loss or parts_loss(self.recipe_, self.loss),
            "epochs": int(history.columns["epoch"][-1]), "stopped": history.stopped, "seconds": history.seconds,
            "curve": None if self.components_curve_ is None else asdict(self.components_curve_),
            "held_out": None if self.held_out_ is None else asdict(self.held_out_), "validation": history.judged,
            "alarms": [asdict(a) for a in self.alarms_],
            "versions": {"latently": latently_version(), "torch": torch.__version__},
        }  # fmt: skip

    def _carried(self) -> dict[str, Any]:
        """At the end of training: the share of units that are dead, where it is told; of a normal code nats a row.

        And how many of its units have a mean that varies by more than .01.
        """
        if "dead" in self.history_.columns:
            return {"dead": self.history_.columns["dead"][-1]}
        if not isinstance(self.model_.bottleneck, Normal):
            return {}
        told = self.history_.columns.get("kl", [])
        return {"kl": told[-1] if told else None, "active": int((self.codes_.var(0) > ACTIVE).sum())}

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


def modality_of(data: Any, given: Any = None) -> Modality:
    """What `data=` stands for with the rows `given`, not yet fitted."""
    if isinstance(data, Modality):
        return data.fresh()
    if isinstance(data, str) and data == "auto":
        found = next((m for m in reversed(Modality.registry.values()) if m.accepts(given)), None)
        if found is None:
            raise unread(given)
        return found()
    known = ", ".join(f"{m.__name__}(...)" for m in Modality.registry.values())
    raise BadParameter(f"data={data!r}: expected 'auto' or one of {known}, such as Table(label='y', id='key').")


def parts_loss(recipe: Recipe, loss: str) -> str:
    """What `loss="auto"` means with this kind."""
    return recipe.parts(1).loss if loss == "auto" else loss


def warn_wide(plan: Blueprint) -> None:
    """An overcomplete code that nothing restrains can copy its input."""
    parts, cells = plan.data.spoiled(plan.recipe.parts(plan.code)), sum(n or 1 for n in plan.data.levels)
    if plan.code < cells or parts.bottleneck.priced or parts.penalties or parts.corruption:
        return
    warn(
        f"a code of {plan.code} for rows of {cells} numbers can copy its input, and nothing keeps it from doing so. "
        "Use fewer components, or kind='sparse', 'topk', 'denoising', 'contractive' or 'variational'."
    )
