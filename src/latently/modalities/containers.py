"""What holds a table, to Arrow and back: arrays of numbers, and frames of pandas, polars and pyarrow, to the bit."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, UnsupportedInput

__all__ = ["arrow_of", "holds", "native"]

Rows = NDArray[np.int64]


class Container:
    """One sort of container. `registry` holds them by name."""

    registry: ClassVar[dict[str, type[Container]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Container.registry[cls.__name__.lower()] = cls

    @classmethod
    def takes(cls, data: Any) -> bool:
        """Whether `data` is one."""
        raise NotImplementedError

    @classmethod
    def arrow(cls, data: Any) -> tuple[Any, dict[str, Any]]:
        """Its Arrow table, and JSON values that `native` needs besides."""
        raise NotImplementedError

    @classmethod
    def native(cls, table: Any, form: dict[str, Any], rows: Rows | None) -> Any:
        """The container again, or `rows` of it, which are those of the table."""
        raise NotImplementedError


class Array(Container):
    """A numpy array of one or two dimensions."""

    @classmethod
    def takes(cls, data: Any) -> bool:
        return isinstance(data, np.ndarray) and data.ndim in (1, 2) and data.dtype.kind not in "OUSTV"

    @classmethod
    def arrow(cls, data: Any) -> tuple[Any, dict[str, Any]]:
        import pyarrow as pa

        if isinstance(data, np.ma.MaskedArray):
            raise BadData("got a masked array, whose mask would be lost; expected data.filled() or a frame with gaps.")
        if data.dtype.kind not in "biufmM" or data.dtype.itemsize > 8:
            raise BadData(f"arrays of {data.dtype} cannot be compressed; expected numbers of up to 64 bits.")
        data = np.asarray(data)
        form = {"dtype": data.dtype.str, "shape": list(data.shape)}
        wide = data.reshape(len(data), -1) if data.size else data.reshape(len(data), data[:1].size and data.shape[1])
        wide = wide.astype(data.dtype.newbyteorder("="))
        wide = wide.view(np.int64) if data.dtype.kind in "mM" else wide
        columns = [pa.array(np.ascontiguousarray(wide[:, j]), from_pandas=False) for j in range(wide.shape[1])]
        return pa.table(columns, names=[f"x{j}" for j in range(len(columns))]), form

    @classmethod
    def native(cls, table: Any, form: dict[str, Any], rows: Rows | None) -> Any:
        dtype = np.dtype(form["dtype"])
        shape = (table.num_rows if form["shape"][1:] != [0] else form["shape"][0], *form["shape"][1:])
        found = np.empty((shape[0], table.num_columns), np.int64 if dtype.kind in "mM" else dtype.newbyteorder("="))
        for j in range(table.num_columns):
            found[:, j] = table.column(j).to_numpy()
        return found.view(dtype.newbyteorder("=")).astype(dtype).reshape(shape)


class Arrow(Container):
    """A table or batch of pyarrow."""

    @classmethod
    def takes(cls, data: Any) -> bool:
        return type(data).__module__.split(".")[0] == "pyarrow" and hasattr(data, "schema")

    @classmethod
    def arrow(cls, data: Any) -> tuple[Any, dict[str, Any]]:
        import pyarrow as pa

        batch = isinstance(data, pa.RecordBatch)
        return (pa.Table.from_batches([data]) if batch else data), {"batch": batch}

    @classmethod
    def native(cls, table: Any, form: dict[str, Any], rows: Rows | None) -> Any:
        return table.combine_chunks().to_batches()[0] if form["batch"] and table.num_rows else table


class Pandas(Container):
    """A frame of pandas, with its index."""

    @classmethod
    def takes(cls, data: Any) -> bool:
        return hasattr(data, "iloc") and hasattr(data, "columns")

    @classmethod
    def arrow(cls, data: Any) -> tuple[Any, dict[str, Any]]:
        import pyarrow as pa

        if data.columns.has_duplicates:
            twice = data.columns[data.columns.duplicated()][0]
            raise BadData(f"column name {twice!r} stands more than once; rename the columns so that each is unique.")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what does not come back is refused below
                table = pa.Table.from_pandas(data)
        except (pa.ArrowException, ValueError, TypeError) as problem:
            raise _unheld(problem) from None
        for j, dtype in enumerate(data.dtypes):
            if isinstance(dtype, np.dtype) and dtype.kind == "f":  # NaN stays what it is, to its last bit
                values = pa.array(np.ascontiguousarray(data.iloc[:, j].to_numpy()), from_pandas=False)
                table = table.set_column(j, table.schema.field(j), values)
        form: dict[str, Any] = {"range": None, "freq": getattr(data.index, "freqstr", None)}
        if type(data.index).__name__ == "RangeIndex":
            form["range"] = [data.index.start, data.index.stop, data.index.step]
        again = cls.native(table, form, None)
        same = again.columns.equals(data.columns) and again.index.equals(data.index)
        odd = [c for c, a, b in zip(data.columns, again.dtypes, data.dtypes, strict=True) if a != b] if same else []
        odd = odd or [c for c in data.columns if same and not again[c].equals(data[c])]
        if odd or not same:
            where = f"column {odd[0]!r}" if odd else "the index or a column's name"
            raise BadData(
                f"{where} would not come back as it is. Make its cells one sort: astype(str) or convert_dtypes()."
            )
        return table, form

    @classmethod
    def native(cls, table: Any, form: dict[str, Any], rows: Rows | None) -> Any:
        import pandas as pd

        found = table.to_pandas()
        if form["range"] is not None:
            index = pd.RangeIndex(*form["range"], name=found.index.name)
            found.index = index if rows is None else index[rows]
        elif form["freq"] is not None and rows is None:
            found.index.freq = form["freq"]
        return found


class Polars(Container):
    """A frame of polars."""

    @classmethod
    def takes(cls, data: Any) -> bool:
        return type(data).__module__.split(".")[0] == "polars" and hasattr(data, "to_arrow")

    @classmethod
    def arrow(cls, data: Any) -> tuple[Any, dict[str, Any]]:
        if not hasattr(data, "columns"):
            raise UnsupportedInput("got a Series of polars; expected a frame: to_frame().")
        import polars

        empty = io.BytesIO()
        try:
            data.clear().write_ipc(empty)
            return data.to_arrow(), {"empty": empty.getvalue().hex()}
        except polars.exceptions.PolarsError as problem:
            raise _unheld(problem) from None

    @classmethod
    def native(cls, table: Any, form: dict[str, Any], rows: Rows | None) -> Any:
        import polars

        schema = polars.read_ipc(io.BytesIO(bytes.fromhex(form["empty"])), use_pyarrow=False).schema
        return polars.from_arrow(table, schema=schema)


def _unheld(problem: Exception) -> BadData:
    return BadData(f"a column holds what Arrow does not ({str(problem)[:99]}). Make its cells one sort.")


def holds(data: Any) -> type[Container] | None:
    """What kind of container this is, if it holds a table."""
    return next((c for c in Container.registry.values() if c.takes(data)), None)


def arrow_of(data: Any) -> tuple[Any, dict[str, Any]]:
    """The Arrow table of any container, each column in one piece, and what `native` needs to make it again."""
    found = holds(data)
    if found is None:
        raise UnsupportedInput(
            f"got {type(data).__name__}; expected an array of numbers of one or two dimensions, or a frame of pandas, "
            "polars or pyarrow. A column by itself: to_frame(); a lazy frame: collect(); lists: numpy.array(...)."
        )
    table, form = found.arrow(data)
    return table, {"sort": found.__name__.lower()} | form


def native(table: Any, form: dict[str, Any], rows: Rows | None = None) -> Any:
    """The container that `arrow_of` saw, or some of its rows."""
    make: Callable[..., Any] = Container.registry[form["sort"]].native
    return make(table, form, rows)
