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
    found = nw.from_native(data, eager_only=True, pass_through=True)
    return found if isinstance(found, nw.DataFrame) else None


def names_of(data: Any) -> list[str] | None:
    """Column names, None for what has none."""
    frame = _frame(data)
    return None if frame is None else [str(c) for c in frame.columns]


def matrix(data: Any) -> Matrix | Any:
    """A float64 matrix with NaN where a cell is missing; what is not a frame or an object array passes through."""
    if isinstance(data, (str, bytes)):
        raise UnsupportedInput(f"got {data!r}; expected rows: a 2-D array or a data frame. Read the file first.")
    if getattr(data, "ndim", 2) > 2:
        raise UnsupportedInput(
            f"got an array of shape {data.shape}; tables are 2-D, (rows, columns). Images and series are not supported "
            "yet; data.reshape(len(data), -1) turns each item into a row."
        )
    frame = _frame(data)
    if frame is not None:
        return _from_frame(frame)
    if isinstance(data, np.ndarray) and data.dtype.kind in "OUS" and data.ndim == 2:
        _refuse_text(data)
    return data


def _from_frame(frame: nw.DataFrame[Any]) -> Matrix:
    names = frame.columns
    if len(set(names)) < len(names):
        twice = sorted({str(n) for n in names if names.count(n) > 1})
        raise BadData(f"column name {twice[0]!r} stands more than once; rename the columns so that each is unique.")
    columns = [_numbers(frame.get_column(name)) for name in names]
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def _numbers(column: nw.Series[Any]) -> NDArray[np.float64]:
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        return np.asarray(column.cast(nw.Float64).to_numpy(), dtype=np.float64)
    values = column.to_numpy()
    if values.dtype == object:
        try:
            return np.array([np.nan if _missing(v) else _number(v) for v in values], dtype=np.float64)
        except (TypeError, ValueError):
            pass
    row, value = next(((i, v) for i, v in enumerate(values) if not _missing(v)), (0, None))
    raise BadData(
        f"column {column.name!r} holds {column.dtype}, such as {value!r} in row {row}; this version takes numbers. "
        "Drop the column, or encode it as numbers first."
    )


def _missing(value: Any) -> bool:
    return value is None or value != value


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
                    raise BadData(
                        f"row {row}, column {column} holds the text {value!r}; this version takes numbers. "
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
    """The matrix `values` in the container, names, index and dtypes of `like` (same rows, same columns)."""
    frame = _frame(like)
    if frame is None:
        return _as_dtype(values, getattr(like, "dtype", values.dtype))
    if hasattr(like, "iloc"):  # pandas: dtypes beyond numpy's, and an index
        columns = {n: _as_kind(values[:, j], frame.get_column(n).dtype) for j, n in enumerate(frame.columns)}
        return type(like)(columns, index=like.index).astype(like.dtypes.to_dict())
    series = [
        nw.new_series(
            n, _as_kind(values[:, j], frame.get_column(n).dtype), backend=nw.get_native_namespace(frame)
        ).cast(frame.get_column(n).dtype)
        for j, n in enumerate(frame.columns)
    ]
    return nw.to_native(series[0].to_frame().with_columns(*series[1:]))


def _as_kind(column: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    if dtype == nw.Boolean:
        return column >= 0.5
    return _as_dtype(column, str(dtype).lower()) if dtype.is_integer() else column


def _as_dtype(values: Matrix, dtype: Any) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return values >= 0.5
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return np.clip(np.rint(values), limits.min, limits.max).astype(kind)
    return values.astype(kind if kind.kind == "f" else np.float64)
