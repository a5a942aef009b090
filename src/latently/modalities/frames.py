"""Containers: columns out of whatever holds them, as arrays of numbers or as Arrow arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from latently.errors import BadData, LatentlyError, UnsupportedInput
from latently.modalities.columns import plain

__all__ = ["Source", "frame_of", "labels", "names_of", "numbers", "part", "refusals", "refuse_infinite", "source"]

Matrix = NDArray[np.float64]
PLAIN = tuple(np.dtype(t) for t in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"))
TIMES = (date, timedelta, np.datetime64, np.timedelta64)


@dataclass(frozen=True)
class Source:
    """What holds the rows: an array of numbers as it came, or columns as Arrow arrays, one at a time."""

    names: tuple[str, ...]  #: x0, x1, ... where there are none
    numbers: Any = None  #: the array, when it is one of numbers
    column: Callable[[int], Any] | None = None  #: the j-th column
    named: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        if self.column is None:
            return tuple(getattr(self.numbers, "shape", ())) or np.asarray(self.numbers).shape
        return (len(self.column(0)) if self.names else 0), len(self.names)

    def arrow(self, j: int) -> Any:
        """The j-th column as an Arrow array, of numbers too."""
        import pyarrow as pa

        return pa.array(np.asarray(self.numbers)[:, j], from_pandas=True) if self.column is None else self.column(j)


def source(data: Any) -> Source:
    """The columns of an array, a data frame or a list of rows; what is none of these is left to scikit-learn."""
    if isinstance(data, (str, bytes)):
        raise UnsupportedInput(f"got {data!r}; expected rows: a 2-D array or a data frame. Read the file first.")
    if getattr(data, "ndim", 2) > 2:
        raise UnsupportedInput(
            f"got an array of shape {tuple(data.shape)}; tables are 2-D, (rows, columns). Try data=Image() for images; "
            "data.reshape(len(data), -1) turns each item into a row."
        )
    if isinstance(data, np.ma.MaskedArray):
        return _array(np.ma.filled(data.astype(np.float64), np.nan))
    if hasattr(data, "toarray") and hasattr(data, "nnz"):  # scipy's sparse matrices
        return _array(data.toarray())
    if not hasattr(data, "collect"):  # a lazy frame would have to work out its columns
        _refuse_twins(data)
    frame = frame_of(data)
    if frame is not None:
        keys = frame.columns
        return Source(tuple(str(c) for c in keys), None, lambda j: _arrow(frame.get_column(keys[j])), True)
    array = np.asarray(data, dtype=object) if _has_text(data) else data
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind in "OUS" and _has_text(array):
        cells = array.astype(object)
        return Source(_numbered(cells.shape[1]), None, lambda j: _listed(f"x{j}", _numbers(cells[:, j])))
    if not isinstance(data, (list, tuple)) and not hasattr(data, "__array__"):
        raise UnsupportedInput(
            f"got {type(data).__name__}; expected rows: a 2-D array, a data frame or a list of rows."
        )
    return _array(data)


def _array(data: Any) -> Source:
    shape: tuple[int, ...] = getattr(data, "shape", ())
    return Source(_numbered(shape[1]) if len(shape) == 2 else (), data)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"x{j}" for j in range(count))


def frame_of(data: Any) -> nw.DataFrame[Any] | None:
    """A data frame of any library; None for what is none."""
    found = nw.from_native(data, pass_through=True)
    if isinstance(found, nw.LazyFrame):
        raise UnsupportedInput(
            f"got a lazy {type(data).__name__}; a fit needs the rows themselves: collect() it first."
        )
    return found if isinstance(found, nw.DataFrame) else None


def names_of(data: Any) -> list[str] | None:
    """Column names, None for what has none."""
    frame = frame_of(data)
    return None if frame is None else [str(c) for c in frame.columns]


def part(data: Any, names: Sequence[str]) -> Any:
    """The columns `names` of a frame, in the frame's own order."""
    frame = frame_of(data)
    assert frame is not None
    wanted = set(names)
    if hasattr(data, "iloc"):  # pandas names columns by anything
        return data.iloc[:, [j for j, c in enumerate(frame.columns) if str(c) in wanted]]
    return nw.to_native(frame.select([c for c in frame.columns if c in wanted]))


def _refuse_twins(data: Any) -> None:
    names = [str(n) for n in getattr(data, "column_names", getattr(data, "columns", []))]
    twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise BadData(f"column name {twice[0]!r} stands more than once; rename the columns so that each is unique.")


def _has_text(data: Any) -> bool:
    """Whether rows hold dates, or text that is no number (a number in quotes is left to scikit-learn)."""
    if isinstance(data, np.ndarray):
        if data.dtype.kind not in "OUS" or data.ndim != 2:
            return False
        rows: Any = data
    elif isinstance(data, (list, tuple)) and data and all(isinstance(r, (list, tuple)) for r in data):
        rows = data
    else:
        return False
    return any(isinstance(v, TIMES) or (isinstance(v, str) and not _is_number(v)) for row in rows for v in row)


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
    found = _of_pandas(str(column.name), native) if hasattr(native, "iloc") else column.to_arrow()
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if str(found.type) == "string_view":
        return found.cast("string")  # few functions of Arrow take views
    if pa.types.is_floating(found.type):
        found = pa.array(found.to_numpy(zero_copy_only=False), from_pandas=True)
    if pa.types.is_dictionary(found.type) and not found.type.ordered and column.dtype == nw.Enum:
        found = pa.DictionaryArray.from_arrays(found.indices, found.dictionary, ordered=True)
    return found


def _of_pandas(name: str, native: Any) -> Any:
    import pyarrow as pa

    if hasattr(native, "cat"):
        codes = native.cat.codes.to_numpy()
        index, levels = pa.array(codes, mask=codes < 0), pa.array(labels(native))
        return pa.DictionaryArray.from_arrays(index, levels, ordered=bool(native.cat.ordered))
    if native.dtype != object:
        try:
            return pa.array(native, from_pandas=True)
        except (pa.ArrowTypeError, pa.ArrowNotImplementedError):  # sparse numbers, complex ones
            pass
    return _listed(name, native.to_numpy())


def labels(native: Any) -> list[Any]:
    """The categories of a pandas column, as levels of one sort."""
    found = [plain(c) for c in native.cat.categories.tolist()]
    return found if len({isinstance(c, str) for c in found}) < 2 else [str(c) for c in found]


def _listed(name: str, values: Any) -> Any:
    """Python values as an Arrow array; values of several sorts are refused, with the first row that differs."""
    import pyarrow as pa

    values = np.array([None if _missing(v) else v for v in values], dtype=object)
    try:
        found = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        raise _mixed(name, values) from None
    if pa.types.is_temporal(found.type) and len({_kind(v) for v in values if v is not None}) > 1:
        raise _mixed(name, values)  # to Arrow, a date among times has no time, and a time without a zone is one in UTC
    return found


def _kind(value: Any) -> str:
    """The sort of a cell, in words."""
    if isinstance(value, datetime):
        return "datetime without a time zone" if value.tzinfo is None else "datetime with a time zone"
    return type(value).__name__


def _mixed(name: str, values: Any) -> BadData:
    first, odd = None, None
    for row, value in enumerate(values):
        if value is None:
            continue
        if first is None:
            first = value
        elif _kind(value) != _kind(first):
            odd = (row, value)
            break
    if first is None or odd is None:
        return BadData(
            f"column {name!r} holds {_kind(first)}, such as {first!r}; expected numbers, texts, dates or times."
        )
    return BadData(
        f"column {name!r} holds {_kind(first)} and {_kind(odd[1])}: {odd[1]!r} in row {odd[0]}. "
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


def refuse_infinite(x: NDArray[Any], names: Sequence[str], start: int = 0) -> None:
    """Raise `BadData` naming the first infinite cell; `start` is the number of the first row."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(x.sum()) or not np.isinf(x).any():
            return
    row, column = (int(i) for i in np.argwhere(np.isinf(x))[0])
    where = f"{names[column]!r}" if names else str(column)
    raise BadData(
        f"row {start + row}, column {where} is inf ({x[row, column]}); expected finite numbers or NaN for a missing "
        "cell. Replace infinity by NaN, or remove the row."
    )


def numbers(owner: Any, found: Any) -> NDArray[Any]:
    """Rows as a matrix with NaN where missing, for the estimator `owner`: an array of numbers as it came, else float64.

    Other shapes are refused.
    """
    if isinstance(found, os.PathLike):
        raise UnsupportedInput(f"got the path {found}; expected a table of rows. Read it first, or name images by it.")
    if type(found) in (np.ndarray, np.memmap) and found.dtype in PLAIN and found.ndim == 2 and found.size:
        return np.asarray(found)
    with refusals():
        return np.asarray(check_array(found, dtype=np.float64, ensure_all_finite=False, estimator=owner))


@contextmanager
def refusals() -> Iterator[None]:
    """scikit-learn's words for rows that cannot be taken, as `BadData`."""
    try:
        yield
    except LatentlyError:
        raise
    except ValueError as error:
        raise BadData(str(error)) from None
