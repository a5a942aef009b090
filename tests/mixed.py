"""Mixed tables that several test files share: every sort of column, in every container."""

from datetime import date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

UTC = timezone.utc  # noqa: UP017
SIZES = ["small", "medium", "large", "huge"]
COLORS = ["blue", "green", "red"]


def cells(n: int = 80, gap: int = 0, seed: int = 0) -> dict[str, list]:
    """Python values of every sort of column, all telling two hidden numbers; every `gap`-th cell is missing."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    start = datetime(2021, 3, 1)
    columns = {
        "number": (3 * a + b).tolist(),
        "integer": np.rint(20 + 9 * b).astype(int).tolist(),
        "flag": (a > 0).tolist(),
        "color": np.where(a > 0.5, "red", np.where(b > 0, "green", "blue")).tolist(),
        "size": np.array(SIZES)[np.digitize(b, [-0.5, 0.5])].tolist(),
        "moment": [start + timedelta(minutes=round(4e4 * float(v)), microseconds=i) for i, v in enumerate(a)],
        "zoned": [datetime(2021, 3, 1, tzinfo=UTC) + timedelta(hours=round(900 * float(v))) for v in b],
        "day": [date(2021, 3, 1) + timedelta(days=round(100 * float(v))) for v in a],
        "took": [timedelta(seconds=round(3000 + 700 * float(v))) for v in b],
    }
    if gap:
        places = {name: rng.permutation(n) % gap == 0 for name in columns}
        columns = {c: [None if m else v for v, m in zip(vs, places[c], strict=True)] for c, vs in columns.items()}
    return columns


def in_polars(columns: dict[str, list]) -> pl.DataFrame:
    """Typed by polars; the sizes as an Enum."""
    return pl.DataFrame({**columns, "size": pl.Series(columns["size"], dtype=pl.Enum(SIZES))})


def in_pyarrow(columns: dict[str, list]) -> pa.Table:
    """Typed by Arrow; the sizes as an ordered dictionary."""
    places = pa.array([None if v is None else SIZES.index(v) for v in columns["size"]], pa.int8())
    sizes = pa.DictionaryArray.from_arrays(places, pa.array(SIZES), ordered=True)
    return pa.table({**columns, "size": sizes})


def in_pandas(columns: dict[str, list]) -> pd.DataFrame:
    """Nullable dtypes; the sizes as an ordered categorical."""
    return pd.DataFrame({
        "number": pd.array(columns["number"], dtype="Float64"), "integer": pd.array(columns["integer"], dtype="Int64"),
        "flag": pd.array(columns["flag"], dtype="boolean"), "color": pd.array(columns["color"], dtype="string"),
        "size": pd.Categorical(columns["size"], SIZES, ordered=True),
        "moment": pd.Series(pd.to_datetime(columns["moment"])).astype("datetime64[us]"),
        "zoned": pd.Series(pd.to_datetime(columns["zoned"])), "day": pd.Series(columns["day"], dtype=object),
        "took": pd.Series(pd.to_timedelta(columns["took"])),
    })  # fmt: skip


CONTAINERS = {"pandas": in_pandas, "polars": in_polars, "pyarrow": in_pyarrow}


def listed(table: object) -> dict[str, list]:
    """The Python values of a table's cells, None where missing."""
    if isinstance(table, pd.DataFrame):
        table = {str(c): [None if pd.isna(v) else v for v in table[c].tolist()] for c in table.columns}
        return {c: [v.to_pydatetime() if isinstance(v, pd.Timestamp) else v for v in vs] for c, vs in table.items()}
    return table.to_dict(as_series=False) if isinstance(table, pl.DataFrame) else table.to_pydict()


def dtypes(table: object) -> object:
    """What a container says of its columns' types."""
    return list(table.dtypes) if isinstance(table, pd.DataFrame) else table.schema


def random_table(seed: int) -> pa.Table:
    """Some columns of random sorts, sizes, gaps and Arrow types."""
    rng = np.random.default_rng([seed, 77])
    n = int(rng.integers(20, 90))
    whole = rng.integers(-9, 10, n)
    ticks = rng.integers(0, 2**40, n)
    makers = [
        lambda: pa.array(rng.normal(size=n) * 10.0 ** rng.integers(-5, 6), rng.choice([pa.float64(), pa.float32()])),
        lambda: pa.array(rng.normal(size=n).astype(np.float16)),
        lambda: pa.array(whole, rng.choice([pa.int8(), pa.int32(), pa.int64()])),
        lambda: pa.array(rng.integers(0, 200, n), rng.choice([pa.uint8(), pa.uint64()])),
        lambda: pa.array(whole > 0),
        lambda: pa.array([f"w{v % 5}" for v in whole], rng.choice([pa.string(), pa.large_string(), pa.string_view()])),
        lambda: pa.array([f"w{v % 7}" for v in whole]).dictionary_encode(),
        lambda: pa.DictionaryArray.from_arrays(pa.array(whole % 4, pa.int8()), pa.array(SIZES), ordered=True),
        lambda: pa.array(ticks, rng.choice([pa.timestamp("us"), pa.timestamp("ms", "UTC")])),
        lambda: pa.array(ticks // 10**6, rng.choice([pa.timestamp("s", "Europe/Berlin"), pa.duration("s")])),
        lambda: pa.array((ticks // 2**26).astype(np.int32), pa.date32()),
        lambda: pa.array(ticks, pa.duration("us")),
        lambda: pa.array(rng.integers(-999, 999, n), pa.int64()).cast(pa.decimal128(21, 2)).cast(pa.decimal128(7, 2)),
        lambda: pa.array(np.full(n, 7)),
        lambda: pa.nulls(n, rng.choice([pa.float64(), pa.string(), pa.bool_(), pa.timestamp("us"), pa.null()])),
    ]
    chosen = rng.choice(len(makers), int(rng.integers(2, 8)))
    columns = {}
    for j, maker in enumerate(chosen):
        made = makers[maker]()
        hide = pa.array(rng.random(n) < rng.choice([0, 0.2]))
        made = pa.array([None if h else v for v, h in zip(made.to_pylist(), hide.to_pylist(), strict=True)], made.type)
        columns[f"c{j}"] = made
    return pa.table(columns | {"always": pa.array(rng.normal(size=n))})
