"""Verbs about models and the installation: fit, info, doctor, demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from latently.errors import BadParameter
from latently.faces import options, screen, tables, told
from latently.faces.given import TASKS, Given, check_model_name, check_page_name, loaded
from latently.faces.verb import given_of

__all__ = ["demo", "doctor", "fit", "info"]


def fit(
    data: options.Data,
    output: options.ToModel,
    task: options.Task = "encode",
    components: options.Components = None,
    kind: options.KindOrNone = None,
    network: options.Widths = None,
    loss: options.Loss = "auto",
    epochs: options.Epochs = "auto",
    batch_size: options.Batch = "auto",
    learning_rate: options.Rate = "auto",
    max_time: options.Seconds = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    checkpoint: options.Checkpoint = None,
    label: options.Label = [],  # noqa: B006 - typer copies it
    id: options.Id = [],  # noqa: B006
    time: options.Time = [],  # noqa: B006
    drop: options.Drop = [],  # noqa: B006
    types: options.Types = [],  # noqa: B006
    missing: options.Missing = [],  # noqa: B006
    settings: options.Settings = [],  # noqa: B006
    size: options.Size = None,
    skip: options.Skip = False,
    read_as: options.As = None,
    text: options.Text = None,
    as_json: options.Json = False,
) -> None:
    """Learn a model from a table, images, series, text or sounds, and save it.

    --task says what it is for; each verb takes the model of its task.

    Of a table, columns are numbers, categories, dates; empty cells are unknown. What each column is taken for is shown
    by `latently info`; --type, --label, --id, --time, --drop and --missing say otherwise.

    Images and sounds: a folder, and the folders in it, which are labels; a file, a pattern, a zip. Images are seen at
    one size, by default their own up to 96 pixels; --size says otherwise.

    Series: a table with --as series, a row a step; --time names the column of times, --id one that tells several
    series apart. Text: a .txt file, whose lines are texts, a folder of such files, or the column --text of a table.

    Example: latently fit table.csv -o model.safetensors --id key
    """
    check_model_name(output)
    tables.check_place(output, data, *([checkpoint] if checkpoint else []))
    if task not in TASKS:
        raise BadParameter(f"--task {task}: expected one of {', '.join(TASKS)}.")
    roles = {"label": label, "id": id, "time": time, "drop": drop, "types": types, "missing": missing}
    common = {**roles, "seed": seed, "size": size, "skip": skip, "read_as": read_as, "text": text, "as_json": as_json}
    given = given_of(TASKS[task], data, None, None, common)
    given.check()
    estimator = given.fitted(
        tuple(settings), n_components=components, kind=kind, network=network, loss=loss, epochs=epochs,
        batch_size=batch_size, learning_rate=learning_rate, max_time=max_time, device=device, precision=precision,
        checkpoint=checkpoint,
    )  # fmt: skip
    _saved(estimator, given, task, output)


def _saved(estimator: Any, given: Given, task: str, output: Path) -> None:
    """Save it, and say what it is and what to do with it."""
    from latently import save

    save(estimator, output)
    summary = estimator.summary() | {"file": str(output), "bytes": output.stat().st_size}
    if given.common["as_json"]:
        screen.emit(summary)
        return
    told.model(summary, alarms=False)
    typer.echo(f"\nNext: latently {_next(task, output, given)}")


def _next(task: str, model: Path, given: Given) -> str:
    """What is done with a model of this task."""
    places = {
        "encode": "codes.csv", "detect": "strange", "impute": "filled", "map": "map.png", "denoise": "cleaned",
        "sample": "new", "search": "found", "compress": "small.ltn",
        "classify": "predictions.csv", "regress": "predictions.csv",
    }  # fmt: skip
    foldered = given.foldered and (task != "search" or given.sort == "images")
    lines = task == "sample" and given.sort == "text"
    place = places[task] if foldered or "." in places[task] else f"{places[task]}{'.txt' if lines else '.csv'}"
    verb = {"search": "search query", "regress": "classify"}.get(task, task)
    return f"{verb} {model} {'' if task == 'sample' else f'{given.data} '}-o {place}"


def info(model: options.Model, as_json: options.Json = False) -> None:
    """Say what is in a model file.

    Task, kind and options, columns, layers, error on held-out rows, alarms.

    Example: latently info model.safetensors
    """
    summary = loaded(model).summary() | {"file": str(model), "bytes": model.stat().st_size}
    if as_json:
        screen.emit(summary)
    else:
        told.model(summary)


def doctor(as_json: options.Json = False) -> None:
    """Look at this installation.

    Versions, device, threads, memory; what is missing, and how to get it.

    Example: latently doctor
    """
    from latently.faces.doctor import examine

    checks = examine()
    healthy = all(check.status != "broken" for check in checks)
    if as_json:
        screen.emit({"ok": healthy, "checks": [vars(check) for check in checks]})
    else:
        screen.pairs("latently doctor", [(check.name, check.line()) for check in checks])
        typer.echo("All is well." if healthy else "Something is broken: see above.")
    raise typer.Exit(0 if healthy else 1)


def demo(report: options.Page = None) -> None:
    """Every job on real data that comes along.

    Each beside its baseline; every number is measured on the spot. It takes a minute and leaves nothing behind but
    the report, if asked for.

    Example: latently demo --report demo.html
    """
    if report is not None:
        check_page_name(report)
        tables.check_place(report)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # its data is small: a second thread would wait more than it works
    from latently.faces.demo import run

    with screen.notes():
        run(report)
