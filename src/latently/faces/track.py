"""Series given to a verb: a table whose rows are steps in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latently.errors import BadParameter
from latently.faces import tables
from latently.faces.rows import Rows

__all__ = ["Track"]


@dataclass
class Track(Rows):
    """One long series, or several that a column of --id tells apart. `reading` is a table, a row a step."""

    noun = "table of series"
    sort = "series"
    items = "steps"
    coded = "windows"
    foreign = ("size", "skip", "text", "types")

    @property
    def rows(self) -> Any:
        """The whole table: a series knows its columns by name."""
        return self.reading.table

    def _how(self) -> tuple[list[str], list[str]]:
        return list(self.common.get("missing", [])), []

    def _roles(self) -> dict[str, str | None]:
        """The columns of time and id: those of the fit, or those that were named."""
        if self.model is not None:
            data = self.estimator.data_
            return {"time": data.time, "id": data.id}
        found: dict[str, str | None] = {}
        for role in ("time", "id"):
            given = list(self.common.get(role, []))
            if len(given) > 1:
                raise BadParameter(f"--{role}: of series it is one column; give it once.")
            tables.select(self.data, self.reading.table.column_names, given, f"which --{role} names")
            found[role] = given[0] if given else None
        return found

    def keys(self) -> dict[str, Any]:
        """Series and time of each step, and labels as they stand; else the number of the step."""
        table = self.reading.table
        names = [n for n in (self._roles()["id"], self._roles()["time"], *self._labels()) if n is not None]
        return {n: table.column(n) for n in names if n in table.column_names} or {"step": list(range(table.num_rows))}

    def _labels(self) -> list[str]:
        return list(self.common.get("label", []))

    def coded_keys(self) -> dict[str, Any]:
        """Which steps of which series each window holds: its series, and the first and last of its steps."""
        import numpy as np

        windows, table = self.estimator.data_.windows(self.rows), self.reading.table
        item, start = windows.item, windows.start
        stop = np.minimum(start + windows.length, windows.steps[item]) - 1
        rows = self.estimator.data_.tracks(self.rows).rows or [np.arange(table.num_rows)]
        first, last = ([int(rows[i][s]) for i, s in zip(item, ends, strict=True)] for ends in (start, stop))
        roles = self._roles()
        found = {} if roles["id"] is None else {roles["id"]: table.column(roles["id"]).take(first)}
        if roles["time"] is None:
            return found | {"first": first, "last": last}
        times = table.column(roles["time"])
        return found | {"first": times.take(first), "last": times.take(last)}

    def column(self, role: str) -> Any:
        """The column that was given this role (the first), or None; windows have no label."""
        name = self._roles().get(role)
        return None if name is None else self.reading.table.column(name)

    @property
    def label_name(self) -> str:
        """Windows have no label."""
        return ""

    def labels(self) -> Any:
        """Windows have no label."""
        return

    def names(self) -> list[Any]:
        """Each window by the series and step that it begins at."""
        keys = self.coded_keys()
        columns = [list(c.to_pylist() if hasattr(c, "to_pylist") else c) for n, c in keys.items() if n != "last"]
        return [" ".join(map(str, row)) for row in zip(*columns, strict=True)]

    def asked(self) -> list[Any]:
        """The same."""
        return self.names()

    def modality(self) -> Any:
        """Series, by the roles that were given."""
        from latently.modalities.series import Series

        roles = self._roles()
        return Series(time=roles["time"], id=roles["id"], drop=[*self.common.get("drop", []), *self._labels()])

    @property
    def learned_columns(self) -> int:
        """How many channels the model knows."""
        return len(self.estimator.data_.channels)

    def told(self, estimator: Any) -> None:
        """Nothing: no column was left out by chance."""
