"""What a table's columns hold, and the learned ones of any data as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from latently.errors import BadData
from latently.modalities.base import Modality
from latently.modalities.columns import Column, cells, without
from latently.modalities.frames import Source, names_of, part, refuse_infinite, source
from latently.modalities.roles import ROLES, Names, column_of, roles_of

__all__ = ["COUNTED", "Reader"]

COUNTED = ("number", "integer", "boolean")  # sorts that an array of numbers can hold


@dataclass
class Reader(Modality, abstract=True):
    """The options of a `Table`, and how its columns are read by them."""

    label: Names = ()
    id: Names = ()
    time: Names = ()
    drop: Names = ()
    types: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[Any] = ()

    def read(self, data: Any) -> Any:
        """Decide what each column holds; the learned ones as a matrix of float64 with NaN where missing."""
        found = source(data)
        roles = roles_of(found.names, {r: getattr(self, r) for r in ROLES}, self.types)
        if found.column is None and not self.types:
            self.columns_ = [Column(n, "number", roles.get(n, "learned")) for n in found.names]
        else:
            self.columns_ = [
                column_of(n, without(found.arrow(j), self.missing), roles.get(n), self.types.get(n), found.named)
                for j, n in enumerate(found.names)
            ]
        self.named_ = found.named
        if self.columns_ and not self.learned:
            what = "; ".join(f"{c.name!r}: {c.why or c.role}" for c in self.columns_[:4])
            raise BadData(f"no column is left to learn from ({what}). Set types={{'NAME': 'category'}} to keep one.")
        return self.matrix(data)

    @property
    def learned(self) -> list[Column]:
        """The columns that the model sees, in their order."""
        return [c for c in self.columns_ if c.learned]

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [c.name for c in self.learned]

    def matrix(self, data: Any) -> Any:
        """The learned columns as numbers: by name from a frame, by place from an array."""
        found, learned = source(data), self.learned
        places = self._places(found)
        if found.column is None and len(self.missing):
            numbers = np.asarray(found.numbers, dtype=np.float64)
            marks = [float(m) for m in self.missing if not isinstance(m, str)]
            found = replace(found, numbers=np.where(np.isin(numbers, marks), np.nan, numbers))
        if found.column is None and (len(found.shape) != 2 or all(c.sort in COUNTED for c in learned)):
            return found.numbers if places is None else np.asarray(found.numbers)[:, places]
        places = list(range(len(found.names))) if places is None else places
        if len(places) != len(learned) or self._absent(found):  # scikit-learn says it in its words
            return np.zeros((found.shape[0], len(places)))
        x = np.empty((found.shape[0], len(learned)) if learned else (0, 0))
        for i, (c, j) in enumerate(zip(learned, places, strict=True)):
            x[:, i] = cells(c, without(found.arrow(j), self.missing))
        refuse_infinite(x, self.names)
        return x

    def _absent(self, found: Source) -> list[str]:
        """Learned columns that a frame lacks."""
        return sorted(set(self.names) - set(found.names)) if found.named and self.named_ else []

    def refuse_absent(self, data: Any) -> None:
        """Raise `BadData` naming the first learned column that a frame lacks."""
        found = source(data)
        if absent := self._absent(found):
            raise BadData(f"column {absent[0]!r} of the fit is missing; columns: {', '.join(found.names[:20])}.")

    def _places(self, found: Source) -> list[int] | None:
        """Where the learned columns stand; None when there is nothing to choose."""
        if found.named and self.named_:
            at = {n: j for j, n in enumerate(found.names)}
            return [at[n] for n in self.names] if all(n in at for n in self.names) else None
        whole = len(found.names) == len(self.columns_) and len(self.learned) < len(self.columns_)
        return [j for j, c in enumerate(self.columns_) if c.learned] if whole else None

    def part(self, data: Any) -> Any:
        """The columns of a frame that scikit-learn checks names against: the learned ones, or all it may miss."""
        found = names_of(data)
        if found is None or found == self.names:
            return data
        other = {c.name for c in self.columns_ if not c.learned}
        lacks = bool(set(self.names) - set(found))
        return part(data, [n for n in found if n not in other] if lacks else self.names)
