"""What a report shows of a model of series: stretches beside what it makes of them, what is strange, new ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.faces.stretches import moment, stretches
from latently.faces.track import Track

__all__ = ["followed"]

ITEMS = 3  # series, or stretches of one, that are drawn
CHANNELS = 3  # of each
STEPS = 300  # of a stretch
PLACES = 300  # points of a chart of the whole
STRANGE = 20  # intervals in the table,
DRAWN = 4  # and in charts
AROUND = 75  # steps before and behind a strange interval
NEW = 4  # series drawn from a model


def followed(given: Track) -> dict[str, Any]:
    """Charts, the error of each channel, the strangest intervals or windows."""
    facts: dict[str, Any] = {"titles": {"columns": "Channels", "reconstruction": "Reconstruction by channel"}}
    if hasattr(given.estimator, "p_values"):
        facts["titles"]["strange"] = "Strangest intervals"
        return facts | _strange(given)
    facts["stretches"] = [*_beside(given), *_new(given)]
    if not given.estimator.data_.cropped:
        facts["reconstruction"] = _errors(given)
    return facts


def _errors(given: Track) -> dict[str, Any]:
    from latently.tasks.portrait import column_errors

    data = given.estimator.data_
    found = column_errors(given.estimator, given.estimator._batch(given.rows))
    columns = [
        {"name": name, **{who: _mean(found[who][data.kin == c]) for who in ("model", "pca")}}
        for c, name in enumerate(data.channels)
    ]
    note = "Of the windows of this table; PCA learned from these windows. The mean over the steps of a window."
    return {"columns": columns, "note": note}


def _beside(given: Track) -> list[dict[str, Any]]:
    from latently.tasks.portrait import retold

    estimator, data = given.estimator, given.estimator.data_
    changed = type(estimator).__name__ in ("Imputer", "Denoiser")
    made = estimator.transform(given.rows) if changed else retold(estimator, given.rows)
    before, after = data.tracks(given.rows).arrays, data.tracks(made).arrays
    name = {"Imputer": "filled", "Denoiser": "cleaned"}.get(type(estimator).__name__, "as its code tells it")
    charts = []
    for item, start, stop in _chosen([len(a) for a in before]):
        for c in range(min(CHANNELS, data.channels_)):
            old, new = before[item][start:stop, c], after[item][start:stop, c]
            charts.append(_chart(given, item, start, c, [("as it came", old, "c0"), (name, new, "c1")]))
    return charts


def _chosen(steps: list[int]) -> list[tuple[int, int, int]]:
    """Some series, or stretches of a single long one: item, first step, the step behind the last."""
    if len(steps) == 1:
        starts = np.linspace(0, max(0, steps[0] - STEPS), ITEMS if steps[0] > STEPS else 1).astype(int)
        return [(0, int(s), min(steps[0], int(s) + STEPS)) for s in starts]
    chosen = np.linspace(0, len(steps) - 1, min(ITEMS, len(steps))).astype(int)
    return [(int(i), 0, min(steps[i], STEPS)) for i in chosen]


def _chart(
    given: Track, item: int, start: int, channel: int, lines: list[tuple[str, NDArray[Any], str]]
) -> dict[str, Any]:
    """Lines over the steps of one series, and when these were."""
    length = len(lines[0][1])
    rows = given.places()[item]
    first, last = int(rows[start]), int(rows[start + length - 1])
    timed = given.roles["time"] is not None
    series = [str(c[0].as_py()) for c in given.named_at([first]).values()]
    title = ", ".join(
        [*series, given.estimator.data_.channels[channel], *([_when(given, first, last)] if timed else [])]
    )
    return {
        "title": title, "x": "step", "places": list(range(start, start + length)),
        "lines": [{"name": n, "values": v.tolist(), "look": look} for n, v, look in lines],
    }  # fmt: skip


def _when(given: Track, first: int, last: int) -> str:
    """From one row to another, by their times or numbers; a day that stays the same is named once."""
    ends = given.moments([first, last])
    start, stop = (moment(e) for e in (ends.to_pylist() if hasattr(ends, "to_pylist") else ends))
    day = start.partition(" ")[0]
    return f"{start} to {stop.removeprefix(f'{day} ')}"


def _new(given: Track) -> list[dict[str, Any]]:
    estimator = given.estimator
    if not hasattr(estimator, "sample") or type(estimator).__name__ == "Imputer":
        return []
    made = np.asarray(estimator.sample(NEW, random_state=0))
    made = made.reshape(NEW, made.shape[1], -1)[:, :STEPS]
    return [
        {"title": f"New series, {name}", "x": "step", "places": list(range(made.shape[1])),
         "lines": [{"name": f"{i + 1}", "values": made[i, :, c].tolist(), "look": f"c{i}"} for i in range(NEW)]}
        for c, name in enumerate(estimator.data_.channels[:CHANNELS])
    ]  # fmt: skip


# ---------------------------------------------------------------------- what is strange


def _strange(given: Track) -> dict[str, Any]:
    detector = given.estimator
    score = -detector.score_samples(given.rows)
    found = stretches(given, detector, STRANGE)[:STRANGE]
    charts = _whole(given, score, found)
    for stretch in found[:DRAWN]:
        charts += _around(given, stretch)
    counts, edges = np.histogram(score, 40)
    strange = {
        "rows": [_row(given, stretch, detector.threshold_) for stretch in found],
        "score_name": "strangeness (nats)", "threshold": float(detector.threshold_), "item": "step",
        "scores": {"counts": counts.tolist(), "edges": edges.tolist()},
        "flagged": int((score > detector.threshold_).sum()), "total": len(score),
        "note": "The row is that of the table at which the interval begins.",
    }  # fmt: skip
    return {"stretches": charts, "strange": strange}


def _row(given: Track, stretch: Any, threshold: float) -> dict[str, Any]:
    when = _when(given, stretch.rows[0], stretch.rows[-1])
    name, interval = given.roles["id"], stretch.interval
    keys = {} if name is None else {name: stretch.series}
    told = {"column": interval.channel, "observed": interval.observed, "expected": interval.expected}
    share = interval.channels[interval.channel]
    return {
        "row": stretch.rows[0], "keys": keys | {"when": when}, "score": interval.nats,
        "p": interval.p_value, "flag": interval.nats > threshold, "reasons": [told | {"share": share}],
    }  # fmt: skip


def _whole(given: Track, score: NDArray[Any], found: list[Any]) -> list[dict[str, Any]]:
    """The score along the series that hold the strangest intervals, each place the greatest of the steps there."""
    line, charts = float(given.estimator.threshold_), []
    places = given.places()
    items = list(dict.fromkeys(_item(places, s.rows[0]) for s in found))[:ITEMS] or [0]
    for item in items:
        own = score[places[item]]
        step = -(-len(own) // PLACES)
        starts = np.arange(0, len(own), step)
        tops = np.maximum.reduceat(own, starts)
        chart = _chart(given, item, 0, 0, [("score", own, "ours")])
        name = next((str(c[0].as_py()) for c in given.named_at([int(places[item][0])]).values()), "")
        charts.append(chart | {
            "title": ", ".join(t for t in (name, "strangeness of every step (nats)") if t), "places": starts.tolist(),
            "lines": [{"name": "score", "values": tops.tolist(), "look": "ours"},
                      {"name": "flagged above", "values": [line] * len(starts), "look": "pca"}],
            "spans": _flagged(own > line),
        })  # fmt: skip
    return charts


def _item(places: list[Any], row: int) -> int:
    return next(i for i, rows in enumerate(places) if row in rows)


def _flagged(mask: NDArray[np.bool_]) -> list[list[int]]:
    ends = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [[int(a), int(b)] for a, b in zip(ends[::2], ends[1::2], strict=True)]


def _around(given: Track, stretch: Any) -> list[dict[str, Any]]:
    """The channel that tells most, with the interval marked."""
    data, interval = given.estimator.data_, stretch.interval
    item = _item(given.places(), stretch.rows[0])
    whole = data.tracks(given.rows).arrays[item]
    start, stop = max(0, interval.start - AROUND), min(len(whole), interval.stop + AROUND)
    channel = data.channels.index(interval.channel)
    chart = _chart(given, item, start, channel, [(interval.channel, whole[start:stop, channel], "c0")])
    return [chart | {"spans": [[interval.start, interval.stop]]}]


def _mean(values: NDArray[Any]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
