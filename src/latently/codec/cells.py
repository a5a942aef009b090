"""Columns of Arrow as fields of whole numbers and loose bytes, and back as they were."""

from __future__ import annotations

import lzma
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.numbers import Form, formed
from latently.codec.quotients import Quotient, quotient
from latently.errors import FileProblem

__all__ = ["Cells", "cells_of", "column_of", "fraction", "kept", "loosened", "plain", "squeeze", "unkept"]

Whole = NDArray[np.uint64]

REGULAR, MISSING, ODD = range(3)  # states of a cell
LEVELS = 0.5  # distinct values a row: with more, a column of values that are no numbers is kept as it is
RAW, ZLIB, ZSTD, LZMA = range(4)
BARE, STREAM = b"\0", b"\1"  # numbers, or a stream of Arrow
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 24}]
SMALL = 1 << 16  # bytes: zlib is never the shortest of more
THOROUGH = 19  # of zstd


@dataclass
class Cells:
    """A column as it is coded. `facts`: JSON values; `fields`: whole numbers, of the states of cells, if any, first."""

    facts: dict[str, Any]
    fields: list[Whole] = field(default_factory=list)
    odd: NDArray[np.uint64] | None = None  #: the bits of cells that are kept as they are; 0 elsewhere
    shared: bytes = b""  #: the levels


def cells_of(column: Any, error: float) -> Cells:
    """The fields of an Arrow array; no number comes back farther off than `error`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, rows = column.type, len(column)
    bare = column.indices if pa.types.is_dictionary(kind) else column
    missing = np.asarray(bare.is_null()) if bare.null_count else np.zeros(rows, bool)
    if pa.types.is_dictionary(kind):
        return _states({"sort": "levels"}, plain(bare), missing, 0.0, kept(column.dictionary))
    if _width(kind):
        return _states({"sort": "numbers"}, plain(column), missing, error)
    if _texts(kind) or pa.types.is_decimal(kind) or pa.types.is_fixed_size_binary(kind):
        levels = pc.unique(_castable(column).drop_null())
        if len(levels) <= LEVELS * rows:
            levels = levels.take(pc.sort_indices(levels)) if _texts(kind) else levels
            codes = pc.index_in(_castable(column), levels)
            return _states({"sort": "texts"}, plain(codes.cast("int32")), missing, 0.0, kept(levels))
    return Cells({"sort": "kept"})


def column_of(facts: dict[str, Any], kind: Any, fields: list[Whole], odd: Whole | None, shared: Any) -> Any:
    """The Arrow array of type `kind`, of some rows, that `cells_of` saw.

    `shared`: its levels, or the whole numbers that it is a quotient with.
    """
    import pyarrow as pa

    form = Form(**facts["form"])
    state = fields[0] if facts["states"] else np.zeros(len(fields[-1]), np.uint64)
    values = form.values(fields[-1])
    if facts["sort"] == "quotient":
        values = quotient(values, shared, facts["under"], np.dtype(facts["dtype"]))
    if odd is not None:
        where = state == ODD
        values[where] = odd[where].astype(f"u{values.dtype.itemsize}").view(values.dtype)
    missing = state == MISSING
    if facts["sort"] in ("numbers", "quotient"):
        return _restored(kind, values, missing)
    index = kind.index_type if facts["sort"] == "levels" else pa.int32()
    codes = _restored(index, values.astype(index.to_pandas_dtype()), missing)
    if facts["sort"] == "levels":
        return pa.DictionaryArray.from_arrays(codes, shared, ordered=kind.ordered)
    return shared.take(codes).cast(kind)


def fraction(column: Any, one: Quotient, other: NDArray[np.int64]) -> Cells:
    """A column of floats as the whole numbers of a quotient."""
    values = plain(column)
    back = quotient(one.numbers, other, one.under, values.dtype)
    odd = back.view(f"u{values.dtype.itemsize}") != values.view(f"u{values.dtype.itemsize}")
    facts = {"sort": "quotient", "of": one.of, "under": one.under, "dtype": values.dtype.name}
    form, whole, _ = formed(one.numbers[~odd], 0.0)
    return _stated(facts, values, np.zeros(len(values), bool), form, whole, odd)


def _states(facts: dict[str, Any], values: Any, missing: Any, error: float, shared: bytes = b"") -> Cells:
    form, whole, odd = formed(values[~missing], error)
    some = np.zeros(len(values), bool)
    some[~missing] = odd
    cells = _stated(facts, values, missing, form, whole[~odd], some)
    cells.shared = shared
    return cells


def _stated(facts: dict[str, Any], values: Any, missing: Any, form: Form, whole: Whole, odd: Any) -> Cells:
    """Cells of which those that are neither missing nor odd are `whole`."""
    states = np.where(missing, MISSING, np.where(odd, ODD, REGULAR)).astype(np.uint64)
    numbers, regular = np.zeros(len(values), np.uint64), states == REGULAR
    numbers[regular] = whole
    if regular.any() and not regular.all():
        numbers[~regular] = np.sort(whole)[len(whole) // 2]  # costs next to nothing: its bin is full
    loose = None
    if odd.any():
        loose = np.zeros(len(values), np.uint64)
        loose[odd] = values[odd].view(f"u{values.dtype.itemsize}")
    usual = asdict(Form("", ""))
    told = {n: v for n, v in asdict(form).items() if v != usual[n]}
    facts |= {"form": told, "states": bool(states.any()), "odd": loose is not None}
    return Cells(facts, [states, numbers] if states.any() else [numbers], loose)


# ---------------------------------------------------------------------- Arrow


def _width(kind: Any) -> int:
    """Bytes of a number; 0 for what is none."""
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return 1
    fixed = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)
    return kind.bit_width // 8 if fixed and kind.bit_width <= 64 else 0


def _texts(kind: Any) -> bool:
    import pyarrow as pa

    return any(
        is_(kind)
        for is_ in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary,
                    pa.types.is_large_binary)
    )  # fmt: skip


def _castable(column: Any) -> Any:
    return column.cast("large_string") if str(column.type) == "string_view" else column


def plain(column: Any) -> Any:
    """The numbers of an Arrow array as numpy's, whatever stands in missing cells."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast("uint8")
    kind, width = column.type, _width(column.type)
    letter = "f" if pa.types.is_floating(kind) else "u" if pa.types.is_unsigned_integer(kind) else "i"
    if not len(column):
        return np.zeros(0, f"{letter}{width}")
    return np.frombuffer(column.buffers()[1], f"{letter}{width}")[column.offset : column.offset + len(column)].copy()


def _restored(kind: Any, values: Any, missing: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return pa.array(values.astype(bool), mask=missing if missing.any() else None)
    mask = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes()) if missing.any() else None
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(values.tobytes())], int(missing.sum()))


# ---------------------------------------------------------------------- without a model


def kept(column: Any) -> bytes:
    """An Arrow array as it is, squeezed."""
    import pyarrow as pa

    if _width(column.type) and not column.null_count and not pa.types.is_boolean(column.type):
        return squeeze(BARE + plain(column).tobytes())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("", column.type)])) as writer:
        writer.write_batch(pa.record_batch([column], [""]))
    return squeeze(STREAM + sink.getvalue().to_pybytes())


def unkept(data: bytes, kind: Any) -> Any:
    """The Arrow array of type `kind` that was kept."""
    import pyarrow as pa

    raw = loosened(data)
    if raw[:1] == BARE:
        return pa.Array.from_buffers(kind, (len(raw) - 1) // _width(kind), [None, pa.py_buffer(raw[1:])])
    with pa.ipc.open_stream(raw[1:]) as reader:
        return reader.read_all().column(0).combine_chunks()


def squeeze(data: bytes) -> bytes:
    """The shortest of raw, zlib, zstd and LZMA; its first byte says which."""
    import pyarrow as pa

    made = [bytes([RAW]) + data]
    if len(data) < SMALL:
        made.append(bytes([ZLIB]) + zlib.compress(data, 9))
    if len(data) > 64:
        size = len(data).to_bytes(8, "little")
        made.append(bytes([ZSTD]) + size + pa.Codec("zstd", THOROUGH).compress(data, asbytes=True))
        made.append(bytes([LZMA]) + lzma.compress(data, lzma.FORMAT_RAW, filters=FILTERS))
    return min(made, key=len)


def loosened(data: bytes) -> bytes:
    """What `squeeze` saw."""
    import pyarrow as pa

    sort, rest = data[:1], data[1:]
    try:
        if sort == bytes([RAW]):
            return rest
        if sort == bytes([ZLIB]):
            return zlib.decompress(rest)
        if sort == bytes([LZMA]):
            return lzma.decompress(rest, lzma.FORMAT_RAW, filters=FILTERS)
        return bytes(pa.Codec("zstd").decompress(rest[8:], int.from_bytes(rest[:8], "little"), asbytes=True))
    except (zlib.error, lzma.LZMAError, OSError, ValueError) as problem:
        raise FileProblem(f"a part of the file cannot be read ({problem}).") from None
