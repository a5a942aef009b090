"""A verb of the command line: a function of what was given, with the options that all verbs share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latently.errors import BadParameter, FileProblem
from latently.faces import options
from latently.faces.album import Album
from latently.faces.given import MODEL, Given
from latently.faces.places import holds_images
from latently.faces.rows import Rows

__all__ = ["given_of", "verb"]

# The options of every verb that fits or reads a model; a verb adds its own.
COMMON: dict[str, tuple[Any, Any]] = {
    "components": (options.Components, None), "kind": (options.KindOrNone, None), "seed": (options.Seed, 0),
    "label": (options.Label, []), "id": (options.Id, []), "time": (options.Time, []), "drop": (options.Drop, []),
    "types": (options.Types, []), "missing": (options.Missing, []), "size": (options.Size, None),
    "skip": (options.Skip, False), "keep": (options.Keep, None),
    "as_json": (options.Json, False),
}  # fmt: skip


def given_of(task: str, data: Path, model: Path | None, output: Path | None, common: dict[str, Any]) -> Given:
    """What a verb was given, by the name of the data."""
    sort = Album if holds_images(data) else Rows
    return sort(task, data, model, output, common)


def verb(
    task: str, output: Any = None, images: Callable[..., None] | bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A verb of `function(given, own options)`: MODEL, DATA, `-o` (of type `output`) and `COMMON` are read for it.

    `images`: what does it with images: another function of the same options, or (True) the same.
    """

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
                raise FileProblem(
                    f"got {got}; expected a model (*{MODEL}), if there is one, and one table or folder. "
                    "A pattern of images goes in quotes: 'shots/*.png'."
                )
            common = {n: values.pop(n) for n in COMMON}
            given = given_of(task, data, models[0] if models else None, out, common)
            given.check()
            if isinstance(given, Rows):
                function(given, **values)
            elif images:
                (function if images is True else images)(given, **values)
            else:
                raise BadParameter(f"{data} holds images; this verb takes a table.")

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        del run.__wrapped__
        return run

    return make
