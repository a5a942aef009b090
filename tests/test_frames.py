"""Tables in every container: numbers out of them, results back in the container they came in."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from fits import fitted, gaps, rows
from numpy.testing import assert_allclose, assert_array_equal

from latently import recipes

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

N = 60


def columns(missing: bool = False) -> dict[str, np.ndarray]:
    """One column for each sort of number, all telling the same two hidden numbers."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, N))
    found = {
        "wide": 1e6 + 1e3 * a,
        "narrow": (a + 0.1 * b).astype(np.float32),
        "count": np.rint(20 + 5 * b).astype(np.int64),
        "small": np.where(a > 0, 255, 0).astype(np.uint8),
        "signed": np.where(b > 0, 127, -128).astype(np.int8),
        "flag": a + b > 0,
    }
    if missing:
        found["wide"][3] = np.nan
    return found


def nullable(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({"count": "Int64", "wide": "Float64", "flag": "boolean", "small": "UInt8"})
    frame.loc[frame.index[[1, 5]], ["count", "flag"]] = pd.NA
    return frame


CONTAINERS: dict[str, Callable[[], object]] = {
    "pandas": lambda: pd.DataFrame(columns(), index=[f"row {i}" for i in range(N)]),
    "pandas, missing": lambda: pd.DataFrame(columns(missing=True), index=np.arange(N)[::-1]),
    "pandas, nullable": lambda: nullable(pd.DataFrame(columns())),
    "pandas, pyarrow dtypes": lambda: pd.DataFrame(columns()).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda: pl.DataFrame(columns()),
    "polars, missing": lambda: pl.DataFrame(columns()).with_columns(
        pl.when(pl.col("wide") > 1e6).then(pl.col(c)).alias(c) for c in ("count", "flag", "narrow")
    ),
    "pyarrow": lambda: pa.table(columns()),
    "pyarrow, missing": lambda: pa.table({**columns(), "count": pa.array([None, *range(N - 1)], pa.int32())}),
}
each_container = pytest.mark.parametrize("name", CONTAINERS)


def dtypes(table: object) -> object:
    if isinstance(table, pd.DataFrame):
        return table.dtypes.to_dict()
    return table.schema


def numbers(table: object) -> np.ndarray:
    frame = pd.DataFrame(table) if isinstance(table, pd.DataFrame) else table.to_pandas()
    return frame.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)


# ---------------------------------------------------------------- back in the container they came in


@each_container
def test_reconstructions_come_in_the_container_names_index_and_dtypes_of_the_rows(name):
    table = CONTAINERS[name]()
    again = fitted(table, k=2, epochs=15).reconstruct(table)
    assert type(again) is type(table)
    assert dtypes(again) == dtypes(table)
    if isinstance(table, pd.DataFrame):
        pd.testing.assert_index_equal(again.index, table.index)
    before, after = numbers(table), numbers(again)
    assert np.isfinite(after).all(), "a missing cell has no reconstruction"
    known = ~np.isnan(before)
    error = [((after - before)[known[:, j], j] ** 2).mean() / np.nanvar(before[:, j]) for j in range(6)]
    assert max(error) < 1  # the mean of a column would give 1
    assert np.mean(error) < 0.5


@each_container
def test_a_container_holds_the_numbers_of_an_array(name):
    table = CONTAINERS[name]()
    array = numbers(table)
    model, plain = fitted(table, k=2), fitted(array, k=2)
    assert_array_equal(model.transform(table), plain.transform(array))
    assert list(model.feature_names_in_) == list(columns())


@pytest.mark.parametrize("kind", ["undercomplete", "denoising"])
@each_container
def test_corrupted_rows_come_in_the_container_of_the_rows(name, kind):
    table = CONTAINERS[name]()
    spoiled = fitted(table, k=2, kind=kind).corrupt(table, random_state=0)
    assert type(spoiled) is type(table)
    assert dtypes(spoiled) == dtypes(table)
    before, after = numbers(table), numbers(spoiled)
    assert_array_equal(np.isnan(before), np.isnan(after))
    if kind == "undercomplete":
        assert_array_equal(before, after)


@pytest.mark.parametrize("dtype", ["int64", "int16", "int8", "uint8", "bool"])
def test_arrays_of_integers_come_back_rounded_and_within_their_limits(dtype):
    low, high = (
        (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype != "int64" else (-9, 9)
    )
    a, b = np.random.default_rng(0).normal(size=(2, N))
    x = np.column_stack([a, b, a + b, a - b]) * 0.5 * (high - low) + 0.5 * (high + low)
    x = np.rint(x.clip(low, high)).astype(dtype)
    model = fitted(x, k=2, epochs=1)
    wanted = model.inverse_transform(model.transform(x))
    again = model.reconstruct(x)
    assert again.dtype == x.dtype
    assert wanted.max() > high, "no cell tries the limits"
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype != "bool" else (0, 1)
    assert_array_equal(again, (np.floor(wanted + 0.5) if dtype == "bool" else np.rint(wanted)).clip(*limits))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_arrays_of_floats_come_back_in_their_precision(dtype):
    x = rows().astype(dtype)
    model = fitted(x)
    assert model.reconstruct(x).dtype == x.dtype
    assert_allclose(model.reconstruct(x), model.inverse_transform(model.transform(x)), rtol=1e-2, atol=1e-3)


def test_integers_of_a_frame_stay_within_their_limits():
    table = pd.DataFrame(columns())
    model = fitted(table, k=1)
    wanted = model.inverse_transform(model.transform(table))
    cells = (
        model.data_.scales_.mean[3]
        + model.data_.scales_.scale[3]
        * model.model_.decode(torch.from_numpy(model.transform(table))).detach().numpy()[:, 3]
    )
    assert (cells > 255).any(), "no cell tries the limits"
    assert wanted[:, 3].max() == 255
    assert_array_equal(model.reconstruct(table)["small"], np.clip(np.rint(cells), 0, 255))


@pytest.mark.parametrize("x", [rows(30).tolist(), tuple(map(tuple, rows(30))), torch.from_numpy(rows(30))], ids=type)
def test_what_numpy_reads_is_an_array(x):
    model = fitted(x)
    assert_array_equal(model.transform(x), fitted(rows(30)).transform(rows(30)))
    assert isinstance(model.reconstruct(x), np.ndarray)


@pytest.mark.parametrize(
    "names", [range(6), pd.MultiIndex.from_product([["a", "b"], [1, 2, 3]])], ids=["numbers", "pairs"]
)
def test_names_that_are_no_text_are_kept(names):
    table = pd.DataFrame(rows(), columns=names)
    again = fitted(table).reconstruct(table)
    pd.testing.assert_index_equal(again.columns, table.columns)


# ---------------------------------------------------------------- missing cells


MISSING = {
    "NaN in an array": lambda x: x,
    "None in an array": lambda x: np.where(np.isnan(x), None, x),
    "None in lists": lambda x: [[None if np.isnan(v) else v for v in row] for row in x],
    "NaN in pandas": pd.DataFrame,
    "None in pandas": lambda x: pd.DataFrame(np.where(np.isnan(x), None, x)),
    "NA in pandas": lambda x: pd.DataFrame(np.where(np.isnan(x), pd.NA, x.astype(object))),
    "null in polars": lambda x: pl.from_pandas(pd.DataFrame(x)).with_columns(pl.all().fill_nan(None)),
    "NaN in polars": lambda x: pl.DataFrame(x, schema=list("abcdef")),
    "null in pyarrow": lambda x: pa.table({c: pa.array(x[:, j], from_pandas=True) for j, c in enumerate("abcdef")}),
    "a masked array": lambda x: np.ma.masked_array(np.nan_to_num(x, nan=7e7), np.isnan(x)),
}


@pytest.mark.parametrize("how", MISSING)
def test_missing_cells_are_missing_however_they_are_written(how):
    x = gaps(rows())
    model = fitted(MISSING[how](x))
    assert_array_equal(model.transform(MISSING[how](x)), fitted(x).transform(x))


def test_what_stands_in_a_missing_cell_teaches_nothing():
    x, other = gaps(rows()), rows()
    model = fitted(x, epochs=10, kind=recipes.Denoising(level=0.5))
    other[np.isnan(x)] = 1e3
    assert_allclose(model.data_.scales_.mean, np.nanmean(x, 0))
    assert (np.abs(model.reconstruct(x)[:, 1] - 1) < 1).all()
    assert not np.allclose(model.reconstruct(other)[::7, 1], model.reconstruct(x)[::7, 1])


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame], ids=lambda c: c.__module__)
def test_a_column_without_a_single_known_cell_is_carried_along(container):
    x = rows()
    x[:, 2] = np.nan
    again = fitted(container(x)).reconstruct(container(x))
    assert np.isfinite(np.asarray(again, dtype=float)[:, [0, 1, 3, 4, 5]]).all()


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table], ids=lambda c: c.__module__)
def test_a_column_of_nothing_is_carried_along(frame):
    table = frame({"a": rows()[:, 0], "b": rows()[:, 1], "c": [None] * 80})
    assert fitted(table, k=1).transform(table).shape == (80, 1)


def test_cells_may_be_missing_only_after_the_fit():
    model = fitted()
    x = gaps(rows())
    assert np.isfinite(model.reconstruct(x)).all()
    assert_array_equal(model.transform(x)[1:7], model.transform(rows())[1:7])


# ---------------------------------------------------------------- names at predict time


@each_container
def test_other_names_or_another_order_are_refused_at_predict_time(name):
    table = CONTAINERS[name]()
    model = fitted(table, k=2)
    if isinstance(table, pd.DataFrame):
        renamed, turned = table.rename(columns={"wide": "nope"}), table[table.columns[::-1]]
    elif isinstance(table, pl.DataFrame):
        renamed, turned = table.rename({"wide": "nope"}), table.select(table.columns[::-1])
    else:
        renamed, turned = (
            table.rename_columns(["nope", *table.column_names[1:]]),
            table.select(table.column_names[::-1]),
        )
    with pytest.raises(ValueError, match="nope"):
        model.transform(renamed)
    with pytest.raises(ValueError, match="order"):
        model.transform(turned)
