"""Verbs that make data: denoise, sample."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter
from latently.faces import options, screen, tables
from latently.faces.album import Album
from latently.faces.drawn import check_drawn, write_drawn
from latently.faces.given import Given, is_model, loaded
from latently.faces.rows import Rows
from latently.faces.sorts import family
from latently.faces.verb import given_of, verb
from latently.faces.verbs import albums, clips
from latently.faces.verbs.rows import written_rows

__all__ = ["denoise", "sample"]


def _fitted(given: Given, **chosen: Any) -> None:
    """Without a model, one of these options is fitted; with one, they are refused."""
    named = [n for n, v in chosen.items() if v is not None]
    if given.model is not None and named:
        raise BadParameter(f"--{named[0].replace('_', '-')} is for a fit, and {given.model} is fitted. Leave it out.")
    if given.model is None:
        common = given.common
        chosen |= {"n_components": common["components"], "kind": common["kind"]}
        given.__dict__["estimator"] = given.fitted(**chosen)


def _denoised(given: Any, noise: str | None = None, clean: bool | None = None) -> None:
    albums.folder_of(given)
    _fitted(given, noise=noise, clean=clean)
    if not given.common["as_json"]:
        found = given.estimator.noise_
        told = "" if found["measured"] is None else f", measured {found['measured']:.3g}"
        screen.note(f"noise of the fit: {found['sort']} {_span(found)}{told}")

    def clean_all(items: Any) -> Any:
        return given.estimator.transform(items)

    if isinstance(given, Album):
        albums.cleaned(given, "cleaned", clean_all)
    else:
        clips.cleaned(given, "cleaned", clean_all, given.estimator.stream)


def _span(found: dict[str, Any]) -> str:
    ends = [found["low"], found["high"]]
    known = [f"{e:.3g}" for e in ends if e is not None]
    return " to ".join(dict.fromkeys(known)) or "of unknown strength"


@verb("Denoiser", options.ToEither, images=_denoised, audio=_denoised)
def denoise(given: Rows, noise: options.Noise = None, clean: options.Clean = None) -> None:
    """Take the noise out of images, sounds, series or a table, and typos out of text.

    Images and sounds go into a new folder, with a sheet of what was before and after. Without MODEL one is fitted on
    the data itself: whether it is clean is measured, and so is the noise; noisy images or sounds alone are enough. To
    learn from clean ones: latently fit CLEAN --task denoise -o model.safetensors.

    Cells of a table that contradict the rest of their row are replaced, and the others stay; --noise gaussian:.3 takes
    white noise out of its numbers, of so many standard deviations.

    Example: latently denoise photographs -o cleaned
    """
    tables.check_output(_output(given), given.data)
    _fitted(given, noise=noise, clean=clean)
    made = given.estimator.transform(given.rows)
    changed = _changed(given, made) if given.sort == "table" else {}
    if changed and not given.common["as_json"]:
        screen.columns("cells changed", ("column", "changed", "of rows", "by"), [
            (n, f"{c['cells']:,}", f"{100 * c['share']:.1f} %", f"{c['by']:.3g}" if "by" in c else "") for n, c in
            changed.items()
        ])  # fmt: skip
    written_rows(given, made, "cleaned", **({"changed": changed} if given.sort == "table" else {}))


def _changed(given: Rows, made: Any) -> dict[str, dict[str, Any]]:
    """By column that is another now, how many cells changed, their share, and by how much numbers did, on average."""
    import pyarrow.compute as pc

    found: dict[str, dict[str, Any]] = {}
    table = given.written(made)
    for name in table.column_names:
        before, after = given.reading.table.column(name), table.column(name)
        other = pc.fill_null(pc.not_equal(before, after.cast(before.type, safe=False)), False)
        if count := int(pc.sum(other).as_py() or 0):
            found[name] = {"cells": count, "share": count / len(before)}
            if str(before.type) in ("double", "int64"):
                off = pc.abs(pc.subtract(after.filter(other).cast("double"), before.filter(other).cast("double")))
                found[name]["by"] = pc.mean(off).as_py()
    return found


def _output(given: Given) -> Path:
    assert given.output is not None
    return given.output


def sample(
    data: options.Data,
    output: options.ToEither,
    count: options.Count = 64,
    given: options.Given = [],  # noqa: B006 - typer copies it
    components: options.Components = None,
    kind: options.KindOrNone = None,
    seed: options.Seed = 0,
    label: options.Label = [],  # noqa: B006
    id: options.Id = [],  # noqa: B006
    time: options.Time = [],  # noqa: B006
    drop: options.Drop = [],  # noqa: B006
    size: options.Size = None,
    skip: options.Skip = False,
    read_as: options.As = None,
    text: options.Text = None,
    keep: options.Keep = None,
    as_json: options.Json = False,
) -> None:
    """Make new rows, images, series, texts or sounds, like those of a model or of data.

    DATA may be a model (latently fit --task sample); otherwise one is fitted on it first. Folders of images and sounds,
    and --label of a table, are labels: --given LABEL draws of one only. Of a table without labels any column may be
    asked for: --given sex=Male --given age=40. Images and sounds go into a new folder, with a sheet; series are written
    a line a step, texts as lines of a .txt file or rows of a table.

    Example: latently sample photographs -o new --count 64
    """
    common = {"components": components, "kind": kind, "seed": seed, "label": label, "id": id, "time": time,
              "drop": drop, "size": size, "skip": skip, "read_as": read_as, "text": text, "keep": keep,
              "as_json": as_json}  # fmt: skip
    if is_model(data):
        fixed = [n for n in ("components", "kind", "label", "id", "time", "drop", "size", "skip", "keep") if common[n]]
        if fixed:
            raise BadParameter(f"--{fixed[0]} is for a fit, and {data} is fitted. Leave it out.")
        generator = loaded(data)
        if not hasattr(generator, "sample") or type(generator).__name__ == "Imputer":
            raise BadParameter(f"{data} holds a model of the task {type(generator).__name__}, which draws nothing new.")
    else:
        source = given_of("Generator", data, None, output, common)
        source.check()
        check_drawn(source.sort, output, data)
        generator = source.fitted(n_components=components, kind=kind)
    check_drawn(family(type(generator.data_).key) or "table", output)
    wanted = {"given": _wanted(generator, given)} if given else {}
    made = generator.sample(count, random_state=seed, **wanted)
    told = write_drawn(generator, made, output)
    if as_json:
        screen.emit({"output": str(output), "count": count})
    else:
        typer.echo(f"{output}: {told}")


def _wanted(generator: Any, texts: list[str]) -> Any:
    """What texts on the command line ask for: a label, or cells of columns."""
    if not generator.data_.walked:
        if len(texts) > 1:
            raise BadParameter(f"--given takes one label here, and got {len(texts)}.")
        return _label(generator, texts[0])
    columns, asked = {c.name: c for c in generator.data_.learned}, {}
    for name, equals, value in (text.partition("=") for text in texts):
        if not equals or name not in columns:
            raise BadParameter(f"--given {name}{equals}{value}: expected COLUMN=VALUE; columns: {', '.join(columns)}.")
        asked[name] = _cell(columns[name], value)
    return asked


def _cell(column: Any, text: str) -> Any:
    """A text as a cell of a column: one of its levels, a date, a number."""
    if column.width:
        return next((level for level in column.levels if str(level) == text), text)
    if column.sort == "boolean":
        return text.lower() in ("true", "yes", "1")
    try:
        if column.sort == "time":
            return datetime.fromisoformat(text)
        return timedelta(seconds=float(text)) if column.sort == "duration" else float(text)
    except ValueError:
        raise BadParameter(f"--given {column.name}={text}: expected a {column.sort}.") from None


def _label(generator: Any, text: str) -> Any:
    """The label that a text on the command line names."""
    classes = getattr(generator, "classes_", None)
    if classes is None:
        raise BadParameter("--given needs a generator that knows labels: folders of images, or --label COLUMN.")
    for known in classes:
        if str(known) == text:
            return known
    raise BadParameter(f"--given {text}: unknown label; known: {', '.join(map(str, classes[:20]))}.")
