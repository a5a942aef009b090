"""The detector of strange stretches in series: scores, where, why, how often by chance, and what is not there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from latently import AnomalyDetector, Series, evaluate, load, save
from latently.errors import BadData, UnsupportedInput
from latently.modalities.whitening import Whitening, bridged

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


def wave(steps: int = 1500, seed: int = 0) -> np.ndarray:
    """A sine with noise."""
    rng = np.random.default_rng(seed)
    return np.sin(np.arange(steps) / 8) + 0.1 * rng.standard_normal(steps)


def spoiled(kind: str) -> tuple[np.ndarray, slice]:
    x, here = wave(seed=1), {"spike": slice(700, 701), "shift": slice(600, 640), "flat": slice(900, 950)}[kind]
    x[here] = {"spike": x[here] + 3, "shift": x[here] + 1.5, "flat": x[here.start]}[kind]
    return x, here


def detector(x: object, **options: object) -> AnomalyDetector:
    given = {"data": Series(), "setting": "clean", "epochs": 4, "network": (32,), "random_state": 0, "verbose": False}
    return AnomalyDetector(**(given | options)).fit(x)


@pytest.fixture(scope="module")
def long() -> AnomalyDetector:
    return detector(wave())


@pytest.fixture(scope="module")
def many() -> AnomalyDetector:
    return detector([wave(n, seed) for seed, n in enumerate([200, 230, 260] * 8)])


# ---------------------------------------------------------------- what is found


@pytest.mark.parametrize("kind", ["spike", "shift", "flat"])
def test_what_was_done_to_a_series_is_flagged_and_its_interval_named(long, kind):
    x, here = spoiled(kind)
    strange = -long.score_samples(x)
    assert strange.shape == (1500,)
    assert here.start - 30 <= int(strange.argmax()) < here.stop + 30
    assert (long.predict(x)[here] == -1).all()
    (found,) = long.explain(x, top=1)
    interval = found[0]
    middle = (here.start + here.stop - 1) / 2
    assert interval.start - 8 <= middle < interval.stop + 8
    assert interval.start < interval.stop <= interval.start + 110
    assert interval.p_value == long.p_values(x).min() < 0.15
    assert interval.nats == pytest.approx(strange[interval.start : interval.stop].max())


def test_a_spike_is_told_with_what_was_expected_there(long):
    x, here = spoiled("spike")
    interval = long.explain(x, top=1)[0][0]
    assert interval.step == here.start
    assert interval.observed == x[here.start]
    assert interval.expected == pytest.approx(np.sin(here.start / 8), abs=0.4)
    assert f"at step {here.start}" in interval.text()
    assert interval.told()["observed"] == interval.observed


def test_the_channel_that_is_strange_has_the_greater_share():
    both = np.column_stack([wave(), wave(seed=3)[::-1]])
    model = detector(pd.DataFrame(both, columns=["a", "b"]))
    torn = both.copy()
    torn[700:720, 1] += 2
    frame = pd.DataFrame(torn, columns=["a", "b"])
    heat = model.heat_map(frame)
    assert heat.shape == (1500, 2)
    assert_allclose(heat.sum(1), -model.score_samples(frame), rtol=1e-5)
    assert heat[700:720, 1].min() > 2 * heat[700:720, 0].max()
    interval = model.explain(frame, top=1)[0][0]
    assert interval.channel == "b"
    assert sum(interval.channels.values()) == pytest.approx(1)


def test_intervals_of_a_frame_have_times():
    times = pd.date_range("2024-01-01", periods=1500, freq="5min")
    x, here = spoiled("spike")
    frame = pd.DataFrame({"when": times, "value": x})
    by_index, by_column = (
        detector(f, data=Series(time=t)).explain(f, top=1)[0][0]
        for f, t in ((frame.set_index("when"), None), (frame, "when"))
    )
    assert by_index.first == times[by_index.start] <= times[here.start] <= by_index.last == times[by_index.stop - 1]
    assert (by_index.start, by_index.first) == (by_column.start, pd.Timestamp(by_column.first))


def test_the_strangest_item_of_a_collection_is_the_one_that_was_changed(many):
    items = [wave(n, 50 + n) for n in (200, 215, 230, 245, 260)]
    items[2][100:104] += 3
    scores = many.score_samples(items)
    assert scores.shape == (5,)
    assert scores.argmin() == 2
    assert [h.shape for h in many.heat_map(items)] == [(len(x), 1) for x in items]
    found = many.explain(items, top=1)
    assert found[2][0].start - 5 <= 101 < found[2][0].stop + 5


def test_anomalies_among_the_training_steps_are_found():
    x, here = spoiled("shift")
    model = detector(x, setting="contaminated")
    assert here.start - 30 <= int((-model.score_samples(x)).argmax()) < here.stop + 30
    assert (model.predict(x)[here] == -1).any()


def test_a_level_that_lasts_for_windows_is_strange_to_a_detector_that_learned_it_too():
    x = wave(3000) + 0.9 * np.random.default_rng(5).standard_normal(3000)
    inside = np.zeros(3000, bool)
    inside[1500:1750] = True
    x[inside] += 1
    strange = -detector(x, setting="contaminated").score_samples(x)
    assert np.mean(strange[inside][:, None] > strange[~inside]) > 0.96  # .978; windows alone .947


# ---------------------------------------------------------------- how often by chance


def test_few_steps_of_a_new_series_like_the_first_have_a_small_p():
    model = detector(wave(12_000))
    fresh = wave(12_000, 9)
    p = model.p_values(fresh)
    assert p.min() >= 1 / (0.6 * 12_000 / model.data_.length_ + 1)
    assert (p <= 0.05).mean() < 0.12
    assert (model.predict(fresh) == -1).mean() < 0.03


def test_few_items_like_those_learned_from_have_a_small_p(many):
    items = [wave(230, 100 + i) for i in range(40)]
    assert (many.p_values(items) <= 0.05).mean() <= 0.15
    many.set_threshold(rate=0.5)
    assert (many.predict(items) == -1).mean() > 0.2
    many.set_threshold(alpha=0.01)


def test_the_line_moves_with_labels(long):
    x, here = spoiled("shift")
    labels = np.zeros(len(x), bool)
    labels[here] = True
    before = long.offset_
    long.set_threshold(labels=labels, X=x)
    caught = long.predict(x) == -1
    long.offset_ = before
    assert caught[here].all()
    assert caught.sum() < 200


# ---------------------------------------------------------------- what does not matter


def test_an_item_is_judged_alone(many):
    items = [wave(n, n) for n in (200, 222, 260)]
    together = many.score_samples(items)
    assert_allclose(together, [many.score_samples([x])[0] for x in items], rtol=1e-5)
    assert_allclose(together[::-1], many.score_samples(items[::-1]), rtol=1e-5)


def test_the_unit_of_a_channel_does_not_matter():
    x, _ = spoiled("flat")
    plain, scaled = (detector(v).score_samples(v) for v in (x, 1e6 + 1e3 * x))
    assert_allclose(plain, scaled, rtol=2e-3)


@pytest.mark.parametrize("kind", ["long", "many"])
def test_a_saved_detector_says_the_same(kind, request, tmp_path):
    model = request.getfixturevalue(kind)
    x = spoiled("flat")[0] if kind == "long" else [spoiled("flat")[0], wave(200, 7)]
    save(model, tmp_path / "m.latently")
    again = load(tmp_path / "m.latently")
    assert_array_equal(model.score_samples(x), again.score_samples(x))
    assert_array_equal(model.p_values(x), again.p_values(x))
    assert model.explain(x) == again.explain(x)


def test_the_same_seed_gives_the_same_scores():
    x = wave(400)
    assert_array_equal(detector(x).score_samples(x), detector(x).score_samples(x))


# ---------------------------------------------------------------- what is missing or small


def test_gaps_have_scores_and_are_not_strange(long):
    x = wave(seed=4)
    torn = x.copy()
    torn[300:305] = torn[800:1000] = np.nan
    whole, holed = -long.score_samples(x), -long.score_samples(torn)
    assert np.isfinite(holed).all()
    assert holed[280:330].max() < max(whole.max(), 3)
    assert holed[850:950].max() <= whole.max()
    assert np.isfinite([i.expected for i in long.explain(torn)[0]]).all()


def test_a_fit_on_gaps_finds_what_is_strange():
    x, here = spoiled("shift")
    x[100:160] = x[np.arange(300, 500, 7)] = np.nan
    strange = -detector(x).score_samples(x)
    assert np.isfinite(strange).all()
    assert here.start - 30 <= int(strange.argmax()) < here.stop + 30


def test_a_constant_series_is_normal_and_a_step_out_of_it_is_not():
    model = detector(np.full(400, 7.0))
    steady = model.score_samples(np.full(300, 7.0))
    torn = np.full(300, 7.0)
    torn[150] = 8
    scores = model.score_samples(torn)
    assert np.isfinite(scores).all()
    assert (model.predict(np.full(300, 7.0)) == 1).all()
    assert scores[150] < steady.min()


@pytest.mark.parametrize("steps", [1, 3, 8, 40])
def test_short_series_have_scores(long, steps):
    scores = long.score_samples(wave(steps, 3))
    assert scores.shape == (steps,)
    assert np.isfinite(scores).all()
    assert long.heat_map(wave(steps, 3)).shape == (steps, 1)
    assert len(long.explain(wave(steps, 3))) == 1


@pytest.mark.parametrize("steps", [1, 2, 12])
def test_a_fit_on_a_few_steps_gives_scores(steps):
    x = wave(steps)
    assert np.isfinite(detector(x).score_samples(x)).all()


def test_the_form_of_the_fit_is_the_form_that_is_judged(long, many):
    with pytest.raises(UnsupportedInput, match="judges its steps"):
        long.score_samples([wave(), wave()])
    with pytest.raises(UnsupportedInput, match=r"a list of\s+series, \[x\]"):
        many.score_samples(wave())
    with pytest.raises(UnsupportedInput, match="mask is for images"):
        long.mask(wave())


def test_a_weight_goes_with_an_item():
    with pytest.raises(BadData, match="one long series has none"):
        AnomalyDetector(data=Series(), verbose=False).fit(wave(), sample_weight=np.ones(1500))
    items = [wave(60, i) for i in range(12)]
    model = AnomalyDetector(data=Series(), epochs=1, verbose=False).fit(items, sample_weight=np.arange(12.0))
    assert model.score_samples(items).shape == (12,)


def test_labels_of_steps_tell_how_good_it_is(long):
    x, here = spoiled("shift")
    labels = np.zeros(len(x), int)
    labels[here] = 1
    found = evaluate(long, x, labels)
    assert found.rows == 1500
    assert found["detection"]["auroc"]["model"] > 0.95


# ---------------------------------------------------------------- patterns


def test_patterns_come_back_as_rows_and_gaps_as_their_conditional_mean():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 8)) + 0.2 * rng.normal(size=(500, 8))
    white = Whitening.of(rows)
    assert_allclose(white.back(white.there(rows)), rows, atol=1e-9)
    torn = rows.copy()
    torn[:, 2] = np.nan
    filled = white.filled(torn)[:, 2]
    known = np.delete(rows, 2, 1)
    cov = np.cov(rows.T, bias=True) + 0.04 * np.eye(8)
    weight = np.linalg.solve(np.delete(np.delete(cov, 2, 0), 2, 1), np.delete(cov[2], 2))
    assert_allclose(filled, rows[:, 2].mean() + (known - known.mean(0)) @ weight, atol=1e-9)


def test_gaps_are_bridged_by_straight_lines():
    array = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    assert_array_equal(bridged(array), [[1, 0], [2, 0], [3, 0], [3, 0]])


# ---------------------------------------------------------------- the yardstick of the benchmark


@pytest.fixture(scope="module")
def yard() -> ModuleType:
    path = Path(__file__).parents[1] / "bench" / "ranges.py"
    spec = importlib.util.spec_from_file_location("ranges", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_range_aupr_of_a_perfect_a_constant_and_an_inverted_score(yard):
    labels = np.zeros(100, bool)
    labels[40:50] = labels[70:80] = True
    assert yard.range_aupr(labels.astype(float), labels, (0,)) == pytest.approx(1)
    assert yard.range_aupr(np.zeros(100), labels, (0,)) == pytest.approx(0.2)
    assert yard.range_aupr(-labels.astype(float), labels, (0,)) == pytest.approx(0.2)
    assert yard.auroc(labels.astype(float), labels) == 1
    assert yard.auroc(np.zeros(100), labels) == 0.5


def test_range_aupr_by_hand(yard):
    labels = np.array([0, 1, 1, 0, 0, 1], bool)
    scores = np.array([0.1, 0.9, 0.2, 0.8, 0.1, 0.7])
    # flagged 1: recall 1/3 of the steps times 1/2 of the ranges, precision 1; 3 is none; then 5, 2
    by_hand = (1 / 6) * 1 + 0 + (2 / 3 - 1 / 6) * (2 / 3) + (1 - 2 / 3) * (3 / 4)
    assert yard.range_aupr(scores, labels, (0,)) == pytest.approx(by_hand)


def test_a_buffer_forgives_what_is_beside_a_range(yard):
    labels = np.zeros(60, bool)
    labels[30:34] = True
    beside, far = np.zeros(60), np.zeros(60)
    beside[35], far[50] = 1, 1
    assert yard.range_aupr(beside, labels, (8,)) > yard.range_aupr(far, labels, (8,))
    assert yard.range_aupr(beside, labels, (0,)) == yard.range_aupr(far, labels, (0,))
    assert yard.ranges(labels) == [(30, 34)]
