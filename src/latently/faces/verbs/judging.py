"""Verbs that judge: detect, evaluate, report, monitor."""

from __future__ import annotations

from typing import Any

import typer

from latently.errors import BadParameter
from latently.faces import options, screen, tables
from latently.faces.given import Given, check_page_name
from latently.faces.rows import Rows
from latently.faces.verb import verb
from latently.faces.verbs import albums, clips, stretches
from latently.faces.verbs.alerts import ready

__all__ = ["detect", "evaluate", "monitor", "report"]

DRIFT = 3  # exit code


@verb("AnomalyDetector", options.ToEither, images=albums.detect, audio=clips.detect, series=stretches.detect)
def detect(
    given: Rows,
    setting: options.Setting = None,
    alerts_per_day: options.Alerts = None,
    explain: options.Explain = 3,
    sort: options.Sort = False,
) -> None:
    """Find rows, images, texts, clips or stretches of series unlike the others, and say why.

    Of a table or text, OUT has a line a row: identifiers, labels and times as they stand, `score` (in nats, higher is
    stranger), `p_value` (how often a normal row is at least as strange), `anomaly` (flagged or not) and reasons. Of
    series it has a line a step, and `reason` on the steps of the strangest intervals.

    Of images and sounds, OUT is a new folder: scores.csv, beside each name a map of heat that says where (of images a
    mask, too), and sheet.png with the strangest. Without MODEL a detector is fitted first, as by
    `latently fit --task detect`.

    Example: latently detect table.csv -o strange.csv --id key --sort
    """
    detector, rows = ready(given, setting, alerts_per_day), given.rows
    assert given.output is not None
    found = _judged(detector, rows, given.keys(), explain)
    if sort:
        found = found.sort_by([("score", "descending")])
    tables.write(found, given.output)
    flagged = int(sum(found.column("anomaly").to_pylist()))
    if given.common["as_json"]:
        screen.emit({"file": str(given.output), "rows": found.num_rows, "flagged": flagged,
                     "threshold": float(detector.threshold_)})  # fmt: skip
        return
    _strangest(found, given.items)
    typer.echo(f"{given.output}: {screen.counted(found.num_rows, given.items[:-1])}, {flagged:,} flagged")


def _judged(detector: Any, rows: Any, keys: dict[str, Any], explain: int) -> Any:
    import pyarrow as pa

    score = detector.score_samples(rows)
    columns: dict[str, Any] = {**keys, "score": -score, "p_value": detector.p_values_of(score)}
    columns["anomaly"] = score < detector.offset_
    if explain:
        reasons = [[_said(r, rows, i) for r in found] for i, found in enumerate(detector.explain(rows, top=explain))]
        for k in range(explain):
            texts = [r[k] if k < len(r) else None for r in reasons]
            columns[f"reason{k + 1}"] = pa.array(texts, pa.string())
    return pa.table(columns)


def _said(reason: Any, rows: Any, row: int) -> str:
    """A reason in words; a level that the model has never seen is spelled as the table has it."""
    text = str(reason.text())
    if not hasattr(rows, "column_names") or reason.observed is not None:
        return text
    return text.replace("never seen", f"{rows.column(reason.column)[row].as_py()} never seen", 1)


def _strangest(found: Any, items: str, most: int = 5) -> None:
    top = found.sort_by([("score", "descending")]).slice(0, most)
    names = [n for n in top.column_names if n not in ("anomaly",) and n != "reason3"][:6]
    rows = [[_short(top.column(n)[i].as_py()) for n in names] for i in range(top.num_rows)]
    screen.columns(f"the strangest {items}", names, rows)


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= 44 else text[:41] + "..."


@verb("any", images=True, audio=True)
def evaluate(given: Given) -> None:
    """Say how good a model is, beside what is simpler.

    Reconstruction beside the mean and PCA, what the code keeps, robustness; with labels (--label of a table, folders of
    images and sounds) also what the code is worth to a classifier or regression. Without MODEL one is fitted on 70 % of
    the data (of series: of several some, of one its first steps) and judged on the rest.

    Example: latently evaluate model.safetensors table.csv
    """
    if given.model is None:
        given.hold_out(0.3)
    import latently

    rows = given.rows
    label = given.column("label")
    found = latently.evaluate(given.estimator, rows, None if label is None else label.to_pylist())
    if given.common["as_json"]:
        screen.emit(found.to_dict())
    else:
        typer.echo(str(found))


@verb("any", options.ToPage, images=True, audio=True)
def report(given: Given) -> None:
    """Write a page about a model and its data.

    To be read in a browser: training, alarms, the map of codes; of a table columns and what was made of them, error a
    column, the strangest rows and why; of images and sounds (as spectrograms) reconstructions, what the code means,
    samples; of series charts, before and after, or the strangest intervals; of text topics and the strangest texts. One
    file, without network. Without MODEL one is fitted first.

    Example: latently report table.csv -o report.html
    """
    output = given.output
    assert output is not None
    check_page_name(output)
    tables.check_place(output, *(p for p in (given.model, given.data) if p is not None))
    from latently.faces.report import render
    from latently.faces.report.gather import facts_of

    page = render(facts_of(given))
    with tables.replacing(output) as part:
        part.write_text(page, encoding="utf-8")
    if given.common["as_json"]:
        screen.emit({"file": str(output), "bytes": len(page)})
    else:
        typer.echo(f"{output}: open it in a browser")


@verb("any", series=False, text=False)
def monitor(given: Rows) -> None:
    """Say whether new rows are still like those of the fit.

    Drift a column, cells out of range; of a detector also how strange rows are and how many are flagged, beside rows
    that were held out. Exit code 3 when something drifted.

    Example: latently monitor model.safetensors new.parquet
    """
    if given.model is None:
        raise BadParameter("monitor compares a table with the rows of a fit. Try: latently monitor MODEL DATA.")
    estimator, rows = given.estimator, given.rows
    columns = estimator.data_.drift(rows)
    drifted = [c for c in columns if c.drifted]
    found = estimator.drift(rows) if hasattr(estimator, "drift") else None
    if given.common["as_json"]:
        told = {} if found is None else found.told()
        screen.emit({"rows": given.count, "drifted": [c.column for c in drifted],
                     "columns": [vars(c) for c in columns], "alarms": told})  # fmt: skip
    else:
        _tell(given, columns)
        if found is not None:
            typer.echo(found.text())
        typer.echo(f"drifted: {', '.join(c.column for c in drifted)}" if drifted else "no column drifted")
    if drifted or (found is not None and found.drifted):
        raise typer.Exit(DRIFT)


def _tell(given: Rows, columns: list[Any], most: int = 20) -> None:
    worst = sorted(columns, key=lambda c: (not c.drifted, -c.index))[:most]
    rows = [
        (c.column, f"{c.index:.3f}", f"{100 * c.outside:.1f} %", f"{100 * c.missing:.1f} %",
         f"{100 * c.missing_then:.1f} %", "DRIFT" if c.drifted else "")
        for c in worst
    ]  # fmt: skip
    screen.columns(
        f"{given.data} beside the rows of the fit", ("column", "drift", "out of range", "missing", "then", ""), rows
    )
    if len(columns) > most:
        typer.echo(f"  and {len(columns) - most} columns that drifted less")
    typer.echo("drift: population stability index; under 0.1 little, over 0.25 much")
