"""What people bring as series, as arrays `(time, channels)`, and results in the containers these came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.modalities.frames import Source, source
from latently.modalities.results import as_dtype
from latently.modalities.results import rebuilt as replaced

__all__ = ["Roles", "Tracks", "accepts", "rebuilt", "tracks"]

Matrix = NDArray[np.float64]
FEW = 4  # columns: a list of 2-D arrays of floats as narrow as this holds series, not images


@dataclass(frozen=True)
class Roles:
    """Columns of a frame that are no channels."""

    time: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def named(self) -> list[str]:
        """All of them."""
        return [n for n in (self.time, self.id, *self.drop) if n is not None]


@dataclass(frozen=True)
class Tracks:
    """Series as arrays `(time, channels)` of float64, NaN in gaps."""

    arrays: list[Matrix]
    stepwise: bool  #: whether a row of what was given is a step (one long series, a frame) and no item
    names: list[str] | None = None  #: of the channels, where they have some
    rows: list[NDArray[np.int64]] | None = None  #: of a frame, in the order of the items
    flat: bool = False  #: whether items came as plain numbers, without an axis for channels
    dtype: str = "float64"
    irregular: float = 0.0  #: share of steps in time unlike the commonest; steps count alike whatever time lies between

    @property
    def steps(self) -> list[int]:
        """Of each item."""
        return [len(a) for a in self.arrays]

    def held_to(self, names: list[str], channels: int) -> Tracks:
        """The same with the channels of a fit, in their order; `BadData` where they are others."""
        found = self
        if self.names is not None and names:
            absent, extra = [n for n in names if n not in self.names], [n for n in self.names if n not in names]
            if absent:
                raise BadData(f"channel {absent[0]!r} of the fit is missing; columns: {', '.join(self.names[:20])}.")
            if extra:
                raise BadData(f"column {extra[0]!r} was not there in the fit. Leave it out, or fit with it.")
            order = [self.names.index(n) for n in names]
            found = replace(self, arrays=[a[:, order] for a in self.arrays], names=names)
        if found.arrays[0].shape[1] != channels:
            raise BadData(f"series have {found.arrays[0].shape[1]} channels; those of the fit have {channels}.")
        return found


def accepts(data: Any) -> bool:
    """Whether this is series, at a glance: a list of 1-D arrays of numbers, or of 2-D ones of floats in few columns."""
    if not isinstance(data, (list, tuple)) or not data or not all(isinstance(a, np.ndarray) for a in data):
        return False
    if all(a.ndim == 1 and a.dtype.kind in "iuf" for a in data):
        return True
    narrow = {a.shape[1] if a.ndim == 2 and a.dtype.kind == "f" else 0 for a in data}
    return len(narrow) == 1 and 0 < narrow.pop() <= FEW


def tracks(data: Any, roles: Roles) -> Tracks:
    """The series in `data`; `BadData` on infinity, no steps, times out of order, `UnsupportedInput` on what is none."""
    frame = data.to_frame() if hasattr(data, "to_frame") and not hasattr(data, "columns") else data
    if hasattr(frame, "columns") or hasattr(frame, "column_names"):
        found = _of_frame(frame, source(frame), roles)
    elif roles.named:
        raise BadParameter(
            f"{roles.named[0]!r} names a column, and a {type(data).__name__} has none. Give a data frame, or Series() "
            "without time, id and drop."
        )
    else:
        found = _of_arrays(data)
    _refuse(found)
    return found


# ---------------------------------------------------------------------- arrays and lists


def _of_arrays(data: Any) -> Tracks:
    if isinstance(data, np.ndarray):
        if not 1 <= data.ndim <= 3:
            raise UnsupportedInput(
                f"got an array of shape {data.shape}; series are (time,), (time, channels), or (n, time, channels), or "
                "a list of arrays (time,) or (time, channels)."
            )
        array = _numbers(data, "the array")
        if data.ndim < 3:
            each = [array if data.ndim == 2 else array[:, None]]
            return Tracks(each, True, flat=data.ndim == 1, dtype=data.dtype.name)
        return Tracks(list(array), False, dtype=data.dtype.name)
    if not isinstance(data, (list, tuple)):
        raise UnsupportedInput(
            f"got {type(data).__name__}; series are arrays (time,), (time, channels) or (n, time, channels), lists of "
            "arrays, or data frames whose rows are steps."
        )
    given = [np.asarray(item) for item in data]
    odd = next((i for i, a in enumerate(given) if a.ndim not in (1, 2)), None)
    if odd is not None:
        raise BadData(f"item {odd} has shape {given[odd].shape}; expected (time,) or (time, channels).")
    each = [_numbers(a, f"item {i}").reshape(len(a), -1) if a.size else np.empty((0, 1)) for i, a in enumerate(given)]
    dtype = np.result_type(*given).name if given else "float64"
    return Tracks(each, False, flat=bool(given) and given[0].ndim == 1, dtype=dtype)


def _numbers(array: NDArray[Any], what: str) -> Matrix:
    array = np.ma.filled(array.astype(np.float64), np.nan) if isinstance(array, np.ma.MaskedArray) else array
    if array.dtype.kind not in "buifO":
        raise BadData(f"{what} holds {array.dtype}; expected numbers, NaN where one is missing.")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as problem:
        raise BadData(f"{what} holds something that is no number ({problem}); NaN marks a missing one.") from None


def _refuse(found: Tracks) -> None:
    """Raise `BadData` on what no model can read."""
    if not found.arrays:
        raise BadData("got no series at all; expected at least one.")
    width = found.arrays[0].shape[1]
    for i, array in enumerate(found.arrays):
        which = "the series" if found.stepwise and len(found.arrays) == 1 else f"item {i}"
        if not array.size:
            raise BadData(f"{which} has no steps; leave it out.")
        if array.shape[1] != width:
            raise BadData(f"item {i} has {array.shape[1]} channels and item 0 has {width}; all need the same channels.")
        if np.isinf(array).any():
            step, channel = (int(v) for v in np.argwhere(np.isinf(array))[0])
            raise BadData(
                f"{which} holds {array[step, channel]} at step {step}, channel {channel}; expected finite numbers, NaN "
                "where one is missing."
            )


# ---------------------------------------------------------------------- frames


def _of_frame(frame: Any, found: Source, roles: Roles) -> Tracks:
    absent = [n for n in roles.named if n not in found.names]
    if absent:
        raise BadParameter(f"no column is named {absent[0]!r}; columns: {', '.join(found.names[:20])}.")
    names = [n for n in found.names if n not in roles.named]
    if not names:
        raise BadData("no column is left to learn from; time, id and drop name all of them.")
    columns = np.column_stack([_channel(n, found.arrow(found.names.index(n))) for n in names])
    if not len(columns):
        raise BadData("the frame has no rows; a series needs at least one step.")
    rows = _items(found, roles.id, len(columns))
    times, what = _times(frame, found, roles.time)
    irregular = 0.0 if times is None else _spaced(times, what, rows)
    return Tracks([columns[r] for r in rows], True, names, rows, irregular=irregular)


def _channel(name: str, column: Any) -> Matrix:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
            or pa.types.is_decimal(kind) or pa.types.is_null(kind)):  # fmt: skip
        role = "time" if pa.types.is_temporal(kind) else "id"
        raise BadData(
            f"column {name!r} holds {kind}, and a channel holds numbers. Say what it is: Series({role}={name!r}), or "
            f"drop=[{name!r}]."
        )
    plain = column.cast("int8") if pa.types.is_boolean(kind) else column
    return np.asarray(plain.cast("float64").to_numpy(zero_copy_only=False), np.float64)


def _items(found: Source, name: str | None, count: int) -> list[NDArray[np.int64]]:
    """The rows of each item, items in the order in which they first appear."""
    if name is None:
        return [np.arange(count)]
    column = found.arrow(found.names.index(name))
    if column.null_count:
        raise BadData(f"column {name!r} tells series apart, and {column.null_count} of its cells are missing.")
    column = column if hasattr(column, "indices") else column.dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False)
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(place, kind="stable")
    each = np.split(order, np.cumsum(np.bincount(place))[:-1])
    return [each[i] for i in np.argsort(first)]


def _times(frame: Any, found: Source, name: str | None) -> tuple[NDArray[np.int64 | np.float64] | None, str]:
    """When each row was, and where that stands; None where nothing tells."""
    import pyarrow as pa

    if name is None:
        index = getattr(frame, "index", None)
        stamped = getattr(getattr(index, "dtype", None), "kind", "") in ("M", "m")
        if stamped and index.hasnans:  # type: ignore[union-attr]
            raise BadData("the index has missing times; every step needs its own.")
        return (index.asi8 if stamped else None), "the index"  # type: ignore[union-attr]
    column, what = found.arrow(found.names.index(name)), f"column {name!r}"
    if column.null_count:
        raise BadData(f"{what} has {column.null_count} missing times; every step needs its own.")
    if pa.types.is_date(column.type):
        column = column.cast("timestamp[us]")
    if pa.types.is_temporal(column.type):
        return column.cast("int64").to_numpy(zero_copy_only=False), what
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise BadData(f"{what} holds {column.type}; expected times or numbers. Try pandas.to_datetime first.")
    return column.to_numpy(zero_copy_only=False), what


def _spaced(times: NDArray[Any], what: str, rows: Sequence[NDArray[np.int64]]) -> float:
    """The share of steps unlike the median one; `BadData` at the first that stands still or goes back."""
    unlike, total = 0, 0
    for each in rows:
        step = np.diff(times[each])
        wrong = np.flatnonzero(step <= 0)
        if len(wrong):
            a, b = int(each[wrong[0]]), int(each[wrong[0] + 1])
            if step[wrong[0]] == 0:
                raise BadData(
                    f"{what}: rows {a} and {b} have the same time. Keep one row a time (the mean of them, say); if a "
                    "column tells several series apart, name it: Series(id=...)."
                )
            raise BadData(
                f"{what}: row {b} is earlier than row {a} before it. Sort the rows by time first; if a column tells "
                "several series apart, name it: Series(id=...)."
            )
        unlike, total = unlike + int((step != np.median(step)).sum()), total + len(step)
    return unlike / max(total, 1)


# ---------------------------------------------------------------------- back


def rebuilt(found: Tracks, arrays: Sequence[Matrix], like: Any, changed: Sequence[NDArray[np.bool_]] | None) -> Any:
    """`like` with its channels replaced by `arrays`, one an item; with `changed`, only in those cells."""
    if found.names is not None:
        return _into_frame(found, arrays, like, changed)
    given = [like] if found.stepwise else list(like)
    fresh = []
    for i, (array, old) in enumerate(zip(arrays, given, strict=True)):
        mask = None if changed is None else changed[i]
        if mask is not None and not mask.any():
            fresh.append(np.array(old))
            continue
        new = as_dtype(array, np.asarray(old).dtype).reshape(np.shape(old))
        fresh.append(new if mask is None else np.where(mask.reshape(new.shape), new, np.asarray(old)))
    if found.stepwise:
        return fresh[0]
    return np.stack(fresh) if isinstance(like, np.ndarray) else fresh


def _into_frame(found: Tracks, arrays: Sequence[Matrix], like: Any, changed: Sequence[NDArray[np.bool_]] | None) -> Any:
    import pyarrow as pa

    assert found.rows is not None
    assert found.names is not None
    order = np.argsort(np.concatenate(found.rows))
    whole = np.concatenate(list(arrays))[order]
    masks = None if changed is None else np.concatenate(list(changed))[order]
    columns = {n: pa.array(whole[:, j], from_pandas=True) for j, n in enumerate(found.names)}
    where = None if masks is None else {n: masks[:, j] for j, n in enumerate(found.names)}
    if hasattr(like, "to_frame") and not hasattr(like, "columns"):  # one column
        frame = like.to_frame()
        made = replaced(frame, columns, where)
        return made[made.columns[0]].rename(like.name)
    return replaced(like, columns, where)
