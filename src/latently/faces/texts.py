"""Texts given to a verb: the lines of a file, the files of a folder, a column of a table."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from latently.errors import BadParameter, FileProblem
from latently.faces import screen, tables
from latently.faces.places import check_files
from latently.faces.rows import Rows

__all__ = ["Texts"]

TEXT = "text"  # the column that files and lines stand in
WORDS = 10  # of what a code tells of a text


@dataclass
class Texts(Rows):
    """Texts with what stands beside them. `reading` is a table; the model takes one column of it."""

    noun = "text"
    sort = "text"
    items = "texts"
    foreign = ("size", "types", "drop", "missing", "time", "skip")
    beside_model = ("id", "label")

    def check(self) -> None:
        """Raise on paths and options that cannot work together, and where there is no text."""
        super(Rows, self).check()
        if self.plain:
            check_files(self.data)
            if self.common.get("text"):
                raise BadParameter(f"--text names a column of a table, and {self.data} is text itself. Leave it out.")
        else:
            tables.check_input(self.data)

    @property
    def plain(self) -> bool:
        """Whether the file or folder is text itself, not a table with a column of it."""
        return self.data.is_dir() or self.data.name.lower().endswith((".txt", ".txt.gz")) or not self.data.exists()

    @functools.cached_property
    def reading(self) -> tables.Reading:
        """A table with the texts in a column."""
        if not self.plain:
            found = tables.examine(self.data, text=[self.common["text"]] if self.common.get("text") else [])
            for remark in [] if self.common.get("as_json") else found.remarks:
                screen.note(remark)
            return found
        import pyarrow as pa

        from latently.modalities.documents import documents, files_of

        files = files_of(self.data)
        if files is not None and not files:
            raise FileProblem(f"{self.data} leads to no text; texts in files of their own end in .txt.")
        texts = documents(self.data if files is None else files)
        what, names = ("line", list(range(1, len(texts) + 1))) if files is None else ("file", [str(p) for p in files])
        if not self.common.get("as_json"):
            screen.note(f"{self.data}: {screen.counted(len(texts), 'text')}, each a {what}")
        return tables.Reading(pa.table({what: names, TEXT: texts}), None, ())

    @functools.cached_property
    def named(self) -> str:
        """The column of texts."""
        columns = self.reading.table.column_names
        if self.plain:
            return TEXT
        given = self.common.get("text") or (getattr(self.estimator.data_, "column", None) if self.model else None)
        if given:
            return tables.select(
                self.data,
                columns,
                [given],
                "which --text names" if self.common.get("text") else "which the model was fitted on",
            )[0]
        import pyarrow.types as sorts

        table, roles = self.reading.table, {*self.common.get("id", []), *self.common.get("label", [])}
        words = [f.name for f in table.schema if sorts.is_string(f.type) or sorts.is_large_string(f.type)]
        found = [n for n in words if n not in roles]
        if len(found) != 1:
            listed = ", ".join(found) or "none"
            raise BadParameter(
                f"--text COLUMN is missing: which column of {self.data} is text? Columns of words: {listed}."
            )
        return str(found[0])

    @functools.cached_property
    def rows(self) -> list[str]:
        """The texts."""
        return [t or "" for t in self.reading.table.column(self.named).to_pylist()]

    def learned(self) -> Any:
        """The texts."""
        return self.rows

    def keys(self) -> dict[str, Any]:
        """Identifiers and labels as they stand, names of files, else numbers of lines."""
        table = self.reading.table
        if self.plain:
            return {n: table.column(n) for n in table.column_names if n != TEXT}
        wanted = [*self.common.get("id", []), *self.common.get("label", [])]
        tables.select(self.data, table.column_names, wanted, "which --id or --label names")
        return {n: table.column(n) for n in wanted} or {"row": list(range(table.num_rows))}

    def column(self, role: str) -> Any:
        """The column that was given this role (the first), or None."""
        names = list(self.common.get(role, []))
        return self.reading.table.column(names[0]) if names else None

    @property
    def label_name(self) -> str:
        """What the column of labels is called."""
        return next(iter(self.common.get("label", [])), "")

    def names(self) -> list[Any]:
        """The first column that --id names, names of files, numbers of lines, else of rows."""
        return list(self.reading.table.column(0).to_pylist()) if self.plain else super().names()

    def modality(self) -> Any:
        """Text."""
        from latently.modalities.text import Text

        return Text() if self.plain else Text(column=self.named)

    @property
    def learned_columns(self) -> int:
        """One, of texts."""
        return 1

    def told(self, estimator: Any) -> None:
        """Nothing: no column was left out by chance."""

    def written(self, made: list[str]) -> Any:
        """The table with other texts in the place of its own."""
        import pyarrow as pa

        table = self.reading.table
        if isinstance(made, list):
            return table.set_column(table.column_names.index(self.named), self.named, pa.array(made, pa.string()))
        return table.append_column(self._free("words"), pa.array(self._said(made), pa.string()))

    def _said(self, counts: Any) -> list[str]:
        """Of expected counts the words that are expected most, most first."""
        import numpy as np

        words = self.estimator.data_.names
        order = np.argsort(-counts, axis=1, kind="stable")[:, :WORDS]
        return [" ".join(words[j] for j in o if row[j] > 0) for o, row in zip(order, counts, strict=True)]

    def _free(self, name: str) -> str:
        names = self.reading.table.column_names
        return next(n for n in (name, *(f"{name}{i}" for i in range(2, len(names) + 3))) if n not in names)

    def hold_out(self, share: float) -> None:
        """Fit on a part of the texts; `rows` and `reading` are then the others."""
        super().hold_out(share)
        self.__dict__.pop("rows", None)
