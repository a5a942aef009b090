"""Tables as people have them: rows to batches and back, in user units and in the container they came in."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from latently.errors import BadData
from latently.modalities.base import Remember
from latently.modalities.bent import Bend, Bent
from latently.modalities.columns import Column, restored
from latently.modalities.drift import Drift, Reference
from latently.modalities.frames import names_of, numbers, refusals, refuse_infinite, source
from latently.modalities.natural import cycles, likelihood
from latently.modalities.reader import Reader
from latently.modalities.results import as_dtype, put
from latently.modalities.results import rebuilt as replaced
from latently.modalities.rows import Rows, placed, slices
from latently.modalities.scales import Scales
from latently.modalities.unread import tabular
from latently.parts.doors import Door
from latently.parts.likelihoods import Likelihood
from latently.values import Batch

__all__ = ["Table"]

Matrix = NDArray[np.float64]
PORTION = 2**19  # cells that are read together where rows are asked one after the other
WHOLE = 4096  # rows: no call of a network takes more at once
BENT = ("number", "integer", "duration")
COUNTED = ("number", "integer", "boolean")  # sorts that an array of numbers can hold


@dataclass
class Table(Reader):
    """Columns of any sort: numbers, integers, booleans, categories, ordered categories, dates and times, durations.

    Sorts are inferred. Texts that repeat are categories (up to 1,024 levels); identifiers and free texts are left out;
    `columns_` (and `latently info`) shows what was decided and why.

    `label`, `id`, `time`, `drop`: names of columns that are passed through and never learned. `types`: the sort of a
    column where the inferred one is wrong, as `{"zip": "category", "grade": "ordered"}`; one of number, integer,
    boolean, category, ordered, time, duration. `missing`: values that mean a missing cell, such as -999; missing cells
    themselves (None, NaN, NA) always do.
    """

    readings: ClassVar[dict[str, str]] = {"walk": "binned", "near": "directed"}
    cut_from: ClassVar[str] = "row"

    # ------------------------------------------------------------------ rows in, for an estimator

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Arrays of up to two dimensions, frames and lists of rows that no other modality takes."""
        return tabular(data)

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """Sorts, scales and bounds of the columns; the rows, equal ones merged."""
        x = numbers(owner, self.read(data))
        refuse_infinite(x, self.names if self.named_ else [])
        index, counts = placed(x, weight, np.float64)
        rows, few = Rows(x, index), x[:1].copy()
        self.fit(rows, counts, natural=natural)
        return self.batch(rows, counts), lambda: self._columns_of(owner, data, few, reset=True)

    def take(self, owner: Any, data: Any) -> Batch:
        """Rows in model units; other columns than those of the fit are refused."""
        return self.batch(self._rows(owner, data))

    def more(self, owner: Any, data: Any, weight: Any) -> Batch:
        """More rows to learn from, equal ones merged; other columns than those of the fit are refused."""
        x = self._rows(owner, data)
        index, counts = placed(x, weight, np.float64)
        return self.batch(Rows(x, index), counts)

    def portions(self, owner: Any, data: Any) -> Iterator[Batch]:
        """The same, `PORTION` cells at a time; a score takes no more memory than that."""
        x = self._rows(owner, data)
        step = max(1, PORTION // max(x.shape[1], 1) // WHOLE) * WHOLE
        return (self.batch(Rows(x[at], start=at.start)) for at in slices(len(x), step))

    def _rows(self, owner: Any, data: Any) -> NDArray[Any]:
        x = numbers(owner, self.matrix(data))
        self._columns_of(owner, data, x, reset=False)
        return x

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Which learned cells are missing, levels never seen not among them."""
        x = numbers(owner, self.matrix(data))
        refuse_infinite(x, self.names if self.named_ else [])
        return np.asarray(np.isnan(x))

    def _columns_of(self, owner: Any, data: Any, x: NDArray[Any], reset: bool) -> None:
        """Remember names and number of the learned columns, or hold the data to them."""
        if not reset and not hasattr(owner, "feature_names_in_"):  # scikit-learn knows no names but texts
            self.refuse_absent(data)
        with refusals():
            validate_data(owner, x if names_of(data) is None else self.part(data), reset=reset, skip_check_array=True)

    # ------------------------------------------------------------------ scaling

    def fit(self, x: Matrix | Rows, weight: Matrix | None = None, natural: bool = False) -> Table:
        """Learn scales and bounds from the rows of `read`, each once, with `weight`."""
        if not getattr(self, "columns_", None):
            self.read(np.asarray(x))
        self.scales_ = Scales().fit(x, weight, self.learned, natural, self.named_)
        self.reference_ = Reference.of(x, weight, self.learned)
        self.masked = self.scales_.masked
        return self

    def drift(self, data: Any) -> list[Drift]:
        """Every learned column of these rows beside the rows of the fit."""
        return self.reference_.compare(np.asarray(self.matrix(data)), self.learned, *self.bounds())

    @property
    def cells(self) -> int:
        """Numbers a row: one a learned column."""
        return len(self.learned)

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels of each learned column, 0 for a number."""
        return tuple(c.width for c in self.learned)

    def bend(self, rows: Batch) -> Bend | None:
        """How these columns of numbers are bent for a second look at the rows; None where there is nothing to bend."""
        scales = self.scales_
        lying = np.array([c.sort in BENT for c in self.learned]) & ~scales.coded & ~scales.binary
        which = lying & ~scales.empty & (scales.low < scales.high)
        return Bend.of(rows, which) if which.any() else None

    def bent(self, bend: Bend) -> Table:
        """The same columns for a network that sees them bent."""
        other = copy.copy(self)
        other.scales_ = Bent(self.scales_, bend)
        return other

    def door(self, masked: bool) -> Door:
        """One-hots of categories, turns of times, bent copies of heavy tails, a mask."""
        return Door(self.levels, self.masked or masked, cycles(self.learned, self.scales_), self.scales_.bends())

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """What suits these columns: `numbers` (normal with a learned spread, if None), and cross-entropy."""
        return likelihood(self.learned, self.scales_.binary, numbers)

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Least and greatest value of each column in model units."""
        low, high = (torch.as_tensor(end, dtype=torch.float32) for end in self.scales_.limits())
        return low, high

    def batch(self, x: NDArray[Any] | Rows, weight: Matrix | None = None) -> Batch:
        """Rows in model units; what no row of the fit knew stays unknown."""
        rows = Rows.of(x)
        ordered = [j for j, c in enumerate(self.learned) if c.sort == "ordered"]
        gappy = bool(ordered or self.scales_.empty.any())
        cells = torch.empty(rows.shape)  # aligned: products repeat to the bit
        for at in rows.by_rows():
            part, out = rows.take(at), cells[at]
            if not self.scales_.into(out, part):
                self._refuse_far(out, part, rows.start + at.start)
                gappy = True
            for j in ordered:
                out[:, j][out[:, j] >= self.learned[j].width] = torch.nan  # a level never seen has no place
        if self.scales_.empty.any():
            cells[:, torch.from_numpy(self.scales_.empty)] = torch.nan
        gaps = torch.isnan(cells) if gappy else None
        weights = None if weight is None else torch.from_numpy(weight.astype(np.float32))
        if gaps is None or not bool(gaps.any()):
            return Batch(cells, weight=weights)
        return Batch(cells.masked_fill_(gaps, 0.0), gaps.logical_not_(), weight=weights)

    def _refuse_far(self, cells: torch.Tensor, x: NDArray[Any], start: int) -> None:
        refuse_infinite(x, self.names if self.named_ else [], start)
        far = cells.isinf().nonzero()
        if not len(far):
            return
        row, column = (int(i) for i in far[0])
        raise BadData(
            f"row {start + row}, column {column} holds {x[row, column]:.3g}, further from the rows of the fit than "
            "float32 can say. Check its unit, or put NaN for what is no measurement."
        )

    def bounds(self) -> tuple[Matrix, Matrix]:
        """Least and greatest value of each column in user units."""
        return self.scales_.low, self.scales_.high

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
            fresh = [restored(c, values[:, j]).to_pylist() for j, c in enumerate(self.learned)]
            return put(np.array(like, dtype=object), places, np.array(fresh, dtype=object).T, changed)
        values = values.copy()
        for j, column in enumerate(self.learned):
            if column.width:  # its levels are numbers
                values[:, j] = restored(column, values[:, j]).to_numpy(zero_copy_only=False)
        array = np.asarray(found.numbers)
        whole = put(array.astype(np.float64), places, values, changed)
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
        return [int(v) for v in found] if column.sort == "integer" and None not in found else found

    def schema(self) -> list[dict[str, Any]]:
        """Every column as JSON values: name, sort, role, levels or range, how it is scaled, why."""
        shown, scales, j = [], self.scales_, 0
        for column in self.columns_:
            told: dict[str, Any] = {"name": column.name, "sort": column.sort, "role": column.role, "why": column.why}
            if column.learned:
                ends = None if column.width or scales.empty[j] else (float(scales.low[j]), float(scales.high[j]))
                told |= {"levels": len(column.levels), "range": ends, "scaled": scales.words(j)}
                told, j = told | {"missing": float(scales.gaps[j])}, j + 1
            shown.append(told)
        return shown

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
