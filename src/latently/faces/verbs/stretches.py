"""What `latently detect` does with series: a line a step, and the strangest intervals."""

from __future__ import annotations

from typing import Any

import typer

from latently.faces import screen, tables
from latently.faces.stretches import Stretch, moment, stretches
from latently.faces.track import Track
from latently.faces.verbs.alerts import ready

__all__ = ["detect"]

SHOWN = 8  # intervals on the screen
NAMED = 3  # intervals of each series, where reasons are not asked for


def detect(
    given: Track,
    setting: str | None = None,
    alerts_per_day: float | None = None,
    explain: int = 3,
    sort: bool = False,
) -> None:
    """Scores of every step in a table, the reason of an interval on each of its steps."""
    import pyarrow as pa

    detector = ready(given, setting, alerts_per_day)
    score = detector.score_samples(given.rows)
    columns: dict[str, Any] = {**given.keys(), "score": -score, "p_value": detector.p_values_of(score)}
    columns["anomaly"] = score < detector.offset_
    found = stretches(given, detector, explain or NAMED)
    if explain:
        texts: list[str | None] = [None] * len(score)
        for stretch in reversed(found):
            for row in stretch.rows:
                texts[row] = stretch.said()
        columns["reason"] = pa.array(texts, pa.string())
    table = pa.table(columns)
    assert given.output is not None
    tables.write(table.sort_by([("score", "descending")]) if sort else table, given.output)
    flagged = int(columns["anomaly"].sum())
    if given.common["as_json"]:
        screen.emit({"file": str(given.output), "steps": len(score), "flagged": flagged,
                     "threshold": float(detector.threshold_), "intervals": _listed(given, found)})  # fmt: skip
        return
    _show(given, found[:SHOWN])
    typer.echo(f"{given.output}: {screen.counted(len(score), 'step')}, {flagged:,} flagged")


def _ends(given: Track, stretch: Stretch) -> list[str]:
    ends = given.moments([stretch.rows[0], stretch.rows[-1]])
    return [moment(end) for end in (ends.to_pylist() if hasattr(ends, "to_pylist") else ends)]


def _listed(given: Track, found: list[Stretch]) -> list[dict[str, Any]]:
    made = []
    for stretch in found:
        first, last = _ends(given, stretch)
        told = {"from": first, "to": last, "channel": stretch.interval.channel, "score": stretch.interval.nats,
                "p_value": stretch.interval.p_value}  # fmt: skip
        made.append(told if stretch.series is None else {"series": str(stretch.series)} | told)
    return made


def _show(given: Track, found: list[Stretch]) -> None:
    if not found:
        return
    rows = [
        [*([] if s.series is None else [str(s.series)]), *_ends(given, s), f"{s.interval.nats:.3g}",
         f"{s.interval.p_value:.2g}", s.said()]
        for s in found
    ]  # fmt: skip
    name = given.roles["id"]
    heads = [*([] if name is None else [name]), "from", "to", "score", "p_value", "what"]
    typer.echo("the strangest intervals")
    screen.lines(heads, rows)
