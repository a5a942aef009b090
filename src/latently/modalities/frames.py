"""Containers: columns out of whatever holds them, and results back in the container they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, UnsupportedInput

__all__ = ["Source", "as_dtype", "names_of", "part", "rebuilt", "refuse_infinite", "source"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """What holds the rows: an array of numbers as it came, or columns as Arrow arrays, one at a time."""

    names: tuple[str, ...]  #: x0, x1, ... where there are none
    numbers: Any = None  #: the array, when it is one of numbers
    column: Callable[[int], Any] | None = None  #: the j-th column
    named: bool = False


def source(data: Any) -> Source:
    """The columns of an array, a data frame or a list of rows; what is none of these is left to scikit-learn."""
    if isinstance(data, (str, bytes)):
        raise UnsupportedInput(f"got {data!r}; expected rows: a 2-D array or a data frame. Read the file first.")
    if getattr(data, "ndim", 2) > 2:
        raise UnsupportedInput(
            f"got an array of shape {tuple(data.shape)}; tables are 2-D, (rows, columns). Images and series are not "
            "supported yet; data.reshape(len(data), -1) turns each item into a row."
        )
    if isinstance(data, np.ma.MaskedArray):
        return _array(np.ma.filled(data.astype(np.float64), np.nan))
    if hasattr(data, "toarray") and hasattr(data, "nnz"):  # scipy's sparse matrices
        return _array(data.toarray())
    if not hasattr(data, "collect"):  # a lazy frame would have to work out its columns
        _refuse_twins(data)
    frame = _frame(data)
    if frame is not None:
        names = tuple(str(c) for c in frame.columns)
        return Source(names, None, lambda j: _arrow(frame.get_column(frame.columns[j])), True)
    array = np.asarray(data, dtype=object) if _has_text(data) else data
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind in "OUS" and _has_text(array):
        cells = array.astype(object)
        return Source(_numbered(cells.shape[1]), None, lambda j: _listed(f"x{j}", _numbers(cells[:, j])))
    return _array(data)


def _array(data: Any) -> Source:
    shape: tuple[int, ...] = getattr(data, "shape", ())
    return Source(_numbered(shape[1]) if len(shape) == 2 else (), data)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"x{j}" for j in range(count))


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


def part(data: Any, names: Sequence[str]) -> Any:
    """The columns `names` of a frame, in the frame's own order."""
    frame = _frame(data)
    assert frame is not None
    wanted = set(names)
    return nw.to_native(frame.select([c for c in frame.columns if str(c) in wanted]))


def _refuse_twins(data: Any) -> None:
    names = list(getattr(data, "column_names", getattr(data, "columns", [])))
    twice = sorted({str(n) for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise BadData(f"column name {twice[0]!r} stands more than once; rename the columns so that each is unique.")


def _has_text(data: Any) -> bool:
    """Whether rows hold text that is no number (a number in quotes is left to scikit-learn)."""
    if isinstance(data, np.ndarray):
        if data.dtype.kind not in "OUS" or data.ndim != 2:
            return False
        rows: Any = data
    elif isinstance(data, (list, tuple)) and data and all(isinstance(r, (list, tuple)) for r in data):
        rows = data
    else:
        return False
    return any(isinstance(v, str) and not _is_number(v) for row in rows for v in row)


def _numbers(values: Any) -> Any:
    """Text that is a number becomes one, where most of a column's texts are numbers."""
    texts = [isinstance(v, str) and _is_number(v) for v in values]
    if sum(texts) <= sum(isinstance(v, str) for v in values) / 2:
        return values
    return np.array([float(v) if text else v for v, text in zip(values, texts, strict=True)], dtype=object)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------------- columns out


def _arrow(column: nw.Series[Any]) -> Any:
    """A column as one Arrow array; floats that are no number are missing."""
    import pyarrow as pa

    native = column.to_native()
    if hasattr(native, "iloc"):
        if native.dtype == object:
            return _listed(str(column.name), native.to_numpy())
        found = pa.array(native, from_pandas=True)
    else:
        found = column.to_arrow()
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if pa.types.is_floating(found.type):
        found = pa.array(found.to_numpy(zero_copy_only=False), from_pandas=True)
    if pa.types.is_dictionary(found.type) and not found.type.ordered and column.dtype == nw.Enum:
        found = pa.DictionaryArray.from_arrays(found.indices, found.dictionary, ordered=True)
    return found


def _listed(name: str, values: Any) -> Any:
    """Python values as an Arrow array; values of several sorts are refused, with the first row that differs."""
    import pyarrow as pa

    values = np.array([None if _missing(v) else v for v in values], dtype=object)
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        raise _mixed(name, values) from None


def _mixed(name: str, values: Any) -> BadData:
    first, odd = None, None
    for row, value in enumerate(values):
        if value is None:
            continue
        if first is None:
            first = value
        elif isinstance(value, str) != isinstance(first, str) or type(value) is not type(first):
            odd = (row, value)
            break
    if first is None or odd is None:
        kind = type(first).__name__
        return BadData(f"column {name!r} holds {kind}, such as {first!r}; expected numbers, texts, dates or times.")
    return BadData(
        f"column {name!r} holds {type(first).__name__} and {type(odd[1]).__name__}: {odd[1]!r} in row {odd[0]}. "
        "Make all its cells one sort (astype(str), or pandas.to_numeric(..., errors='coerce')), or drop it."
    )


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


def refuse_infinite(x: Matrix, names: Sequence[str]) -> None:
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


# ---------------------------------------------------------------------- results back


def rebuilt(like: Any, columns: dict[str, Any], changed: dict[str, NDArray[np.bool_]] | None = None) -> Any:
    """The frame `like` with these columns (Arrow arrays) in its dtypes; with `changed`, only in those cells."""
    frame = _frame(like)
    assert frame is not None
    fresh = []
    for name in frame.columns:
        mask = None if changed is None else changed.get(str(name))
        if str(name) in columns and (mask is None or mask.any()):
            old = frame.get_column(name)
            new = _native(columns[str(name)], old)
            fresh.append((name, new if mask is None else _mixture(new, old, mask)))
    if hasattr(like, "iloc"):
        made = like.copy()
        for name, new in fresh:
            made[name] = new
        return made
    series = [nw.from_native(new, series_only=True).alias(name) for name, new in fresh]
    return nw.to_native(frame.with_columns(*series))


def _mixture(new: Any, old: nw.Series[Any], mask: NDArray[np.bool_]) -> Any:
    """`new` where the mask holds, else `old`."""
    native = old.to_native()
    if hasattr(native, "iloc"):  # pandas
        return native.mask(mask, new)
    return nw.from_native(new, series_only=True).zip_with(_like(mask, native), old).to_native()


def _like(mask: NDArray[np.bool_], native: Any) -> nw.Series[Any]:
    import pyarrow as pa

    array = pa.array(mask)
    made = native.__class__(native.name, array) if hasattr(native, "to_arrow") else pa.chunked_array([array])
    return nw.from_native(made, series_only=True)


def _native(array: Any, old: nw.Series[Any]) -> Any:
    """An Arrow array as a column of the container and dtype of `old`."""
    import pyarrow as pa

    native = old.to_native()
    if old.dtype.is_integer():
        gaps = np.asarray(array.is_null().to_numpy(zero_copy_only=False))
        numbers = np.where(gaps, 0.0, array.to_numpy(zero_copy_only=False)).astype(np.float64)
        array = pa.array(as_dtype(numbers, str(old.dtype).lower()), mask=gaps)
    if hasattr(native, "iloc"):  # pandas
        gappy = old.dtype.is_integer() and array.null_count
        found = native.__class__(array.to_pylist(), dtype=object) if gappy else array.to_pandas()
        found.index, found.name = native.index, native.name
        return found if native.dtype == object else found.astype(native.dtype)
    if hasattr(native, "to_arrow"):  # polars
        return native.__class__(native.name, array).cast(native.dtype)
    return pa.chunked_array([array.cast(native.type)])


def as_dtype(values: Matrix, dtype: Any) -> NDArray[Any]:
    """Numbers in a dtype: rounded and within limits where it is whole."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return values >= 0.5
    if kind.kind in "iu":
        limits, whole = np.iinfo(kind), np.rint(values)
        inside = (whole > limits.min) & (whole < limits.max)
        ends = np.where(whole <= limits.min, kind.type(limits.min), kind.type(limits.max))
        return np.where(inside, np.where(inside, whole, 0).astype(kind), ends)  # a float64 cannot hold every limit
    return values.astype(kind if kind.kind == "f" else np.float64)
