"""A detector ready to judge rows or steps, its line drawn where so many alerts a day are."""

from __future__ import annotations

from typing import Any

from latently.errors import BadParameter
from latently.faces import tables
from latently.faces.given import Given
from latently.faces.rows import Rows

__all__ = ["detecting", "ready"]

DAY = 86400.0


def ready(given: Rows, setting: str | None, alerts_per_day: float | None) -> Any:
    """The detector that was given, or a fresh one."""
    assert given.output is not None
    tables.check_output(given.output, *(p for p in (given.model, given.data) if p is not None))
    detector = detecting(given, setting)
    if alerts_per_day is not None:
        count = min(round(alerts_per_day * _days(given)), given.count)
        detector.set_threshold(count=count, X=given.rows)
    return detector


def detecting(given: Given, setting: str | None) -> Any:
    """The detector that was given, or a fresh one of this setting."""
    if given.model is not None and setting is not None:
        raise BadParameter(f"--setting is for a fit, and {given.model} is fitted. Leave it out.")
    if given.model is None:
        common = given.common
        fresh = given.fitted(n_components=common["components"], kind=common["kind"], setting=setting)
        given.__dict__["estimator"] = fresh
    return given.estimator


def _days(given: Rows) -> float:
    """How many days the rows span, by the --time column or the first learned column of times."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = given.column("time")
    if column is None:
        names = [c.name for c in getattr(given.estimator.data_, "columns_", ()) if c.sort == "time"]
        column = given.reading.table.column(names[0]) if names else None
    if column is None or not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise BadParameter(
            "--alerts-per-day needs to know when rows happened: --time COLUMN, a column of dates or times."
        )
    ends = pc.min_max(column.cast(pa.timestamp("us")))
    return max(float((ends["max"].as_py() - ends["min"].as_py()).total_seconds()) / DAY, 1.0)
