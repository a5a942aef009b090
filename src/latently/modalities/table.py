"""Tables as people have them: rows to batches and back, in user units and in the container they came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.modalities.columns import LEARNED, SORTS, Column, cells, infer, restored, without
from latently.modalities.drift import Drift, Reference
from latently.modalities.frames import Source, names_of, part, refuse_infinite, source
from latently.modalities.natural import cycles, likelihood
from latently.modalities.results import as_dtype
from latently.modalities.results import rebuilt as replaced
from latently.modalities.scales import Scales
from latently.parts.likelihoods import Likelihood
from latently.values import Batch

__all__ = ["Table"]

Matrix = NDArray[np.float64]
Names = str | Sequence[str]
COUNTED = ("number", "integer", "boolean")  # sorts that an array of numbers can hold


@dataclass
class Table:
    """Columns of any sort: numbers, integers, booleans, categories, ordered categories, dates and times, durations.

    Sorts are inferred. Texts that repeat are categories (up to 1,024 levels); identifiers and free texts are left out;
    `columns_` (and `latently info`) shows what was decided and why.

    `label`, `id`, `time`, `drop`: names of columns that are passed through and never learned. `types`: the sort of a
    column where the inferred one is wrong, as `{"zip": "category", "grade": "ordered"}`; one of number, integer,
    boolean, category, ordered, time, duration. `missing`: values that mean a missing cell, such as -999; missing cells
    themselves (None, NaN, NA) always do.
    """

    label: Names = ()
    id: Names = ()
    time: Names = ()
    drop: Names = ()
    types: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[Any] = ()

    # ------------------------------------------------------------------ reading

    def read(self, data: Any) -> Any:
        """Decide what each column holds; the learned ones as a matrix of float64 with NaN where missing."""
        found = source(data)
        roles = self._roles(found.names)
        if found.column is None and not self.types:
            self.columns_ = [Column(n, "number", roles.get(n, "learned")) for n in found.names]
        else:
            self.columns_ = [
                self._column(n, without(found.arrow(j), self.missing), roles.get(n), found.named)
                for j, n in enumerate(found.names)
            ]
        self.named_ = found.named
        if self.columns_ and not self.learned:
            what = "; ".join(f"{c.name!r}: {c.why or c.role}" for c in self.columns_[:4])
            raise BadData(f"no column is left to learn from ({what}). Set types={{'NAME': 'category'}} to keep one.")
        return self.matrix(data)

    def _roles(self, names: Sequence[str]) -> dict[str, str]:
        roles = {}
        for role in ("label", "id", "time", "drop"):
            given = getattr(self, role)
            for name in (given,) if isinstance(given, str) else given:
                if name not in names:
                    raise BadParameter(f"{role}={name!r}: there is no such column; columns: {', '.join(names[:20])}.")
                roles[name] = "dropped" if role == "drop" else role
        for name, sort in self.types.items():
            if name not in names:
                raise BadParameter(f"types: there is no column {name!r}; columns: {', '.join(names[:20])}.")
            if sort not in LEARNED:
                raise BadParameter(f"types: {name!r} cannot be {sort!r}; expected one of {', '.join(LEARNED)}.")
        return roles

    def _column(self, name: str, array: Any, role: str | None, named: bool) -> Column:
        if role is None:
            return infer(name, array, self.types.get(name), named)
        if role != "dropped":
            with suppress(UnsupportedInput):  # what is not learned may hold anything
                return replace(infer(name, array, self.types.get(name), named), role=role, levels=(), why="")
        return Column(name, SORTS[-1], role, str(array.type))

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
        arrays = [cells(c, without(found.arrow(j), self.missing)) for c, j in zip(learned, places, strict=True)]
        x = np.column_stack(arrays) if arrays else np.empty((0, 0))
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
        whole = len(found.names) == len(self.columns_)
        return (
            [j for j, c in enumerate(self.columns_) if c.learned]
            if whole and len(self.learned) < len(self.columns_)
            else None
        )

    def part(self, data: Any) -> Any:
        """The columns of a frame that scikit-learn checks names against: the learned ones, or all it may miss."""
        found = names_of(data)
        if found is None or found == self.names:
            return data
        other = {c.name for c in self.columns_ if not c.learned}
        lacks = bool(set(self.names) - set(found))
        return part(data, [n for n in found if n not in other] if lacks else self.names)

    # ------------------------------------------------------------------ scaling

    def fit(self, x: Matrix, weight: Matrix | None = None, natural: bool = False) -> Table:
        """Learn scales and bounds from the rows of `read`, each once, with `weight`."""
        if not getattr(self, "columns_", None):
            self.read(x)
        self.scales_ = Scales().fit(x, weight, self.learned, natural, self.named_)
        self.reference_ = Reference.of(x, weight, self.learned)
        self.masked = self.scales_.masked
        return self

    def drift(self, data: Any) -> list[Drift]:
        """Every learned column of these rows beside the rows of the fit."""
        scales = self.scales_
        return self.reference_.compare(np.asarray(self.matrix(data)), self.learned, scales.low, scales.high)

    @property
    def cells(self) -> int:
        """Numbers a row: one a learned column."""
        return len(self.learned)

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of each learned column, 0 for a number."""
        return tuple(c.width for c in self.learned)

    def cycles(self) -> list[tuple[int, float, float]]:
        """(column, period, phase) of days, weeks and years in columns of times, in model units."""
        return cycles(self.learned, self.scales_)

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """What suits these columns: `numbers` (normal with a learned spread, if None), and cross-entropy."""
        return likelihood(self.learned, self.scales_.binary, numbers)

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Least and greatest value of each column in model units."""
        low, high = self.scales_.limits()
        return torch.as_tensor(low, dtype=torch.float32), torch.as_tensor(high, dtype=torch.float32)

    def batch(self, x: Matrix, weight: Matrix | None = None) -> Batch:
        """Rows in model units; what no row of the fit knew stays unknown."""
        units = self.scales_.apply(x)
        units[:, self.scales_.empty] = np.nan
        for j, column in enumerate(self.learned):
            if column.sort == "ordered":  # a level never seen has no place in the order
                units[units[:, j] >= column.width, j] = np.nan
        with np.errstate(over="ignore"):
            cells = torch.from_numpy(units.astype(np.float32)).clone()  # aligned: products repeat to the bit
        if not bool((total := cells.sum(dtype=torch.float64)).isfinite()) and bool(cells.isinf().any()):
            row, column = (int(i) for i in cells.isinf().nonzero()[0])
            raise BadData(
                f"row {row}, column {column} holds {x[row, column]:.3g}, further from the rows of the fit than float32 "
                "can say. Check its unit, or put NaN for what is no measurement."
            )
        gaps = torch.isnan(cells) if bool(total.isnan()) else None
        rows = None if weight is None else torch.from_numpy(weight.astype(np.float32))
        return Batch(
            cells if gaps is None else cells.masked_fill(gaps, 0.0), None if gaps is None else ~gaps, weight=rows
        )

    def values(self, cells: torch.Tensor) -> Matrix:
        """Cells in user units: numbers, places of levels, seconds."""
        return self.scales_.undo(cells.cpu().numpy().astype(np.float64))

    def shown(self, values: Matrix) -> NDArray[Any]:
        """Values for people, without a container to follow: numbers as they are, else objects (levels, dates)."""
        if all(c.sort in ("number", "integer") for c in self.learned):
            return values
        columns = [restored(c, values[:, j]).to_pylist() for j, c in enumerate(self.learned)]
        return np.array(columns, dtype=object).T

    def rebuilt(self, values: Matrix, like: Any, changed: NDArray[np.bool_] | None = None) -> Any:
        """`like` with its learned columns replaced by `values`; with `changed`, only in those cells.

        Container, names, index and dtypes are those of `like`, and so is every cell and column not replaced.
        """
        found = source(like)
        places = self._places(found) or list(range(self.cells))
        if found.named:
            names = [found.names[j] for j in places]
            columns = {n: restored(c, values[:, j]) for j, (n, c) in enumerate(zip(names, self.learned, strict=True))}
            masks = None if changed is None else {n: changed[:, j] for j, n in enumerate(names)}
            return replaced(like, columns, masks)
        if found.column is not None:
            made = np.array(like, dtype=object)
            for j, (place, column) in enumerate(zip(places, self.learned, strict=True)):
                fresh = np.array(restored(column, values[:, j]).to_pylist(), dtype=object)
                made[:, place] = fresh if changed is None else np.where(changed[:, j], fresh, made[:, place])
            return made
        array = np.asarray(found.numbers)
        whole = array.astype(np.float64)
        values = values.copy()
        for j, column in enumerate(self.learned):
            if column.width:  # its levels are numbers
                values[:, j] = restored(column, values[:, j]).to_numpy(zero_copy_only=False)
        whole[:, places] = values if changed is None else np.where(changed, values, whole[:, places])
        return as_dtype(whole, array.dtype if hasattr(found.numbers, "__array__") else np.float64)

    # ------------------------------------------------------------------ what was decided

    def texts(self) -> list[str]:
        """Columns whose cells are texts, and stay so when a file is read."""
        return [c.name for c in self.columns_ if c.levels and isinstance(c.levels[0], str)]

    def objects(self, j: int, values: Matrix) -> list[Any]:
        """Cells of the j-th learned column as Python values; None where missing, and for a level never seen."""
        column = self.learned[j]
        seen = np.where(values >= column.width, np.nan, values) if column.width else values
        found = restored(column, seen).to_pylist()
        whole = column.sort == "integer"
        return [int(v) for v in found] if whole and None not in found else found

    def schema(self) -> list[dict[str, Any]]:
        """Every column as JSON values: name, sort, role, levels or range, how it is scaled, why."""
        shown, scales, j = [], self.scales_, 0
        for column in self.columns_:
            told: dict[str, Any] = {"name": column.name, "sort": column.sort, "role": column.role, "why": column.why}
            if column.learned:
                ends = None if column.width or scales.empty[j] else (float(scales.low[j]), float(scales.high[j]))
                told |= {"levels": len(column.levels), "range": ends, "scaled": scales.words(j)}
                told["missing"] = float(scales.gaps[j])
                j += 1
            shown.append(told)
        return shown

    def options(self) -> dict[str, Any]:
        """What the user set."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def fresh(self) -> Table:
        """The options alone."""
        return replace(self)

    def state(self) -> dict[str, Any]:
        """All that was learned, as arrays and JSON values."""
        reference = {f"drift.{name}": v for name, v in vars(self.reference_).items()}
        columns = [c.data() for c in self.columns_]
        return {**self.scales_.state(), **reference, "columns": columns, "named": self.named_}

    def restore(self, state: dict[str, Any]) -> Table:
        """Take back a state."""
        state = dict(state)
        self.columns_ = [Column.of(c) for c in state.pop("columns")]
        self.named_ = state.pop("named")
        self.reference_ = Reference(*(state.pop(f"drift.{name}") for name in ("edges", "shares", "rows")))
        self.scales_ = Scales()
        vars(self.scales_).update(state)
        self.masked = self.scales_.masked
        return self
