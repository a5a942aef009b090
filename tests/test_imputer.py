"""The imputer: known cells stay, gaps are filled better than by the mean, and its error bars hold."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from fits import rows
from numpy.testing import assert_array_equal

from latently import Imputer, load, save
from latently.errors import BadData, BadParameter
from latently.tasks.remasked import Residuals, Trial, column_errors, strata, trials
from latently.values import Batch

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


def holes(x: np.ndarray, seed: int = 0, share: float = 0.25) -> np.ndarray:
    x = x.copy()
    x[np.random.default_rng(seed).random(x.shape) < share] = np.nan
    return x


def table(n: int, seed: int = 0) -> np.ndarray:
    """Six columns of two hidden numbers; the last column counts."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 2))
    mixed = hidden @ np.array([[1, 2, -1, 0, 1, 3], [1, 0, 1, -2, 2, -1.0]]) + 0.3 * rng.normal(size=(n, 6))
    mixed[:, 5] = np.rint(5 * mixed[:, 5])
    return mixed * [1, 100, 0.01, 1, 1, 1] + [0, 0, 5, 0, -7, 0]


@pytest.fixture(scope="module")
def fit() -> Imputer:
    return Imputer(16, network=(48,), epochs=25, batch_size=64, learning_rate=5e-3, random_state=0).fit(
        holes(table(600))
    )


def frame() -> pd.DataFrame:
    """Columns of several types, an index with repeats, gaps in all columns but one."""
    made = pd.DataFrame(holes(table(60, 1)), columns=list("abcdef"), index=np.repeat(np.arange(30), 2))
    made["f"] = made["f"].astype("Int64")
    made["c"] = made["c"].astype("float32")
    made["e"] = table(60, 1)[:, 4]
    return made


CONTAINERS = {
    "pandas": frame,
    "polars": lambda: pl.from_pandas(frame()),
    "arrow": lambda: pa.Table.from_pandas(frame(), preserve_index=False),
}


# ---------------------------------------------------------------- what it fills


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_gap_is_filled_and_known_cells_keep_their_bits(fit, dtype):
    x = holes(table(50, 3)).astype(dtype)
    x[7] = np.nan
    filled, known = fit.transform(x), ~np.isnan(x)
    assert filled.dtype == dtype
    assert np.isfinite(filled).all()
    assert filled[known].tobytes() == x[known].tobytes()
    assert_array_equal(np.isnan(x), ~known)  # the input is left alone


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_frame_comes_back_as_it_was_but_for_the_gaps(fit, name):
    before = CONTAINERS[name]()
    fit = Imputer(4, epochs=1, random_state=0).fit(before)
    for after in (fit.transform(before), *fit.interval(before), *fit.sample(before, 2)):
        old, new = (t if name == "pandas" else t.to_pandas() for t in (before, after))
        assert type(after) is type(before)
        if name == "pandas":
            assert (new.dtypes == old.dtypes).all()
            assert new.index.equals(old.index)
        else:
            assert after.schema == before.schema
        assert list(new.columns) == list(old.columns)
        assert not new.isna().any(axis=None)
        for column in old:
            known = old[column].notna().to_numpy()
            assert_array_equal(*(t[column][known].to_numpy(dtype=float) for t in (old, new)))


def test_large_integers_of_a_nullable_column_are_not_rounded_through_floats():
    odd = 2**53 + 1
    data = pd.DataFrame({"a": pd.array([odd, None, *range(20)], dtype="Int64"), "b": np.arange(22.0)})
    assert Imputer(2, epochs=1, random_state=0).fit_transform(data)["a"][0] == odd


def test_filled_cells_are_nearer_than_the_mean_and_rows_need_not_be_those_of_the_fit(fit):
    whole = table(300, 5)
    x = holes(whole, 6)
    gone = np.isnan(x)
    error = ((fit.transform(x) - whole) / whole.std(0))[gone]
    assert (error**2).mean() < 0.4


def test_filled_values_stay_in_range_and_whole_columns_whole(fit):
    x = holes(table(600))
    far = np.full((3, 6), np.nan)
    far[:, 0], far[:, 1] = [1e3, -1e3, 0], [1e6, -1e6, 0]
    for filled in (fit.transform(far), *fit.sample(far, 3), *fit.interval(far)):
        new = filled[:, 2:]
        assert (new >= np.nanmin(x, 0)[2:]).all()
        assert (new <= np.nanmax(x, 0)[2:]).all()
        assert_array_equal(new[:, 3], np.rint(new[:, 3]))
        assert (new[:, :3] != np.rint(new[:, :3])).any()


def test_a_column_never_known_stays_missing():
    x = rows()
    x[:, 2] = np.nan
    model = Imputer(4, epochs=2, random_state=0).fit(x)
    x[0, 1] = np.nan
    assert_array_equal(np.isnan(model.transform(x)).any(0), np.arange(6) == 2)
    x[:, 2] = 1.0
    assert_array_equal(model.transform(x)[:, 2], 1.0)
    assert model.report_[2].cells == 0


def test_a_fit_without_gaps_can_fill_gaps():
    model, whole = (
        Imputer(16, network=(48,), epochs=25, learning_rate=5e-3, random_state=0).fit(table(300)),
        table(100, 8),
    )
    x = holes(whole)
    gone = np.isnan(x)
    assert (((model.transform(x) - whole) / whole.std(0))[gone] ** 2).mean() < 0.5


def test_a_filled_cell_does_not_depend_on_the_rows_beside_it(fit):
    x = holes(table(200, 9))
    assert_array_equal(fit.transform(x)[150:151], fit.transform(x[150:151]))


def test_names_out_are_names_in():
    model = Imputer(2, epochs=1, random_state=0).fit(frame())
    assert list(model.get_feature_names_out()) == list("abcdef")
    assert [r.column for r in model.report_] == list("abcdef")


def test_a_wide_code_raises_no_alarm(fit):
    assert fit.n_components_ > 6
    assert fit.alarms_ == []


def test_the_plan_is_the_imputers_own_but_for_what_is_given():
    own = Imputer(4)._paced({"batch_rows": "auto", "learning_rate": "auto", "epochs": "auto", "max_time": None}, 1000)
    assert own == {"batch_rows": 128, "learning_rate": 5e-3, "epochs": 750, "max_time": None}
    given = {"batch_rows": 50, "learning_rate": 1e-3, "epochs": 3, "max_time": 2.0}
    assert Imputer(4)._paced(given, 1000) == given


# ---------------------------------------------------------------- how far off it may be


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.6])
def test_intervals_cover_the_promised_share_of_new_rows_however_many_gaps(fit, level, share):
    whole = table(3000, 11)
    x = holes(whole, 12, share)
    gone = np.isnan(x)
    low, high = fit.interval(x, level)
    inside = (low <= whole) & (whole <= high)
    assert inside[~gone].all()
    assert (low <= fit.transform(x))[gone].mean() > level
    each = np.array([inside[gone[:, j], j].mean() for j in range(6)])
    assert -0.02 < each.mean() - level < 0.08  # models of two thirds of the rows vouch for the one of all
    assert (each > level - 0.15).all()  # a hundred residuals a stratum and column are known to 0.05


def test_a_wider_level_is_a_wider_interval_and_little_data_says_the_whole_range():
    x = holes(table(40))
    model = Imputer(8, epochs=3, random_state=0).fit(x)
    (low, high), (lower, higher) = model.interval(x, 0.5), model.interval(x, 0.9)
    assert (lower <= low).all()
    assert (high <= higher).all()
    widest = model.interval(x, 0.9999)
    gone = np.isnan(x)
    assert_array_equal(widest[0][gone], np.broadcast_to(np.nanmin(x, 0), x.shape)[gone])


def test_draws_spread_as_the_truth_does_and_repeat_with_their_seed(fit):
    whole = table(800, 13)
    x = holes(whole, 14)
    gone, filled = np.isnan(x), fit.transform(x)
    draws = fit.sample(x, 5, random_state=1)
    ours = np.stack([(d - filled) / whole.std(0) for d in draws])[:, gone].std()
    assert abs(ours / ((whole - filled) / whole.std(0))[gone].std() - 1) < 0.15
    again = fit.sample(x, 5, random_state=1)
    assert all(np.array_equal(a, b) for a, b in zip(draws, again, strict=True))
    assert not np.array_equal(draws[0], draws[1])


def test_the_report_foretells_the_error_on_new_rows(fit):
    whole = table(3000, 15)
    x = holes(whole, 16)
    gone, filled = np.isnan(x), fit.transform(x)
    for j, told in enumerate(fit.report_):
        off = (filled - whole)[gone[:, j], j]
        assert told.rmse == pytest.approx(np.sqrt((off**2).mean()), rel=0.2)
        assert told.mae == pytest.approx(np.abs(off).mean(), rel=0.2)
        assert told.rmse_of_mean == pytest.approx(whole[:, j].std(), rel=0.15)
        assert told.rmse < told.rmse_of_mean
        assert told.accuracy is None


def test_what_was_held_out_is_needed_for_limits_and_draws():
    model = Imputer(4, epochs=1, validation_fraction=None, random_state=0).fit(rows())
    assert model.report_ == []
    for ask in (model.interval, model.sample):
        with pytest.raises(BadData, match="held none out"):
            ask(rows())


@pytest.mark.parametrize("call", [lambda m: m.interval(rows(), 1.0), lambda m: m.sample(rows(), 0)])
def test_options_that_cannot_work_are_refused(call):
    with pytest.raises(BadParameter, match="expected"):
        call(Imputer(4, epochs=1, random_state=0).fit(rows()))


def test_a_weight_is_that_many_copies():
    x, weight = holes(rows()), np.arange(80) % 3
    options = {"n_components": 4, "epochs": 2, "random_state": 0}
    weighted, copied = Imputer(**options).fit(x, sample_weight=weight), Imputer(**options).fit(np.repeat(x, weight, 0))
    assert_array_equal(weighted.transform(x), copied.transform(x))
    assert weighted.report_ == copied.report_


def test_a_file_keeps_limits_draws_and_report(fit, tmp_path):
    save(fit, tmp_path / "model")
    again, x = load(tmp_path / "model", device="cpu"), holes(table(30, 17))
    assert again.report_ == fit.report_
    assert_array_equal(again.transform(x), fit.transform(x))
    assert_array_equal(again.interval(x)[0], fit.interval(x)[0])
    assert_array_equal(again.sample(x, random_state=2)[0], fit.sample(x, random_state=2)[0])


# ---------------------------------------------------------------- the parts of the calibration


class Held:
    """Judged rows; the model is the function that fills."""

    def __init__(self, model, train, valid):
        self.model, self.train, self.valid = model, train, valid


def test_each_known_cell_is_hidden_alone_once_and_never_seen():
    x = torch.from_numpy(np.random.default_rng(0).random((50, 5), dtype=np.float32)) + 1
    known = torch.rand(50, 5, generator=torch.Generator().manual_seed(0)) < 0.7

    def fill(model, batch):
        assert (batch.x[~batch.known] == 0).all()
        return batch.x

    found = trials((Held(None, Batch(x), Batch(x * known, known)),), fill, (0,) * 5)
    alone = np.sum([t.hidden for t in found if t.alone], 0)
    assert_array_equal(alone, known.numpy().astype(int))
    assert all(t.hidden.sum(1).max() <= 1 for t in found if t.alone)
    assert all(not (t.hidden & ~known.numpy()).any() for t in found)


def test_of_images_whole_pixels_are_hidden():
    x = torch.from_numpy(np.random.default_rng(0).random((30, 3 * 4 * 5), dtype=np.float32)) + 1
    found = trials((Held(None, Batch(x), Batch(x)),), lambda model, batch: batch.x, (0,) * 60, (3, 4, 5))
    hidden = np.stack([t.hidden.reshape(30, 3, 20) for t in found])
    assert_array_equal(hidden.any(2), hidden.all(2))
    assert {int(h.sum(1).max()) for h, t in zip(hidden.any(2), found, strict=True) if t.alone} == {1}
    assert hidden.any(2).mean(2).max() > 0.8


def test_rows_fall_into_quarters_by_their_gaps():
    known = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]).bool()
    assert list(strata(known)[:, 0]) == [0, 1, 2, 3, 3]


def one_trial(truth, guess, mean, median) -> Trial:
    hidden = np.ones(truth.shape, bool)
    return Trial(truth, guess, hidden, np.zeros(truth.shape, int), True, None, mean, median)


def test_categories_are_told_by_accuracy():
    truth = torch.tensor([[0.0, 1.0], [2.0, 3.0], [2.0, 5.0], [1.0, 7.0]])
    guess = torch.tensor([[0.0, 1.0], [2.0, 4.0], [1.0, 5.0], [1.0, 7.0]])
    found = [one_trial(truth, guess, torch.tensor([2.0, 4.0]), torch.tensor([2.0, 3.0]))]
    level, number = column_errors(
        found, ["level", "number"], (3, 0), lambda c: 10 * c.numpy().astype(float), np.arange(2)
    )
    assert (level.accuracy, level.accuracy_of_commonest, level.rmse) == (0.75, 0.5, None)
    assert (number.rmse, number.mae, number.mae_of_median) == (5.0, 2.5, 20.0)
    assert number.rmse_of_mean == pytest.approx(np.sqrt(500))


def test_the_commonest_level_and_the_weighted_median_are_found():
    x, weight = torch.tensor([[0.0, 1.0], [2.0, 9.0], [2.0, 2.0], [0.0, 3.0]]), torch.tensor([2.5, 0.5, 0.5, 0.5])
    found = trials((Held(None, Batch(x, weight=weight), Batch(x)),), lambda m, b: b.x, (3, 0))[0]
    assert found.mean.tolist() == [0.0, pytest.approx((2.5 + 4.5 + 1 + 1.5) / 4)]
    assert found.median.tolist() == [0.0, 1.0]


def test_conformal_ends_are_order_statistics():
    truth = torch.arange(1, 100, dtype=torch.float32)[:, None]
    zero = torch.zeros(1)
    residuals = Residuals.of([one_trial(truth, torch.zeros_like(truth), zero, zero)], np.arange(1))
    low, high = residuals.ends(0.9)
    assert (low[0, 0], high[0, 0]) == (5.0, 95.0)
    low, high = residuals.ends(0.99)
    assert (low[0, 0], high[0, 0]) == (-np.inf, np.inf)
    assert_array_equal(residuals.counts, np.full((4, 1), 99))  # strata too thin speak for the column


def test_a_level_never_seen_is_no_gap():
    pd = pytest.importorskip("pandas")
    grades = pd.CategoricalDtype(["low", "mid", "high"], ordered=True)
    table = pd.DataFrame({"size": np.arange(60.0) % 7, "grade": pd.Series(["low", "mid", "high"] * 20, dtype=grades)})
    model = Imputer(epochs=1, random_state=0).fit(table)
    wider = pd.CategoricalDtype(["low", "mid", "high", "top"], ordered=True)
    new = pd.DataFrame({"size": [np.nan, 1.0], "grade": pd.Series(["top", None], dtype=wider)})
    filled = model.transform(new)
    assert filled["grade"][0] == "top"
    assert filled["grade"][1] in ("low", "mid", "high")
    assert np.isfinite(filled["size"]).all()
