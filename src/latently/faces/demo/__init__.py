"""Every job on real data that comes along, each beside its baseline."""

from __future__ import annotations

import time
from pathlib import Path

import typer

__all__ = ["run"]


def run(page: Path | None = None) -> None:
    """Fit, compare, show; every number is measured now. Only `page`, a report, stays."""
    from latently.faces.demo import digits, pictures, sequences, tables

    start = time.monotonic()
    images = digits.Digits()
    digits.codes(images)
    digits.plane(images)
    pictures.denoise(images)
    pictures.search(images)
    pictures.sample(images)
    pictures.pack(images)
    detector = tables.anomalies()
    tables.gaps()
    sequences.signal()
    sequences.paragraphs()
    sequences.tones()
    tables.report(detector, page)
    typer.echo(
        f"\nAll of it took {time.monotonic() - start:.0f} s. Your turn: latently report table.csv -o report.html"
    )
