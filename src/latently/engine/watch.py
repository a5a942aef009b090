"""Who looks on while a fit runs: a progress bar in a terminal, nobody elsewhere."""

from __future__ import annotations

import math
import sys
from typing import Any, Literal

from latently.engine.history import History

__all__ = ["Bar", "Watcher", "watcher_for"]


class Watcher:
    """Looks on in silence; a subclass shows or records."""

    def stage(self, name: str) -> None:
        """The fits that follow belong to stage `name`."""

    def start(self, epochs: int, done: int) -> None:
        """A fit of `epochs` begins, `done` of them already behind it."""

    def update(self, epoch: int, history: History) -> None:
        """An epoch ended."""

    def finish(self, history: History) -> None:
        """The fit ended."""


class Bar(Watcher):
    """One line in the terminal: stage, epochs, the latest validation loss, time left; gone when the fit is."""

    def __init__(self) -> None:
        self.name = "fit"
        self.progress: Any = None
        self.task: Any = None

    def stage(self, name: str) -> None:
        """Shown before the bar."""
        self.name = name

    def start(self, epochs: int, done: int) -> None:
        """Draw the bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs")
        console = Console(file=sys.stderr)
        self.progress = Progress(
            *columns, TextColumn("{task.fields[loss]}"), TimeRemainingColumn(), console=console, transient=True
        )
        self.task = self.progress.add_task(self.name, total=epochs, completed=done, loss="")
        self.progress.start()

    def update(self, epoch: int, history: History) -> None:
        """Move the bar."""
        loss = history.columns["validation"][-1]
        text = "" if math.isnan(loss) else f"held-out loss {loss:.4g}"
        self.progress.update(self.task, completed=epoch, loss=text)

    def finish(self, history: History) -> None:
        """Take the bar away."""
        self.progress.stop()


def watcher_for(verbose: bool | Literal["auto"]) -> Watcher:
    """A bar or silence; "auto" shows a bar when the error stream is a terminal."""
    return Bar() if (sys.stderr.isatty() if verbose == "auto" else verbose) else Watcher()
