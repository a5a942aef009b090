"""Explanations in the forms people use them in: a flat table, the nearest normal row, a plot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import UnsupportedInput
from latently.modalities.results import roomy
from latently.tasks.alerting import Alerting
from latently.tasks.draw import bars
from latently.tasks.judges import Columns, Reason
from latently.values import Batch

__all__ = ["Explaining", "beside_normal"]


class Explaining(Alerting, ABC):
    """A task that names, for every row, what makes it strange."""

    _judge: Any

    @abstractmethod
    def explain(self, X: Any, top: int = 3) -> Sequence[Sequence[Any]]:
        """For every row its reasons, most first."""

    @abstractmethod
    def _batches(self, X: Any) -> Iterator[Batch]:
        """Rows in model units, some at a time."""

    def explanations(self, X: Any, top: int = 3) -> Any:
        """The reasons of `explain` as one flat table, a line for each reason of each row, most first.

        Its columns are `row` (place in X, from 0), `rank` (from 1), the fields of a reason (of a table's rows `column`,
        `observed`, `expected`, `share`, `p_value`), and of the row as a whole `score`, that of `score_samples`, and
        `row_p_value`. A pandas frame for a pandas frame, each line under the index label of its row, for joins with X;
        else a dict of NumPy arrays, of objects where sorts are mixed. A row without a known cell has no line. One
        series has scores for its steps, so that `score` and `row_p_value` are left out.
        """
        found, scores = self.explain(X, top), self.score_samples(X)
        lines = [(row, rank, reason) for row, reasons in enumerate(found) for rank, reason in enumerate(reasons, 1)]
        names = [f.name for f in fields(type(lines[0][2]) if lines else Reason)]
        rows = np.array([row for row, _, _ in lines], np.int64)
        table: dict[str, Any] = {"row": rows, "rank": np.array([rank for _, rank, _ in lines], np.int64)}
        table |= {name: _column([getattr(reason, name) for *_, reason in lines]) for name in names}
        if len(scores) == len(found):
            table |= {"score": scores[rows], "row_p_value": self.p_values_of(scores)[rows]}
        if not hasattr(X, "iloc"):
            return table
        import pandas as pd

        return pd.DataFrame(table, index=X.index.take(rows) if len(X) == len(found) else None)

    def nearest(self, X: Any) -> Any:
        """For every row of a table the normal training row that is most like it, in user units, in the container of X.

        To choose from are the rows kept for distances (at most 8,192; 2,048 with "contaminated"; numbers within seven
        digits) that are not flagged themselves (the less strange half stays in any case); no row is its own. Nearness
        is that of the bent look at the numbers, where one cell far out does not drown the others. What the training row
        lacks is missing, a row without any known cell gets nothing, and columns not learned stay as they are in X.
        Raises `UnsupportedInput` where a row is no row of a table.
        """
        values = self._normal(X)
        return self.data_.rebuilt(values, roomy(X, self.data_.names, np.isnan(values)))

    def plot(self, X: Any, top: int = 8, ax: Any = None) -> Any:
        """Why the strangest row of `X` is strange, as bars on a matplotlib Axes: the share of each of `top` reasons.

        Beside each bar stand what was observed and what was expected. Give one row to see that one; `ax` is drawn on
        when given. Raises `MissingExtra` without matplotlib.
        """
        found, scores = self.explain(X, top), self.score_samples(X)
        worst = int(scores.argmin()) if len(scores) == len(found) else 0
        score, p = float(scores.min()), float(self.p_values_of([scores.min()])[0])
        named = f"{self.data_.item} {X.index[worst] if hasattr(X, 'iloc') and len(X) == len(found) else worst}"
        title = f"{named}: strangeness {-score:.3g}, p {p:.2g}"
        return bars([r.text() for r in found[worst]], [r.share for r in found[worst]], title, ax)

    def _normal(self, X: Any) -> NDArray[np.float64]:
        """Cells of the nearest normal rows, as numbers in user units, NaN where missing."""
        batches = self._batches(X)
        if not isinstance(self._judge, Columns):
            raise UnsupportedInput(
                f"nearest is for rows of a table; a {self.data_.item} was learned from here. Try explain(X)."
            )
        return _numbers(self.data_, self._judge.normal(batches, self.threshold_))


def beside_normal(detector: Explaining, X: Any) -> list[list[tuple[str, Any, Any]]]:
    """Of each row every column's name, its value, and that of the row which `nearest` finds; None where missing."""
    data, both = detector.data_, (_numbers(detector.data_, detector._batch(X)), detector._normal(X))
    cells = [[data.objects(j, values[:, j]) for j in range(data.cells)] for values in both]
    return [[(n, a[i], b[i]) for n, a, b in zip(data.names, *cells, strict=True)] for i in range(len(both[0]))]


def _numbers(data: Any, rows: Batch) -> NDArray[np.float64]:
    """Cells as numbers in user units, NaN where missing."""
    values = np.asarray(data.values(rows.x), np.float64)
    return values if rows.known is None else np.where(rows.known.cpu().numpy(), values, np.nan)


def _column(values: list[Any]) -> NDArray[Any]:
    """Numbers or texts as an array of their sort, anything else as objects."""
    sorts = {type(v) for v in values}
    if sorts <= {int, float} or sorts == {str}:
        return np.array(values)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
