"""A few known anomalies: what they teach a detector of tables, and what they leave as it was."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from latently import AnomalyDetector, load, save
from latently.errors import BadData, FitAlarm
from latently.tasks.known import marks

pytestmark = pytest.mark.filterwarnings("ignore:.*(diverged|PCA|dead|learn):latently.errors.FitAlarm")


def rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two crescents, apart in two of five columns: the smaller one is what somebody calls an anomaly."""
    rng = np.random.default_rng(seed)
    x, anomaly = rng.normal(size=(n, 5)), rng.random(n) < 0.06
    x[anomaly, :2] += [1.6, -1.6]
    return x, anomaly


def fitted(y: object, x: object = None, **options: object) -> AnomalyDetector:
    given = {"epochs": 5, "network": (16,), "random_state": 0, "verbose": False}
    return AnomalyDetector(**(given | options)).fit(rows(500, 0)[0] if x is None else x, y)


def some(known: int, normal: int = 0) -> np.ndarray:
    """Labels of the first anomalies and of the first other rows."""
    anomaly, y = rows(500, 0)[1], np.full(500, -1)
    y[np.flatnonzero(anomaly)[:known]] = 1
    y[np.flatnonzero(~anomaly)[:normal]] = 0
    return y


@pytest.fixture(autouse=True, scope="module")
def small():
    """Fewer trees, to be quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("latently.tasks.known.TREES", 20)
        yield


@pytest.fixture(scope="module")
def without() -> AnomalyDetector:
    return fitted(None)


@pytest.fixture(scope="module")
def taught() -> AnomalyDetector:
    return fitted(some(20, 40))


def precision(model: AnomalyDetector) -> float:
    """Average precision on new rows."""
    x, anomaly = rows(1500, 1)
    hits = anomaly[np.argsort(model.score_samples(x), kind="stable")]
    return float((hits.cumsum() / np.arange(1, len(x) + 1))[hits].mean())


def test_known_anomalies_find_others_like_them(without, taught):
    assert precision(taught) > precision(without) + 0.15


def test_very_few_labels_move_little(without):
    few = fitted(some(1))
    x = rows(500, 1)[0]
    assert np.corrcoef(few.score_samples(x), without.score_samples(x))[0, 1] > 0.8
    assert precision(few) > precision(without) - 0.03


def test_usual_rows_are_flagged_no_more_often_than_said(taught):
    x, anomaly = rows(3000, 2)
    p = taught.p_values(x[~anomaly])
    for alpha in (0.02, 0.1):
        assert (p <= alpha).mean() < alpha + 3 * np.sqrt(alpha / len(taught.calibration_))
    assert len(taught.calibration_) == 480  # all but those known as anomalies
    assert (taught.set_threshold(alpha=0.1).predict(x) == -1).mean() == (taught.p_values(x) <= 0.1).mean()


def test_a_score_is_a_rows_own(taught):
    x = rows(300, 3)[0]
    np.testing.assert_allclose(taught.score_samples(x)[100:103], taught.score_samples(x[100:103]), rtol=1e-6)


def test_reasons_name_what_anomalies_have_in_common(taught):
    x, anomaly = rows(1500, 4)
    strangest = x[anomaly][np.argsort(taught.score_samples(x[anomaly]))[:10]]
    reasons = taught.explain(strangest, top=5)
    assert sum({r.column for r in row[:2]} <= {"x0", "x1"} for row in reasons) >= 7
    for row in reasons:
        assert sum(r.share for r in row) == pytest.approx(1)


def test_a_file_keeps_what_was_learned(taught, tmp_path):
    save(taught, tmp_path / "one")
    again = load(tmp_path / "one", device="cpu")
    x = rows(50, 5)[0]
    x[3, 2], x[4] = np.nan, np.nan
    for method in ("score_samples", "predict", "p_values"):
        assert_array_equal(getattr(again, method)(x), getattr(taught, method)(x), err_msg=method)
    assert again.score_samples(x)[4] == 0
    assert again.explain(x[:5]) == taught.explain(x[:5])
    save(again, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_same_labels_in_any_form_are_the_same():
    y = np.array([1, 0, -1, 1, -1])
    forms = [y.astype(float), [1, False, None, True, np.nan], pd.Series([1.0, 0, np.nan, 1, np.nan]), pd.array(y)]
    for form in forms:
        assert_array_equal(marks(np.asarray(form)), y)


def test_labels_that_call_nothing_an_anomaly_change_nothing():
    x = rows(60, 6)[0]
    plain = fitted(None, x, epochs=1).score_samples(x)
    assert_array_equal(fitted(np.arange(60) % 2 - 1, x, epochs=1).score_samples(x), plain)
    with pytest.warns(FitAlarm, match="y is ignored"):
        found = fitted(np.arange(60) % 3, x, epochs=1)
    assert_array_equal(found.score_samples(x), plain)


def test_too_few_other_rows_teach_nothing():
    x = np.repeat(rows(9, 6)[0], 4, axis=0)
    with pytest.warns(FitAlarm, match="y is ignored"):
        found = fitted(np.arange(36) < 6, x, epochs=1)
    assert np.isfinite(found.score_samples(x)).all()


@pytest.mark.parametrize(("y", "words"), [(np.ones(9), "y has shape"), (np.ones(120), "every row")])
def test_labels_that_cannot_be_meant_are_refused(y, words):
    with pytest.raises(BadData, match=words):
        fitted(y, rows(120, 6)[0])
