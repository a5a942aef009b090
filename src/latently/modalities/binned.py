"""Tables whose every column is one of levels, numbers too, so that a cell can be drawn by its probabilities."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter
from latently.modalities.base import Remember
from latently.modalities.columns import Column, cells, restored
from latently.modalities.frames import source
from latently.modalities.natural import likelihood
from latently.modalities.rows import Rows
from latently.modalities.table import Table
from latently.parts.doors import Door
from latently.parts.likelihoods import Likelihood
from latently.values import Batch

__all__ = ["Binned"]

Matrix = NDArray[np.float64]

BINS = 64  # of a column of numbers, about as many rows in each
EACH = 8  # rows in a bin, at least, of small tables
MOST = 8192  # bins of all columns together: a table of a thousand has 8 each
KNOTS = 9  # quantiles kept of a bin, ends among them
RATE, STEPS = 3e-3, 4000
PLAIN = re.compile(r"u?int\d+|float|double|halffloat|(timestamp|duration)\[\w+\]")  # types known by such a name
DIGITS = 6  # behind the point: more is no resolution


class Binned(Table):
    """A `Table` as a walk from cell to cell reads it: what is drawn one cell after the other needs probabilities.

    Numbers are cut at quantiles; a value that makes up a bin by itself (no capital gain, forty hours) has one of its
    own, so do all where there are few. A draw takes a quantile within its bin, with as many digits behind the point as
    the column has. A missing cell is a fact like others, the level after the last.
    """

    walked: ClassVar[bool] = True
    loss: ClassVar[str] = "likelihood"
    quiet: ClassVar[tuple[str, ...]] = ("no better than the mean", "no better than PCA", "overfit")  # of bins
    readings: ClassVar[dict[str, str]] = {}
    cut_from: ClassVar[str] = "cell"

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """None: it is asked for by a job."""
        return False

    def fit(self, x: Matrix | Rows, weight: Matrix | None = None, natural: bool = False) -> Binned:
        """Learn bins, besides what a table learns."""
        super().fit(x, weight, natural)
        x = np.asarray(x)
        most = int(np.clip(min(MOST // max(self.cells, 1), len(x) // EACH), 4, BINS))
        mass = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64)
        parts = [np.empty((0, KNOTS)) if c.width else _bins(x[:, j], mass, most) for j, c in enumerate(self.learned)]
        self.counts = np.array([len(p) for p in parts])
        self.knots = np.concatenate(parts) if parts else np.empty((0, KNOTS))
        self.digits = np.array([0 if c.width else _digits(x[:, j]) for j, c in enumerate(self.learned)])
        self.masked = False
        return self

    def _of(self, j: int) -> Matrix:
        """Quantiles of each bin of the j-th column, `(bins, KNOTS)`."""
        end = int(self.counts[: j + 1].sum())
        return self.knots[end - self.counts[j] : end]

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels or bins of each column."""
        return tuple(c.width or int(n) for c, n in zip(self.learned, self.counts, strict=True))

    def door(self, masked: bool) -> Door:
        """One-hots, and the place of a number's bin among the others; always a mask, for what is not drawn yet."""
        bends = [(j, (n - 1) / 2, n / 2, 1.0) for j, n in enumerate(self.counts) if n > 1]
        return Door(self.levels, True, bends=bends)

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """Cross-entropy of every column, with a place for missing cells."""
        columns = [Column(str(j), "category", levels=tuple(range(n))) for j, n in enumerate(self.levels)]
        found = likelihood(columns, np.zeros(len(columns), bool), None)
        found.measured = False  # a code tells new rows cell by cell: how it gives back a whole row is no aim
        return found

    def limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The first and the last level."""
        last = torch.tensor(self.levels, dtype=torch.float32) - 1
        return torch.zeros_like(last), last

    def batch(self, x: NDArray[Any] | Rows, weight: Matrix | None = None) -> Batch:
        """Rows as places of levels and bins."""
        x = np.asarray(x, np.float64)
        places = np.empty(x.shape, np.float32)
        for j, n in enumerate(self.levels):
            column = x[:, j]
            if not self.learned[j].width:
                column = np.clip(np.searchsorted(self._of(j)[:, 0], column, "right") - 1, 0, None)
            places[:, j] = np.where(np.isnan(x[:, j]), n, column)
        rows = None if weight is None else torch.as_tensor(weight, dtype=torch.float32)
        return Batch(torch.from_numpy(places), None, weight=rows)

    def values(self, cells: torch.Tensor) -> Matrix:
        """Levels, and the median of a bin, in user units; NaN where missing."""
        return self._within(cells, np.full(cells.shape, 0.5))

    def drawn(self, cells: torch.Tensor, rng: torch.Generator) -> Matrix:
        """Levels, and a draw from each bin, in user units."""
        return self._within(cells, torch.rand(cells.shape, generator=rng, dtype=torch.float64).numpy())

    def _within(self, cells: torch.Tensor, share: Matrix) -> Matrix:
        places = cells.cpu().numpy().astype(np.int64)
        found = places.astype(np.float64)
        for j, n in enumerate(self.levels):
            if not self.learned[j].width:
                at = share[:, j] * (KNOTS - 1)
                low, knots = np.minimum(at.astype(np.int64), KNOTS - 2), self._of(j)[np.minimum(places[:, j], n - 1)]
                ends = np.take_along_axis(knots, np.stack([low, low + 1], 1), 1)
                drawn, step = ends[:, 0] + (at - low) * (ends[:, 1] - ends[:, 0]), self.scales_.step[j]
                found[:, j] = np.rint(drawn / step) * step if step else np.round(drawn, int(self.digits[j]))
            found[places[:, j] >= n, j] = np.nan
        low, high = self.bounds()
        return np.clip(found, low, high) if len(found) else found

    # ------------------------------------------------------------------ rows out

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """As a table, and what held the rows."""
        self.container_ = "pandas" if hasattr(data, "iloc") else type(data).__module__.split(".")[0]
        return super().learn(owner, data, weight, natural)

    def framed(self, values: Matrix) -> Any:
        """Rows as the fit had them: a frame of its library (pandas, polars, else pyarrow), or an array."""
        if not self.named_:
            return self.shown(values)
        import pyarrow as pa

        table = pa.table({c.name: _typed(c, values[:, j]) for j, c in enumerate(self.learned)})
        if self.container_ == "pandas":
            return table.to_pandas()
        if self.container_ == "polars":
            import polars

            return polars.from_arrow(table)
        return table

    # ------------------------------------------------------------------ what is asked for

    def fits(self, given: Any) -> bool:
        """Whether these rows have every learned column, so that they can come back completed."""
        return not self._absent(source(given))

    def asked(self, given: Any, count: int) -> Matrix:
        """Rows of user units from `{column: value or values}` or partly known rows; NaN where nothing is asked."""
        if not isinstance(given, Mapping):
            return self._partly(given)
        x = np.full((count, self.cells), np.nan)
        for name, value in given.items():
            if str(name) not in self.names:
                raise BadParameter(f"given: there is no learned column {name!r}; known: {', '.join(self.names[:20])}.")
            j = self.names.index(str(name))
            x[:, j] = self._cells_of(j, value, count)
        return x

    def _cells_of(self, j: int, value: Any, count: int) -> Matrix:
        import pyarrow as pa

        column = self.learned[j]
        many = np.ndim(value) == 1
        if many and len(value) != count:
            raise BadParameter(
                f"given: {column.name!r} has {len(value)} values for {count} rows; one, or one for each."
            )
        found = cells(column, pa.array(list(value) if many else [value], from_pandas=True))
        if column.width and (unseen := np.flatnonzero(found >= column.width)).size:
            raise BadParameter(
                f"given: {column.name!r} was never {(value[unseen[0]] if many else value)!r} in the fit; levels: "
                f"{', '.join(map(str, column.levels[:20]))}."
            )
        return found

    def _partly(self, given: Any) -> Matrix:
        """The learned columns of these rows, missing ones unknown; so is a level never seen."""
        found = source(given)
        if found.named and self.named_:
            at = {n: k for k, n in enumerate(found.names)}
            parts = [
                cells(c, found.arrow(at[c.name])) if c.name in at else np.full(found.shape[0], np.nan)
                for c in self.learned
            ]
            if not at.keys() & set(self.names):
                raise BadParameter(f"given has none of the columns of the fit: {', '.join(self.names[:20])}.")
            x = np.column_stack(parts)
        else:
            x = np.array(self.matrix(given), np.float64)
            if x.ndim != 2 or x.shape[1] != self.cells:
                raise BadData(f"given has shape {x.shape}; expected rows of {self.cells} columns, NaN where to draw.")
        for j, c in enumerate(self.learned):
            if c.width:
                x[x[:, j] >= c.width, j] = np.nan
        return x

    # ------------------------------------------------------------------ state

    def plan(self, rows: int) -> dict[str, Any]:
        """Fewer steps than others take, at a faster rate."""
        return {"learning_rate": RATE, "steps": STEPS}

    def state(self) -> dict[str, Any]:
        """Also the bins."""
        return {
            **super().state(), "bins.counts": self.counts, "bins.knots": self.knots, "bins.digits": self.digits,
            "container": self.container_,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> Binned:
        """Take back a state."""
        state = dict(state)
        self.container_ = state.pop("container")
        self.counts, self.knots, self.digits = (state.pop(f"bins.{n}") for n in ("counts", "knots", "digits"))
        super().restore(state)
        self.masked = False
        return self


def _typed(column: Column, values: Matrix) -> Any:
    """An Arrow array of the type that the column had in the fit, its levels in their order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = restored(column, values)
    if column.width and column.dtype.startswith("dictionary"):
        levels = pa.array(list(column.levels))
        return pa.DictionaryArray.from_arrays(pc.index_in(found, levels), levels, ordered=column.sort == "ordered")
    return found.cast(column.dtype, safe=False) if PLAIN.fullmatch(column.dtype) else found


def _bins(column: Matrix, mass: Matrix, most: int) -> Matrix:
    """Quantiles of each bin of the known cells, `(bins, KNOTS)`; one bin of NaN where nothing is known."""
    known = ~np.isnan(column)
    if not known.any():
        return np.full((1, KNOTS), np.nan)
    v, place = np.unique(column[known], return_inverse=True)
    share = np.bincount(place, mass[known]) / mass[known].sum()
    alone = share >= 1 / most if len(v) > most else np.ones(len(v), bool)
    rest = np.where(alone, 0.0, share)
    pieces = max(most - int(alone.sum()), 1) / max(rest.sum(), 1e-300)
    piece = np.where(alone, -1, np.floor((rest.cumsum() - rest / 2) * pieces))
    fresh = np.r_[True, alone[1:] | alone[:-1] | (piece[1:] != piece[:-1])]
    starts = np.flatnonzero(fresh)
    at = np.linspace(0.0, 1.0, KNOTS)
    found = np.empty((len(starts), KNOTS))
    for i, (a, b) in enumerate(zip(starts, [*starts[1:], len(v)], strict=True)):
        middle = share[a:b].cumsum() - share[a:b] / 2
        spread = (middle - middle[0]) / max(middle[-1] - middle[0], 1e-300)
        found[i] = np.interp(at, spread, v[a:b])
    return found


def _digits(column: Matrix) -> int:
    """Digits behind the point that all cells can be written with, `DIGITS` of more than that being 15."""
    known = column[~np.isnan(column)]
    size = np.abs(known).max(initial=0.0)
    for digits in range(DIGITS + 1):
        if (np.abs(np.round(known, digits) - known) <= 1e-14 * size).all():
            return digits
    return 15
