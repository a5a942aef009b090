"""Fitted estimators on disk: options and facts as JSON, numbers as tensors, classes by their registered names."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from latently import device as machine
from latently import rng as chance
from latently.engine import store
from latently.engine.alarms import Alarm
from latently.engine.history import History
from latently.engine.rank import Curve
from latently.engine.schedule import HeldOut
from latently.errors import BadParameter, FileProblem, LatentlyError
from latently.modalities import Modality
from latently.parts import Part
from latently.parts.networks import Design
from latently.parts.part import part_named
from latently.recipes import Recipe, kinds
from latently.tasks import tasks
from latently.tasks.assemble import Blueprint, network_of
from latently.tasks.base import Task
from latently.version import version

__all__ = ["load", "save"]


def save(estimator: Task, path: str | Path) -> None:
    """Write a fitted estimator to `path`: one safetensors file with a JSON header, checksummed, replaced in one stroke.

    The same fit gives the same bytes. Raises `FileProblem` when the file cannot be written (an older one stays whole),
    `NotFittedError` before a fit.
    """
    check_is_fitted(estimator, "model_")
    data = estimator.data_.state()
    arrays = {name: v for name, v in data.items() if isinstance(v, np.ndarray)}
    history = asdict(estimator.history_) | {"seconds": 0.0}
    params = estimator.get_params(deep=False) | {"checkpoint": None}  # a path of this machine
    facts = {
        "task": type(estimator).__name__,
        "params": {name: encoded(v) for name, v in params.items()},
        "recipe": encoded(estimator.recipe_),
        "network": encoded(estimator.network_),
        "rows": estimator.rows_,
        "components": estimator.n_components_,
        "coded": list(estimator.codes_.shape),
        "columns": estimator.n_features_in_,
        "names": [str(n) for n in getattr(estimator, "feature_names_in_", [])],
        "modality": estimator.data_.key,
        "data": {name: v for name, v in data.items() if name not in arrays},
        "history": history,
        "held_out": None if estimator.held_out_ is None else asdict(estimator.held_out_),
        "alarms": [asdict(a) for a in estimator.alarms_],
        "curve": None if estimator.components_curve_ is None else asdict(estimator.components_curve_),
        "versions": {"latently": version(), "torch": torch.__version__},
    }
    extra = estimator._extra()
    facts["extra"] = {name: v for name, v in extra.items() if not isinstance(v, np.ndarray)}
    tensors = {f"model.{name}": t for name, t in estimator.model_.state_dict().items()}
    tensors |= {f"data.{name}": torch.from_numpy(np.asarray(v)) for name, v in arrays.items()}
    tensors |= {f"extra.{name}": torch.from_numpy(v) for name, v in extra.items() if isinstance(v, np.ndarray)}
    codes, few = torch.from_numpy(estimator.codes_), torch.from_numpy(estimator.codes_).to_sparse()
    thin = few.values().numel() * 8 < codes.numel()  # a dictionary's would weigh as much as its atoms
    tensors |= {"codes.at": few.indices(), "codes.on": few.values()} if thin else {"codes": codes}
    store.write(Path(path), "model", tensors, facts)


def load(
    path: str | Path,
    *,
    kinds: Iterable[type[Recipe]] = (),
    network: tuple[nn.Module, nn.Module] | None = None,
    device: str = "auto",
    mmap: bool = False,
) -> Any:
    """The estimator that `save` wrote, ready to predict, on this machine's device.

    `kinds` names recipes that are defined outside the package; `network` gives the torch modules (encoder, decoder)
    again when the fit was given modules. With `mmap` arrays, the codes of a `SearchIndex` above all, stay in the file
    until they are looked at: a large index is open at once, and of its size only as much is in memory as queries need.
    The file is then not summed up, and must not be changed while it is in use. Raises `FileProblem` on a missing,
    foreign, damaged or newer file.
    """
    tensors, facts = (store.mapped if mmap else store.read)(Path(path), "model")
    target = machine.resolve(device)
    try:
        return _rebuilt(tensors, facts, {kind.name: kind for kind in kinds}, network, target)
    except LatentlyError as problem:
        raise type(problem)(f"{path}: {problem}") from None
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as problem:
        if network is not None:
            raise BadParameter(f"{path}: network=(encoder, decoder) are not those of the fit ({problem}).") from None
        raise FileProblem(f"{path} is a whole file, but its facts do not fit together ({problem!r}).") from None


def _rebuilt(
    tensors: dict[str, torch.Tensor], facts: dict[str, Any], outside: dict[str, type[Recipe]], network: Any,
    target: torch.device,
) -> Any:  # fmt: skip
    if "table" in facts:  # schema 1
        facts |= {"modality": "table", "data": facts["table"]}
        tensors = {f"data{n[5:]}" if n.startswith("table.") else n: t for n, t in tensors.items()}
    known = tasks()
    if facts["task"] not in known:
        raise FileProblem(f"the file holds a {facts['task']}, unknown here; known: {', '.join(known)}.")
    params = {name: decoded(v, outside) for name, v in facts["params"].items()}
    spec = network if network is not None else decoded(facts["network"], outside)
    if spec is None:
        raise BadParameter("the fit was given torch modules; give them again: load(path, network=(encoder, decoder)).")
    if network is not None:
        params["network"] = network
    estimator: Task = known[facts["task"]](**params)
    estimator.recipe_, estimator.network_ = decoded(facts["recipe"], outside), network_of(spec)
    arrays = {name[5:]: t.numpy() for name, t in tensors.items() if name.startswith("data.")}
    options = estimator.data.options() if isinstance(estimator.data, Modality) else {}
    estimator.data_ = Modality.registry[facts["modality"]](**options).restore(facts["data"] | arrays)
    estimator.rows_, estimator.n_components_ = facts["rows"], facts["components"]
    estimator._n_features_out, estimator.n_features_in_ = facts["components"], facts["columns"]
    if facts["names"]:
        estimator.feature_names_in_ = np.array(facts["names"], dtype=object)
    estimator.history_ = History(**facts["history"])
    estimator.held_out_ = None if facts["held_out"] is None else HeldOut(**facts["held_out"])
    estimator.alarms_ = [Alarm(**a) for a in facts["alarms"]]
    estimator.components_curve_ = None if facts["curve"] is None else Curve(**facts["curve"])
    at = tensors.get("codes.at")
    on = None if at is None else torch.sparse_coo_tensor(at, tensors["codes.on"], facts["coded"], check_invariants=True)
    estimator.codes_ = (tensors["codes"] if on is None else on.to_dense()).numpy()
    plan = Blueprint(
        estimator.recipe_, estimator.network_, estimator.data_, estimator.loss, estimator.n_components_,
        estimator.rows_, target, estimator.precision, estimator.remasks,
    )  # fmt: skip
    estimator.model_ = plan.build(chance.child(0, "load")).eval()
    estimator.model_.load_state_dict({n[6:]: t for n, t in tensors.items() if n.startswith("model.")})
    found = {name[6:]: t.numpy() for name, t in tensors.items() if name.startswith("extra.")}
    estimator._adopt(facts["extra"] | found)
    return estimator


def encoded(value: Any) -> Any:
    """An option as JSON; recipes, parts and network descriptions by name. Generators and modules become None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Path):
        return str(value)
    if inspect.isclass(value) and issubclass(value, Recipe):
        value = value()
    if isinstance(value, (Recipe, Design)):
        sort, name = ("recipe", value.name) if isinstance(value, Recipe) else ("design", value.key)
        return {sort: name, "options": encoded(value.get_params(deep=False))}
    if isinstance(value, Part):
        return {"part": value.key(), "options": encoded(value.options())}
    if isinstance(value, Modality):
        return {"modality": value.key, "options": encoded({n: _pairs(v) for n, v in value.options().items()})}
    if isinstance(value, dict):
        return {str(k): encoded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and not any(
        isinstance(v, nn.Module) and not isinstance(v, Part) for v in value
    ):
        each = [encoded(v) for v in value]
        return {"tuple": each} if isinstance(value, tuple) else each
    return None


def _pairs(value: Any) -> Any:
    """A dictionary of people's names as pairs: none of them may pass for one of ours."""
    return {"pairs": [[k, v] for k, v in value.items()]} if isinstance(value, dict) else value


def decoded(value: Any, outside: dict[str, type[Recipe]]) -> Any:
    """The option that `encoded` wrote; `BadParameter` on a name that nobody registered."""
    if isinstance(value, list):
        return [decoded(v, outside) for v in value]
    if not isinstance(value, dict):
        return value
    if "table" in value:  # schema 1
        types = {"pairs": value["table"]["types"]}
        value = {"modality": "table", "options": value["table"] | {"types": types}}
    if not value.keys() & {"tuple", "pairs", "dense", "design", "modality", "part", "recipe"}:
        return {k: decoded(v, outside) for k, v in value.items()}
    if "tuple" in value:
        return tuple(decoded(v, outside) for v in value["tuple"])
    if "pairs" in value:
        return {k: decoded(v, outside) for k, v in value["pairs"]}
    options = {k: decoded(v, outside) for k, v in value.get("options", {}).items()}
    if "modality" in value:
        return Modality.registry[value["modality"]](**options)
    if "dense" in value or "design" in value:  # the former is schema 1's
        return Design.registry[value.get("design", "dense")](**options)
    if "part" in value:
        return part_named(value["part"])(**options)
    name = value["recipe"]
    known = kinds() | outside
    if name not in known:
        raise BadParameter(f"the model is of kind {name!r}, unknown here; pass its class: load(path, kinds=[...]).")
    return known[name](**options)
