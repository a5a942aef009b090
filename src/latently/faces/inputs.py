"""What a verb is given: a table, and a model that is read from its file or fitted on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from latently.errors import BadParameter, FileProblem
from latently.faces import options, screen, tables

__all__ = ["MODEL", "fitted", "loaded", "names_in", "ready"]

MODEL = ".safetensors"


def fitted(data: Path, drop: list[str], settings: list[str], others: bool, **chosen: Any) -> tuple[Any, Any]:
    """An estimator fitted on the table's columns but `drop`, and the table (with `others`, all of it)."""
    tables.check_input(data)
    names = tables.columns(data)
    tables.select(data, names, drop, "which --drop names")
    kept = [name for name in names if name not in drop]
    if not kept:
        raise BadParameter(f"--drop leaves no column of {data}; keep at least one.")
    for remark in tables.remarks(data, kept):
        screen.note(remark)
    table = tables.read(data, kept, others)
    from latently import Autoencoder

    estimator = Autoencoder(**chosen)
    for setting in settings:
        _set(estimator, setting)
    with screen.notes():
        return estimator.fit(table.select(kept)), table


def _set(estimator: Any, setting: str) -> None:
    """Apply one `--set KEY=VALUE`."""
    from latently.recipes import resolve
    from latently.tasks.assemble import network_of

    key, _, text = setting.partition("=")
    owner, _, option = key.partition("__")
    value = options.value(text)
    if key == "validation_fraction" and text:
        _check_sort(setting, 0.1, value)
    elif owner in ("kind", "network") and option and text:
        named: Any = (resolve if owner == "kind" else network_of)(getattr(estimator, owner))
        _check_sort(setting, named.get_params().get(option), value)
    else:
        raise BadParameter(
            f"--set {setting}: expected KEY=VALUE where KEY is kind__OPTION, network__OPTION or "
            "validation_fraction. Try --set kind__level=0.2."
        )
    estimator.set_params(**{key: value})


def _check_sort(setting: str, default: Any, value: Any) -> None:
    """Raise `BadParameter` where the default is a number, a switch or a word, and the value is not."""
    if default is None or default == "auto":
        return
    for sort, what in ((bool, "true or false"), ((int, float), "a number"), (str, "a word")):
        if isinstance(default, sort):
            if not isinstance(value, sort) or (isinstance(value, bool) and sort is not bool):
                raise BadParameter(f"--set {setting}: expected {what}, such as {str(default).lower()}.")
            return


def ready(model: list[Path], data: Path, output: Path, others: bool, drop: list[str], **chosen: Any) -> Any:
    """An estimator, read or fitted on the spot, and the table: the columns it needs, or with `others` all."""
    tables.check_output(output, *model, data)
    if _is_model(data):
        given = " ".join(map(str, [data, *model]))
        raise FileProblem(f"{data} is a model where a table was expected. Give the model first: {given} ...")
    if not model:
        return fitted(data, drop, [], others, **{k: v for k, v in chosen.items() if v is not None})
    if len(model) > 1 or not _is_model(model[0]):
        given = " ".join(map(str, [*model, data]))
        raise FileProblem(f"got {given}; expected a model (*{MODEL}), if there is one, and one table.")
    if any(chosen[name] is not None for name in ("n_components", "kind")):
        raise BadParameter(f"--components and --kind are for a fit, and {model[0]} is fitted. Leave them out.")
    tables.check_input(data)
    import numpy as np

    estimator = loaded(model[0])
    names = names_in(estimator, data, [n for n in tables.columns(data) if n not in drop])
    if not hasattr(estimator, "feature_names_in_"):  # fitted on an array: the table's names will do
        estimator.feature_names_in_ = np.array(names, dtype=object)
    return estimator, tables.read(data, names, others, model[0])


def names_in(estimator: Any, data: Path, names: list[str]) -> list[str]:
    """Those columns of a table that a model was fitted on; without names, all, if the number is right."""
    known = getattr(estimator, "feature_names_in_", None)
    if known is not None:
        return tables.select(data, names, [str(name) for name in known], "which the model was fitted on")
    if len(names) != estimator.n_features_in_:
        raise FileProblem(
            f"{data} has {len(names)} columns; the model was fitted on {estimator.n_features_in_}, without "
            "names. Give just those, in their order."
        )
    return names


def loaded(path: Path) -> Any:
    """The estimator of a model file."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise FileProblem(f"{path} {found}; expected a model that `latently fit` wrote (*{MODEL}).")
    from latently import load

    return load(path)


def _is_model(path: Path) -> bool:
    """By its name, or by how a safetensors file begins."""
    if path.name.endswith(MODEL):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"
