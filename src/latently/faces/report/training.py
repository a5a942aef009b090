"""How the fit went: held-out loss over the epochs, and what the loss was made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latently.faces.report.axes import finite
from latently.faces.report.charts import Frame, Series, area_chart, line_chart
from latently.faces.report.facts import Facts, Training
from latently.faces.report.markup import Html, clip, join, tag
from latently.faces.report.status import note, records
from latently.faces.report.words import duration, is_number, number

__all__ = ["training"]

MOST_TERMS = 8
MOST_FOLDS = 20
ENDED = {
    "schedule": "ran as long as planned",
    "patience": "stopped when the held-out loss no longer fell",
    "time": "stopped at its time limit",
    "diverged": "stopped because it left the finite numbers",
}


def training(facts: Facts) -> Html | None:
    """Two charts side by side where there is room."""
    given = facts.get("training")
    if not given:
        return None
    charts = [chart for chart in (_validation(given), _terms(given)) if chart is not None]
    lead, remark = _lead(given), note(given.get("note"))
    if not charts and not lead and not remark:
        return None
    return join(
        (lead and tag("p", lead, class_="lead"), tag("div", *charts, class_="charts") if charts else None, remark)
    )


def _lead(given: Training) -> str:
    epochs, stopped = finite(given.get("epochs", [])), str(given.get("stopped", ""))
    parts = [
        f"{number(max(epochs))} epochs" if epochs else "",
        f"in {duration(given['seconds'])}" if is_number(given.get("seconds")) and given["seconds"] else "",
    ]
    text = " ".join(p for p in parts if p)
    ended = f"It {ENDED.get(stopped, f'ended by {clip(stopped, 40)}')}." if stopped else ""
    start = "No epoch was better than the start, so that is what was kept." if epochs and not max(epochs) else ""
    return " ".join(p for p in (f"{text[:1].upper()}{text[1:]}." if text else "", ended, start) if p)


def _validation(given: Training) -> Html | None:
    epochs, values = list(given.get("epochs", [])), list(given.get("validation", []))
    epochs = epochs or [float(i) for i in range(len(values))]
    folds = [_fold(fold, i) for i, fold in enumerate(records(given.get("folds"))[:MOST_FOLDS])]
    main = Series("held-out loss", epochs, values, "ours") if finite(values) else _mean(folds)
    if main is None:
        return None
    text, place = _best(given.get("best"), epochs, main)
    seen = f"{len(folds)} folds as thin lines. " if folds else ""
    frame = Frame(
        "chart-validation", "Held-out loss", f"{seen}{text[:1].upper()}{text[1:]}", x="epoch",
        y=clip(given.get("loss") or "loss", 60), mark=place, mark_text=text,
    )  # fmt: skip
    return line_chart(frame, [*folds, main], log=True)


def _best(best: object, epochs: Sequence[float | None], line: Series) -> tuple[str, float | None]:
    place = epochs[best] if isinstance(best, int) and 0 <= best < len(epochs) else None
    if not is_number(place):
        return "", None
    value = dict(zip(line.x, line.y, strict=False)).get(place)
    return f"best: epoch {number(place)}" + (f", {number(value)}" if is_number(value) else ""), place


def _fold(fold: Any, i: int) -> Series:
    values = fold.get("validation", [])
    epochs = fold.get("epochs") or [float(j) for j in range(len(values))]
    return Series(f"fold {i + 1}", epochs, values, "fold", group="folds")


def _mean(folds: list[Series]) -> Series | None:
    """By look; a fold that stopped early stays at its last value, as it does where the best look is chosen."""
    known = [s for s in folds if finite(s.y)]
    if not known:
        return None
    longest = max(known, key=lambda s: len(s.y))
    looks = [finite(s.y[min(i, len(s.y) - 1)] for s in known) for i in range(len(longest.y))]
    means = [sum(v) / len(v) if len(v) == len(known) else None for v in looks]
    return Series("mean of the folds", longest.x, means, "ours")


def _terms(given: Training) -> Html | None:
    named = [(str(key), list(v)) for key, v in given.get("terms", {}).items() if isinstance(v, list) and finite(v)]
    if not named:
        return None
    named.sort(key=lambda term: -max(abs(v) for v in finite(term[1])))
    shown, rest = named[:MOST_TERMS], named[MOST_TERMS:]
    length = max(len(v) for _, v in named)
    if rest:
        total = [sum(finite(w for _, v in rest for w in v[i : i + 1])) for i in range(length)]
        shown.append((f"{len(rest)} others", total))
    epochs = list(given.get("epochs", [])) or [float(i) for i in range(length)]
    about = "The loss in training by its terms: " + ", ".join(clip(n, 30) for n, _ in shown)
    one = "Loss in training" if len(named) == 1 else "Loss in training, by its terms"
    return area_chart(
        Frame("chart-terms", one, about, x="epoch", y=clip(given.get("loss") or "loss", 60)), epochs, shown
    )
