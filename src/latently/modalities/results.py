"""Results back in the container, names, index and dtypes that the rows came in."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
from numpy.typing import NDArray

from latently.modalities.frames import frame_of, labels

__all__ = ["as_dtype", "put", "rebuilt", "roomy"]

Matrix = NDArray[np.float64]


def rebuilt(like: Any, columns: dict[str, Any], changed: dict[str, NDArray[np.bool_]] | None = None) -> Any:
    """The frame `like` with these columns (Arrow arrays) in its dtypes; with `changed`, only in those cells."""
    frame = frame_of(like)
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


def roomy(like: Any, names: list[str], gaps: NDArray[np.bool_]) -> Any:
    """`like` with dtypes in which the columns that have gaps can have them."""
    if isinstance(like, np.ndarray) and like.dtype.kind in "iub" and gaps.any():
        return like.astype(np.float64)
    if not hasattr(like, "iloc"):
        return like
    room = {"i": "Int64", "u": "UInt64", "b": "boolean"}
    tight = {n: getattr(like.dtypes.get(n), "kind", "") for j, n in enumerate(names) if gaps[:, j].any()}
    return like.astype({n: room[kind] for n, kind in tight.items() if kind in room})


def put(
    array: NDArray[Any], places: list[int], values: NDArray[Any], changed: NDArray[np.bool_] | None
) -> NDArray[Any]:
    """`array` with `values` in the columns at `places`; with `changed`, only in those cells."""
    array[:, places] = values if changed is None else np.where(changed, values, array[:, places])
    return array


def _mixture(new: Any, old: nw.Series[Any], mask: NDArray[np.bool_]) -> Any:
    """`new` where the mask holds, else `old`."""
    native = old.to_native()
    if hasattr(native, "iloc"):  # pandas
        return native.mask(mask, new)
    if str(getattr(native, "type", "")) == "string_view":  # which Arrow cannot choose from
        old, new = nw.from_native(native.cast("string"), series_only=True), new.cast("string")
    found = nw.from_native(new, series_only=True).zip_with(_like(mask, native), old).to_native()
    return found.cast(native.type) if hasattr(native, "type") else found


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
    if old.dtype == nw.Decimal:
        array = _decimals(array, getattr(native, "type", None) or getattr(native.dtype, "pyarrow_dtype", native.dtype))
    if hasattr(native, "iloc"):
        return _to_pandas(array, native)
    if hasattr(native, "to_arrow"):  # polars
        return native.__class__(native.name, array).cast(native.dtype)
    empty = array.null_count == len(array)  # nulls are cast to few types
    return pa.chunked_array([pa.nulls(len(array), native.type) if empty else array.cast(native.type, safe=False)])


def _decimals(array: Any, kind: Any) -> Any:
    """Within what the digits of the type `kind` can say."""
    import pyarrow as pa

    most = 10.0 ** (kind.precision - kind.scale) - 10.0**-kind.scale
    numbers = array.cast("float64").to_numpy(zero_copy_only=False)
    return pa.array(np.clip(numbers, -most, most), from_pandas=True)


def _to_pandas(array: Any, native: Any) -> Any:
    """An Arrow array as a pandas column with the dtype and index of `native`."""
    if hasattr(native, "cat"):
        places = {label: code for code, label in enumerate(labels(native))}
        codes = [places.get(level, -1) for level in array.to_pylist()]
        found = native.__class__(type(native.array).from_codes(codes, dtype=native.dtype))
    elif native.dtype == object or (array.null_count and str(array.type).endswith("int64")):
        found = native.__class__(array.to_pylist(), dtype=object)
    else:
        found = array.to_pandas()
    found.index, found.name = native.index, native.name
    return found if found.dtype == native.dtype else found.astype(native.dtype)


def as_dtype(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
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
