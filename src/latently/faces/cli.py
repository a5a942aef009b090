"""The command line: `latently VERB ...`. Whatever is heavy loads inside a verb, so that help is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer

from latently.errors import FileProblem, LatentlyError
from latently.faces import inputs, options, screen, tables

__all__ = ["app", "main"]

# click's, or typer's own copy of it since 0.26: unknown flags, missing arguments, values that do not parse
UsageError = cast(type[Exception], typer.BadParameter.__bases__[0])

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: the same in a terminal, in a pipe and in a test
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def latently(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Autoencoders for tables: a short code for every row, and the row again from its code.

    Example: latently fit table.csv -o model.safetensors
    """
    if version:
        from latently.version import version as number

        typer.echo(f"latently {number()}")
        raise typer.Exit


@app.command()
def fit(
    data: options.Data,
    output: options.ToModel,
    components: options.Components = "auto",
    kind: options.Kind = "undercomplete",
    network: options.Widths = "auto",
    loss: options.Loss = "auto",
    epochs: options.Epochs = "auto",
    batch_size: options.Batch = "auto",
    learning_rate: options.Rate = "auto",
    max_time: options.Seconds = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    checkpoint: options.Checkpoint = None,
    drop: options.Drop = [],  # noqa: B006 - typer copies it
    settings: options.Settings = [],  # noqa: B006
    as_json: options.Json = False,
) -> None:
    """Learn an autoencoder from a table, and save it.

    Its columns are numbers; empty cells are unknown. Leave columns of text out with --drop.

    Example: latently fit table.csv -o model.safetensors --drop id
    """
    if not output.name.endswith(inputs.MODEL):
        better = output.with_suffix(inputs.MODEL)
        raise FileProblem(f"{output}: expected a name ending in {inputs.MODEL}. Try -o {better}.")
    tables.check_place(output, data, *([checkpoint] if checkpoint else []))
    how = {
        "n_components": components, "kind": kind, "network": network, "loss": loss, "epochs": epochs,
        "batch_size": batch_size, "learning_rate": learning_rate, "max_time": max_time, "random_state": seed,
        "device": device, "precision": precision, "checkpoint": checkpoint,
    }  # fmt: skip
    estimator, _ = inputs.fitted(data, drop, settings, False, **how)
    from latently import save

    save(estimator, output)
    told = estimator.summary() | {"file": str(output), "bytes": output.stat().st_size}
    if as_json:
        screen.emit(told)
        return
    screen.model(told, alarms=False)
    typer.echo(f"\nNext: latently encode {output} {data} -o codes.csv")


@app.command()
def encode(
    model: options.MaybeModel = None,
    *,
    data: options.Data,
    output: options.ToTable,
    components: options.Components = None,
    kind: options.KindOrNone = None,
    seed: options.Seed = 0,
    drop: options.Drop = [],  # noqa: B006
    as_json: options.Json = False,
) -> None:
    """Write the code of every row, as columns code0, code1, ...

    Without MODEL one is fitted first, as by `latently fit`, and not kept.

    Example: latently encode model.safetensors table.csv -o codes.csv
    """
    how = {"n_components": components, "kind": kind, "random_state": seed}
    estimator, table = inputs.ready(model or [], data, output, False, drop, **how)
    import pyarrow as pa

    codes = estimator.transform(table)
    written = pa.table({f"code{j}": codes[:, j] for j in range(codes.shape[1])})
    tables.write(written, output)
    _report(written, output, as_json, f"{len(codes):,} rows, {table.num_columns} columns -> {codes.shape[1]}")


@app.command()
def reconstruct(
    model: options.MaybeModel = None,
    *,
    data: options.Data,
    output: options.ToTable,
    components: options.Components = None,
    kind: options.KindOrNone = None,
    seed: options.Seed = 0,
    drop: options.Drop = [],  # noqa: B006
    as_json: options.Json = False,
) -> None:
    """Write the table again, every row as its code tells it.

    Columns keep their names and types; those that the model does not know are copied.
    Without MODEL one is fitted first, as by `latently fit`, and not kept.

    Example: latently reconstruct model.safetensors table.csv -o again.csv
    """
    how = {"n_components": components, "kind": kind, "random_state": seed}
    estimator, table = inputs.ready(model or [], data, output, True, drop, **how)
    names = inputs.names_in(estimator, data, [n for n in table.column_names if n not in drop])
    again = estimator.reconstruct(table.select(names))
    for name in names:
        table = table.set_column(table.column_names.index(name), name, again.column(name))
    tables.write(table, output)
    copied = table.num_columns - len(names)
    more = f", {copied} copied" if copied else ""
    _report(table, output, as_json, f"{table.num_rows:,} rows, {len(names)} columns reconstructed{more}")


def _report(table: Any, output: Any, as_json: bool, done: str) -> None:
    if as_json:
        screen.emit({"file": str(output), "rows": table.num_rows, "columns": table.column_names})
    else:
        typer.echo(f"{output}: {done}")


@app.command()
def info(model: options.Model, as_json: options.Json = False) -> None:
    """Say what is in a model file.

    Kind and options, columns, layers, error on held-out rows, alarms.

    Example: latently info model.safetensors
    """
    told = inputs.loaded(model).summary() | {"file": str(model), "bytes": model.stat().st_size}
    if as_json:
        screen.emit(told)
    else:
        screen.model(told)


@app.command()
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


@app.command()
def demo() -> None:
    """Fit, compare, save and load on real data.

    The data come along; it takes half a minute and leaves nothing behind.

    Example: latently demo
    """
    from latently.faces.demo import run

    with screen.notes():
        run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Exit codes: 0, 2 for a mistake of the user, 130 after Ctrl-C, 1 for a bug."""
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        return int(app(given, prog_name="latently", standalone_mode=False) or 0)
    except UsageError as mistake:
        return _mistake(_usage(mistake))
    except (LatentlyError, OSError) as mistake:
        return _mistake(options.spoken(str(mistake)))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as bug:
        if os.environ.get("LATENTLY_TRACEBACK"):
            raise
        _mistake(f"{type(bug).__name__}: {bug} (a bug of latently; LATENTLY_TRACEBACK=1 shows where)")
        return 1


def _mistake(text: str) -> int:
    typer.echo(f"latently: {' '.join(text.split())}", err=True)
    return 2


def _usage(mistake: Any) -> str:
    command = mistake.ctx.command_path if mistake.ctx else "latently"
    return f"{mistake.format_message().rstrip('.')}. Try: {command} --help"
