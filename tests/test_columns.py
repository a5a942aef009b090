"""Columns of a table: what each is taken for, its cells as numbers, numbers as its cells."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import mixed
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.modalities import Table
from latently.modalities.columns import cells, infer, restored
from latently.modalities.scales import Scales

SORTS = {
    "number": "number", "integer": "integer", "flag": "boolean", "color": "category", "size": "ordered",
    "moment": "time", "zoned": "time", "day": "time", "took": "duration",
}  # fmt: skip
NAMES = [f"{i * 7919 % 1000:03d}-{i}" for i in range(60)]


def read(data, **options):
    """The columns as a table with these options sees them, by name."""
    table = Table(**options)
    table.read(data)
    return {c.name: c for c in table.columns_}


def one(values, name="a", kind=None):
    """The column that these values make."""
    return infer(name, pa.array(values, kind))


# ---------------------------------------------------------------- what a column is taken for


@pytest.mark.parametrize("gap", [0, 5])
@pytest.mark.parametrize("name", mixed.CONTAINERS)
def test_every_sort_is_recognised_in_every_container(name, gap):
    found = read(mixed.CONTAINERS[name](mixed.cells(gap=gap)))
    assert {n: c.sort for n, c in found.items()} == SORTS
    assert all(c.learned for c in found.values())
    assert found["color"].levels == tuple(mixed.COLORS)
    assert found["size"].levels == tuple(mixed.SIZES), "the order, and the level that never occurs"


SERIES = {
    "Int8": ([1, 2, 2], "integer"), "UInt64": ([1, 2, 2], "integer"), "float32": ([1.5, 2, 2], "number"),
    "boolean": ([True, None, False], "boolean"), "bool": ([True, False, False], "boolean"),
    "string": (["a", None, "b"], "category"), "category": (["a", "b", None], "category"),
    "datetime64[ns]": (["2020-01-01"] * 3, "time"), "datetime64[s]": (["2020-01-01"] * 3, "time"),
    "datetime64[us, Europe/Berlin]": (["2020-01-01"] * 3, "time"), "timedelta64[ms]": ([1, 2, 3], "duration"),
    "int32[pyarrow]": ([1, 2, None], "integer"), "bool[pyarrow]": ([True, None, False], "boolean"),
    "string[pyarrow]": (["a", "b", None], "category"), "timestamp[us][pyarrow]": (["2020-01-01"] * 3, "time"),
    "date32[day][pyarrow]": ([date(2020, 1, 1)] * 3, "time"), "duration[s][pyarrow]": ([1, 2, 3], "duration"),
}  # fmt: skip


@pytest.mark.parametrize("dtype", SERIES)
def test_the_dtypes_of_pandas_are_known(dtype):
    values, sort = SERIES[dtype]
    assert read(pd.DataFrame({"a": pd.Series(values, dtype=dtype)}))["a"].sort == sort


OBJECTS = {
    "text": (["a", "b", None], "category"), "whole": ([1, None, 3], "integer"), "flags": ([True, None], "boolean"),
    "dates": ([date(2020, 1, 1), None], "time"), "moments": ([datetime(2020, 1, 1, 3), None], "time"),
    "durations": ([timedelta(1), np.nan], "duration"), "decimals": ([Decimal("1.5"), Decimal("2")], "number"),
    "nothing": ([None, None], "number"), "NA": ([pd.NA, 1.5], "number"),
}  # fmt: skip


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_are_what_they_hold(name):
    values, sort = OBJECTS[name]
    assert read(pd.DataFrame({"a": pd.Series(values, dtype=object), "b": 1.5}))["a"].sort == sort


def test_intervals_and_dates_of_a_pandas_categorical_are_levels():
    table = pd.DataFrame({"x": np.arange(30.0)})
    table["bin"], table["day"] = pd.cut(table.x, 3), pd.Categorical([date(2020, 1, 1 + i % 4) for i in range(30)])
    found = read(table)
    assert (found["bin"].sort, len(found["bin"].levels)) == ("ordered", 3)
    assert (found["day"].sort, len(found["day"].levels)) == ("category", 4)


IDENTIFIERS = {
    "texts": NAMES, "order_id": [i * i for i in range(60)], "ID": [i * i for i in range(60)],
    "userId": [i * i for i in range(60)], "CUSTOMER_KEY": [i * i for i in range(60)], "n": list(range(100, 160)),
}  # fmt: skip


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_identifiers_are_recognised_and_left_out(name):
    found = one(IDENTIFIERS[name], name)
    assert (found.sort, found.role) == ("identifier", "left out")
    assert found.why


@pytest.mark.parametrize("name", ["paid", "grid", "keyboard", "value", "idle", "Android"])
def test_numbers_that_differ_are_no_identifiers_for_that(name):
    assert one([i * i for i in range(60)], name).sort == "integer"


def test_a_key_that_repeats_is_a_number_and_free_text_is_left_out():
    assert one([i % 20 for i in range(60)], "shop_id").sort == "integer"
    assert one([f"the {n} is a long story" for n in NAMES], "review").sort == "text"
    assert one([f"the story {i % 4} of all" for i in range(60)], "review").sort == "category"


def test_whole_numbers_with_a_gap_are_integers_though_pandas_makes_them_floats():
    assert one([1.0, None, 3.0]).sort == "integer"
    assert one([1.0, 2.0, 3.0]).sort == "number"
    assert one([1.0, None, 3.5]).sort == "number"


@pytest.mark.parametrize(("count", "sort"), [(1000, "category"), (1024, "category"), (1025, "identifier")])
def test_a_thousand_levels_are_a_category_and_more_an_identifier(count, sort):
    texts = [f"level {i}" for i in range(count)] * 2
    assert one(texts).sort == sort
    assert infer("a", pa.array(texts).dictionary_encode()).sort == sort


def test_asked_for_a_category_keeps_the_most_frequent_levels():
    texts = [f"level {i:04d}" for i in range(1500)] + [f"level {i:04d}" for i in range(400, 1424)]
    found = infer("a", pa.array(texts), "category")
    assert found.levels == tuple(f"level {i:04d}" for i in range(400, 1424))
    assert_array_equal(cells(found, pa.array(["level 0400", "level 0000", None])), [0, 1024, np.nan])


def test_types_and_roles_are_kept_and_shown():
    data = mixed.in_polars(mixed.cells()).with_columns(key=pl.Series(NAMES + NAMES[:20]), many=pl.lit([1]))
    table = Table(label="color", id="key", time="day", drop=["many"], types={"integer": "ordered", "flag": "category"})
    table.fit(table.read(data))
    shown = {c["name"]: c for c in table.schema()}
    assert [shown[n]["role"] for n in ("color", "key", "day", "many")] == ["label", "id", "time", "dropped"]
    assert [shown[n]["sort"] for n in ("color", "day", "integer", "flag")] == [
        "category",
        "time",
        "ordered",
        "category",
    ]
    assert table.names == ["number", "integer", "flag", "size", "moment", "zoned", "took"]
    assert shown["size"]["levels"] == 4
    assert shown["number"]["range"] == (min(data["number"]), max(data["number"]))
    assert "levels" not in shown["color"], "what is not learned leaves no trace of its cells"


def test_types_hold_for_arrays_of_numbers():
    table = Table(types={"x1": "category"})
    x = np.array([[1.5, 10], [2.5, 30], [1.0, 10], [np.nan, np.nan]])
    assert_array_equal(table.read(x), [[1.5, 0], [2.5, 1], [1.0, 0], [np.nan, np.nan]])
    table.fit(table.read(x))
    assert_array_equal(table.rebuilt(table.matrix(x), x), x)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label": "nope"}, "no such column"),
        ({"types": {"nope": "category"}}, "no column 'nope'"),
        ({"types": {"color": "colour"}}, "expected one of"),
    ],
)
def test_options_that_name_nothing_are_refused(options, words):
    with pytest.raises(BadParameter, match=words):
        read(mixed.in_polars(mixed.cells()), **options)


# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("gap", [0, 4])
@pytest.mark.parametrize("name", mixed.CONTAINERS)
def test_every_cell_comes_back_as_it_was(name, gap):
    data = mixed.CONTAINERS[name](mixed.cells(gap=gap))
    table = Table()
    x = table.read(data)
    again = table.fit(x).rebuilt(x, data)
    assert mixed.dtypes(again) == mixed.dtypes(data)
    assert mixed.listed(again) == mixed.listed(data)
    assert (np.isnan(x).sum(0) == (80 // gap if gap else 0)).all()


def test_cells_are_what_they_stand_for():
    columns = mixed.cells()
    table = Table()
    found = dict(zip(SORTS, table.read(mixed.in_pyarrow(columns)).T, strict=True))
    assert_array_equal(found["flag"], np.array(columns["flag"], float))
    assert_array_equal(found["color"], [mixed.COLORS.index(v) for v in columns["color"]])
    assert_array_equal(found["size"], [mixed.SIZES.index(v) for v in columns["size"]])
    assert_allclose(found["zoned"], [v.timestamp() for v in columns["zoned"]], rtol=1e-15)
    assert_array_equal(found["day"], [(v - date(1970, 1, 1)).days * 86400.0 for v in columns["day"]])
    assert_array_equal(found["took"], [v.total_seconds() for v in columns["took"]])


@pytest.mark.parametrize("seed", range(25))
def test_any_table_comes_back_as_it_was(seed):
    data = mixed.random_table(seed)
    table = Table()
    x = table.read(data)
    again = table.fit(x).rebuilt(x, data)
    assert again.schema.equals(data.schema)
    for name in data.column_names:
        was, now = data[name].to_pylist(), again[name].to_pylist()
        if pa.types.is_floating(data.schema.field(name).type):
            assert_array_equal(np.array(now, float), np.array(was, float))
        else:
            assert now == was, name


@pytest.mark.parametrize("seed", range(25))
def test_what_is_not_changed_is_the_same_to_the_bit(seed):
    data = mixed.random_table(seed)
    table = Table()
    x = table.read(data)
    table.fit(x)
    changed = np.random.default_rng(seed).random(x.shape) < 0.3
    other = table.rebuilt(x[::-1].copy(), data, changed)
    whole = table.rebuilt(x[::-1].copy(), data)
    assert other.schema.equals(data.schema)
    for j, name in enumerate(table.names):
        want = [
            b if c else a
            for a, b, c in zip(data[name].to_pylist(), whole[name].to_pylist(), changed[:, j], strict=True)
        ]
        assert str(other[name].to_pylist()) == str(want)


def test_containers_agree_to_the_bit():
    columns = mixed.cells(gap=6)
    read = [Table().read(make(columns)) for make in mixed.CONTAINERS.values()]
    assert_array_equal(read[0], read[1])
    assert_array_equal(read[0], read[2])
    objects = np.array(list(columns.values()), dtype=object).T
    plain = [j for j, name in enumerate(SORTS) if name != "size"]
    for rows in (objects, objects.tolist()):
        assert_array_equal(Table().read(rows)[:, plain], read[0][:, plain])


# ---------------------------------------------------------------- unknown levels, gaps, refusals


def test_levels_never_seen_come_after_the_last():
    category, ordered = one(["b", "a", "b"]), infer("a", pa.array(["b", "a"]), "ordered")
    for kind in (pa.array(["a", "zebra", None]), pa.array(["a", "zebra", None]).dictionary_encode()):
        assert_array_equal(cells(category, kind), [0, 2, np.nan])
        assert_array_equal(cells(ordered, kind), [0, 2, np.nan])
    assert restored(category, np.array([0.0, 2.0, np.nan])).to_pylist() == ["a", "b", None], "never shown"


@pytest.mark.parametrize("nothing", [pa.nulls(3), pa.nulls(3, pa.float64()), pa.nulls(3, pa.string())], ids=str)
def test_a_column_of_nothing_is_unknown_whatever_its_type(nothing):
    data = mixed.in_pyarrow(mixed.cells())
    table = Table()
    table.read(data)
    for column in table.columns_:
        assert np.isnan(cells(column, nothing)).all()


REFUSED = {
    "text among numbers": ("number", pa.array([None, "x"]), "row 1.*numbers"),
    "numbers among levels": ("color", pa.array([1, 2]), "levels such as 'blue'"),
    "dates among levels": ("color", pa.array([date(2020, 1, 1)]), "levels such as 'blue'"),
    "flags among levels": ("color", pa.array([True]), "levels such as"),
    "numbers among ranks": ("size", pa.array([1.5]), "levels such as"),
    "text among flags": ("flag", pa.array(["yes"]), "'yes' in row 0"),
    "numbers among times": ("moment", pa.array([None, None, 3]), "row 2.*times"),
    "numbers among durations": ("took", pa.array([3.0]), "durations"),
    "times among numbers": ("number", pa.array([datetime(2020, 1, 1)]), "numbers"),
    "durations among numbers": ("number", pa.array([timedelta(1)]), "numbers"),
    "another zone": ("zoned", pa.array([0], pa.timestamp("us", "Asia/Tokyo")), "Asia/Tokyo.*UTC"),
    "a zone lost": ("zoned", pa.array([0], pa.timestamp("us")), "zone none.*UTC"),
    "a zone won": ("moment", pa.array([0], pa.timestamp("us", "UTC")), "UTC.*none"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_cells_of_another_sort_are_refused_with_column_row_and_cure(name):
    column, array, words = REFUSED[name]
    found = read(mixed.in_pyarrow(mixed.cells()))[column]
    with pytest.raises(BadData, match=f"'{column}'.*{words}"):
        cells(found, array)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, "a"], "int and str: 'a' in row 1"),
        ([None, True, 2], "bool and int: 2 in row 2"),
        ([date(2020, 1, 1), "a"], "date and str"),
        ([date(2020, 1, 1), datetime(2020, 1, 1, 3)], "date and datetime.*row 1"),
        ([datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=mixed.UTC)], "without a time zone and datetime with"),
        ([2**80, 1], "int, such as"),
        ([1j, 2j], "complex"),
    ],
)
def test_a_column_of_several_sorts_is_refused_by_name_and_row(values, words):
    with pytest.raises(BadData, match=f"'odd'.*{words}"):
        read(pd.DataFrame({"odd": pd.Series(values, dtype=object)}))


@pytest.mark.parametrize("values", [[[1, 2]], [{"x": 1}], [b"raw"]], ids=["lists", "records", "bytes"])
def test_what_no_column_may_hold_is_refused_unless_it_is_dropped(values):
    data = pl.DataFrame({"odd": values * 3, "x": [1.0, 2.0, 4.0]})
    with pytest.raises(UnsupportedInput, match=r"'odd'.*drop"):
        read(data)
    assert read(data, drop="odd")["odd"].role == "dropped"


def test_names_that_look_the_same_are_refused():
    with pytest.raises(BadData, match="'1' stands more than once"):
        read(pd.DataFrame({1: [1.0, 2], "1": ["a", "b"]}))


# ---------------------------------------------------------------- scales


def test_times_come_back_in_the_steps_that_they_have():
    days = pa.table({"d": pa.array([date(2020, 1, 1), date(2021, 6, 1)]), "h": pa.array([0, 7200], pa.timestamp("s"))})
    table = Table()
    table.fit(table.read(days))
    off = torch.tensor([[1e4 / table.scales_.scale[0], 1e3 / table.scales_.scale[1]]])  # seconds
    again = table.rebuilt(table.values(table.batch(table.matrix(days)).x + off), days)
    assert again.to_pydict() == days.to_pydict()


def test_bounds_are_kept_where_rows_pile_up_or_none_is_negative():
    rng = np.random.default_rng(0)
    x = {
        "capped": np.minimum(rng.normal(size=300), 0.5),
        "positive": rng.exponential(size=300),
        "free": rng.normal(size=300),
    }
    table = Table()
    table.fit(table.read(pa.table(x)))
    for sign, want in ((1e3, [0.5, 1e3, 1e3]), (-1e3, [-1e3, 0, -1e3])):
        assert_allclose(table.scales_.undo(np.full((1, 3), sign) / table.scales_.scale)[0], want, rtol=0.01)


def test_a_heavy_tail_is_bent_as_numpy_bends_it():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.exp(2.5 * rng.normal(size=500)), rng.normal(size=500)])
    table = Table()
    table.fit(table.read(x))
    ((column, middle, unit, size),) = table.scales_.bends()
    half = np.median(np.abs(x[:, 0] - np.median(x[:, 0])))
    want = np.arcsinh((x[:, 0] - np.median(x[:, 0])) / half)
    units = (x[:, 0] - x[:, 0].mean()) / x[:, 0].std()
    assert column == 0
    assert_allclose(np.arcsinh((units - middle) / unit) / size, want / (np.abs(want).max() / 3), rtol=1e-9, atol=1e-9)
    assert "asinh" in table.schema()[0]["scaled"]


def test_scales_are_those_of_the_known_cells_by_their_weights():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(5, 3, size=(50, 2)), rng.integers(1, 5, 50).astype(float)
    x[::7, 1] = np.nan
    found = Scales().fit(x, weight, [one([1.5]), one([2.5])], False, False)
    copies = np.repeat(x, weight.astype(int), 0)
    assert_allclose(found.mean, np.nanmean(copies, 0), rtol=1e-12)
    assert_allclose(found.scale, np.nanstd(copies, 0), rtol=1e-12)
