"""The file of a table: a checksummed head, what all rows share, and groups of rows that can be read one by one.

| bytes | what |
|---|---|
| 4, 1 | magic, not text; version of the format |
| 4, 4 | lengths of the head and of what is shared |
| ... | the head: JSON, squeezed: rows, columns, how each is coded, lengths and CRC-32 of all parts |
| 4 | CRC-32 of everything above |
| ... | what is shared: the schema, levels; then the groups of rows, each a stream for each field |

Columns are coded one after the other, each knowing those before it, in `GROUP` rows at a time. Later groups go on from
what the first one has counted, so that any group can be read with the first. A column that is shorter without all this
is kept as it is, squeezed by zstd, zlib or LZMA.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from latently.codec.cells import Cells, cells_of, column_of, fraction, kept, loosened, plain, squeeze, unkept
from latently.codec.fields import Known, Plan, read_field, view_of
from latently.codec.planning import Coded, coded
from latently.codec.quotients import found, whole_of
from latently.codec.trees import Memory
from latently.errors import BadParameter, FileProblem

__all__ = ["MAGIC", "Sheet", "pack"]

MAGIC = b"\xf1LTT"
VERSION = 1
FIXED = struct.Struct("<4sBII")
SUM = struct.Struct("<I")
GROUP = 1 << 16  #: rows
MOST_CELLS = 1 << 33
WORTH = 1.1  # a column's quick squeeze is tried harder below this many times the coded length


def pack(columns: Sequence[Any], errors: Sequence[float], schema: Any, form: dict[str, Any]) -> bytes:
    """The file of Arrow arrays of one length; `form`: JSON values that tell what held them."""
    rows = len(columns[0]) if columns else 0
    cuts = [slice(i, min(i + GROUP, rows)) for i in range(0, max(rows, 1), GROUP)]
    known, views, told = [Known(c.stop - c.start) for c in cuts], list[Any](), dict[int, Any]()
    shared, parts = [squeeze(schema.serialize().to_pybytes())], [list[bytes]() for _ in cuts]
    every, held = _cells(columns, errors)
    for j, cells in every.items():
        made, fields = _coded(cells, cuts, known, views)
        length = sum(map(len, (s for one in made for s in one))) + len(json.dumps(fields)) // 2 + len(cells.shared)
        if cells.fields and (j in held or not _shorter(columns[j], length)):
            told[j] = {**cells.facts, "column": j, "fields": fields, "shared": len(cells.shared)}
            shared.append(cells.shared)
        else:
            for k in known:
                k.forget(len(fields))
            del views[len(views) - len(fields) :]
            told[j] = {"sort": "kept", "column": j}
            made = [[kept(columns[j][c])] for c in cuts]
        for part, one in zip(parts, made, strict=True):
            part += one
    bodies = [b"".join(part) for part in parts]
    facts = {
        "form": form, "rows": rows, "columns": list(told.values()), "schema": len(shared[0]),
        "lengths": [[len(s) for s in part] for part in parts], "sums": [zlib.crc32(b) for b in bodies],
    }  # fmt: skip
    common = b"".join(shared)
    head = squeeze(json.dumps(facts | {"sum": zlib.crc32(common)}, separators=(",", ":")).encode())
    top = FIXED.pack(MAGIC, VERSION, len(head), len(common)) + head
    return b"".join([top, SUM.pack(zlib.crc32(top)), common, *bodies])


def _cells(columns: Sequence[Any], errors: Sequence[float]) -> tuple[dict[int, Cells], set[int]]:
    """The cells of columns in the order in which they are coded; and which columns others need: quotients come last."""
    every = {j: cells_of(c, e) for j, (c, e) in enumerate(zip(columns, errors, strict=True))}
    floats, wholes, held = dict[int, Any](), dict[int, Any](), set[int]()
    for j, cells in every.items():
        form = cells.facts.get("form", {})
        if cells.facts["sort"] == "numbers" and len(columns[j]) and not cells.facts["states"]:
            if form["sort"] == "bits":
                floats[j] = plain(columns[j])
            elif form["sort"] in ("whole", "decimal") and not form.keys() & {"digits", "step"}:
                wholes[j] = whole_of(form, cells.fields[0])
    for one in found(floats, wholes):
        del every[one.column]  # to the end
        every[one.column] = fraction(columns[one.column], one, wholes[one.of])
        held |= {one.column, one.of}
        wholes[one.column] = one.numbers
    return every, held


def _coded(
    cells: Cells, cuts: list[slice], known: list[Known], views: list[Any]
) -> tuple[list[list[bytes]], list[dict[str, Any]]]:
    """The streams of each group, and the plans of a column's fields."""
    made, fields = [list[bytes]() for _ in cuts], []
    for i, values in enumerate(cells.fields):
        done: Coded = coded([values[c] for c in cuts], known, views, [len(views) - 1] if i else [])
        fields.append(done.plan.told())
        for one, stream in zip(made, done.streams, strict=True):
            one.append(stream)
    if cells.odd is not None:
        for one, c in zip(made, cuts, strict=True):
            some = cells.odd[c]
            one.append(squeeze(some[cells.fields[0][c] == 2].tobytes()))
    return made, fields


def _shorter(column: Any, length: int) -> bool:
    """Whether a column is shorter as it is."""
    import pyarrow as pa

    quick = len(pa.Codec("zstd", 3).compress(b"".join(bytes(b) for b in column.buffers() if b), asbytes=True))
    return quick < WORTH * length and len(kept(column)) <= length


@dataclass(frozen=True)
class Sheet:
    """A whole file that was checked: what it tells, and its parts."""

    facts: dict[str, Any]
    shared: bytes
    groups: list[bytes]

    @classmethod
    def read(cls, data: bytes) -> Sheet:
        """The sheet in `data`, every checksum verified; `FileProblem` on anything that is not exactly such a file."""
        if len(data) < FIXED.size or data[:4] != MAGIC:
            raise FileProblem(f"these {len(data)} bytes are not a table of latently, or their beginning is damaged.")
        if data[4] != VERSION:
            raise FileProblem(f"the file has format version {data[4]}; this latently reads {VERSION}. Update it.")
        _, _, length, common = FIXED.unpack_from(data)
        end = FIXED.size + length
        if len(data) < end + SUM.size:
            raise FileProblem(f"the file is cut short or damaged: {len(data)} bytes are fewer than its head needs.")
        if zlib.crc32(data[:end]) != SUM.unpack_from(data, end)[0]:
            raise FileProblem("the head of the file is damaged: its checksum does not match. Take another copy.")
        with _sound():
            facts = json.loads(loosened(data[FIXED.size : end]))
            start = end + SUM.size + common
            shared, groups = data[end + SUM.size : start], []
            for lengths in facts["lengths"]:
                groups.append(data[start : start + sum(lengths)])
                start += sum(lengths)
            sums = [facts["sum"], *facts["sums"]]
            if facts["rows"] * max(len(facts["columns"]), 1) > MOST_CELLS:
                raise FileProblem(f"the file declares more than {MOST_CELLS:,} cells.")
        if start != len(data):
            raise FileProblem(f"the file has {len(data)} bytes; its head tells of {start}. Take another copy.")
        for i, (part, wanted) in enumerate(zip([shared, *groups], sums, strict=True)):
            if zlib.crc32(part) != wanted:
                where = f"group {i} of {len(groups)}" if i else "the common part"
                raise FileProblem(f"{where} is damaged: its checksum does not match. Take another copy.")
        return cls(facts, shared, groups)

    @property
    def rows(self) -> int:
        """Of the whole table."""
        return int(self.facts["rows"])

    def schema(self) -> Any:
        """Of Arrow."""
        import pyarrow as pa

        return pa.ipc.read_schema(pa.py_buffer(loosened(self.shared[: self.facts["schema"]])))

    def told(self) -> dict[str, Any]:
        """What the file holds, as JSON values."""
        schema, names = self.schema(), []
        lengths = np.array(self.facts["lengths"]).sum(0)
        place = 0
        for facts in self.facts["columns"]:
            field, parts = schema.field(facts["column"]), _parts(facts)
            size = int(lengths[place : place + parts].sum()) + facts.get("shared", 0)
            codec = facts["form"]["sort"] if facts["sort"] == "numbers" else facts["sort"]
            names.append(
                (facts["column"], {"name": field.name, "type": str(field.type), "bytes": size, "codec": codec})
            )
            place += parts
        columns = [one for _, one in sorted(names, key=lambda one: one[0])]
        return {"rows": self.rows, "groups": len(self.groups), "columns": columns, "form": self.facts["form"]["sort"]}

    def table(self, only: Sequence[int] | slice | None = None) -> Any:
        """The Arrow table, or some of its rows, in their order; groups that hold none of them are not decoded."""
        import pyarrow as pa

        schema, rows = self.schema(), self.numbers(only)
        wanted = sorted({*(rows // GROUP).tolist()}) or [0] if only is not None else list(range(len(self.groups)))
        with _sound():
            columns = self._columns(schema, [0, *(g for g in wanted if g)])
        if 0 not in wanted:
            columns = [one[1:] for one in columns]
        arrays = [
            pa.chunked_array(one, f.type) if one else pa.chunked_array([], f.type)
            for one, f in zip(columns, schema, strict=True)
        ]
        table = pa.Table.from_arrays(arrays, schema=schema)
        if only is None:
            return table
        starts = np.cumsum([0, *(min(GROUP, self.rows - g * GROUP) for g in wanted)])
        place = np.array([wanted.index(g) for g in (rows // GROUP).tolist()], np.int64)
        return table.take(pa.array(starts[place] + rows % GROUP) if len(rows) else pa.array([], "int64"))

    def numbers(self, only: Sequence[int] | slice | None) -> Any:
        """The numbers of the rows that are meant."""
        if only is None or isinstance(only, slice):
            return np.arange(self.rows)[only if only is not None else slice(None)]
        rows = np.asarray(only if len(only) else np.zeros(0), np.int64)
        wrong = rows[(rows < 0) | (rows >= self.rows)]
        if len(wrong):
            raise BadParameter(f"there is no row {wrong[0]}; the file holds {self.rows}, counted from 0.")
        return rows

    def _columns(self, schema: Any, groups: list[int]) -> list[list[Any]]:
        """The arrays of each column in some groups, the first among them."""
        known = [Known(min(GROUP, self.rows - g * GROUP)) for g in groups]
        streams = [_Streams(self.groups[g], self.facts["lengths"][g]) for g in groups]
        views, done, place = list[Any](), dict[int, list[Any]](), self.facts["schema"]
        wholes = dict[int, list[Any]]()
        for facts in self.facts["columns"]:
            j = facts["column"]
            kind = schema.field(j).type
            if facts["sort"] == "kept":
                done[j] = [unkept(s.next(), kind) for s in streams]
                continue
            size, levels = facts["shared"], None
            if size:
                levels = unkept(self.shared[place : place + size], _levels(kind))
                place += size
            for plan in (Plan.of(told) for told in facts["fields"]):
                memory: Memory | None = None
                for g, (k, s) in enumerate(zip(known, streams, strict=True)):
                    after = read_field(s.next(), plan, k, views, memory)
                    memory = memory if g else after
                views.append(view_of(known[0].tokens[-1], len(plan.edges)))
            beside = wholes[facts["of"]] if facts["sort"] == "quotient" else [levels] * len(known)
            count = len(facts["fields"])
            done[j] = [
                column_of(facts, kind, k.values[-count:], s.odd(k, count) if facts["odd"] else None, b)
                for k, s, b in zip(known, streams, beside, strict=True)
            ]  # fmt: skip
            wholes[j] = [whole_of(facts["form"], k.values[-1]) for k in known]
        return [done[j] for j in range(len(schema))]


def _levels(kind: Any) -> Any:
    return getattr(kind, "value_type", kind)


class _Streams:
    """The parts of a group, one after the other."""

    def __init__(self, data: bytes, lengths: list[int]) -> None:
        self.data, self.lengths, self.at, self.part = data, lengths, 0, 0

    def next(self) -> bytes:
        """The next part."""
        size = self.lengths[self.part]
        self.part, self.at = self.part + 1, self.at + size
        return self.data[self.at - size : self.at]

    def odd(self, known: Known, count: int) -> Any:
        """The bits of odd cells, in their places."""
        found = np.zeros(known.rows, np.uint64)
        found[known.values[-count] == 2] = np.frombuffer(loosened(self.next()), np.uint64)
        return found


def _parts(facts: dict[str, Any]) -> int:
    return 1 if facts["sort"] == "kept" else len(facts["fields"]) + facts["odd"]


@contextmanager
def _sound() -> Iterator[None]:
    """Facts that do not fit together are a `FileProblem`."""
    try:
        yield
    except (FileProblem, BadParameter):
        raise
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, OSError, AssertionError) as problem:
        raise FileProblem(f"the file is whole, but was not written by latently ({problem!r}).") from None
