"""Series given to a verb: a table whose rows are steps in time."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

from latently.errors import BadParameter
from latently.faces import screen, tables
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

    @functools.cached_property
    def roles(self) -> dict[str, str | None]:
        """The columns of time and id: those of the fit, or those named, or the only one of times."""
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
        return found | {"time": found["time"] or self._dated()}

    def _dated(self) -> str | None:
        """The column of times, where there is only one."""
        import pyarrow.types as sorts

        drop = self.common.get("drop", [])
        names = [f.name for f in self.reading.table.schema if sorts.is_temporal(f.type) and f.name not in drop]
        if len(names) != 1:
            return None
        if not self.common.get("as_json"):
            screen.note(f"{self.data}: column {names[0]!r} tells the time")
        return str(names[0])

    def _checked(self) -> list[str]:
        """The columns that are passed by; of the others, `BadParameter` on one that no channel can be."""
        import pyarrow.types as sorts

        table = self.reading.table
        passed = [*self.common.get("drop", []), *self.common.get("label", [])]
        tables.select(self.data, table.column_names, passed, "which --drop or --label names")
        for part in table.schema:
            if part.name in (*passed, *self.roles.values()):
                continue
            if sorts.is_temporal(part.type):
                raise BadParameter(f"column {part.name!r} holds times. Say --time {part.name}, or --drop {part.name}.")
            if sorts.is_string(part.type) or sorts.is_large_string(part.type):
                raise BadParameter(
                    f"column {part.name!r} of {self.data} holds words, and channels of a series hold numbers. "
                    f"Say --id {part.name} if it tells several series apart, or --drop {part.name}."
                )
        return passed

    def keys(self) -> dict[str, Any]:
        """Series and time of each step, and labels as they stand; else the number of the step."""
        table = self.reading.table
        names = [n for n in (self.roles["id"], self.roles["time"], *self.common.get("label", [])) if n is not None]
        return {n: table.column(n) for n in names if n in table.column_names} or {"step": list(range(table.num_rows))}

    def coded_keys(self) -> dict[str, Any]:
        """Which steps of which series each window holds: its series, and the first and last of its steps."""
        import numpy as np

        windows, rows = self.estimator.data_.windows(self.rows), self.places()
        item, start = windows.item, windows.start
        stop = np.minimum(start + windows.length, windows.steps[item]) - 1
        first, last = ([int(rows[i][s]) for i, s in zip(item, ends, strict=True)] for ends in (start, stop))
        return self.named_at(first) | {"first": self.moments(first), "last": self.moments(last)}

    def places(self) -> list[Any]:
        """Of every series the rows of the table that are its steps, in their order."""
        import numpy as np

        table = self.reading.table
        return list(self.estimator.data_.tracks(self.rows).rows or [np.arange(table.num_rows)])

    def named_at(self, rows: list[int]) -> dict[str, Any]:
        """The series of some rows, where a column tells."""
        name = self.roles["id"]
        return {} if name is None else {name: self.reading.table.column(name).take(rows)}

    def moments(self, rows: list[int]) -> Any:
        """When some rows were; without times, which they are."""
        time = self.roles["time"]
        return rows if time is None else self.reading.table.column(time).take(rows)

    @property
    def coded_count(self) -> int:
        """Windows."""
        return len(self.estimator.data_.windows(self.rows))

    def column(self, role: str) -> Any:
        """The column that was given this role (the first), or None; windows have no label."""
        name = self.roles.get(role)
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
        columns = [
            list(c.to_pylist() if hasattr(c, "to_pylist") else c) for n, c in self.coded_keys().items() if n != "last"
        ]
        return [" ".join(map(str, row)) for row in zip(*columns, strict=True)]

    def asked(self) -> list[Any]:
        """The same."""
        return self.names()

    def picture(self, i: int) -> Any:
        """The lines of a window, each channel between the least and the greatest of the fit."""
        from latently.faces.sheets import plotted

        data = self.estimator.data_
        windows = data.windows(self.rows)
        a, whole = int(windows.start[i]), data.tracks(self.rows).arrays[windows.item[i]]
        low, high = (end.reshape(len(data.channels), -1) for end in data.bounds())
        return plotted(whole[a : a + windows.length], low.min(1), high.max(1))

    def beside(self) -> dict[str, Any]:
        """Nothing: what windows there are is known after the fit."""
        return {}

    def fitted(self, settings: tuple[str, ...] = (), **chosen: Any) -> Any:
        """A fresh estimator; an index then names its windows."""
        made = super().fitted(settings, **chosen)
        if self.task == "SearchIndex":
            import numpy as np

            self.__dict__["estimator"] = made
            made.names_ = np.array(self.names(), object)
        return made

    def hold_out(self, share: float) -> None:
        """Fit on the first series, or the first steps of one; `rows` and `reading` are then the others."""
        import numpy as np

        whole, column = self.reading, self.column("id")
        table = whole.table
        places = np.unique(column.to_numpy(), return_inverse=True)[1] if column is not None else np.zeros(0, int)
        count = int(places.max(initial=0)) + 1
        kept = max(1, round((1 - share) * count))
        first = places < kept if count > 1 else np.arange(table.num_rows) < round((1 - share) * table.num_rows)
        self.__dict__["reading"] = replace(whole, table=table.take(np.flatnonzero(first)))
        _ = self.estimator
        self.__dict__["reading"] = replace(whole, table=table.take(np.flatnonzero(~first)))
        if count > 1:
            screen.note(f"fitted on {kept} series, judged on the other {count - kept}")
        else:
            screen.note(f"fitted on the first {int(first.sum()):,} steps, judged on the other {int((~first).sum()):,}")

    def modality(self) -> Any:
        """Series, by the roles that were given."""
        from latently.modalities.series import Series

        return Series(time=self.roles["time"], id=self.roles["id"], drop=self._checked())

    @property
    def learned_columns(self) -> int:
        """How many channels the model knows."""
        return len(self.estimator.data_.channels)

    def told(self, estimator: Any) -> None:
        """Nothing: no column was left out by chance."""
