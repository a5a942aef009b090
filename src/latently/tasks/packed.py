"""How a compressor writes and reads files of one sort of data: the contract, and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from latently.codec.coder import need
from latently.codec.sheets import MAGIC, Sheet, pack
from latently.errors import BadData, BadParameter, FileProblem
from latently.modalities import Modality, Table
from latently.modalities.containers import arrow_of, holds, native
from latently.tasks.base import Task

__all__ = ["Packing", "Tables", "checked_error"]

Only = Sequence[int] | slice | None


class Packing:
    """One sort of data and a task that makes files of it. `registry` holds them by the magic of their files."""

    registry: ClassVar[dict[bytes, type[Packing]]] = {}
    magic: ClassVar[bytes]

    def __init__(self, task: Task) -> None:
        self.task = task
        self.max_error: Any = vars(task)["max_error"]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Packing.registry[cls.magic] = cls

    @classmethod
    def of_data(cls, task: Task, data: Any) -> Packing:
        """What suits this data: images, unless a container holds a table."""
        columns = holds(data) is not None or hasattr(data, "to_frame") or hasattr(data, "lazy")
        table = isinstance(task.data, Table) or (columns and not isinstance(task.data, Modality))
        return next(c for c in cls.registry.values() if issubclass(c, Tables) == table)(task)

    @classmethod
    def of_file(cls, task: Task, data: bytes) -> Packing:
        """What wrote this file."""
        found = cls.registry.get(bytes(data[:4]))
        if found is None:
            raise FileProblem(
                f"these {len(data)} bytes are not a latently compressed file, or their beginning is damaged."
            )
        return found(task)

    def packed(self, data: Any, names: Sequence[str] | None) -> bytes:
        """The file of `data`."""
        raise NotImplementedError

    def unpacked(self, data: bytes, only: Only, most_pixels: int) -> Any:
        """What was packed, or `only` some of it."""
        raise NotImplementedError

    def told(self, data: bytes) -> dict[str, Any]:
        """What a whole file holds, as JSON values."""
        raise NotImplementedError

    def figures(self, data: Any) -> dict[str, Any]:
        """What a file of `data` takes."""
        raise NotImplementedError


class Tables(Packing):
    """Arrays of numbers and frames: exact, or each column within its `max_error`; files need no model."""

    magic = MAGIC

    def packed(self, data: Any, names: Sequence[str] | None) -> bytes:
        """The file of an array or a frame."""
        need()
        if names is not None:
            raise BadData("names= are those of images; a table keeps the names of its columns.")
        table, form = arrow_of(data)
        columns = [_whole(column) for column in table.columns]
        return pack(columns, self._errors(table.schema), table.schema, form)

    def _errors(self, schema: Any) -> list[float]:
        """Of each column; 0 for exact ones."""
        import pyarrow as pa

        numbers = [pa.types.is_integer(f.type) or pa.types.is_floating(f.type) for f in schema]
        given = self.max_error
        if not isinstance(given, Mapping):
            return [float(given or 0) * number for number in numbers]
        names = [str(name) for name in schema.names]
        for name, error in given.items():
            if str(name) not in names:
                raise BadParameter(
                    f"max_error={name}={error}: there is no column {name!r}; the first are {', '.join(names[:8])}."
                )
            if not numbers[names.index(str(name))]:
                raise BadParameter(
                    f"max_error={name}={error}: column {name!r} holds no numbers, but "
                    f"{schema.field(names.index(str(name))).type}. Leave it out: it is kept exact."
                )
        wanted = {str(name): float(error) for name, error in given.items()}
        return [wanted.get(name, 0.0) for name in names]

    def unpacked(self, data: bytes, only: Only, most_pixels: int) -> Any:
        """The container that was packed, or `only` these rows, by their numbers."""
        need()
        sheet = Sheet.read(data)
        found = sheet.table(only)
        return native(found, sheet.facts["form"], None if only is None else sheet.numbers(only))

    def told(self, data: bytes) -> dict[str, Any]:
        """Rows, groups, and of each column its type, bytes and way of coding."""
        return Sheet.read(data).told() | {"bytes": len(data), "model": None}

    def figures(self, data: Any) -> dict[str, Any]:
        """Bits of a cell."""
        file, table = self.packed(data, None), arrow_of(data)[0]
        return {"bits a cell": 8 * len(file) / max(table.num_rows * table.num_columns, 1), "bytes": len(file)}


def _whole(column: Any) -> Any:
    """A column in one piece."""
    if column.num_chunks == 1:
        return column.chunk(0)
    found = column.unify_dictionaries() if hasattr(column.type, "value_type") else column
    return found.combine_chunks()


def checked_error(given: Any) -> None:
    """Refuse a `max_error` that is none."""
    for e in given.values() if isinstance(given, Mapping) else [given]:
        if isinstance(e, bool) or not isinstance(e, (int, float, np.number)) or not 0 <= float(e) < math.inf:
            raise BadParameter(
                f"max_error={given!r}: expected a number, at least 0, in the unit of the data, or for tables one for "
                "each of some columns, such as {'price': 0.5}."
            )
