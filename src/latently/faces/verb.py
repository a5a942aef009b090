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
from latently.faces.clips import Clips
from latently.faces.given import MODEL, Given
from latently.faces.rows import Rows
from latently.faces.sorts import SPOKEN, sort_of
from latently.faces.texts import Texts
from latently.faces.track import Track

__all__ = ["given_of", "verb"]

# The options of every verb that fits or reads a model; a verb adds its own.
COMMON: dict[str, tuple[Any, Any]] = {
    "components": (options.Components, None), "kind": (options.KindOrNone, None), "seed": (options.Seed, 0),
    "label": (options.Label, []), "id": (options.Id, []), "time": (options.Time, []), "drop": (options.Drop, []),
    "types": (options.Types, []), "missing": (options.Missing, []), "size": (options.Size, None),
    "skip": (options.Skip, False), "read_as": (options.As, None), "text": (options.Text, None),
    "keep": (options.Keep, None),
    "as_json": (options.Json, False),
}  # fmt: skip


def given_of(task: str, data: Path, model: Path | None, output: Path | None, common: dict[str, Any]) -> Given:
    """What a verb was given, by the name of the data."""
    said = common.get("read_as") or ("text" if common.get("text") else None)
    sort = {"images": Album, "audio": Clips, "text": Texts, "series": Track}.get(sort_of(data, said, model), Rows)
    return sort(task, data, model, output, common)


def verb(
    task: str, output: Any = None, **others: Callable[..., None] | bool
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A verb of `function(given, own options)`: MODEL, DATA, `-o` (of type `output`) and `COMMON` are read for it.

    `others`: by the sort of data, what does it there: another function of the same options, True (the same), or False
    (nothing does). Without a word, series and text are taken as tables are, images and audio are refused.
    """
    ways = {"table": True, "series": True, "text": True, **others}

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
            way = ways.get(given.sort, False)
            if not way:
                taken = ", ".join(SPOKEN[sort] for sort in SPOKEN if ways.get(sort))
                raise BadParameter(f"{data} holds {SPOKEN[given.sort]}; this verb takes {taken}.")
            (function if way is True else way)(given, **values)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        del run.__wrapped__
        return run

    return make
