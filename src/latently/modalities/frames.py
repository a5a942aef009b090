"""Data frames and arrays: numbers out, and results back in the container they came from."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, UnsupportedInput

__all__ = ["matrix", "names_of", "rebuilt", "refuse_infinite"]

Matrix = NDArray[np.float64]


def _frame(data: Any) -> nw.DataFrame[Any] | None:
    found = nw.from_native(data, pass_through=True)
    if isinstance(found, nw.LazyFrame):
        raise UnsupportedInput(
            f"got a lazy {type(data).__name__}; a fit needs the rows themselves: collect() it first."
        )
    return found if isinstance(found, nw.DataFrame) else None


def names_of(data: Any) -> list[str] | None:
    """Column names, None for what has none."""
    frame = _frame(data)
    return None if frame is None else [str(c) for c in frame.columns]


def matrix(data: Any) -> Matrix | Any:
    """A float64 matrix with NaN where a cell is missing; what is not a frame or text passes through."""
    if isinstance(data, (str, bytes)):
        raise UnsupportedInput(f"got {data!r}; expected rows: a 2-D array or a data frame. Read the file first.")
    if getattr(data, "ndim", 2) > 2:
        raise UnsupportedInput(
            f"got an array of shape {tuple(data.shape)}; tables are 2-D, (rows, columns). Images and series are not "
            "supported yet; data.reshape(len(data), -1) turns each item into a row."
        )
    if isinstance(data, np.ma.MaskedArray):
        return np.ma.filled(data.astype(np.float64), np.nan)
    if not hasattr(data, "collect"):  # a lazy frame would have to work out its columns
        _refuse_twins(data)
    frame = _frame(data)
    if frame is not None:
        columns = [_numbers(frame.get_column(name)) for name in frame.columns]
        return np.column_stack(columns) if columns else np.empty((len(frame), 0))
    array = np.asarray(data) if isinstance(data, (list, tuple)) else data
    if isinstance(array, np.ndarray) and array.dtype.kind in "OUS" and array.ndim == 2:
        _refuse_text(array)
    return data


def _refuse_twins(data: Any) -> None:
    names = list(getattr(data, "column_names", getattr(data, "columns", [])))
    twice = sorted({str(n) for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise BadData(f"column name {twice[0]!r} stands more than once; rename the columns so that each is unique.")


def _numbers(column: nw.Series[Any]) -> NDArray[np.float64]:
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        return np.asarray(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
    cells = np.empty(len(column))
    for row, value in enumerate(column.to_list()):
        try:
            cells[row] = np.nan if _missing(value) else _number(value)
        except (TypeError, ValueError):
            raise BadData(
                f"column {column.name!r} holds {column.dtype}, such as {value!r} in row {row}; this version takes "
                "numbers. Drop the column, or encode it as numbers first."
            ) from None
    return cells


def _missing(value: Any) -> bool:
    """None, NaN, and what pandas calls NA, which refuses to be true or false."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        return True
    except ValueError:  # an array
        return False


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes)):
        raise TypeError(value)
    return float(value)


def _refuse_text(data: NDArray[Any]) -> None:
    for row, cells in enumerate(data):
        for column, value in enumerate(cells):
            if isinstance(value, (str, bytes)):
                try:
                    float(value)
                except ValueError:
                    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
                    raise BadData(
                        f"row {row}, column {column} holds the text {text!r}; this version takes numbers. "
                        "Drop the column, or encode it as numbers first."
                    ) from None


def refuse_infinite(x: Matrix, names: list[str] | None) -> None:
    """Raise `BadData` naming the first infinite cell."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(x.sum()) or not np.isinf(x).any():
            return
    row, column = (int(i) for i in np.argwhere(np.isinf(x))[0])
    where = f"{names[column]!r}" if names else str(column)
    raise BadData(
        f"row {row}, column {where} is inf ({x[row, column]}); expected finite numbers or NaN for a missing cell. "
        "Replace infinity by NaN, or remove the row."
    )


def rebuilt(values: Matrix, like: Any) -> Any:
    """The matrix `values` in the container, names, index and dtypes of `like`; NaN is a missing cell there."""
    frame = _frame(like)
    if frame is None:
        return _as_dtype(values, np.asarray(like).dtype if hasattr(like, "__array__") else values.dtype)
    columns = {n: _cells(values[:, j], frame.get_column(n).dtype) for j, n in enumerate(frame.columns)}
    if hasattr(like, "iloc"):  # pandas: dtypes beyond numpy's, and an index
        series = {n: like[n].__class__(cells, index=like.index, dtype=like[n].dtype) for n, cells in columns.items()}
        return type(like)(series, index=like.index)[list(like.columns)] if series else like.copy()
    backend, schema = nw.get_native_namespace(frame), frame.schema
    made = [nw.new_series(n, cells, schema[n], backend=backend) for n, cells in columns.items()]
    return nw.to_native(made[0].to_frame().with_columns(*made[1:]))


def _cells(column: NDArray[np.float64], dtype: Any) -> NDArray[Any] | list[Any]:
    gaps = np.isnan(column)
    if not gaps.any():
        return _as_kind(column, dtype)
    whole = _as_kind(np.where(gaps, 0, column), dtype).tolist()
    return [None if gap else value for gap, value in zip(gaps, whole, strict=True)]


def _as_kind(column: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    if dtype == nw.Boolean:
        return column >= 0.5
    return _as_dtype(column, str(dtype).lower()) if dtype.is_integer() else column


def _as_dtype(values: Matrix, dtype: Any) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return values >= 0.5
    if kind.kind in "iu":
        limits, whole = np.iinfo(kind), np.rint(values)
        inside = (whole > limits.min) & (whole < limits.max)
        ends = np.where(whole <= limits.min, kind.type(limits.min), kind.type(limits.max))
        return np.where(inside, np.where(inside, whole, 0).astype(kind), ends)  # a float64 cannot hold every limit
    return values.astype(kind if kind.kind == "f" else np.float64)
