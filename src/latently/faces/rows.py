"""A table given to a verb, and the roles of its columns."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from latently.errors import BadParameter, FileProblem
from latently.faces import screen, tables
from latently.faces.given import ROLES, Given

__all__ = ["Rows"]


@dataclass
class Rows(Given):
    """A table. `reading` is what was found in the file."""

    noun = "table"
    sort = "table"
    foreign: ClassVar[tuple[str, ...]] = ("size", "skip", "text")

    def check(self) -> None:
        """Raise on paths and options that cannot work together, and where there is no table."""
        super().check()
        tables.check_input(self.data)

    @functools.cached_property
    def reading(self) -> tables.Reading:
        """The table, read as the model needs it; how it was read is noted."""
        missing, text = self._how()
        found = tables.examine(self.data, missing, text=text)
        if not self.common.get("as_json"):
            told = [str(found.layout)] if found.layout is not None else []
            for remark in [*(f"{self.data}: {line}" for line in told), *found.remarks]:
                screen.note(remark)
        return found

    def _how(self) -> tuple[list[str], list[str]]:
        """Which cells mean a missing value, and in which columns they stay text."""
        if self.model is None:
            return list(self.common.get("missing", [])), []
        table = self.estimator.data_
        return [str(m) for m in table.missing], table.texts()

    @functools.cached_property
    def rows(self) -> Any:
        """The table's rows as the model takes them: columns in the order of the fit, others behind."""
        table = self.reading.table
        names = [str(n) for n in getattr(self.estimator, "feature_names_in_", [])]
        if not names:
            return self._unnamed(table)
        tables.select(self.data, table.column_names, names, "which the model was fitted on")
        return table.select([*names, *(n for n in table.column_names if n not in names)])

    def _unnamed(self, table: Any) -> Any:
        drop = self.common.get("drop", [])
        names = [n for n in table.column_names if n not in drop]
        if len(names) != self.estimator.n_features_in_:
            raise FileProblem(
                f"{self.data} has {len(names)} columns; the model was fitted on {self.estimator.n_features_in_}, "
                "without names. Give just those, in their order."
            )
        import numpy as np

        return np.column_stack([table.column(n).to_numpy() for n in names])

    def keys(self) -> dict[str, Any]:
        """Columns that tell rows apart: identifiers, labels and times, as they stand; else the number of the row."""
        table, columns = self.reading.table, self.estimator.data_.columns_
        names = [
            c.name
            for c in columns
            if c.role in ("id", "label", "time") or (c.sort == "identifier" and c.role != "dropped")
        ]
        found = {n: table.column(n) for n in names if n in table.column_names}
        return found or {"row": list(range(table.num_rows))}

    def column(self, role: str) -> Any:
        """The column of a role (the first), or None."""
        names = [c.name for c in self.estimator.data_.columns_ if c.role == role]
        return next((self.reading.table.column(n) for n in names if n in self.reading.table.column_names), None)

    @property
    def count(self) -> int:
        """Rows of the table."""
        return int(self.reading.table.num_rows)

    @property
    def label_name(self) -> str:
        """What the column of labels is called."""
        return next((c.name for c in self.estimator.data_.columns_ if c.role == "label"), "")

    def labels(self) -> Any:
        """The first column that --label names."""
        given = list(self.common.get("label", []))
        return self.reading.table.column(given[0]).to_numpy() if given else None

    def answers(self) -> list[Any]:
        """The labels as Python values, None where there is none."""
        return super().answers() and list(self.reading.table.column(self.common["label"][0]).to_pylist())

    def names(self) -> list[Any]:
        """The first column that --id names, else the numbers of the rows."""
        given = list(self.common.get("id", []))
        table = self.reading.table
        return table.column(given[0]).to_pylist() if given else list(range(table.num_rows))

    def learned(self) -> Any:
        """The whole table."""
        return self.reading.table

    def hold_out(self, share: float) -> None:
        """Fit on a part of the rows; `rows` and `reading` are then the others."""
        import numpy as np

        whole = self.reading
        order = np.random.default_rng(self.common.get("seed", 0)).permutation(whole.table.num_rows)
        count = max(1, round(share * len(order)))
        self.__dict__["reading"] = replace(whole, table=whole.table.take(np.sort(order[count:])))
        _ = self.estimator
        self.__dict__["reading"] = replace(whole, table=whole.table.take(np.sort(order[:count])))
        screen.note(f"fitted on {len(order) - count:,} rows, judged on the other {count:,}")

    def modality(self) -> Any:
        """The roles and sorts that were given."""
        from latently.modalities import Table

        names = self.reading.table.column_names
        roles = {role: tables.select(self.data, names, list(self.common.get(role, [])), f"which --{role} names")
                 for role in ROLES}  # fmt: skip
        pairs = [text.partition("=") for text in self.common.get("types", [])]
        for name, _, sort in pairs:
            if not name or not sort:
                raise BadParameter(f"--type {name}: expected NAME=SORT, such as --type zip=category.")
            tables.select(self.data, names, [name], "which --type names")
        return Table(**roles, types={name: sort for name, _, sort in pairs}, missing=self.common.get("missing", []))

    @property
    def learned_columns(self) -> int:
        """How many columns the model knows."""
        return len(self.estimator.data_.learned)

    def written(self, made: Any) -> Any:
        """What became of the rows as a table, its columns in the order of the table given."""
        import pyarrow as pa

        names = self.reading.table.column_names
        if not isinstance(made, pa.Table):
            return pa.table({n: made[:, j] for j, n in enumerate(names)})
        return made.select(names)

    def told(self, estimator: Any) -> None:
        """Which columns were left out, and how to keep them."""
        if self.common.get("as_json"):
            return
        left = [c for c in estimator.data_.columns_ if c.role == "left out"]
        for column in left[:8]:
            screen.note(
                f"column {column.name!r} is left out: {column.sort}, {column.why}. "
                f"To keep it: --type {column.name}=category"
            )
        if len(left) > 8:
            screen.note(f"{len(left) - 8} more columns are left out; latently info shows them")
