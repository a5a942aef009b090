"""What is known of the rows of an index besides their codes, and which rows a condition picks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter

__all__ = ["Metadata", "Where"]

Array = NDArray[Any]
ORDERED = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
Where = Mapping[str, Any] | Callable[[dict[str, Array]], Any] | NDArray[np.bool_]


@dataclass(frozen=True)
class Metadata:
    """Named columns of numbers, truth values, dates or texts, a cell for each row; a text may be None."""

    columns: dict[str, Array] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Any, count: int | None) -> Self:
        """Columns of a frame or of a mapping of lists; nothing of None. Raises `BadData`."""
        given = given.columns if isinstance(given, Metadata) else given
        if given is None or (isinstance(given, Mapping) and not given):
            return cls()
        names = next((list(getattr(given, n)) for n in ("column_names", "columns") if hasattr(given, n)), None)
        if names is None and not isinstance(given, Mapping):
            raise BadData(f"metadata is a {type(given).__name__}; expected a frame, or a mapping of names to lists.")
        return cls({str(n): _column(str(n), given[n], count) for n in (list(given) if names is None else names)})

    def joined(self, more: Metadata, first: bool) -> Metadata:
        """With more rows below; `first` where there are none yet."""
        if first:
            return more
        if self.columns.keys() != more.columns.keys():
            here, there = (", ".join(m.columns) or "no columns" for m in (self, more))
            raise BadData(f"metadata of these rows has {there}; the index keeps {here} of each row.")
        sorts = {n: (_sort(v), _sort(more.columns[n])) for n, v in self.columns.items()}
        if wrong := next((n for n, (a, b) in sorts.items() if a != b), None):
            raise BadData(
                f"metadata column {wrong!r} holds {sorts[wrong][0]} here, and {sorts[wrong][1]} in these rows."
            )
        return Metadata({n: np.concatenate([v, more.columns[n]]) for n, v in self.columns.items()})

    def kept(self, rows: NDArray[np.bool_]) -> Metadata:
        """Of some rows."""
        return Metadata({n: v[rows] for n, v in self.columns.items()})

    def places(self, where: Where, count: int) -> NDArray[np.int64]:
        """Places of the rows that a condition picks; `BadParameter` where it says nothing of `count` rows."""
        if isinstance(where, Mapping):
            picked = np.ones(count, bool)
            for name, wanted in where.items():
                picked &= self._equal(name, wanted)
            return np.flatnonzero(picked)
        found = np.asarray(where(dict(self.columns)) if callable(where) else where)
        if found.dtype != bool or found.shape != (count,):
            raise BadParameter(
                f"where gives {found.dtype} of shape {found.shape}; expected a truth value for each of {count} rows, "
                "a mapping such as {'topic': 'sports'}, or a function from columns to truth values."
            )
        return np.flatnonzero(found)

    def said(self, words: Sequence[str], count: int) -> NDArray[np.bool_]:
        """Which of `count` rows conditions such as "topic=sports" and "year>=2003" pick: all of them must hold.

        Of one column several "=" are alternatives. Raises `BadParameter`.
        """
        picked, alike = np.ones(count, bool), dict[str, list[Any]]()
        for word in words:
            found = re.fullmatch(r"([^<>=]+)(<=|>=|<|>|==?)(.*)", word, re.DOTALL)
            if found is None:
                raise BadParameter(
                    f"condition {word!r}: expected COLUMN=VALUE, or <, <=, > or >= for =. Try 'year>=2003'."
                )
            name, sign, text = (part.strip() for part in found.groups())
            column, value = self._column(name), self._value(name, text)
            if sign not in ORDERED:
                alike.setdefault(name, []).append(value)
            elif column.dtype.kind in "Ob":
                raise BadParameter(f"condition {word!r}: {_sort(column)} have no order here. Try '{name}={text}'.")
            else:
                picked &= ORDERED[sign](column, value)
        for name, values in alike.items():
            picked &= self._equal(name, values)
        return picked

    def _value(self, name: str, text: str) -> Any:
        """What a word means in a column; 2.5 lies between whole numbers."""
        column = self.columns[name]
        try:
            if column.dtype.kind in "Ob":
                return {"true": True, "false": False}[text.lower()] if column.dtype.kind == "b" else text or None
            return np.array([text]).astype(np.float64 if column.dtype.kind == "i" else column.dtype)[0]
        except (ValueError, KeyError):
            some = str(next(iter(column.tolist()), ""))
            raise BadParameter(
                f"condition on {name!r}: the column holds {_sort(column)}, and {text!r} is none. Try {some!r}."
            ) from None

    def _column(self, name: str) -> Array:
        if name not in self.columns:
            known = ", ".join(self.columns) or "none (give metadata= with the rows, or --meta)"
            raise BadParameter(f"where names {name!r}; columns of metadata here: {known}.")
        return self.columns[name]

    def _equal(self, name: str, wanted: Any) -> NDArray[np.bool_]:
        column = self._column(name)
        values = np.atleast_1d(np.asarray(wanted, object if column.dtype.kind == "O" else None))
        if column.dtype.kind == "O":
            fits = all(v is None or isinstance(v, str) for v in values.tolist())
        else:
            fits = values.dtype.kind in ("OUM" if column.dtype.kind == "M" else "biuf")
        try:
            values = values.astype("datetime64[us]") if fits and column.dtype.kind == "M" else values
        except ValueError:
            fits = False
        if not fits:
            raise BadParameter(f"where {name}={wanted!r}: the column holds {_sort(column)}.")
        return np.isin(column, values)

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values; of texts the levels once, and a number for each row."""
        told: dict[str, Any] = {"meta": []}
        for i, (name, v) in enumerate(self.columns.items()):
            levels = sorted({t for t in v.tolist() if t is not None}) if v.dtype.kind == "O" else None
            if levels is not None:
                number = {t: j for j, t in enumerate(levels)} | {None: -1}
                told[f"meta.{i}"] = np.array([number[t] for t in v.tolist()], np.int32)
            else:
                told[f"meta.{i}"] = v.view(np.int64) if v.dtype.kind == "M" else v
            told["meta"].append([name, v.dtype.str, levels])
        return told

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """What `state` wrote."""
        found = {}
        for i, (name, dtype, levels) in enumerate(state.get("meta", [])):
            v = state[f"meta.{i}"]
            found[name] = v.view(dtype) if levels is None else np.array([*levels, None], object)[v]
        return cls(found)


def _column(name: str, given: Any, count: int | None) -> Array:
    if getattr(getattr(given, "dtype", None), "kind", "") not in tuple("biufM"):
        given = [None if v is None or v != v else v for v in np.asarray(given, object).ravel().tolist()]
    v = np.asarray(given)
    if v.ndim != 1 or (count is not None and len(v) != count):
        raise BadData(f"metadata column {name!r} has shape {v.shape}; expected a cell for each of {count} rows.")
    if v.dtype.kind == "M":
        return v.astype("datetime64[us]")
    if v.dtype.kind == "b":
        return v.astype(bool)
    if v.dtype.kind in "iuf":
        return v.astype(np.int64 if v.dtype.kind in "iu" else np.float64)
    if not all(t is None or isinstance(t, str) for t in v.tolist()):
        raise BadData(f"metadata column {name!r} is no column of numbers, truth values, dates or texts alone.")
    return v.astype(object)


def _sort(v: Array) -> str:
    return {"O": "texts", "M": "dates", "b": "truth values"}.get(v.dtype.kind, "numbers")
