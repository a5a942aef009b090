"""What the verbs have in common: a table, roles of its columns, a model that is read or fitted on the spot."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from latently.errors import BadParameter, FileProblem
from latently.faces import options, screen, tables

__all__ = ["MODEL", "TASKS", "Given", "check_model_name", "check_page_name", "loaded", "verb"]

MODEL = ".safetensors"
TASKS = {"encode": "Autoencoder", "detect": "AnomalyDetector", "impute": "Imputer", "map": "Map"}
ROLES = ("label", "id", "time", "drop")

# The options of every verb that fits or reads a model; a verb adds its own.
COMMON: dict[str, tuple[Any, Any]] = {
    "components": (options.Components, None), "kind": (options.KindOrNone, None), "seed": (options.Seed, 0),
    "label": (options.Label, []), "id": (options.Id, []), "time": (options.Time, []), "drop": (options.Drop, []),
    "types": (options.Types, []), "missing": (options.Missing, []), "keep": (options.Keep, None),
    "as_json": (options.Json, False),
}  # fmt: skip


@dataclass
class Given:
    """What the user gave a verb. `estimator` and `reading` are made when first asked for."""

    task: str  #: the estimator that is fitted when no model is given
    data: Path
    model: Path | None = None
    output: Path | None = None
    common: dict[str, Any] = field(default_factory=dict)

    # ------------------------------------------------------------------ before anything heavy

    def check(self) -> None:
        """Raise on paths and options that cannot work together."""
        both = [p for p in (self.model, self.data) if p is not None]
        if _is_model(self.data):
            given = " ".join(map(str, reversed(both)))
            raise FileProblem(f"{self.data} is a model where a table was expected. Give the model first: {given} ...")
        if self.model is None:
            return
        if not _is_model(self.model):
            raise FileProblem(f"got {self.model} {self.data}; expected a model (*{MODEL}), if any, and one table.")
        fixed = [n for n in ("components", "kind", "types", "keep", *ROLES) if self.common.get(n)]
        if fixed and fixed != ["drop"]:
            flag = "type" if fixed[0] == "types" else fixed[0]
            raise BadParameter(f"--{flag} is for a fit, and {self.model} is fitted. Leave it out.")

    # ------------------------------------------------------------------ the table

    @functools.cached_property
    def reading(self) -> tables.Reading:
        """The table, read as the model needs it; how it was read is noted."""
        tables.check_input(self.data)
        missing, text = self.common.get("missing", []), []
        if self.model is not None:
            table = self.estimator.data_
            missing, text = [str(m) for m in table.missing], table.texts()
        found = tables.examine(self.data, missing, text=text)
        if not self.common.get("as_json"):
            told = [str(found.layout)] if found.layout is not None else []
            for remark in [*(f"{self.data}: {line}" for line in told), *found.remarks]:
                screen.note(remark)
        return found

    @functools.cached_property
    def rows(self) -> Any:
        """The table's rows as the model takes them: columns in the order of the fit, others behind."""
        table = self.reading.table
        names = [str(n) for n in getattr(self.estimator, "feature_names_in_", [])]
        if not names:
            return self._unnamed(table)
        tables.select(self.data, table.column_names, names, "which the model was fitted on")
        return table.select([*names, *(n for n in table.column_names if n not in names)])

    def _unnamed(self, table: Any) -> Any:
        drop = self.common.get("drop", [])
        names = [n for n in table.column_names if n not in drop]
        if len(names) != self.estimator.n_features_in_:
            raise FileProblem(
                f"{self.data} has {len(names)} columns; the model was fitted on {self.estimator.n_features_in_}, "
                "without names. Give just those, in their order."
            )
        import numpy as np

        return np.column_stack([table.column(n).to_numpy() for n in names])

    def keys(self) -> dict[str, Any]:
        """Columns that tell rows apart: identifiers, labels and times, as they stand; else the number of the row."""
        table, columns = self.reading.table, self.estimator.data_.columns_
        names = [
            c.name
            for c in columns
            if c.role in ("id", "label", "time") or (c.sort == "identifier" and c.role != "dropped")
        ]
        found = {n: table.column(n) for n in names if n in table.column_names}
        return found or {"row": list(range(table.num_rows))}

    def column(self, role: str) -> Any:
        """The column of a role (the first), or None."""
        names = [c.name for c in self.estimator.data_.columns_ if c.role == role]
        return next((self.reading.table.column(n) for n in names if n in self.reading.table.column_names), None)

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
        return found

    def fitted(self, settings: tuple[str, ...] = (), **chosen: Any) -> Any:
        """A fresh estimator of the task, fitted on the table."""
        if self.common.get("keep") is not None:
            check_model_name(self.common["keep"])
            tables.check_place(self.common["keep"], self.data)
        reading = self.reading
        import latently

        given = {name: value for name, value in chosen.items() if value is not None}
        task = getattr(latently, "Autoencoder" if self.task == "any" else self.task)
        estimator = task(**given, random_state=self.common.get("seed", 0), data=self._table())
        for setting in settings:
            _set(estimator, setting)
        with screen.notes():
            estimator.fit(reading.table)
        self._tell(estimator)
        if self.common.get("keep") is not None:
            latently.save(estimator, self.common["keep"])
        return estimator

    def hold_out(self, share: float) -> None:
        """Fit on a part of the rows; `rows` and `reading` are then the others."""
        import numpy as np

        whole = self.reading
        order = np.random.default_rng(self.common.get("seed", 0)).permutation(whole.table.num_rows)
        count = max(1, round(share * len(order)))
        self.__dict__["reading"] = replace(whole, table=whole.table.take(np.sort(order[count:])))
        _ = self.estimator
        self.__dict__["reading"] = replace(whole, table=whole.table.take(np.sort(order[:count])))
        screen.note(f"fitted on {len(order) - count:,} rows, judged on the other {count:,}")

    def _table(self) -> Any:
        from latently.modalities import Table

        names = self.reading.table.column_names
        roles = {role: tables.select(self.data, names, list(self.common.get(role, [])), f"which --{role} names")
                 for role in ROLES}  # fmt: skip
        pairs = [text.partition("=") for text in self.common.get("types", [])]
        for name, _, sort in pairs:
            if not name or not sort:
                raise BadParameter(f"--type {name}: expected NAME=SORT, such as --type zip=category.")
            tables.select(self.data, names, [name], "which --type names")
        return Table(**roles, types={name: sort for name, _, sort in pairs}, missing=self.common.get("missing", []))

    def _tell(self, estimator: Any) -> None:
        if self.common.get("as_json"):
            return
        left = [c for c in estimator.data_.columns_ if c.role == "left out"]
        for column in left[:8]:
            screen.note(
                f"column {column.name!r} is left out: {column.sort}, {column.why}. "
                f"To keep it: --type {column.name}=category"
            )
        if len(left) > 8:
            screen.note(f"{len(left) - 8} more columns are left out; latently info shows them")


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


# ---------------------------------------------------------------------- a verb and its options


def verb(task: str, output: Any = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A verb of `function(given, own options)`: MODEL, DATA, `-o` (of type `output`) and `COMMON` are read for it."""

    def make(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        place = inspect.Parameter.KEYWORD_ONLY
        shared = {"model": (options.MaybeModel, None), "data": (options.Data, inspect.Parameter.empty)}
        if output is not None:
            shared["output"] = (output, inspect.Parameter.empty)
        parameters = [inspect.Parameter(n, place, annotation=a, default=d) for n, (a, d) in shared.items()]
        parameters += [p.replace(kind=place) for p in own]
        parameters += [inspect.Parameter(n, place, annotation=a, default=d) for n, (a, d) in COMMON.items()]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            models = values.pop("model") or []
            data, out = values.pop("data"), values.pop("output", None)
            if len(models) > 1:
                got = " ".join(map(str, [*models, data]))
                raise FileProblem(f"got {got}; expected a model (*{MODEL}), if there is one, and one table.")
            common = {n: values.pop(n) for n in COMMON}
            given = Given(task, data, models[0] if models else None, out, common)
            given.check()
            function(given, **values)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        del run.__wrapped__
        return run

    return make
