"""The detector of anomalies: what its scores, p-values, reasons and line promise."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from latently import AnomalyDetector, load, save
from latently.errors import BadData, BadParameter
from latently.tasks.thresholds import alerts

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

MIX = np.random.default_rng(5).normal(size=(2, 6))
UNITS = np.geomspace(0.01, 100, 6)


def normal(n: int, seed: int = 0) -> np.ndarray:
    """Rows near a plane, on scales from 0.01 to 100."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 2)) @ MIX + 0.1 * rng.normal(size=(n, 6))) * UNITS + np.arange(6)


def broken(n: int, seed: int = 1) -> np.ndarray:
    """One cell of each row is off the plane, and often still within the range of its column."""
    x, rng = normal(n, seed), np.random.default_rng(seed)
    hit = rng.integers(6, size=n)
    x[np.arange(n), hit] += rng.choice([-3.0, 3.0], n) * UNITS[hit]
    return x


def gaps(x: np.ndarray, share: float = 0.2, seed: int = 2) -> np.ndarray:
    """Some cells are missing."""
    return np.where(np.random.default_rng(seed).random(x.shape) < share, np.nan, x)


def detector(x: np.ndarray | None = None, weight: np.ndarray | None = None, **options: object) -> AnomalyDetector:
    given = {"setting": "clean", "epochs": 20, "network": (32,), "random_state": 0, "verbose": False}
    return AnomalyDetector(**(given | options)).fit(normal(300) if x is None else x, sample_weight=weight)


@pytest.fixture(scope="module")
def clean() -> AnomalyDetector:
    return detector()


@pytest.fixture(scope="module")
def holed() -> AnomalyDetector:
    return detector(gaps(normal(300)))


def auroc(model: AnomalyDetector, ordinary: np.ndarray, odd: np.ndarray) -> float:
    low, high = model.score_samples(odd), model.score_samples(ordinary)
    return float((low[:, None] < high).mean())


# ---------------------------------------------------------------- scores


def test_higher_is_more_normal_and_the_line_is_at_zero(clean):
    x = np.vstack([normal(50, 3), broken(50)])
    scores, line = clean.score_samples(x), clean.decision_function(x)
    assert_allclose(line, scores - clean.offset_)
    assert_array_equal(clean.predict(x), np.where(line < 0, -1, 1))
    assert clean.threshold_ == -clean.offset_
    assert auroc(clean, normal(400, 3), broken(400)) > 0.95


def test_anomalies_among_the_training_rows_are_found_there():
    x = np.vstack([normal(285), broken(15)])
    model = detector(x, setting="contaminated", contamination=0.05)
    flagged = np.flatnonzero(model.predict(x) == -1)
    assert len(flagged) == 15
    assert (flagged >= 285).sum() >= 10


def test_no_group_of_copies_vouches_for_itself():
    crowd = normal(1, 9) + 30 * UNITS
    x = np.vstack([normal(290), crowd + 1e-3 * UNITS * np.random.default_rng(0).normal(size=(4, 6))])
    scores = detector(x, setting="contaminated").score_samples(x)
    assert set(np.argsort(scores)[:4]) == {290, 291, 292, 293}


@pytest.mark.parametrize("kind", ["gaussian:.5", "undercomplete", "kl:.1"])
def test_what_lies_far_away_is_strange_though_the_model_may_copy_it(kind):
    model = detector(kind=kind, n_components=2)
    away = np.array([10.0, 1e2, 1e3, 1e5])[:, None] * MIX[0] / np.linalg.norm(MIX[0]) * UNITS + np.arange(6)
    batch = model.data_.batch(away)
    missed = model._map(lambda b: model.model_.decode(model.model_.encode(b)), batch) - batch.x.numpy()
    copied = np.square(missed).sum(1) < 0.1 * np.square(batch.x.numpy()).sum(1)
    assert copied.all() or kind != "undercomplete", "this model does not copy, and so needs no guard"
    assert (model.score_samples(away) < model.score_samples(normal(500, 4)).min()).all()
    assert (np.diff(model.score_samples(away)) < 0).all(), "further away is stranger"


def test_a_score_is_a_rows_own(clean):
    x = np.vstack([normal(40, 3), broken(10)])
    crowd = np.vstack([normal(700, 6), x, normal(333, 7)])
    assert_allclose(clean.score_samples(crowd)[700:750], clean.score_samples(x), rtol=1e-6, atol=1e-9)
    assert_allclose(clean.score_samples(x[7:8]), clean.score_samples(x)[7:8], rtol=1e-6, atol=1e-9)


def test_missing_cells_leave_the_score(holed):
    assert auroc(holed, gaps(normal(400, 3)), gaps(broken(400))) > 0.85
    nothing = np.full((1, 6), np.nan)
    assert holed.score_samples(nothing)[0] == 0
    assert holed.p_values(nothing)[0] == 1
    hidden = normal(100, 3)
    hidden[:, 4] += 1e4
    assert (holed.predict(hidden) == -1).all()
    hidden[:, 4] = np.nan
    assert (holed.predict(hidden) == 1).mean() > 0.95


def test_a_weight_is_that_many_copies():
    x, weight = normal(80), np.arange(80) % 3
    new = np.vstack([normal(20, 3), broken(20)])
    for options in ({"setting": "clean"}, {"contamination": 0.1}):
        weighted = detector(x, weight, epochs=3, **options)
        copied = detector(np.repeat(x, weight, axis=0), epochs=3, **options)
        assert_array_equal(weighted.decision_function(new), copied.decision_function(new))
        assert_array_equal(weighted.p_values(new), copied.p_values(new))


@pytest.mark.parametrize("model", ["clean", "holed"])
def test_a_file_keeps_scores_line_and_reasons(model, request, tmp_path):
    model = request.getfixturevalue(model)
    save(model, tmp_path / "one")
    again = load(tmp_path / "one", device="cpu")
    x = np.vstack([normal(20, 3), gaps(broken(20))])
    for method in ("score_samples", "decision_function", "predict", "p_values"):
        assert_array_equal(getattr(again, method)(x), getattr(model, method)(x), err_msg=method)
    assert again.explain(x) == model.explain(x)
    save(again, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


# ---------------------------------------------------------------- p-values


def test_scores_tell_the_p_values_that_the_rows_have(clean):
    x = np.vstack([normal(20, 3), broken(20)])
    scores = clean.score_samples(x)
    assert_array_equal(clean.p_values_of(scores), clean.p_values(x))
    assert clean.p_values_of([np.inf]) == 1
    assert_array_equal(clean.p_values_of(list(scores[:1])), clean.p_values(x[:1]))


@pytest.mark.parametrize("rows", [300, 3000])
def test_normal_rows_are_flagged_no_more_often_than_said(rows):
    model = detector(normal(rows), epochs=20 if rows == 300 else 4)
    p = model.p_values(normal(3000, 8))
    for alpha in (0.01, 0.05, 0.1, 0.5):
        spread = np.sqrt(alpha * (1 - alpha) / len(model.calibration_))
        assert (p <= alpha).mean() < alpha + 3 * spread
    assert (p <= 0.1).mean() > 0.02, "flags next to nothing"


def test_of_the_rows_selected_few_are_normal():
    false, found = [], []
    for seed in range(4):
        model = detector(normal(400, seed), epochs=5, random_state=seed)
        rows = np.vstack([normal(300, 50 + seed), broken(60, 90 + seed)])
        chosen = model.select(rows, fdr=0.2)
        false.append(chosen[:300].sum() / max(chosen.sum(), 1))
        found.append(chosen[300:].mean())
    assert np.mean(false) <= 0.2
    assert np.mean(found) > 0.6
    assert not model.select(rows, fdr=1e-4).any()  # no p is that small
    assert not model.select(rows[:1]).any()


def test_p_values_count_held_out_rows(clean):
    x = np.vstack([normal(50, 3), broken(50)])
    strange = -clean.score_samples(x)
    counted = [(1 + (clean.calibration_ >= s).sum()) / (len(clean.calibration_) + 1) for s in strange]
    assert_allclose(clean.p_values(x), counted)
    assert len(clean.calibration_) == 300
    assert clean.p_values(broken(1) * 1e6)[0] == 1 / 301


# ---------------------------------------------------------------- reasons


def test_reasons_name_the_broken_cell_and_what_belongs_there():
    names = [f"column {j}" for j in range(6)]
    model = detector(pd.DataFrame(normal(300), columns=names), epochs=60)
    x = normal(12, 3)
    spoiled = x.copy()
    for i in range(12):
        spoiled[i, i % 6] += 4 * UNITS[i % 6]
    for i, reasons in enumerate(model.explain(pd.DataFrame(spoiled, columns=names), top=2)):
        first, j = reasons[0], i % 6
        assert first.column == names[j]
        assert first.observed == pytest.approx(spoiled[i, j], rel=1e-4)
        assert abs(first.expected - x[i, j]) < 0.2 * abs(spoiled[i, j] - x[i, j])
        assert first.share > reasons[1].share > 0
        assert first.p_value < 0.01


def test_a_cell_far_out_hardly_moves_what_is_expected_of_the_others(clean):
    x, far = normal(40, 9), normal(40, 9)
    far[:, 0] += 1e4 * UNITS[0]

    def expected(rows: np.ndarray) -> np.ndarray:
        found = [{r.column: r.expected for r in reasons} for reasons in clean.explain(rows, top=6)]
        return np.array([[row[f"x{j}"] for j in range(1, 6)] for row in found]) / UNITS[1:]

    assert np.abs(expected(x) - expected(far)).mean() < 2


def test_shares_are_of_a_whole_and_unknown_cells_are_no_reason(holed):
    x = gaps(normal(30, 3), 0.5)
    for reasons, row in zip(holed.explain(x, top=6), x, strict=True):
        assert [r.column for r in sorted(reasons, key=lambda r: r.column)] == [
            f"x{j}" for j in np.flatnonzero(~np.isnan(row))
        ]
        assert sum(r.share for r in reasons) == pytest.approx(1 if reasons else 0)
        assert all(0 <= r.p_value <= 1 for r in reasons)


# ---------------------------------------------------------------- the line


def test_the_line_moves_without_a_fit(clean, tmp_path):
    save(clean, tmp_path / "model")
    model = load(tmp_path / "model", device="cpu")
    x = np.vstack([normal(180, 3), broken(20)])
    truth = np.arange(200) >= 180
    for alpha in (0.02, 0.2):
        assert_array_equal(model.set_threshold(alpha=alpha).predict(x) == -1, model.p_values(x) <= alpha)
    model.set_threshold(rate=0.1)
    assert (model.calibration_ > model.threshold_).sum() == 30
    for count in (0, 1, 7, 200):
        assert (model.set_threshold(count=count, X=x).predict(x) == -1).sum() == count
    flagged = model.set_threshold(labels=truth, X=x).predict(x) == -1
    strange = -model.score_samples(x)
    best = max(_f1(truth, strange > t) for t in strange - 1e-9)
    assert _f1(truth, flagged) == pytest.approx(best)


def test_rows_that_tie_stay_together_and_the_strangest_are_flagged_all_the_same():
    strange = np.array([1.0, 7, 7, 7, 7, 3, 2, 2, 2, 0])
    for count, flagged in {0: 0, 1: 4, 2: 4, 4: 4, 5: 5, 6: 5, 7: 8, 9: 9, 10: 10}.items():
        assert (strange > alerts(strange, count)).sum() == flagged
    assert not (np.ones(9) > alerts(np.ones(9), 3)).any()  # none is stranger than another


def test_the_line_parts_numbers_that_nothing_lies_between():
    top = np.nextafter(3.0, 4)
    for strange in (np.array([3.0, top, 1]), np.array([1.0, np.inf, 2])):
        assert_array_equal(strange > alerts(strange, 1), strange == strange.max())


def _f1(truth: np.ndarray, flagged: np.ndarray) -> float:
    return 2 * (truth & flagged).sum() / (truth.sum() + flagged.sum())


@pytest.mark.parametrize(
    "given",
    [
        {}, {"alpha": 0.1, "rate": 0.1}, {"alpha": 0}, {"alpha": 1.5}, {"rate": True}, {"count": 3}, {"labels": [0, 1]},
        {"alpha": 0.1, "X": normal(4)}, {"count": 9, "X": normal(4)}, {"count": 1.5, "X": normal(4)},
        {"labels": [0, 1], "X": normal(4)}, {"labels": [0] * 4, "X": normal(4)},
        {"labels": [0, 1, 2, 0], "X": normal(4)},
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_drawn_is_refused_and_the_old_one_stays(clean, given):
    before = clean.offset_
    with pytest.raises((BadParameter, BadData)):
        clean.set_threshold(**given)
    assert clean.offset_ == before


@pytest.mark.parametrize(
    "options",
    [{"setting": "dirty"}, {"setting": "contaminated", "contamination": 0}, {"contamination": -0.1},
     {"contamination": 0.6}, {"contamination": "some"},
     {"contamination": True}],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(BadParameter, match=list(options)[-1]):
        detector(**options)


def test_the_share_asked_for_is_flagged():
    x = normal(200)
    model = detector(x, setting="contaminated", contamination=0.07, epochs=3)
    assert (model.predict(x) == -1).sum() == 14


def test_of_clean_rows_the_share_asked_for_is_that_of_new_ones():
    rng, x = np.random.default_rng(3), np.random.default_rng(2).normal(size=(400, 6))
    new = rng.normal(size=(2000, 6))
    assert (detector(x, contamination=0.1).predict(new) == -1).mean() == pytest.approx(0.1, abs=0.05)
    model = detector(x, contamination=0, epochs=2)
    assert model.threshold_ == model.calibration_[-1]
