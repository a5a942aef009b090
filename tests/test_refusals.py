"""What no table can hold is refused with its place, and with what to do instead."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from fits import fitted, rows
from numpy.testing import assert_array_equal

from latently import Autoencoder, Table
from latently.errors import BadData, UnsupportedInput

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize(
    ("container", "column"),
    [
        (np.asarray, "column 4"), (np.ndarray.tolist, "column 4"),
        (lambda x: pd.DataFrame(x, columns=list("abcdef")), "'e'"), (lambda x: pl.DataFrame(x, list("abcdef")), "'e'"),
        (lambda x: pa.table({c: x[:, j] for j, c in enumerate("abcdef")}), "'e'"), (pd.DataFrame, "'4'|column 4"),
    ],
)  # fmt: skip
def test_infinity_is_refused_with_its_place(value, container, column):
    x = rows()
    x[7, 4] = value
    with pytest.raises(BadData, match=rf"row 7, .*({column}).*inf.*NaN for a missing cell"):
        fitted(container(x))
    with pytest.raises(BadData, match=rf"row 7, .*({column}).*inf"):
        fitted(container(rows())).transform(container(x))


@pytest.mark.parametrize(
    "container", [lambda x: x, lambda x: x.tolist(), lambda x: x.astype(str)], ids=["objects", "lists", "strings"]
)
def test_text_among_the_numbers_of_an_array_is_refused_with_its_place(container):
    x = rows().astype(object)
    x[2, 3] = "many"
    with pytest.raises(BadData, match=r"column 'x3' holds float and str: 'many' in row 2.*drop"):
        fitted(container(x))


def test_text_that_is_a_number_is_a_number():
    x = np.round(rows(), 3)
    assert_array_equal(fitted(x.astype(str)).transform(x.astype(str)), fitted(x).transform(x))


NUMBERS = {"wide": 1e6 * rows(60)[:, 0], "count": np.arange(60)}


@pytest.mark.parametrize(
    "cells",
    [[[1.0, 2.0]] * 60, [b"\x00\xff"] * 60, [{"a": 1}] * 60],
    ids=["lists", "bytes", "records"],
)
def test_a_column_of_what_no_table_knows_is_refused_by_name(cells):
    for table in (pa.table({**NUMBERS, "size": cells}), pl.DataFrame({**NUMBERS, "size": cells})):
        with pytest.raises(UnsupportedInput, match=r"column 'size' holds .*expected numbers.*[Ll]eave it out"):
            fitted(table, k=1)


def test_one_word_among_numbers_is_named():
    table = pd.DataFrame(NUMBERS).astype({"wide": object})
    table.loc[4, "wide"] = "n/a"
    table.loc[2, "wide"] = pd.NA
    with pytest.raises(BadData, match=r"column 'wide'.*'n/a' in row 4"):
        fitted(table, k=1)


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame(rows()[:, :3], columns=["a", "b", "a"]), pa.table([pa.array(rows()[:, 0])] * 2, names=["a", "a"])],
    ids=["pandas", "pyarrow"],
)
def test_a_name_that_stands_twice_is_refused(table):
    with pytest.raises(BadData, match=r"'a'.*more than once.*rename"):
        fitted(table, k=1)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.zeros((4, 3, 2)), UnsupportedInput, r"\(4, 3, 2\).*2-D.*reshape"),
        ("table.csv", UnsupportedInput, r"'table.csv'.*Read the file first"),
        (pl.LazyFrame({"a": [1.0, 2.0]}), UnsupportedInput, "collect"),
        (None, (TypeError, ValueError), "None|2D|2-D"),
        (rows()[:, 0], ValueError, "reshape"),
        (pd.Series(rows()[:, 0]), ValueError, "2-dimensional|2-D|2D"),
        (np.empty((0, 3)), ValueError, r"0 sample|no rows"),
        (np.empty((3, 0)), ValueError, r"0 feature|no columns"),
        (rows().astype(complex), ValueError, "[Cc]omplex"),
        ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous|length"),
    ],
    ids=[
        "3-D",
        "a path",
        "a lazy frame",
        "None",
        "1-D",
        "a series",
        "no rows",
        "no columns",
        "complex",
        "ragged",
    ],
)
def test_what_is_no_table_is_refused_helpfully(data, error, message):
    with pytest.raises(error, match=message):
        Autoencoder(1, epochs=1, data=Table()).fit(data)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e100])
def test_the_unit_of_a_table_does_not_matter(scale):
    x = rows() * scale
    error = (fitted(x, k=5).reconstruct(x) - x) / x.std(0)
    assert (error**2).mean() < 0.1


def test_numbers_whose_squares_overflow_are_refused_by_column():
    with pytest.raises(BadData, match=r"column \d.*Rescale"):
        fitted(rows() * 1e300)


def test_rows_too_far_from_those_of_the_fit_are_refused_with_their_place():
    x = rows()
    x[3] *= 1e300
    with pytest.raises(BadData, match=r"row 3, column \d"):
        fitted().transform(x)
