"""What `summary()` tells of a fitted model, for people: facts, columns, layers, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from latently.faces import screen

__all__ = ["COPIES", "answered", "model"]

STOPPED = {
    "schedule": "as planned",
    "patience": "the held-out error had stopped falling",
    "time": "the time was up",
    "diverged": "it left the finite numbers",
}
WIDEST = 28  # characters of a column's name
COPIES = 1e-6  # of the mean's error: a PCA with no more is as wide as the data, and tells nothing


def model(told: dict[str, Any], alarms: bool = True) -> None:
    """A model file, by the `summary()` of what it holds."""
    screen.pairs(told["file"], _facts(told))
    if _sort(told) in ("table", "series"):
        typer.echo()
        heads = ("column", "sort", "holds", "missing", "scaled, or why not learned")
        screen.lines(heads, [_column(c) for c in told["schema"]])
    stack = [("encoder", line) for line in told["encoder"]] + [("decoder", line) for line in told["decoder"]]
    typer.echo()
    screen.pairs(
        "layers",
        [(side if j == 0 or stack[j - 1][0] != side else "", line) for j, (side, line) in enumerate(stack)],
    )
    typer.echo()
    held = told["held_out"]
    if held is not None:
        _held_out(held, told)
    elif told["validation"] is not None:
        typer.echo(f"loss on held-out {_one(told)}s: {told['validation']:.4g}, {told['loss']}")
    else:
        typer.echo(f"held-out error: not measured, no {_one(told)}s were held out")
    if told.get("answers"):
        typer.echo(f"answers to held-out {_one(told)}s ({told['answers']['rows']:,}): {answered(told['answers'])}")
    for alarm in told["alarms"] if alarms else []:
        typer.echo(f"note: {alarm['name']}: {alarm['message']}")


def _facts(told: dict[str, Any]) -> screen.Pairs:
    seconds = f" in {told['seconds']:.1f} s" if told["seconds"] else ""
    made = told["versions"]
    rows = [
        ("task", told["task"]),
        ("kind", ", ".join([told["kind"], *_chosen(told)])),
        (WORDS[_sort(told)].title, FORMS[_sort(told)](told)),
        ("rows", f"{told['rows']:,} different" if _sort(told) == "table" else ""),
        ("answers", f"{told['labelled']:,} learned from" if "labelled" in told else ""),
        ("code", _plural(told["components"], "number") + _each(told)),
        ("loss", told["loss"]),
        ("parameters", f"{told['parameters']:,}"),
        (
            "fit",
            f"{_plural(told['epochs'], 'epoch')}{seconds}, ended {STOPPED.get(told['stopped'], told['stopped'])}"
            + ("" if told["epochs"] else "; none was better than the start, which was kept"),
        ),
        ("file", f"{told['bytes'] / 1000:,.0f} kB, by latently {made['latently']} with torch {made['torch']}"),
    ]
    return [(name, value) for name, value in rows if value]


@dataclass(frozen=True)
class Words:
    """How a sort of data is spoken of."""

    title: str
    item: str  #: what a code is of, and
    piece: str  #: what it is of where the model sees no whole items
    unit: str  #: whose variance is the unit of errors,
    mean: str  #: and what an error is compared with


WORDS = {
    "table": Words("columns", "row", "row", "each column's", "each column's mean"),
    "series": Words("series", "window", "window", "each channel's", "the mean window"),
    "text": Words("texts", "text", "text", "each word's", "the mean text"),
    "image": Words("images", "image", "piece", "pixels'", "the mean image"),
    "audio": Words("sounds", "clip", "piece", "cells'", "the mean spectrogram"),
}


def _sort(told: dict[str, Any]) -> str:
    found = {c["sort"] for c in told["schema"] if c["role"] == "learned"}
    return next((sort for sort in WORDS if sort in found), "table")


def _one(told: dict[str, Any]) -> str:
    """What a code is of."""
    words = WORDS[_sort(told)]
    return words.piece if told["schema"][0].get("cropped") else words.item


def _columns(told: dict[str, Any]) -> str:
    learned = sum(c["role"] == "learned" for c in told["schema"])
    others = len(told["schema"]) - learned
    return f"{learned} learned" + (f", {others} not" if others else "")


def _series(told: dict[str, Any]) -> str:
    c = told["schema"][0]
    several = f"{_plural(told['rows'], 'window')} of {_plural(c['length'], 'step')}"
    uneven = f", {100 * c['irregular']:.1f} % of the steps unevenly spaced" if c["irregular"] else ""
    return f"{_plural(len(told['schema']), 'channel')}, {several}{uneven}"


def _texts(told: dict[str, Any]) -> str:
    c = told["schema"][0]
    seen = f"{_plural(c['words'], 'word')} counted" if "words" in c else _spelled(c)
    return f"{told['rows']:,} different, {seen}"


def _spelled(c: dict[str, Any]) -> str:
    """How texts are read in order, or embedded."""
    return f"spelled in {c['pieces']:,} pieces, {c['length']} of a text" if "pieces" in c else c["scaled"]


def _sounds(told: dict[str, Any]) -> str:
    c = told["schema"][0]
    several = f"in {told['rows']:,} pieces of" if c["cropped"] else f"{told['rows']:,} different, heard as"
    cells = f", {c['bands']} bands x {c['frames']} frames" if "bands" in c else ""
    return f"{several} {c['seconds']:.2f} s at {c['rate']:,} samples a second{cells}"


def _form(told: dict[str, Any]) -> str:
    """How many images there were, or pieces of them, and how the model sees them."""
    c = told["schema"][0]
    channels = "grey" if c["channels"] == 1 else f"{c['channels']} channels"
    several = f"in {told['rows']:,} pieces, at" if c["cropped"] else f"{told['rows']:,} different, seen as"
    return f"{several} {c['height']} x {c['width']} pixels, {channels}, {c['dtype']} from {_holds(c)}"


def _each(told: dict[str, Any]) -> str:
    one = _one(told)
    return f" {'an' if one == 'image' else 'a'} {one}"


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _chosen(told: dict[str, Any]) -> list[str]:
    """The options that are not as the kind has them by itself."""
    from latently.recipes import kinds

    kind = kinds().get(told["kind"])
    usual = {} if kind is None else {n: repr(v) for n, v in kind().get_params().items()}
    return [f"{name}={value}" for name, value in told["options"].items() if usual.get(name) != value]


FORMS: dict[str, Callable[[dict[str, Any]], str]] = {
    "table": _columns, "series": _series, "text": _texts, "image": _form, "audio": _sounds,
}  # fmt: skip


# ---------------------------------------------------------------------- columns


def _column(column: dict[str, Any]) -> tuple[str, ...]:
    name = column["name"]
    name = name if len(name) <= WIDEST else name[: WIDEST - 3] + "..."
    if column["role"] != "learned":
        return name, column["sort"], "", "", ": ".join(t for t in (column["role"], column["why"]) if t)
    missing = f"{100 * column['missing']:.1f} %" if column["missing"] else ""
    scaled = "" if column["levels"] or column["sort"] == "boolean" else column["scaled"]
    return name, column["sort"], _holds(column), missing, scaled


def _holds(column: dict[str, Any]) -> str:
    if column["levels"]:
        return _plural(column["levels"], "level")
    if column["sort"] == "boolean":
        return ""
    if column["range"] is None:
        return "nothing"
    return " to ".join(_end(column["sort"], end) for end in column["range"])


def _end(sort: str, value: float) -> str:
    if sort == "time":
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
        return f"{moment:%Y-%m-%d}"
    if sort == "duration":
        return str(timedelta(seconds=value))
    return f"{value:.4g}" if abs(value) < 1e4 or value != round(value) else f"{value:.0f}"


# ---------------------------------------------------------------------- held-out error


def _held_out(held: dict[str, Any], told: dict[str, Any]) -> None:
    mean, size = held["mean"] or math.nan, told["components"]
    rows = [("this model", held["model"])]
    if (size < told["columns"] and _sort(told) in ("table", "series", "text")) or held["pca"] > COPIES * mean:
        rows.append((f"PCA of the same size, {size}", held["pca"]))
    words = WORDS[_sort(told)]
    rows.append((words.mean, held["mean"]))
    judged = f"{_one(told)}s ({held['rows']:,})"
    screen.columns(
        f"error on held-out {judged}, squared, in units of {words.unit} variance",
        ("", "error", "of the mean's"),
        [(name, f"{error:.4f}", f"{100 * error / mean:.1f} %") for name, error in rows],
    )


def answered(judged: dict[str, Any]) -> str:
    """How good answers to held-out rows were, in a few words."""
    if "r2" in judged:
        return f"R2 {judged['r2']:.3f}, RMSE {judged['rmse']:.4g}"
    usual = f"; {100 * judged['most_common']:.1f} % are of the most common class" if "most_common" in judged else ""
    return f"{100 * judged['accuracy']:.1f} % right{usual}"
