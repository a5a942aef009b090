"""What the verbs have in common: data, and a model of it that is read or fitted on the spot."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from latently.errors import BadParameter, FileProblem
from latently.faces import options, screen, tables
from latently.faces.sorts import SPOKEN, family_of

__all__ = ["MODEL", "ROLES", "TASKS", "Given", "check_model_name", "check_page_name", "is_model", "loaded"]

MODEL = ".safetensors"
TASKS = {
    "encode": "Autoencoder", "detect": "AnomalyDetector", "impute": "Imputer", "map": "Map", "denoise": "Denoiser",
    "sample": "Generator", "search": "SearchIndex", "compress": "Compressor",
    "classify": "PretrainedClassifier", "regress": "PretrainedRegressor",
}  # fmt: skip
ROLES = ("label", "id", "time", "drop")


@dataclass
class Given:
    """What the user gave a verb. `estimator` and what is read are made when first asked for."""

    noun: ClassVar[str] = "data"  #: what it is, in words
    items: ClassVar[str] = "rows"  #: what it is made of
    coded: ClassVar[str] = ""  #: what a code is of, where that is not an item
    foreign: ClassVar[tuple[str, ...]] = ()  #: options that mean something for other data only
    sort: ClassVar[str] = "table"  #: which of `sorts.FAMILIES` it is
    foldered: ClassVar[bool] = False  #: whether results are files in a folder
    beside_model: ClassVar[tuple[str, ...]] = ()  #: roles of columns that no model knows, given with one too

    task: str  #: the estimator that is fitted when no model is given
    data: Path
    model: Path | None = None
    output: Path | None = None
    common: dict[str, Any] = field(default_factory=dict)

    # ------------------------------------------------------------------ before anything heavy

    def check(self) -> None:
        """Raise on paths and options that cannot work together."""
        both = [p for p in (self.model, self.data) if p is not None]
        if is_model(self.data):
            given = " ".join(map(str, reversed(both)))
            raise FileProblem(f"{self.data} is a model where data was expected. Give the model first: {given} ...")
        for name in self.foreign:
            if self.common.get(name):
                raise BadParameter(f"--{_flag(name)} means nothing for a {self.noun}, and {self.data} is one.")
        if self.model is None:
            return
        if not is_model(self.model):
            raise FileProblem(
                f"got {self.model} {self.data}; expected a model (*{MODEL}), if any, and one {self.noun}."
            )
        named = ("components", "kind", "types", "missing", "size", "keep", *ROLES)
        fixed = [n for n in named if self.common.get(n) and n not in self.beside_model]
        if fixed and fixed != ["drop"]:
            raise BadParameter(f"--{_flag(fixed[0])} is for a fit, and {self.model} is fitted. Leave it out.")

    # ------------------------------------------------------------------ the data

    @property
    def rows(self) -> Any:
        """The data as the model takes it."""
        raise NotImplementedError

    @property
    def count(self) -> int:
        """How many rows or images there are."""
        raise NotImplementedError

    @property
    def coded_count(self) -> int:
        """How many codes there are."""
        return self.count

    def keys(self) -> dict[str, Any]:
        """Columns that tell rows apart."""
        raise NotImplementedError

    def coded_keys(self) -> dict[str, Any]:
        """Columns that tell codes apart; numbers of rows go without saying."""
        return {n: c for n, c in self.keys().items() if n != "row"}

    def asked(self) -> list[Any]:
        """What to call each row that an index is asked for: the first of its keys."""
        first = next(iter(self.keys().values()))
        return list(first.to_pylist() if hasattr(first, "to_pylist") else first)

    def picture(self, i: int) -> Any:
        """What one of them looks like, an image."""
        raise NotImplementedError

    def column(self, role: str) -> Any:
        """The column of a role, or None."""
        raise NotImplementedError

    @property
    def label_name(self) -> str:
        """What the labels are called."""
        return "folder"

    def modality(self) -> Any:
        """How the data is to be read, by the options given."""
        raise NotImplementedError

    def learned(self) -> Any:
        """The data as a fit takes it."""
        raise NotImplementedError

    def beside(self) -> dict[str, Any]:
        """What the fit of this task takes besides the data: labels to draw by, names to find by."""
        if self.task == "Generator" and (labels := self.labels()) is not None:
            return {"y": labels}
        if self.task.startswith("Pretrained"):
            return {"y": self.answers()}
        return {"names": self.names(), "metadata": self.common.get("metadata")} if self.task == "SearchIndex" else {}

    def labels(self) -> Any:
        """The label of each row, known before a fit; None without."""
        raise NotImplementedError

    def answers(self) -> list[Any]:
        """The label of each row; `BadParameter` where there are none."""
        found = self.labels()
        if found is None:
            raise BadParameter(f"where are the answers? --label COLUMN names those of a table; {self.data} has none.")
        return list(found)

    def names(self) -> list[Any]:
        """What to call each row, known before a fit."""
        raise NotImplementedError

    def hold_out(self, share: float) -> None:
        """Fit on a part of the data; `rows` are then the others."""
        raise NotImplementedError

    def told(self, estimator: Any) -> None:
        """What should be said of a fresh fit."""

    def flags(self) -> list[str]:
        """The options that were given, as words of the command line."""
        found: list[str] = []
        for name, value in self.common.items():
            flag = f"--{_flag(name)}"
            if value is True and name != "as_json":
                found.append(flag)
            elif value and not isinstance(value, bool):
                found += [w for v in (value if isinstance(value, list) else [value]) for w in (flag, str(v))]
        return found

    # ------------------------------------------------------------------ the model

    @functools.cached_property
    def estimator(self) -> Any:
        """The model of the file, or one fitted on the table."""
        if self.model is None:
            return self.fitted(n_components=self.common.get("components"), kind=self.common.get("kind"))
        found = loaded(self.model)
        got = type(found).__name__
        if self.task not in (got, "any"):
            word = next(w for w, name in TASKS.items() if name == self.task)
            raise BadParameter(
                f"{self.model} holds a model of the task {got}; this verb needs {self.task}. "
                f"Try: latently fit {self.data} --task {word} -o {self.model.stem}-{word}{MODEL}"
            )
        fitted = family_of(self.model)
        if fitted is not None and fitted != self.sort:
            raise BadParameter(
                f"{self.model} was fitted on {SPOKEN[fitted]}, and {self.data} holds {SPOKEN[self.sort]}. "
                f"Give it {SPOKEN[fitted]}."
            )
        return found

    def fitted(self, settings: tuple[str, ...] = (), **chosen: Any) -> Any:
        """A fresh estimator of the task, fitted on the table."""
        if self.common.get("keep") is not None:
            check_model_name(self.common["keep"])
            tables.check_place(self.common["keep"], self.data)
        learned = self.learned()
        import latently

        given = {name: value for name, value in chosen.items() if value is not None}
        task = getattr(latently, "Autoencoder" if self.task == "any" else self.task)
        estimator = task(**given, random_state=self.common.get("seed", 0), data=self.modality())
        for setting in settings:
            _set(estimator, setting)
        with screen.notes():
            estimator.fit(learned, **self.beside())
        self.told(estimator)
        if self.common.get("keep") is not None:
            latently.save(estimator, self.common["keep"])
        return estimator


def _flag(name: str) -> str:
    return {"types": "type", "read_as": "as"}.get(name, name)


def check_model_name(path: Path) -> None:
    """Raise `FileProblem` unless the name is one of a model."""
    if not path.name.endswith(MODEL):
        raise FileProblem(f"{path}: expected a name ending in {MODEL}. Try {path.with_suffix(MODEL)}.")


def check_page_name(path: Path) -> None:
    """Raise `FileProblem` unless the name is one of a page."""
    if not path.name.lower().endswith((".html", ".htm")):
        raise FileProblem(f"{path}: expected a name ending in .html. Try {path.with_suffix('.html')}.")


def _set(estimator: Any, setting: str) -> None:
    """Apply one `--set KEY=VALUE`."""
    from latently.recipes import resolve
    from latently.tasks.assemble import network_of

    key, _, text = setting.partition("=")
    owner, _, option = key.partition("__")
    value = options.value(text)
    if key in _own(estimator) and text:
        _check_sort(setting, 0.1 if key == "validation_fraction" else getattr(estimator, key), value)
    elif owner in ("kind", "network") and option and text:
        named: Any = (resolve if owner == "kind" else network_of)(getattr(estimator, owner))
        _check_sort(setting, named.get_params().get(option), value)
    else:
        raise BadParameter(
            f"--set {setting}: expected KEY=VALUE where KEY is kind__OPTION, network__OPTION or one of "
            f"{', '.join(_own(estimator))}. Try --set kind__level=0.2."
        )
    estimator.set_params(**{key: value})


def _own(estimator: Any) -> list[str]:
    """The options that have no flag of `latently fit`: those of its task, and how many rows judge."""
    from latently import Autoencoder

    shared = set(Autoencoder().get_params(deep=False))
    return [*(n for n in estimator.get_params(deep=False) if n not in shared), "validation_fraction"]


def _check_sort(setting: str, default: Any, value: Any) -> None:
    """Raise `BadParameter` where the default is a number, a switch or a word, and the value is not."""
    if default is None or default == "auto":
        return
    for sort, what in ((bool, "true or false"), ((int, float), "a number"), (str, "a word")):
        if isinstance(default, sort):
            if not isinstance(value, sort) or (isinstance(value, bool) and sort is not bool):
                raise BadParameter(f"--set {setting}: expected {what}, such as {str(default).lower()}.")
            return


def loaded(path: Path) -> Any:
    """The estimator of a model file."""
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise FileProblem(f"{path} {found}; expected a model that `latently fit` wrote (*{MODEL}).")
    from latently import load

    return load(path)


def is_model(path: Path) -> bool:
    """Whether this is a model: by its name, or by how a safetensors file begins."""
    if path.name.endswith(MODEL):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"
