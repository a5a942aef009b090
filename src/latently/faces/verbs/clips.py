"""What verbs do with sounds: results as folders of sounds, with a sheet of spectrograms and a table of the figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from latently.faces import screen
from latently.faces.clips import Clips
from latently.faces.recordings import Recordings
from latently.faces.verbs.albums import folder_of, judged, tell, unless_timed

__all__ = ["cleaned", "detect", "reconstruct"]

SHOWN = 24  # clips on a sheet
TOGETHER = 64  # clips that are computed at once,
SECONDS = 60.0  # or as many of their seconds: a long one comes alone


def blocks(source: Any) -> list[list[int]]:
    """The numbers of the clips, a few at a time."""
    found: list[list[int]] = []
    seconds = 0.0
    for i, length in enumerate(source.headers().seconds.tolist()):
        if not found or len(found[-1]) == TOGETHER or seconds + length > SECONDS:
            found.append([])
            seconds = 0.0
        found[-1].append(i)
        seconds += length
    return found


def cleaned(given: Clips, done: str, function: Any, stream: Any = None) -> None:
    """`function` of every clip into a folder; spectrograms of the first of them on a sheet, before and after.

    With `stream`, clips of over a minute are written as it gives them, and the sheet shows their first minute.
    """
    from latently.faces.spectrogram import spectrogram

    folder, source = folder_of(given), given.rows
    _ = given.estimator
    rates = source.rates.tolist()
    results, rows = Recordings(folder, source.names, own=("sheet.png",)), []
    with results.filling(len(source)):
        for block in blocks(source):
            if stream is not None and len(block) == 1 and source.lengths[block[0]] > SECONDS * rates[block[0]]:
                pairs = [_streamed(source, block[0], results, stream)]
            else:
                before = source.take(block)
                pairs = list(zip(before, function(before), strict=True))
                for i, (_, made) in zip(block, pairs, strict=True):
                    results.put_clip(source.names[i], made, rates[i])
            shown = zip(block, pairs, strict=True)
            rows += [[spectrogram(clip, rates[i]) for clip in pair] for i, pair in shown if i < SHOWN]
        results.sheet(rows, [[name, ""] for name in source.names[:SHOWN]], ["before", "after"])
    if given.common["as_json"]:
        screen.emit({"folder": str(folder), "clips": len(source)})
    else:
        typer.echo(f"{folder}: {screen.counted(len(source), 'clip')} {done}, and sheet.png to look at them")


def _streamed(source: Any, i: int, results: Recordings, stream: Any) -> tuple[Any, Any]:
    """The first minute of a long clip, before and after; all of it is written."""
    import numpy as np

    rate, first = int(source.rates[i]), list[Any]()
    most = int(SECONDS * rate)

    def passing() -> Iterator[Any]:
        for block in stream(source.take([i])):
            if sum(map(len, first)) < most:
                first.append(block[: most - sum(map(len, first))])
            yield block

    results.stream(source.names[i], passing(), rate, int(source.channels[i]), str(source.dtypes[i]))
    return next(source.blocks(i, most)), np.concatenate(first)


def reconstruct(given: Clips) -> None:
    """Every clip as its code tells it."""
    cleaned(given, "reconstructed", lambda clips: given.estimator.reconstruct(clips))


def detect(
    given: Clips,
    setting: str | None = None,
    alerts_per_day: float | None = None,
    explain: int = 3,
    sort: bool = False,
) -> None:
    """Scores in a table, a spectrogram with its heat beside each name, the strangest on a sheet."""
    from latently.faces.spectrogram import overlaid

    unless_timed(given, alerts_per_day)
    folder, columns, order, found = judged(given, setting, explain, sort)
    source, detector = given.rows, given.estimator
    results = Recordings(folder, source.names, own=("sheet.png", "scores.csv"))
    kept: dict[int, list[Any]] = {}
    with results.filling(len(source)):
        for block in blocks(source):
            some = source.take(block)
            for clip, i in zip(some, block, strict=True):
                seen, over = overlaid(clip, int(source.rates[i]), found.heat(i), detector)
                results.put(source.names[i], over, "-heat", ".png")
                if i in order[:SHOWN]:
                    kept[i] = [seen, over]
        names = [f"{columns['score'][i]:.3g}, p {columns['p_value'][i]:.3g}" for i in order[:SHOWN]]
        captions = [[source.names[i], words] for i, words in zip(order[:SHOWN], names, strict=True)]
        results.sheet([kept[int(i)] for i in order[:SHOWN]], captions, ["spectrogram", "heat"])
    tell(given, folder, columns, order, "heat of each")
