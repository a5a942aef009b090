"""From a model and a table to the facts of a report."""

from __future__ import annotations

import math
import shlex
from typing import Any

import numpy as np

from latently.faces.album import Album
from latently.faces.clips import Clips
from latently.faces.given import Given
from latently.faces.report.album import pictured
from latently.faces.report.clips import heard
from latently.faces.report.fresh import made_up
from latently.faces.report.texts import told as told_of
from latently.faces.report.tracks import followed
from latently.faces.report.units import told as units
from latently.faces.rows import Rows
from latently.faces.texts import Texts
from latently.faces.told import COPIES, answered
from latently.faces.track import Track

__all__ = ["facts_of"]

STRANGE = 20
COMPARED = 30  # columns of a strange row that are shown beside a normal one's
BINS = 20
LEVELS = 5


def facts_of(given: Given) -> dict[str, Any]:
    """Every section that applies."""
    estimator = given.estimator
    told = estimator.summary()
    held = told["held_out"]
    if held is not None and held["pca"] <= COPIES * held["mean"]:
        held = {name: value for name, value in held.items() if name != "pca"}
    head = {
        "title": given.data.resolve().name, "task": told["task"], "kind": told["kind"], "rows": given.count,
        "items": given.items, "components": told["components"], "held_out": held,
    }  # fmt: skip
    facts: dict[str, Any] = {
        "head": head, "alarms": told["alarms"], "training": _training(estimator, told),
        "codes": {} if estimator.data_.cropped or estimator.data_.walked else _codes(given), "made": _made(given, told),
    }  # fmt: skip
    if isinstance(given, Album):
        facts |= pictured(given)
    elif isinstance(given, Clips):
        facts |= heard(given)
    elif isinstance(given, Texts):
        facts |= told_of(given)
    elif isinstance(given, Rows):
        head |= {"columns": given.reading.table.num_columns, "learned": told["columns"]}
        facts["columns"] = _columns(given)
        if estimator.data_.walked:
            facts |= made_up(given)
            head["verdict"] = facts.pop("verdict")
            return facts
        tabled = {"reconstruction": _reconstruction, "strange": _strange, "listings": _units}
        facts |= followed(given) if isinstance(given, Track) else {n: make(given) for n, make in tabled.items()}
    strange = facts.get("strange", {})
    if strange.get("flagged") is not None:
        what = f"{strange.get('item', 'row')}s"
        head["verdict"] = f"Flags {strange['flagged']:,} of {strange['total']:,} {what} as unlike the others."
    if judged := getattr(given.estimator, "judged_", None):
        head["verdict"] = f"On {judged['rows']:,} {given.items} with an answer, held out in turn: {answered(judged)}."
    if told["curve"] is not None:
        facts["sizes"] = told["curve"] | {"chosen": told["components"]}
    return facts


# ---------------------------------------------------------------------- columns


def _columns(given: Rows) -> list[dict[str, Any]]:
    table, found = given.reading.table, []
    for told in given.estimator.data_.schema():
        if told["name"] in table.column_names:
            found.append(_column(told, table.column(told["name"])))
    return found


def _column(told: dict[str, Any], cells: Any) -> dict[str, Any]:
    fact: dict[str, Any] = {n: told[n] for n in ("name", "sort", "role", "why")}
    fact |= {"missing": _missing(cells), "scaling": told.get("scaled")}
    if told["sort"] in ("category", "ordered", "boolean"):
        return fact | _levels(cells) | ({"level_count": told["levels"]} if told.get("levels") else {})
    if told.get("range") is not None:
        fact |= _range(told["sort"], cells)
    return fact


def _missing(cells: Any) -> float:
    import pyarrow.compute as pc

    return float(pc.sum(pc.is_null(cells, nan_is_null=True)).as_py() / max(len(cells), 1))


def _levels(cells: Any) -> dict[str, Any]:
    import pyarrow.compute as pc

    counts = pc.value_counts(cells.drop_null())
    pairs = sorted(zip(counts.field(1).to_pylist(), map(str, counts.field(0).to_pylist()), strict=True), reverse=True)
    total = max(sum(n for n, _ in pairs), 1)
    return {"levels": [{"name": name, "share": n / total} for n, name in pairs[:LEVELS]], "level_count": len(pairs)}


def _range(sort: str, cells: Any) -> dict[str, Any]:
    import pyarrow.compute as pc

    ends = pc.min_max(cells.drop_null())
    low, high = (ends[n].as_py() for n in ("min", "max"))
    if low is None:
        return {}
    if sort in ("time", "duration"):
        return {"low": str(low), "high": str(high)}
    values = np.asarray(cells.drop_null().to_numpy(), dtype=np.float64)
    counts, edges = np.histogram(values[np.isfinite(values)], BINS)
    return {"low": low, "high": high, "histogram": {"counts": counts.tolist(), "edges": edges.tolist()}}


# ---------------------------------------------------------------------- the fit


def _training(estimator: Any, told: dict[str, Any]) -> dict[str, Any]:
    history = estimator.history_
    columns = dict(history.columns)
    epochs, validation = columns.pop("epoch"), columns.pop("validation", [])
    step = epochs[1] - epochs[0] if len(epochs) > 1 else 1.0
    folds = [{"epochs": [step * i for i in range(len(f))], "validation": f} for f in history.folds]
    weights = estimator.model_.weights
    terms = {
        name: [v * (weights[name].value if name in weights else 1.0) for v in values]
        for name, values in columns.items()
        if any(math.isfinite(v) for v in values)
    }
    return {
        "epochs": epochs, "validation": validation, "best": history.best_look, "folds": folds, "terms": terms,
        "loss": told["loss"], "stopped": history.stopped, "seconds": history.seconds,
    }  # fmt: skip


def _made(given: Given, told: dict[str, Any]) -> dict[str, Any]:
    network = {"encoder": told["encoder"], "decoder": told["decoder"], "parameters": told["parameters"]}
    places = [given.model, given.data] if given.model else [given.data]
    words = ["latently", "report", *map(str, places), "-o", str(given.output), *given.flags()]
    command = shlex.join(words)
    return {"command": command, "options": told["options"], "versions": told["versions"], "network": network}


# ---------------------------------------------------------------------- the rows


def _reconstruction(given: Rows) -> dict[str, Any]:
    from latently.tasks.portrait import column_errors

    found, names = column_errors(given.estimator, given.estimator._batch(given.rows)), given.estimator.data_.names
    beside = max(found["pca"], default=0.0) > COPIES
    columns = [
        {"name": n, "model": float(m)} | ({"pca": float(p)} if beside else {})
        for n, m, p in zip(names, found["model"], found["pca"], strict=True)
    ]
    learned = "; PCA learned from these rows" if beside else ""
    note = f"of the rows of this table{learned}. A category counts as its one-hots."
    return {"columns": columns, "rows": given.reading.table.num_rows, "note": note}


def _codes(given: Given) -> dict[str, Any]:
    from latently.tasks.portrait import plane

    points, rows, how = plane(given.estimator, given.rows)
    total, item = given.coded_count, (given.coded or given.items)[:-1]
    fact = {
        "x": points[:, 0].tolist(),
        "y": points[:, 1].tolist(),
        "rows": rows.tolist(),
        "method": how.replace(" a row", f" a {item}"),
        "total": total,
        "item": item,
    }
    label = given.column("label")
    if label is not None:
        fact |= {"label": label.take(rows).to_pylist(), "label_name": given.label_name}
    return fact


def _units(given: Rows) -> list[dict[str, Any]]:
    keys = [(n, c) for n, c in given.keys().items() if n != "row"]
    return units(given, lambda row: ", ".join([f"row {row}", *(f"{n} {c[row]}" for n, c in keys)]))


def _strange(given: Rows) -> dict[str, Any]:
    if hasattr(given.estimator, "p_values"):
        return _judged(given)
    from latently.tasks.portrait import strangest

    keys = {n: c for n, c in given.keys().items() if n != "row"}
    rows = strangest(given.estimator, given.rows, STRANGE)
    for row in rows:
        row["keys"] = {n: c[row["row"]].as_py() for n, c in keys.items()}
    note = "Rows that the model reconstructs worst. `latently detect` also gives p-values and a threshold."
    return {"rows": rows, "score_name": "surprise", "total": given.reading.table.num_rows, "note": note}


def _judged(given: Rows) -> dict[str, Any]:
    detector, table = given.estimator, given.rows
    score = -detector.score_samples(table)
    worst = np.argsort(-score, kind="stable")[:STRANGE]
    few = table.take(worst) if hasattr(table, "take") and not isinstance(table, np.ndarray) else table[worst]
    p, reasons = detector.p_values(few), detector.explain(few, top=4)
    beside = _beside(detector, few, reasons)
    keys = {n: c for n, c in given.keys().items() if n != "row"}
    rows = [
        {"row": int(i), "keys": {n: c[int(i)].as_py() for n, c in keys.items()}, "score": float(score[i]),
         "p": float(p[k]), "flag": bool(score[i] > detector.threshold_),
         "reasons": [r.told() for r in reasons[k]], "normal": beside[k]}
        for k, i in enumerate(worst)
    ]  # fmt: skip
    counts, edges = np.histogram(score, 40)
    return {
        "rows": rows, "score_name": "strangeness (nats)", "threshold": float(detector.threshold_),
        "scores": {"counts": counts.tolist(), "edges": edges.tolist()},
        "flagged": int((score > detector.threshold_).sum()), "total": len(score),
    }  # fmt: skip


def _beside(detector: Any, few: Any, reasons: Any) -> list[list[dict[str, Any]]]:
    """Of each row its cells beside those of the nearest normal row, the reasons first."""
    from latently.tasks.explaining import beside_normal

    found = []
    for row, why in zip(beside_normal(detector, few), reasons, strict=True):
        first = {r.column: i for i, r in enumerate(why)}
        cells = sorted(row, key=lambda cell: first.get(cell[0], len(first)))[:COMPARED]
        found.append([{"column": n, "observed": seen, "normal": normal} for n, seen, normal in cells if why])
    return found
