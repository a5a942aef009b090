"""What people see: tables in a terminal, aligned lines in a pipe, one line a note; JSON for machines."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

__all__ = ["columns", "counted", "emit", "lines", "note", "notes", "pairs", "size"]

Pairs = Sequence[tuple[str, str]]


def _terminal() -> bool:
    return sys.stdout.isatty()


def pairs(title: str, rows: Pairs) -> None:
    """A title and facts under it: what, and what was found."""
    typer.echo(typer.style(title, bold=True) if _terminal() else title)
    if _terminal():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        for name, value in rows:
            grid.add_row("", Text(name, style="cyan"), Text(value))
        Console(highlight=False).print(grid)
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        typer.echo(f"  {name:<{width}}  {value}".rstrip())


def columns(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: the first column is text, the others are figures."""
    if _terminal():
        from rich import box
        from rich.console import Console
        from rich.table import Table

        typer.echo(typer.style(title, bold=True))
        table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False, header_style="cyan")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*row)
        Console(highlight=False).print(table)
        return
    typer.echo(title)
    widths = [max(len(row[j]) for row in (heads, *rows)) for j in range(len(heads))]
    for row in (heads, *rows):
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)),
        ]
        typer.echo("  " + "  ".join(cells).rstrip())


def emit(value: Any) -> None:
    """One JSON object on standard output; what is not finite becomes null."""
    typer.echo(json.dumps(_finite(value), allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def note(text: str) -> None:
    """One line beside the results, on standard error."""
    typer.echo(f"note: {' '.join(text.split())}", err=True)


@contextmanager
def notes() -> Iterator[None]:
    """Within it, an alarm of a fit is a note, and not a Python warning."""
    from latently.errors import FitAlarm

    with warnings.catch_warnings():
        warnings.simplefilter("always", FitAlarm)
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, FitAlarm):
                note(str(message))
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        yield


def lines(heads: Sequence[str], rows: Sequence[Sequence[str]], most: int = 30) -> None:
    """Rows of words under their heads, at most so many."""
    shown = [heads, *rows[:most]]
    widths = [max(len(row[j]) for row in shown) for j in range(len(heads))]
    for row in shown:
        typer.echo("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    if len(rows) > most:
        typer.echo(f"  and {len(rows) - most:,} more")


def counted(count: int, what: str) -> str:
    """A number of things: `1 image`, `2 images`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """So many bytes, as people say it."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"
