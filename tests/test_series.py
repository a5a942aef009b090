"""Series through every job: the form, index and dtype that they came in, gaps, ragged items, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from latently import Autoencoder, Denoiser, Generator, Imputer, Map, SearchIndex, Series, Table, load, recipes, save
from latently.errors import BadData, BadParameter, FitAlarm, UnsupportedInput
from latently.modalities.windows import Windows, sized
from latently.parts.corruptions import Remasking
from latently.parts.doors import Door
from latently.parts.networks import Dense, Ends, Recurrent, Residual, Temporal
from latently.tasks.base import modality_of
from latently.tasks.blend import Blend
from latently.tasks.remasked import Trial
from latently.values import Batch, Sizes

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


def waves(n: int = 24, length: int = 20, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Waves of one frequency, each channel with a phase of its own, `(n, length, channels)`."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (n, 1, channels))
    noise = rng.normal(0, 0.05, (n, length, channels))
    return np.sin(np.arange(length)[None, :, None] / 3 + phase) + noise


def ragged(n: int = 24, seed: int = 0) -> list[np.ndarray]:
    """1-D series of 5 to 20 steps."""
    lengths = np.random.default_rng(seed).integers(5, 21, n)
    return [w[:size, 0] for w, size in zip(waves(n, seed=seed), lengths, strict=True)]


def long(steps: int = 240, gap: bool = True) -> np.ndarray:
    """One series of two channels, with a gap."""
    x = waves(1, steps)[0]
    if gap:
        x[50:56, 0] = np.nan
    return x


def frame(steps: int = 120) -> pd.DataFrame:
    """Two sites by the hour: one channel of floats with a gap, one of whole numbers, and a text that is no channel."""
    x = waves(1, steps)[0]
    made = pd.DataFrame(
        {"site": ["p"] * (steps // 2) + ["q"] * (steps // 2), "level": x[:, 0], "count": np.rint(50 * x[:, 1])},
        index=pd.date_range("2024-03-01", periods=steps, freq="h", name="when"),
    )
    made["level"] = made["level"].astype("float32")
    made["count"] = made["count"].astype("int64")
    made.iloc[10:14, 1] = np.nan
    return made


def fitted(data: Any, reading: Any = "auto", **options: Any) -> Autoencoder:
    """A quick fit."""
    given = {"epochs": 2, "random_state": 0, "network": Dense((8,))} | options
    return Autoencoder(given.pop("k", 3), data=reading, **given).fit(data)


# ---------------------------------------------------------------------- what is series


@pytest.mark.parametrize(
    ("data", "reading"),
    [
        (ragged(), "Series"), (list(waves()), "Series"), (long(), "Table"), (frame(), "Table"), (waves(), "Image"),
        ([[1.0, 2.0], [3.0, 4.0]], "Table"), ([np.zeros((9, 9), np.uint8)] * 3, "Image"),
    ],
)  # fmt: skip
def test_auto_takes_lists_of_narrow_arrays_for_series_and_leaves_the_rest(data: Any, reading: str) -> None:
    assert type(modality_of("auto", data)).__name__ == reading


def test_a_ragged_list_has_one_code_and_one_score_an_item() -> None:
    items = ragged()
    model = fitted(items)
    longest = max(map(len, items))
    assert model.data_.shape == (1, longest)
    assert model.transform(items).shape == (len(items), 3)
    assert model.score_samples(items).shape == (len(items),)
    assert [r.shape for r in model.reconstruct(items)] == [i.shape for i in items]
    assert model.inverse_transform(model.transform(items)).shape == (len(items), longest)
    assert model.sample(4).shape == (4, longest)


def test_an_item_longer_than_any_of_the_fit_still_has_one_code_and_every_step() -> None:
    items, model = [np.arange(57.0) / 57], fitted(ragged())
    assert model.transform(items).shape == (1, 3)
    assert model.score_samples(items).shape == (1,)
    assert model.reconstruct(items)[0].shape == (57,)


def test_an_array_of_items_comes_back_as_one() -> None:
    x = waves().astype(np.float32)
    model = fitted(x, Series())
    made = model.reconstruct(x)
    assert (made.shape, made.dtype) == (x.shape, x.dtype)
    assert model.sample(2).shape == (2, 20, 2)


@pytest.mark.parametrize("data", [long(), long()[:, 0]])
def test_one_long_series_has_a_score_a_step_and_a_code_a_window(data: np.ndarray) -> None:
    model = fitted(data, Series())
    scores = model.score_samples(data)
    assert scores.shape == (len(data),)
    assert_array_equal(np.isnan(scores), np.isnan(data.reshape(len(data), -1)).all(1))
    assert len(model.transform(data)) == len(model.data_.windows(data))
    assert model.reconstruct(data).shape == data.shape
    assert np.isfinite(model.score(data))


def test_a_strange_step_has_the_worst_score() -> None:
    x = long(gap=False)
    model = fitted(x, Series(), k=4, epochs=30)
    x[133, 1] += 6
    assert int(np.argmin(model.score_samples(x))) == 133


def test_a_frame_comes_back_with_its_index_columns_and_dtypes() -> None:
    given = frame()
    model = fitted(given, Series(id="site"))
    made = model.reconstruct(given)
    pd.testing.assert_index_equal(made.index, given.index)
    pd.testing.assert_series_equal(made.dtypes, given.dtypes)
    pd.testing.assert_series_equal(made["site"], given["site"])
    assert list(model.feature_names_in_) == ["level", "count"]
    assert model.score_samples(given).shape == (len(given),)


def test_rows_of_several_series_may_lie_mixed() -> None:
    given = frame()
    order = np.argsort(np.tile(np.arange(60), 2), kind="stable")
    mixed = given.iloc[order]
    model = fitted(given, Series(id="site"))
    assert_allclose(model.score_samples(mixed), model.score_samples(given)[order], rtol=1e-5)
    assert_allclose(model.reconstruct(mixed)["level"], model.reconstruct(given)["level"].iloc[order], rtol=1e-4)


def test_polars_frames_and_columns_and_pandas_columns_are_series() -> None:
    given = frame()
    several = pl.from_pandas(given.reset_index())
    made = fitted(several, Series(id="site", time="when")).reconstruct(several)
    assert (made.columns, made.dtypes) == (several.columns, several.dtypes)
    for column in (given["count"], several["count"]):
        found = fitted(column, Series()).reconstruct(column)
        assert (type(found), found.dtype, found.name, len(found)) == (type(column), column.dtype, "count", len(column))


def test_dropped_columns_are_passed_through() -> None:
    given = frame()
    model = fitted(given, Series(drop=["site", "count"]))
    pd.testing.assert_frame_equal(model.reconstruct(given)[["site", "count"]], given[["site", "count"]])


# ---------------------------------------------------------------------- every kind, every job


@pytest.mark.parametrize("kind", [k for k in recipes.names() if k != "compressive"])
def test_every_kind_runs_on_series_and_repeats_to_the_byte(kind: str) -> None:
    x = ragged(16)
    a, b = (fitted(x, kind=kind, k=4, network="auto").transform(x) for _ in range(2))
    assert a.shape == (16, 4)
    assert_array_equal(a, b)


@pytest.mark.parametrize("network", [Dense((8,)), Temporal((4, 8), hidden=8), Recurrent(6)])
def test_a_score_does_not_depend_on_the_items_beside_it(network: Any) -> None:
    x = ragged()
    model = fitted(x, network=network)
    whole = model.score_samples(x)
    assert_allclose(np.concatenate([model.score_samples([i]) for i in x]), whole, rtol=2e-6)


@pytest.mark.parametrize("data", [ragged(), waves(), long(), frame()], ids=["ragged", "array", "long", "frame"])
def test_a_saved_model_says_the_same(data: Any, tmp_path: Any) -> None:
    reading = Series(id="site") if isinstance(data, pd.DataFrame) else Series(own_scale=True)
    model = fitted(data, reading)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert_array_equal(again.transform(data), model.transform(data))
    assert_array_equal(again.score_samples(data), model.score_samples(data))
    assert again.data_.schema() == model.data_.schema()


def test_maps_searches_and_generators_take_series() -> None:
    x, labels = ragged(), np.repeat(["a", "b"], 12)
    assert Map(epochs=1, random_state=0).fit_transform(x).shape == (24, 2)
    index = SearchIndex(4, epochs=1, random_state=0).fit(x)
    assert_array_equal(index.query(x[:3], k=1)[1][:, 0], [0, 1, 2])
    generator = Generator(3, epochs=2, random_state=0).fit(x, labels)
    assert generator.sample(5, given="a").shape == (5, max(map(len, x)))
    assert generator.interpolate(x[0], x[1], 4).shape == (4, max(map(len, x)))


def test_items_of_several_windows_are_searched_and_labelled_as_items() -> None:
    x = list(waves(12, 40))
    reading = Series(window=10)
    assert SearchIndex(4, epochs=1, data=reading, random_state=0).fit(x).names_.shape == (12,)
    assert Generator(3, epochs=1, data=reading, random_state=0).fit(x, np.arange(12) % 2).sample(2).shape == (2, 10, 2)


def test_a_denoiser_gives_series_back_with_their_gaps() -> None:
    x = [np.where(np.arange(len(i)) == 2, np.nan, i) for i in ragged()]
    made = Denoiser(epochs=2, random_state=0).fit(x).transform(x)
    assert [m.shape for m in made] == [i.shape for i in x]
    assert all(np.isnan(m[2]) and np.isfinite(np.delete(m, 2)).all() for m in made)


# ---------------------------------------------------------------------- gaps


def test_gaps_are_filled_and_known_steps_are_kept_to_the_bit() -> None:
    given = frame()
    made = Imputer(data=Series(id="site"), epochs=2, random_state=0).fit_transform(given)
    assert not made.isna().any().any()
    known = given["level"].notna()
    assert_array_equal(made["level"][known], given["level"][known])
    pd.testing.assert_frame_equal(made[["site", "count"]], given[["site", "count"]])
    pd.testing.assert_series_equal(made.dtypes, given.dtypes)


def test_a_filled_run_is_nearer_than_a_straight_line() -> None:
    train, truth = waves(120, 48, 1), waves(40, 48, 1, seed=1)
    gapped = truth.copy()
    gapped[:, 12:24] = np.nan
    made = Imputer(data=Series(), epochs=150, validation_fraction=0.1, random_state=0).fit(train).transform(gapped)
    ends = gapped[:, [11, 24]]
    share = (np.arange(12, 24) - 11)[None, :, None] / 13
    lines = ends[:, :1] + share * (ends[:, 1:] - ends[:, :1])
    ours, theirs = (np.sqrt(np.mean((m - truth[:, 12:24]) ** 2)) for m in (made[:, 12:24], lines))
    assert ours < 0.5 * theirs


def test_before_it_has_learned_anything_an_imputer_draws_straight_lines() -> None:
    x = ragged()
    model = Imputer(epochs=1, learning_rate=1e-12, validation_fraction=None, random_state=0).fit(x)
    gapped = np.array([0.0, np.nan, np.nan, 0.3, 0.2, np.nan])
    assert_allclose(model.transform([gapped])[0], [0.0, 0.1, 0.2, 0.3, 0.2, 0.2], atol=1e-6)


def test_intervals_hold_the_filled_values_and_widen_with_the_distance() -> None:
    x = waves(60, 32, 1)
    model = Imputer(data=Series(), epochs=40, random_state=0).fit(x)
    gapped = x[:5].copy()
    gapped[:, 8:24] = np.nan
    low, high = model.interval(gapped, 0.9)
    filled = model.transform(gapped)
    wide = (high - low)[:, 8:24, 0].mean(0)
    assert ((low <= filled + 1e-6) & (filled <= high + 1e-6)).mean() > 0.95
    assert wide[[7, 8]].mean() > wide[[0, -1]].mean()
    truth = waves(60, 32, 1, seed=1)
    fresh = truth.copy()
    fresh[:30, 8:14] = fresh[30:, 8:20] = np.nan
    low, high = model.interval(fresh, 0.9)
    assert ((low <= truth) & (truth <= high))[np.isnan(fresh)].mean() > 0.85
    assert [r.column for r in model.report_] == ["channel 0"]
    a, b = model.sample(gapped, 2, random_state=0)
    assert (a[:, 8:24] != b[:, 8:24]).any()
    assert_array_equal(a[:, :8], x[:5, :8])


def test_a_channel_that_is_gone_in_one_item_is_filled_from_the_others() -> None:
    x = waves()
    gapped = x.copy()
    gapped[0, :, 1] = np.nan
    made = Imputer(data=Series(), epochs=2, random_state=0).fit(x).transform(gapped)
    assert np.isfinite(made).all()


def test_in_every_gap_and_channel_the_better_of_line_and_network_wins() -> None:
    rng = torch.Generator().manual_seed(0)
    truth = torch.empty(2000, 2, 40).normal_(generator=rng)
    known = torch.ones_like(truth, dtype=torch.bool)
    known[:1000, :, 10] = known[1000:, :, 10:30] = False
    truth[..., [0, 39]] = truth[..., [9, 11, 30]] = 0  # lines across the gaps lie at 0
    guess = truth.clone()
    guess[:1000, 1].normal_(generator=rng)  # right in three groups of four, and noise in one
    seen = Batch(truth.view(2000, -1), known.view(2000, -1))
    hidden = ~known.view(2000, -1).numpy()
    trial = Trial(seen.x, guess.view(2000, -1), hidden, hidden.astype(int), True, None, seen.x[0], seen.x[0])
    door = Door((0,) * 80, True, common=True, bridged=(2, 40))
    made = Blend.of([trial], door, 2).mixed(door, trial.guess, seen).view(2000, 2, 40)

    def error(rows: slice, channel: int) -> float:
        gone = ~known[rows, channel]
        return float((made - truth)[rows, channel][gone].square().mean().sqrt())

    short, long_ones = slice(0, 1000), slice(1000, None)
    assert max(error(short, 0), error(long_ones, 0), error(long_ones, 1)) < 0.1
    assert error(short, 1) < 1.02, "straight lines are 1 off there, and the network 1.41"


def test_walks_of_chance_are_filled_as_straight_lines_fill_them(tmp_path: Path) -> None:
    walks = np.random.default_rng(0).normal(size=(80, 40)).cumsum(1)
    gapped = walks[50:].copy()
    gapped[:, 4:6] = gapped[:, 10:20] = np.nan
    model = Imputer(data=Series(), epochs=60, random_state=0).fit(list(walks[:50]))
    made = np.stack(model.transform(list(gapped)))
    lines = np.stack([np.interp(np.arange(40), *np.nonzero(~np.isnan(g)), g[~np.isnan(g)]) for g in gapped])
    ours, theirs = (np.sqrt(np.mean((m - walks[50:]) ** 2)) for m in (made, lines))
    assert ours < 1.03 * theirs
    save(model, tmp_path / "walks.safetensors")
    assert_array_equal(np.stack(load(tmp_path / "walks.safetensors").transform(list(gapped))), made)


def test_a_gap_longer_than_a_window_is_bridged_by_what_lies_beside_it() -> None:
    walk = 1000 + np.random.default_rng(0).normal(size=2000).cumsum()
    gapped = walk.copy()
    gapped[500:750] = np.nan
    made = Imputer(data=Series(window=64), epochs=5, random_state=0).fit_transform(gapped)
    line = np.interp(np.arange(2000), *np.nonzero(~np.isnan(gapped)), gapped[~np.isnan(gapped)])
    assert np.abs(made - line)[500:750].max() < 0.25 * walk.std()


def test_hidden_cells_of_series_lie_in_runs() -> None:
    shape = (2, 64)
    part = Remasking(0.5, 0.5).bind(Sizes(128, 4, shape=shape))
    _, known = part.hide(torch.ones(400, 128), None, torch.Generator().manual_seed(0))
    gone = (~known).view(400, *shape)
    turns = (gone[..., 1:] != gone[..., :-1]).float().mean().item()
    assert abs(gone.float().mean().item() - 0.5) < 0.05
    assert turns < 0.25, "cells hidden one by one change in half of all places"
    assert 0.4 < (gone[:, 0] == gone[:, 1]).all(1).float().mean().item() < 0.7, "half of the rows lose all channels"


def test_the_door_bridges_what_is_not_known() -> None:
    x = torch.tensor([[1.0, 0, 0, 4, 0, 0, 0, 0, 2, 0]])
    known = x != 0
    door = Door((0,) * 10, True, common=True, bridged=(2, 5))
    assert_allclose(door(Batch(x, known))[0, :10], [1, 2, 3, 4, 4, 2, 2, 2, 2, 2])
    assert_array_equal(door(Batch(torch.zeros(1, 10), torch.zeros(1, 10, dtype=torch.bool)))[0], np.zeros(20))


# ---------------------------------------------------------------------- windows


@pytest.mark.parametrize(("steps", "length", "stride"), [([30, 7, 11], 10, 3), ([5], 5, 1), ([100], 8, 8), ([9], 4, 4)])
def test_windows_cover_every_step_and_join_to_what_they_were_cut_from(
    steps: list[int], length: int, stride: int
) -> None:
    arrays = [np.random.default_rng(0).normal(size=(n, 2)) for n in steps]
    windows = Windows.over(steps, length, stride)
    for array, joined in zip(arrays, windows.joined(windows.cut(arrays)), strict=True):
        assert_allclose(joined, array, rtol=1e-6)


def test_the_length_of_a_row_follows_from_the_series() -> None:
    assert sized("auto", "auto", [30, 512]) == (512, 128)
    assert sized("auto", "auto", [30, 513]) == (64, 16)
    assert sized("auto", "auto", [4000]) == (128, 32)
    assert sized(1 / 8, "auto", [160, 20]) == (20, 5)
    assert sized(1 / 8, 2, [20]) == (8, 2)


def test_series_in_several_units_look_alike_beside_their_own() -> None:
    x = [w[:, 0] for w in waves()]
    model = fitted(x, Series(own_scale=True))
    assert_allclose(model.transform([i * 1e6 + 5e6 for i in x]), model.transform(x), atol=1e-3)
    other = [i * 1e6 + 5e6 for i in x]
    near = [1e6 * a + 5e6 for a in model.reconstruct(x)]
    assert_allclose(np.array(model.reconstruct(other)), np.array(near), rtol=1e-3)


# ---------------------------------------------------------------------- networks


@pytest.mark.parametrize("length", [1, 2, 3, 7, 17, 64, 101])
@pytest.mark.parametrize("design", [Temporal(), Temporal((4, 8), kernel=3), Recurrent(5), Recurrent(5, patch=3)])
def test_networks_of_series_take_any_length(design: Any, length: int) -> None:
    ends = Ends(4 * length, 3, 3, 4 * length, 10, None, (2, length))
    encoder, decoder = design.build(ends, torch.Generator().manual_seed(0))
    x = torch.linspace(-1, 1, 5 * 4 * length).view(5, -1)
    assert decoder.plain(encoder.plain(x)).shape == (5, 4 * length)
    assert design.count(ends) == sum(p.numel() for n in (encoder, decoder) for p in n.parameters())


@pytest.mark.parametrize("design", [Temporal((4, 4), hidden=0), Recurrent(5)])
def test_a_linear_path_makes_training_start_at_pca(design: Any) -> None:
    x = waves(60)
    model = fitted(x, Series(), k=4, network=design, epochs=1, learning_rate=1e-12, validation_fraction=0.2)
    assert model.held_out_ is not None
    assert_allclose(model.held_out_.model, model.held_out_.pca, rtol=1e-3)


@pytest.mark.parametrize("design", [Temporal(kernel=4), Recurrent(0), Recurrent(patch=0), Temporal(channels=0)])
def test_a_network_of_series_refuses_what_cannot_be(design: Any) -> None:
    with pytest.raises(BadParameter, match="expected"):
        fitted(waves(), Series(), network=design)


@pytest.mark.parametrize("design", [Temporal(), Recurrent()])
def test_a_network_of_series_refuses_columns(design: Any) -> None:
    with pytest.raises(BadParameter, match="needs series"):
        Autoencoder(2, network=design, data=Table(), epochs=1).fit(np.random.default_rng(0).normal(size=(20, 5)))


def test_a_residual_pair_needs_a_code_for_every_cell() -> None:
    with pytest.raises(BadParameter, match="Leave n_components"):
        fitted(waves(), Series(), network=Residual(), k=3)


# ---------------------------------------------------------------------- what is refused


def at(index: list[str]) -> pd.DataFrame:
    """Steps at these times."""
    return pd.DataFrame({"a": np.arange(float(len(index)))}, index=pd.to_datetime(index))


@pytest.mark.parametrize(
    ("data", "reading", "says"),
    [
        (at(["2024-01-01", "2024-01-03", "2024-01-02", "2024-01-04"]), Series(), "row 2 is earlier than row 1.*Sort"),
        (at(["2024-01-01", "2024-01-02", "2024-01-02"]), Series(), "rows 1 and 2 have the same time"),
        (at(["2024-01-01", "NaT", "2024-01-02"]), Series(), "missing times"),
        (frame().reset_index(), Series(id="site"), r"'when' holds timestamp.*time='when'"),
        (frame(), Series(), r"'site' holds .*string.*id='site'"),
        (pd.DataFrame({"a": [1.0, 2.0], "t": [2, 1]}), Series(time="t"), "column 't': row 1 is earlier"),
        (pd.DataFrame({"a": [1.0, 2.0], "s": ["x", None]}), Series(id="s"), "tells series apart"),
        (pd.DataFrame({"a": [1.0]}), Series(drop="a"), "no column is left"),
        (pd.DataFrame({"a": []}, dtype=float), Series(), "no rows"),
        ([np.array([1.0, np.inf]), np.ones(3)], "auto", "item 0 holds inf at step 1"),
        ([], Series(), "no series at all"),
        ([np.ones(3), np.ones(0)], "auto", "item 1 has no steps"),
        ([np.ones((3, 2)), np.ones((3, 1))], Series(), "item 1 has 1 channels and item 0 has 2"),
        ([np.ones((2, 2, 2))], Series(), "item 0 has shape"),
        (np.array(["a", "b"]), Series(), "expected numbers"),
        (np.full(30, np.nan), Series(), "no step is known"),
    ],
)
def test_bad_series_are_refused_with_words(data: Any, reading: Any, says: str) -> None:
    with pytest.raises(BadData, match=says):
        fitted(data, reading)


@pytest.mark.parametrize(
    "options", [{"window": 0}, {"window": 1.5}, {"window": 500}, {"stride": 0}, {"stride": 99}, {"id": "nowhere"}]
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadParameter, match=r"window|stride|nowhere"):
        fitted(long(), Series(**options))
    with pytest.raises(BadParameter, match=r"window|stride|nowhere"):
        fitted(frame()[["level"]], Series(**options))


@pytest.mark.parametrize("data", [np.zeros((2, 2, 2, 2)), 5, {"a": 1}])
def test_what_is_no_series_is_unsupported(data: Any) -> None:
    with pytest.raises(UnsupportedInput, match="series are"):
        fitted(data, Series())


def test_other_channels_than_those_of_the_fit_are_refused() -> None:
    given = frame().drop(columns="site")
    model = fitted(given, Series())
    assert_array_equal(model.transform(given[["count", "level"]]), model.transform(given))
    with pytest.raises(BadData, match="'count' of the fit is missing"):
        model.transform(given[["level"]])
    with pytest.raises(BadData, match="'more' was not there"):
        model.transform(given.assign(more=1.0))
    with pytest.raises(BadData, match="3 channels; those of the fit have 2"):
        model.transform(np.zeros((50, 3)))


def test_weights_are_for_items_and_not_for_windows() -> None:
    x = ragged()
    weight = np.ones(len(x))
    assert fitted(x).transform(x).shape == Autoencoder(3, epochs=1).fit(x, sample_weight=weight).transform(x).shape
    with pytest.raises(BadData, match="sample_weight"):
        Autoencoder(3, data=Series(), epochs=1).fit(long(), sample_weight=np.ones(240))


def test_a_channel_of_gaps_a_constant_one_and_items_of_one_step_are_taken() -> None:
    x = waves(12, 20, 3)
    x[..., 1], x[..., 2] = np.nan, 7.0
    with pytest.warns(FitAlarm, match=r"no step is known of 'channel 1': .* stays missing"):
        model = Imputer(data=Series(), epochs=1, random_state=0).fit(x)
    fresh = waves(12, 20, 3, seed=1)
    fresh[:, 3:5, 1] = np.nan
    for rows in (x, fresh):
        made = model.transform(rows)
        assert_array_equal(made[..., 1], rows[..., 1], "there is nothing to learn it from")
        assert_array_equal(made[..., 2], rows[..., 2])
    with pytest.warns(FitAlarm, match="channel 1"):
        made = fitted(x, Series()).reconstruct(x)
    assert np.isnan(made[..., 1]).all()
    assert_allclose(made[..., 2], 7.0, atol=0.2)
    single = [np.ones(1) * i for i in range(12)]
    assert fitted(single, k=1).transform(single).shape == (12, 1)


def test_a_series_shorter_than_the_window_is_padded_with_what_is_not_known() -> None:
    model = fitted(long(gap=False), Series())
    short = long(gap=False)[:5]
    assert model.data_.shape[1] > 5
    assert model.reconstruct(short).shape == (5, 2)
    assert model.score_samples(short).shape == (5,)


def test_irregular_times_are_taken_as_steps_and_told() -> None:
    given = frame().drop(columns="site")
    index = given.index.to_numpy().copy()
    index[100:] += np.timedelta64(5, "h")
    later = given.set_index(pd.DatetimeIndex(index))
    a, b = fitted(given, Series()), fitted(later, Series())
    assert_array_equal(a.transform(given), b.transform(later))
    assert a.data_.schema()[0]["irregular"] == 0
    assert b.data_.schema()[0]["irregular"] == pytest.approx(1 / 119)
