"""What a column is there for: learned, or passed through as a label, an identifier, a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from latently.errors import BadParameter, UnsupportedInput
from latently.modalities.columns import LEARNED, SORTS, Column, infer

__all__ = ["ROLES", "Names", "column_of", "roles_of"]

Names = str | Sequence[str]
ROLES = ("label", "id", "time", "drop")


def roles_of(names: Sequence[str], given: Mapping[str, Names], types: Mapping[str, str]) -> dict[str, str]:
    """The role of each column named in `given`; names and sorts that do not exist are refused."""
    roles = {}
    for role, columns in given.items():
        for name in (columns,) if isinstance(columns, str) else columns:
            if name not in names:
                raise BadParameter(f"{role}={name!r}: there is no such column; columns: {', '.join(names[:20])}.")
            roles[name] = "dropped" if role == "drop" else role
    for name, sort in types.items():
        if name not in names:
            raise BadParameter(f"types: there is no column {name!r}; columns: {', '.join(names[:20])}.")
        if sort not in LEARNED:
            raise BadParameter(f"types: {name!r} cannot be {sort!r}; expected one of {', '.join(LEARNED)}.")
    return roles


def column_of(name: str, array: Any, role: str | None, sort: str | None, named: bool) -> Column:
    """What a column holds; of a dropped one only that it is there."""
    if role is None:
        return infer(name, array, sort, named)
    if role != "dropped":
        with suppress(UnsupportedInput):  # what is not learned may hold anything
            return replace(infer(name, array, sort, named), role=role, levels=(), why="")
    return Column(name, SORTS[-1], role, str(array.type))
