"""Detectors that go on with a stream: what they follow, what stays, what p-values then mean, what drift is."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import binom

from latently import AnomalyDetector, load, save
from latently.errors import BadParameter, UnsupportedInput
from latently.rng import child
from latently.tasks.streaming import WINDOW, _reservoir

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

MIX = np.random.default_rng(0).normal(size=(3, 6))


def rows(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Rows near a space of three dimensions, moved along two columns."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ MIX + 0.3 * rng.normal(size=(n, 6)) + shift * np.array([1, 1, 0, 0, 0, 0])


def odd(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """The same, one cell of each row far off."""
    x, rng = rows(n, seed, shift), np.random.default_rng(seed)
    x[np.arange(n), rng.integers(6, size=n)] += rng.choice([-7, 7], n)
    return x


def fitted(x: np.ndarray | pd.DataFrame, **options: object) -> AnomalyDetector:
    given = {
        "n_components": 8, "setting": "clean", "epochs": 6, "network": (16,), "validation_fraction": 0.25,
        "random_state": 0, "verbose": False,
    }  # fmt: skip
    return AnomalyDetector(**(given | options)).fit(x)


@pytest.fixture(scope="module")
def once() -> AnomalyDetector:
    return fitted(rows(600, 1))


@pytest.fixture
def detector(once: AnomalyDetector) -> AnomalyDetector:
    """Fitted on rows that have not moved."""
    return copy.deepcopy(once)


def share(detector: AnomalyDetector, x: np.ndarray, alpha: float = 0.05) -> float:
    """Of the rows, those of p at most alpha."""
    return float((detector.p_values(x) <= alpha).mean())


def saved(detector: AnomalyDetector, path: object) -> bytes:
    save(detector, path)
    return path.read_bytes()


@pytest.mark.parametrize("setting", ["clean", "contaminated"])
def test_a_stream_that_has_moved_is_followed_and_anomalies_stay_found(setting):
    detector, moved = fitted(rows(600, 1), setting=setting), rows(1000, 2, 3.0)
    assert share(detector, moved) > 0.8
    for k in range(3):
        detector.partial_fit(rows(150, 10 + k, 3.0))
    assert share(detector, moved) < 0.08
    assert share(detector, rows(1000, 4)) < 0.08  # what was normal before is not forgotten
    assert share(detector, odd(200, 3, 3.0)) > 0.9
    assert (detector.predict(odd(200, 3, 3.0)) < 0).mean() > 0.7
    assert (detector.predict(moved) < 0).mean() < 0.03


def test_rows_like_those_before_leave_the_rate_of_false_alarms_as_it_is(detector):
    for k in range(2):
        detector.partial_fit(rows(150, 10 + k))
    assert 0.02 < share(detector, rows(2000, 2)) < 0.08
    assert len(detector.calibration_) == 450
    assert (np.diff(detector.calibration_) >= 0).all()


def test_the_same_calls_give_the_same_bytes_and_so_does_a_detector_that_was_saved_in_between(tmp_path):
    x = pd.DataFrame(rows(80, 1), columns=list("abcdef")).assign(g=["x", "y"] * 40)
    x.loc[::9, "c"] = np.nan
    first = fitted(x, setting="contaminated", epochs=1)
    other = copy.deepcopy(first)
    for i in (0, 50):
        new = x.iloc[i : i + 15].assign(a=lambda f: f["a"] + 1, g=["x", "y", "z"] * 5)  # and a level never seen
        first.partial_fit(new, sample_weight=np.arange(15))
        other.partial_fit(new, sample_weight=np.arange(15))
        assert saved(other, tmp_path / "other.safetensors") == saved(first, tmp_path / "first.safetensors")
        other = load(tmp_path / "other.safetensors")


def test_a_first_partial_fit_is_a_fit(tmp_path):
    fit = fitted(rows(100, 1), epochs=2)
    first = AnomalyDetector(**fit.get_params()).partial_fit(rows(100, 1))
    assert saved(fit, tmp_path / "a") == saved(first, tmp_path / "b")


def test_nothing_changes_in_an_update_that_fails(detector, tmp_path, monkeypatch):
    detector.partial_fit(rows(2, 2))
    before = saved(detector, tmp_path / "a")
    spoiled = rows(9, 3)
    spoiled[4, 2] = np.inf
    for wrong in (rows(9, 3)[:, :5], spoiled, [["a"] * 6]):
        with pytest.raises(ValueError):  # noqa: PT011 - ours and scikit-learn's
            detector.partial_fit(wrong)
    window = AnomalyDetector._window
    monkeypatch.setattr(AnomalyDetector, "_window", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        detector.partial_fit(rows(9, 3))
    assert saved(detector, tmp_path / "a") == before
    monkeypatch.setattr(AnomalyDetector, "_window", window)
    assert saved(detector.partial_fit(rows(9, 3)), tmp_path / "a") != before


def test_an_update_leaves_what_was_learned_before_alone(detector):
    model, judge, x = detector.model_, detector._judge, rows(50, 2)
    before = judge.strange(x, detector._batches(x))
    pickle.loads(pickle.dumps(detector)).partial_fit(rows(9, 4))
    detector.partial_fit(rows(1, 3)).partial_fit(rows(9, 4))
    assert detector.model_ is not model
    assert_array_equal(judge.strange(x, detector._batches(x)), before)


def test_what_is_no_table_is_refused_with_a_way_out():
    pictures = np.random.default_rng(0).integers(0, 255, (12, 16, 16)).astype(np.uint8)
    detector = AnomalyDetector(setting="clean", epochs=1, random_state=0, verbose=False).fit(pictures)
    with pytest.raises(UnsupportedInput, match="learned from images"):
        detector.partial_fit(pictures)
    assert len(detector.recalibrate(pictures).calibration_) == 12


@pytest.mark.parametrize("seen", [50, 200])
def test_all_rows_seen_have_the_same_chance_to_be_kept(seen):
    """Of 50 kept ones of `seen`, and 250 - seen new ones."""
    counts, rounds = np.zeros(250), 3000
    for i in range(rounds):
        first = np.random.default_rng(i).permutation(seen)[:50]
        came = np.append(first, np.arange(seen, 250))
        counts[came[_reservoir(50, 250 - seen, seen, 50, child(i, "t")).numpy()]] += 1
    assert counts.sum() == 50 * rounds
    assert np.abs(counts / rounds - 0.2).max() < 5 * np.sqrt(0.2 * 0.8 / rounds)


def test_the_calibration_holds_the_newest_and_no_more(detector):
    found = detector._window(np.linspace(0, 1, WINDOW - 40), np.ones(WINDOW - 40), 1)
    assert len(found["calibration_"]) == WINDOW
    assert (found["_arrived"] == 0).sum() == 40
    kept = found["calibration_"][found["_arrived"] == 0]
    assert np.isin(kept, detector.calibration_).all()
    assert np.ptp(kept) > 0.5 * np.ptp(detector.calibration_)  # any of the old ones, not the least strange


def test_p_values_hold_after_recalibration_and_the_line_keeps_its_meaning(detector):
    moved = rows(2000, 2, 3.0)
    detector.recalibrate(rows(1000, 3, 3.0))
    for alpha in (0.01, 0.05, 0.2):  # two sources of chance: the rows judged, and those they are judged beside
        low, high = (binom.ppf(q, 1000, alpha) / 1000 for q in (1e-4, 1 - 1e-4))
        assert low < share(detector, moved, alpha) < high
    assert_array_equal(detector.predict(moved) < 0, detector.p_values(moved) <= 0.01)
    detector.set_threshold(alpha=0.1).recalibrate(rows(500, 4))
    assert_array_equal(detector.predict(moved) < 0, detector.p_values(moved) <= 0.1)
    detector.set_threshold(rate=0.2).recalibrate(rows(500, 5, 3.0))
    assert detector.expected_flags() == (100, 500)
    line = detector.set_threshold(count=7, X=moved).threshold_
    assert detector.recalibrate(moved[:300]).threshold_ == line
    with pytest.raises(BadParameter, match="alpha"):
        detector.set_threshold(alpha=2)
    assert detector.threshold_ == line


def test_drift_is_small_among_rows_of_the_same_sort_and_told_of_others(detector):
    same, other = detector.drift(rows(1000, 2)), detector.drift(rows(200, 3, 2.0))
    assert same.distance < 0.1
    assert not same.drifted
    assert 0.35 < same.median < 0.65
    assert "DRIFT" not in same.text()
    assert other.distance > 0.3
    assert other.drifted
    assert other.told()["drifted"]
    assert other.text().count("DRIFT") == 2
    foul = detector.drift(np.concatenate([rows(1000, 4), odd(60, 5)]))
    assert foul.drifted  # though the scores at large have not moved
    assert not foul.stranger
    assert foul.flagged > 50
    assert not detector.drift(rows(600, 1)).drifted  # nor of the rows of the fit
