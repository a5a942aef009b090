"""Tables of mixed columns through an autoencoder: what is learned, what comes back, what is refused."""

import json
import math

import mixed
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import reference as ref
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from latently import Autoencoder, load, recipes, save
from latently.engine.view import View
from latently.errors import BadData
from latently.modalities import Table
from latently.parts.doors import Door
from latently.parts.likelihoods import Categorical
from latently.recipes.denoising import NOISES
from latently.values import Batch, Sizes

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

each_container = pytest.mark.parametrize("name", mixed.CONTAINERS)
each_kind = pytest.mark.parametrize("kind", recipes.names())


def fit(rows, k=3, **options):
    return Autoencoder(k, **{"epochs": 3, "random_state": 0, "network": (12,), **options}).fit(rows)


def table(n=80, gap=7, seed=0):
    """Every sort of column in polars."""
    return mixed.in_polars(mixed.cells(n, gap, seed))


def changed(data, **columns):
    """The table with other cells in these columns."""
    return data.with_columns(**{c: pl.Series(v) for c, v in columns.items()})


@pytest.fixture(scope="module")
def model():
    return fit(table())


@pytest.fixture(scope="module")
def learned():
    """A fit that is long enough to know what is usual."""
    return fit(table(300, 0), 4, epochs=80, batch_size=50, validation_fraction=None)


# ---------------------------------------------------------------- back in the container they came in


@pytest.mark.parametrize("gap", [0, 7])
@each_container
def test_reconstructions_keep_names_types_levels_and_bounds(name, gap):
    data = mixed.CONTAINERS[name](mixed.cells(gap=gap))
    if name == "pandas":
        data.index = pd.Index([5] * 40 + [6] * 40, name="twice")
    found = fit(data)
    for again in (found.reconstruct(data), found.corrupt(data)):
        assert type(again) is type(data)
        assert mixed.dtypes(again) == mixed.dtypes(data)
        if name == "pandas":
            pd.testing.assert_index_equal(again.index, data.index)
    again, columns = mixed.listed(found.reconstruct(data)), mixed.listed(data)
    assert all(v is not None for vs in again.values() for v in vs), "a missing cell has no reconstruction"
    for column in ("integer", "color", "size", "flag"):
        assert {type(v) for v in again[column]} == {type(v) for v in columns[column] if v is not None}
    assert set(again["color"]) <= set(mixed.COLORS)
    assert set(again["size"]) <= set(mixed.SIZES)
    whole = [v for v in columns["integer"] if v is not None]
    assert min(whole) <= min(again["integer"]) <= max(again["integer"]) <= max(whole)
    assert all(v.microsecond == v.second == v.minute == 0 for v in again["zoned"]), "hours are the step of this column"


@pytest.mark.parametrize("noise", NOISES)
@each_container
def test_corruption_leaves_what_it_does_not_hit_and_makes_no_new_level(name, noise):
    data = mixed.CONTAINERS[name](mixed.cells(gap=7))
    found = fit(data, kind=recipes.Denoising(noise, 0.4), epochs=1)
    before, after = mixed.listed(data), mixed.listed(found.corrupt(data, random_state=1))
    assert set(after["color"]) <= {*mixed.COLORS, None}
    assert set(after["size"]) <= {*mixed.SIZES, None}
    assert set(after["flag"]) <= {True, False, None}
    for column, cells in before.items():
        assert [v is None for v in cells] == [v is None for v in after[column]]
        hit = np.mean([a != b for a, b in zip(cells, after[column], strict=True)])
        assert hit < 0.6 or noise in ("gaussian", "uniform")
    if noise in ("gaussian", "uniform"):
        assert (after["color"], after["size"]) == (before["color"], before["size"])
    assert after["number"] != before["number"]


def test_masked_cells_and_no_others_differ_to_the_bit():
    data = table()
    found = fit(data, kind="masking:.3", epochs=1)
    batch = found._batch(data)
    _, known = found.model_.corruption.hide(batch.x, batch.known, torch.Generator().manual_seed(1))
    kept = known.numpy()
    spoiled = mixed.listed(found.data_.rebuilt(found.data_.matrix(data)[::-1].copy(), data, ~kept))
    for j, (column, cells) in enumerate(mixed.listed(data).items()):
        assert [v for v, k in zip(spoiled[column], kept[:, j], strict=True) if k] == [
            v for v, k in zip(cells, kept[:, j], strict=True) if k
        ]


@pytest.mark.parametrize("seed", range(8))
def test_any_table_can_be_fitted_and_comes_back_in_its_types(seed):
    data = mixed.random_table(seed)
    found = fit(data, 2, epochs=2, kind=["undercomplete", "masking:.3", "variational", "swap+topk"][seed % 4])
    assert found.reconstruct(data).schema.equals(data.schema)
    assert found.corrupt(data).schema.equals(data.schema)
    assert np.isfinite(found.transform(data)).all()
    assert np.isfinite(found.score_samples(data)).all()
    json.dumps(found.summary(), allow_nan=False)


def test_objects_and_lists_come_back_as_objects():
    rows = np.array([v for n, v in mixed.cells(gap=9).items() if n != "size"], dtype=object).T
    found = fit(rows)
    for data in (rows, rows.tolist()):
        again = found.reconstruct(data)
        assert isinstance(again, np.ndarray)
        assert [type(v) for v in again[0]] == [type(next(v for v in c if v is not None)) for c in rows.T]
    shown = found.inverse_transform(found.transform(rows))
    assert {type(v) for v in shown[:, 1]} == {int}
    assert set(shown[:, 3]) <= set(mixed.COLORS)
    assert set(found.sample(20)[:, 3]) <= set(mixed.COLORS)


def test_sparse_rows_are_an_array():
    x = np.random.default_rng(0).integers(0, 3, (60, 5)).astype(float)
    assert_array_equal(fit(csr_array(x)).transform(csr_array(x)), fit(x).transform(x))


@pytest.mark.parametrize("names", [range(9), pd.MultiIndex.from_product([["a", "b", "c"], [1, 2, 3]])], ids=str)
def test_names_that_are_no_text_are_kept_and_looked_up(names):
    data = mixed.in_pandas(mixed.cells()).set_axis(names, axis=1)
    found = fit(data, kind="denoising", data=Table(label=str(data.columns.tolist()[3])))
    again = found.reconstruct(data)
    pd.testing.assert_index_equal(again.columns, data.columns)
    pd.testing.assert_series_equal(again[names[3]], data[names[3]])
    assert_array_equal(found.transform(data[data.columns[::-1]]), found.transform(data))
    with pytest.raises(BadData, match="missing"):
        found.transform(data.drop(columns=[names[0]]))


def test_roles_and_further_columns_pass_through_and_teach_nothing():
    data = mixed.in_pandas(mixed.cells()).assign(key=[f"k{i:03d}" for i in range(80)], y=np.arange(80) % 2)
    found = fit(data, data=Table(label="y", time="day"))
    other = data.assign(key="k", y=5, day=None, extra=[[i] for i in range(80)])
    assert_array_equal(found.transform(data), found.transform(other))
    assert_array_equal(found.transform(data), found.transform(data[found.feature_names_in_]))
    again = found.reconstruct(other)
    for column in ("key", "y", "day", "extra"):
        pd.testing.assert_series_equal(again[column], other[column])
    assert list(found.feature_names_in_) == ["number", "integer", "flag", "color", "size", "moment", "zoned", "took"]
    kept = {c["name"]: c["role"] for c in found.summary()["schema"]}
    assert [kept[c] for c in ("key", "y", "day", "color")] == ["left out", "label", "time", "learned"]


def test_a_further_column_is_ignored_where_all_were_learned(model):
    data = table()
    for more in (data.with_columns(more=pl.lit("x")), data.to_pandas().assign(more=1), data.to_arrow()):
        assert_array_equal(model.transform(more), model.transform(data))


def test_missing_and_reordered_columns_are_named(model):
    data = table()
    with pytest.raises(ValueError, match=r"now missing:\n- color"):
        model.transform(data.drop("color"))
    with pytest.raises(ValueError, match=r"now missing:\n- took"):
        model.transform(data.drop("took").select(pl.lit(1).alias("front"), pl.all()))
    with pytest.raises(ValueError, match="same order"):
        model.transform(data.select(data.columns[::-1]))


# ---------------------------------------------------------------- one result


@pytest.mark.parametrize("kind", ["undercomplete", "denoising", "variational"])
def test_containers_give_the_same_codes_to_the_bit(kind):
    columns = mixed.cells(gap=6)
    found = [fit(make(columns), kind=kind).transform(make(columns)) for make in mixed.CONTAINERS.values()]
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], found[2])


@each_kind
def test_a_weight_of_three_is_three_copies_and_order_means_nothing(kind):
    data = table(60)
    weight = np.array([1, 3, 2] * 20)
    copies = data[np.repeat(np.arange(60), weight)]
    plain = Autoencoder(2, kind=kind, epochs=2, random_state=0).fit(data, sample_weight=weight)
    turned = copies[np.random.default_rng(0).permutation(len(copies))]
    assert_array_equal(plain.transform(data), fit(turned, 2, kind=kind, epochs=2, network="auto").transform(data))


@each_kind
def test_a_saved_model_is_the_same_model(kind, tmp_path):
    data = table(60).rename({"color": "table", "flag": "recipe", "number": "tuple"})
    found = fit(data, kind=kind, data=Table(types={"table": "category", "recipe": "category"}, label="day"))
    save(found, tmp_path / "first")
    again = load(tmp_path / "first", device="cpu")
    save(again, tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert again.data == found.data
    assert_array_equal(again.transform(data), found.transform(data))
    assert_array_equal(again.score_samples(data), found.score_samples(data))
    assert again.reconstruct(data).equals(found.reconstruct(data))
    assert_array_equal(again.sample(3, random_state=1), found.sample(3, random_state=1))
    assert again.summary()["schema"] == found.summary()["schema"]


@each_kind
def test_a_score_does_not_depend_on_its_batch(kind):
    data = table(60)
    found = fit(data, kind=kind, epochs=1)
    many = pl.concat([data[30:], *[data] * 40, data[:30]])
    assert_allclose(found.score_samples(data[7])[0], found.score_samples(many)[-23], rtol=1e-5)
    assert_allclose(found.transform(data[7])[0], found.transform(many)[-23], rtol=1e-5, atol=1e-6)
    assert_array_equal(
        mixed.listed(found.reconstruct(data[7]))["color"], mixed.listed(found.reconstruct(data))["color"][7]
    )


MIXTURES = {
    **{name: name for name in recipes.names()},
    **{f"denoising {n}": recipes.Denoising(n, emphasis=0.8) for n in NOISES},
    "all at once": "masking:.2+variational+importance:3+contractive",
}


@pytest.mark.parametrize("loss", ["auto", "likelihood", "huber"])
@pytest.mark.parametrize("kind", MIXTURES)
def test_the_step_by_hand_is_the_gradient_of_the_loss(kind, loss):
    data = table(40)
    found = fit(data, kind=MIXTURES[kind], loss=loss, epochs=1, validation_fraction=None)
    model, batch = found.model_.double(), found._batch(data)
    batch = Batch(batch.x.double(), batch.known, weight=torch.linspace(0.5, 1.5, 40, dtype=torch.float64))
    params = [p for p in model.parameters() if p.requires_grad]
    loss = model.loss(batch, ref.generator(3), 0.5) / batch.cells
    want = torch.autograd.grad(loss, params, allow_unused=True, materialize_grads=True)
    for p in params:
        p.grad = torch.zeros_like(p)
    model.gradients(batch, ref.generator(3), 0.5)
    size = max(float(w.abs().max()) for w in want)
    for p, w in zip(params, want, strict=True):
        assert_allclose(p.grad, w, rtol=0, atol=1e-9 * size)


# ---------------------------------------------------------------- what is unknown


def test_a_missing_cell_is_seen_as_missing_and_leaves_the_loss(learned):
    data = table(300, 0)
    hidden = changed(data, color=[None] * 300)
    batch = learned._batch(hidden)
    assert not bool(batch.known[:, 3].any())
    with torch.no_grad():
        assert float(learned.model_.each(batch)[:, 3].abs().max()) == 0
    assert_allclose(
        learned.score_samples(hidden),
        -9 / 8 * learned._map(learned.model_.each, batch).astype(float).sum(1), rtol=1e-4,
    )  # fmt: skip
    seen = learned.model_.door(batch)
    assert float(seen[:, learned.model_.door.lookup[3] :][:, :3].abs().max()) == 0


def test_the_level_that_stands_for_a_missing_cell_is_never_read():
    data = table()
    found = fit(data)
    batch = found._batch(data)
    levels = torch.tensor([bool(n) for n in found.data_.levels])  # a number's filler is zero, and is read
    other = Batch(torch.where(levels & ~batch.known, torch.full_like(batch.x, 2.0), batch.x), batch.known)
    assert_array_equal(found._map(found.model_.encode, batch), found._map(found.model_.encode, other))
    assert_array_equal(found._map(found.model_.each, batch), found._map(found.model_.each, other))


def test_a_level_never_seen_is_a_surprise(learned):
    data = table(300, 0)
    known, unseen = learned.score_samples(data), learned.score_samples(changed(data, color=["mauve"] * 300))
    assert np.isfinite(unseen).all()
    assert (unseen < known).mean() > 0.95
    each = learned._map(learned.model_.each, learned._batch(changed(data, color=["mauve"] * 300)))[:, 3]
    for color in mixed.COLORS:
        told = learned._map(learned.model_.each, learned._batch(changed(data, color=[color] * 300)))[:, 3]
        assert each.mean() > told.mean(), "rarer than any level, even at the wrong rows"
    assert set(learned.reconstruct(changed(data, color=["mauve"] * 300))["color"]) <= set(mixed.COLORS)


def test_a_rank_never_seen_is_unknown(learned):
    data = table(300, 0).with_columns(pl.col("size").cast(pl.String))
    assert_array_equal(
        learned.transform(changed(data, size=["gigantic"] * 300)), learned.transform(changed(data, size=[None] * 300))
    )


def test_one_row_is_enough(model):
    data = table(80, 0)
    assert_allclose(model.transform(data[5]), model.transform(data)[5:6], rtol=1e-5, atol=1e-6)
    single = fit(data[0], 1)
    assert np.isfinite(single.transform(data)).all()
    assert single.reconstruct(data[0]).schema == data.schema


def test_columns_without_variety_are_carried_along():
    constant = {"one": [7] * 40, "word": ["same"] * 40, "on": [True] * 40, "none": [None] * 40}
    kinds = {"text": pl.String, "levels": pl.Categorical, "ranks": pl.Enum(["a", "b"]), "when": pl.Datetime("us"),
             "span": pl.Duration, "whole": pl.Int16, "flag": pl.Boolean}  # fmt: skip
    data = pl.DataFrame({
        "x": np.random.default_rng(0).normal(size=40), **constant,
        "rank": pl.Series(["a"] * 40, dtype=pl.Enum(["a"])),
        **{n: pl.Series([None] * 40, dtype=t) for n, t in kinds.items()},
    })  # fmt: skip
    for kind, loss in (
        ("undercomplete", "auto"),
        ("salt_and_pepper+contractive", "likelihood"),
        ("variational", "auto"),
    ):
        found = fit(data, 2, kind=kind, loss=loss)
        again = found.reconstruct(data)
        assert again.schema == data.schema
        assert all(again[c].null_count() == 40 for c in kinds)
        assert again["word"].to_list() == ["same"] * 40
        assert again["on"].to_list() == [True] * 40
        assert again["one"].to_list() == [7] * 40
        json.dumps(found.summary(), allow_nan=False)
        later = changed(data, text=["now"] * 40, whole=[10**4] * 40)
        assert_array_equal(found.score_samples(later), found.score_samples(data), "of these nothing was learned")


def test_numbers_dates_and_texts_where_others_were_are_refused(model):
    data = table(80, 0)
    for other, column in (
        (changed(data, number=["x"] * 80), "number"),
        (changed(data, color=[1] * 80), "color"),
        (changed(data, moment=[1.5] * 80), "moment"),
        (data.with_columns(pl.col("zoned").dt.convert_time_zone("Asia/Tokyo")), "zoned"),
    ):
        with pytest.raises(BadData, match=f"'{column}'"):
            model.score_samples(other)
    with pytest.raises(BadData, match="row 3, column 'number' is inf"):
        model.transform(changed(data, number=[math.inf if i == 3 else 0.0 for i in range(80)]))
    with pytest.raises(BadData, match="'color' holds double"):
        model.transform(np.zeros((4, 9)))


@pytest.mark.parametrize("make", [lambda d: d[:0], lambda d: d.to_pandas()[:0], lambda d: d.to_arrow()[:0]])
def test_no_rows_are_refused(model, make):
    with pytest.raises(ValueError, match="0 sample"):
        model.transform(make(table()))
    with pytest.raises(ValueError, match="0 sample"):
        fit(make(table()))


# ---------------------------------------------------------------- size


def test_five_thousand_columns_of_every_sort():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(12, 5000)), columns=[f"c{i}" for i in range(5000)])
    for j in range(0, 5000, 10):
        data[f"c{j}"] = pd.Categorical(rng.choice(list("abc"), 12))
        data[f"c{j + 1}"] = rng.random(12) < 0.5
    found = fit(data, 2, kind="denoising", epochs=1, network=(4,), validation_fraction=None)
    assert (found.reconstruct(data).dtypes == data.dtypes).all()
    assert (found.corrupt(data).dtypes == data.dtypes).all()


def test_a_thousand_levels():
    data = pl.DataFrame({"place": [f"p{i:04d}" for i in range(1000)] * 2, "x": np.arange(2000) % 7.0})
    found = fit(data, 2, epochs=1, network=(4,), validation_fraction=None)
    assert found.summary()["schema"][0]["levels"] == 1000
    assert set(found.reconstruct(data)["place"]) <= set(data["place"])
    assert np.isfinite(found.score_samples(data)).all()


# ---------------------------------------------------------------- figures against numpy


@pytest.mark.parametrize("gap", [0, 3])
def test_held_out_figures_are_those_of_scaled_one_hots(gap):
    """Mean and PCA by numpy: columns of variance one, missing cells at the mean of their column."""
    data = pl.DataFrame({c: v for c, v in mixed.cells(400, gap).items() if c in ("number", "color", "integer")})
    found = fit(data, 2, epochs=1)
    assert found.held_out_.mean == pytest.approx(1.0, abs=0.05)
    assert found.held_out_.pca < 0.7
    batch = found._batch(data)
    view = View.over(found.model_.door, batch)
    blocks, masks = [], []
    for j, levels in enumerate(found.data_.levels):
        x, known = (
            batch.x[:, j].double().numpy(),
            np.ones(400, bool) if batch.known is None else batch.known[:, j].numpy(),
        )
        block = np.eye(levels)[x.astype(int)] if levels else x[:, None]
        block = np.where(known[:, None], block, block[known].mean(0))
        blocks.append(block / np.sqrt(block[known].var(0).sum()))
        masks.append(np.repeat(known[:, None], block.shape[1], 1))
    wide, mask = np.concatenate(blocks, 1), np.concatenate(masks, 1)
    assert_allclose(view.of(batch).x, wide, atol=0.02)  # a variance within a hundredth of one is left alone
    cells = sum(m[:, 0].sum() for m in masks)
    _, _, rows = np.linalg.svd(wide - wide.mean(0), full_matrices=False)
    guess = wide.mean(0) + (wide - wide.mean(0)) @ rows[:2].T @ rows[:2]
    shown = view.of(batch)
    assert view.error(shown, torch.from_numpy(guess)) == pytest.approx(
        ((guess - wide) ** 2 * mask).sum() / cells, rel=0.03
    )
    mean = torch.from_numpy(wide.mean(0)).expand(400, -1)
    assert view.error(shown, mean) == pytest.approx(1.0, abs=0.02)


def test_a_category_with_a_place_for_the_unseen_against_numpy():
    levels = [3, 5, 2]
    part = Categorical(levels, spare=True).bind(Sizes(3, 2, 10))
    params = ref.draw(7, sum(levels), seed=1)
    x = torch.stack([torch.arange(7) % n for n in levels], 1).double()
    want, shown, ends = [], [], np.cumsum([0, *levels])
    for j, n in enumerate(levels):
        logits = params[:, ends[j] : ends[j + 1]].numpy()
        want.append(-np.log(ref.softmax(logits)[np.arange(7), x[:, j].long()]))
        shown.append(ref.softmax(logits[:, : n - 1]))
    ref.near(part.each(x, params), np.stack(want, 1), 1e-12)
    ref.near(part.expected(params), np.concatenate(shown, 1), 1e-12)
    assert_array_equal(part.mean(params), np.stack([s.argmax(1) for s in shown], 1))
    assert part.features(3) == [2, 4, 1]
    drawn = torch.stack([part.sample(params, ref.generator(i)) for i in range(50)])
    assert bool((drawn.amax((0, 1)) <= torch.tensor([1, 3, 0])).all()), "what was never seen is never drawn"


def test_times_enter_as_their_place_in_day_week_and_year():
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, 3 * 365 * 86400, 200))
    data = pa.table({"x": rng.normal(size=200), "t": pa.array(seconds, pa.timestamp("s"))})
    found = fit(data, 1, epochs=1)
    seen = found.model_.door(found._batch(data)).numpy()
    assert seen.shape[1] == 2 + 6
    for j, period in enumerate((86400, 7 * 86400, 365.2425 * 86400)):
        turn = 2 * np.pi * (seconds / period % 1)
        tolerance = 40 * 2 * np.pi / period + 1e-5  # a float32 tells 8 of these seconds from the next
        assert_allclose(seen[:, 2 + j], np.sin(turn), atol=tolerance)
        assert_allclose(seen[:, 5 + j], np.cos(turn), atol=tolerance)
    days = data.set_column(1, "t", pa.array((seconds // 86400).astype(np.int32), pa.date32()))
    assert fit(days, 1, epochs=1).model_.door.width == 2 + 4, "a date has no time of day"


def test_a_door_of_every_sort_against_numpy():
    door = Door((0, 3, 0, 2), True, [(2, 4.0, 0.25)], [(0, 1.0, 0.5, 2.0)])
    x = torch.tensor([[0.3, 1.0, 7.0, 0.0], [2.0, 3.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    known = torch.tensor([[True] * 4, [True] * 4, [False] * 4])
    turn = 2 * np.pi * (np.array([7.0, 1.0]) / 4 + 0.25)
    bent = np.arcsinh((np.array([0.3, 2.0]) - 1) / 0.5) / 2
    want = np.zeros((3, 7 + 2 + 1 + 4))
    want[0, :7], want[1, :7] = [0.3, 0, 1, 0, 7, 1, 0], [2, 0, 0, 0, 1, 0, 1]  # the second level 3 was never seen
    want[:2, 7], want[:2, 8], want[:2, 9], want[:2, 10:] = np.sin(turn), np.cos(turn), bent, 1
    ref.near(door(Batch(x, known)), want, 1e-12)
