"""The command line: `latently VERB ...`. Whatever is heavy loads inside a verb, so that help is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, cast

import typer

from latently.errors import LatentlyError
from latently.faces import options
from latently.faces.verbs import answering, judging, making, models, packing, rows, searching

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
    """Autoencoders for tables, images, series, text and sounds: codes, anomalies, gaps, noise, maps, search, new ones.

    Most verbs take a table, or a folder or file of images, text or sounds, and fit a model first unless one is given.
    A table of series needs --as series, one with texts --text COLUMN; a model knows. What is written of a table or of
    text is a table, of images and sounds a new folder. latently VERB --help says more.

    Example: latently detect table.csv -o strange.csv
    """
    if version:
        from latently.version import version as number

        typer.echo(f"latently {number()}")
        raise typer.Exit


VERBS: dict[str, Callable[..., None]] = {
    "fit": models.fit, "encode": rows.encode, "reconstruct": rows.reconstruct, "detect": judging.detect,
    "impute": rows.impute, "denoise": making.denoise, "map": rows.map_, "sample": making.sample,
    "classify": answering.classify,
    "compress": packing.compress, "decompress": packing.decompress, "verify": packing.verify,
    "evaluate": judging.evaluate, "report": judging.report, "monitor": judging.monitor, "info": models.info,
    "doctor": models.doctor, "demo": models.demo,
}  # fmt: skip
for name, function in VERBS.items():
    app.command(name)(function)
search = typer.Typer(rich_markup_mode=None, help="Find what is alike: build an index, and query it.")
search.command("build")(searching.build)
search.command("query")(searching.query)
app.add_typer(search, name="search")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Exit codes: 0, 2 for a mistake of the user, 3 for drift, 130 after Ctrl-C, 1 for a bug."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin make a busy machine four times slower
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        return int(app(given, prog_name="latently", standalone_mode=False) or 0)
    except UsageError as mistake:
        return _mistake(_usage(mistake))
    except (LatentlyError, OSError) as mistake:
        where = "".join(f" ({note})" for note in getattr(mistake, "__notes__", []))
        return _mistake(options.spoken(str(mistake)) + where)
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
