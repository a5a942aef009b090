"""Reasons as a flat table and as a plot, the nearest normal row, and the detector under PyOD's names."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from latently import AnomalyDetector, load, save
from latently.compat import PyODDetector
from latently.errors import BadParameter, UnsupportedInput

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

SMALL = {"network": (8,), "epochs": 5, "validation_fraction": 0.2, "random_state": 0, "verbose": False}


def people(n: int, seed: int = 0) -> pd.DataFrame:
    """Who is over 62 is retired; who earns more is older; the id is never learned."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n)
    frame = pd.DataFrame(
        {
            "id": [f"c{i:05d}" for i in range(n)], "age": age, "pay": age + rng.normal(size=n),
            "job": np.where(age > 62, "retired", rng.choice(["clerk", "smith"], n)),
            "since": pd.Timestamp("2020-01-01") - pd.to_timedelta(age * 200, unit="D"),
        },
        index=[f"r{i}" for i in range(n)],
    )  # fmt: skip
    frame.loc["r3", "pay"] = np.nan
    return frame


@pytest.fixture(scope="module")
def spoiled() -> pd.DataFrame:
    frame = people(200)
    frame.loc["r7", ["age", "pay", "job"]] = [20, 5e3, "retired"]
    return frame


@pytest.fixture(scope="module")
def model(spoiled: pd.DataFrame) -> AnomalyDetector:
    return AnomalyDetector(**SMALL).fit(spoiled)


# ---------------------------------------------------------------- flat


def test_the_flat_table_says_what_explain_says_under_the_index_of_the_rows(model, spoiled):
    rows = spoiled.loc[["r9", "r7"]]
    table = model.explanations(rows, top=2)
    assert table.index.tolist() == ["r9", "r9", "r7", "r7"]
    assert table["row"].tolist() == [0, 0, 1, 1]
    assert table["rank"].tolist() == [1, 2, 1, 2]
    flat = [reason for reasons in model.explain(rows, top=2) for reason in reasons]
    for name in ("column", "observed", "expected", "share", "p_value"):
        assert table[name].tolist() == [getattr(reason, name) for reason in flat]
    assert_array_equal(table["score"], np.repeat(model.score_samples(rows), 2))
    assert_array_equal(table["row_p_value"], np.repeat(model.p_values(rows), 2))


def test_of_other_containers_the_flat_table_is_columns(model, spoiled):
    import pyarrow as pa

    found = model.explanations(pa.Table.from_pandas(spoiled[:3], preserve_index=False), top=1)
    assert {name: len(column) for name, column in found.items()} == dict.fromkeys(model.explanations(spoiled[:3]), 3)
    nothing = pd.DataFrame({name: [None] for name in spoiled})
    assert len(model.explanations(nothing)) == 0


# ---------------------------------------------------------------- the nearest normal row


def test_the_nearest_normal_row_is_a_training_row_that_is_not_flagged(model, spoiled):
    rows, found = spoiled.loc[["r7", "r8", "r3"]], model.nearest(spoiled.loc[["r7", "r8", "r3"]])
    assert found.index.tolist() == ["r7", "r8", "r3"]
    assert found.dtypes.tolist() == rows.dtypes.tolist()
    assert found["id"].tolist() == rows["id"].tolist()
    learned = spoiled.assign(pay=spoiled["pay"].round(3))[["age", "pay", "job", "since"]]
    assert model.predict(spoiled.loc[["r7"]]) == -1
    for label, row in found.assign(pay=found["pay"].round(3)).iterrows():
        same = learned[(learned[["age", "job", "since"]] == row[["age", "job", "since"]]).all(axis=1)]
        near = same[np.isclose(same["pay"], row["pay"], atol=2e-3) | (same["pay"].isna() & pd.isna(row["pay"]))]
        assert len(near) >= 1, "a training row"
        assert label not in near.index, "another than the row itself"
        assert "r7" not in near.index, "a normal one"


def test_the_nearest_row_of_several_is_the_one_that_differs_least():
    x = np.random.default_rng(0).normal(size=(120, 3))
    model = AnomalyDetector(setting="clean", **SMALL | {"validation_fraction": "auto", "epochs": 2}).fit(x)
    model.set_threshold(alpha=1e-6)
    usual = x[model.predict(x) == 1]
    rows = usual[:20] + 1e-3
    assert_allclose(model.nearest(rows), usual[:20], atol=1e-5)
    whole = model.nearest(np.array([[0, 0, 0], [1, 0, -1]]))
    assert whole.dtype == np.int64


def test_gaps_of_the_nearest_row_find_room_in_whole_numbers():
    x = np.random.default_rng(0).integers(0, 9, (100, 2)).astype(float)
    x[:, 1] = np.where(np.arange(100) < 90, np.nan, x[:, 1])
    model = AnomalyDetector(**SMALL).fit(x)
    rows = np.arange(18).reshape(9, 2) % 9
    assert np.isnan(model.nearest(rows)[:, 1]).any()
    frame = (
        AnomalyDetector(**SMALL)
        .fit(pd.DataFrame(x, columns=["a", "b"]))
        .nearest(pd.DataFrame(rows, columns=["a", "b"]))
    )
    assert str(frame["b"].dtype) == "Int64"
    assert frame["b"].isna().any()


def test_a_file_keeps_the_nearest_rows_and_the_flat_table(model, spoiled, tmp_path):
    save(model, tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    pd.testing.assert_frame_equal(again.nearest(spoiled[:9]), model.nearest(spoiled[:9]))
    pd.testing.assert_frame_equal(again.explanations(spoiled[:9]), model.explanations(spoiled[:9]))


def test_of_texts_there_is_no_nearest_row():
    model = AnomalyDetector(**SMALL | {"network": "auto", "epochs": 1}).fit(["a b c", "b c d", "a c d"] * 10)
    with pytest.raises(UnsupportedInput, match="rows of a table"):
        model.nearest(["a b"])


# ---------------------------------------------------------------- the plot


def test_the_plot_is_of_the_strangest_row(model, spoiled):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    axes = model.plot(spoiled, top=3)
    reasons = model.explain(spoiled, top=3)[7]
    assert "r7" in axes.get_title(loc="right")
    assert [t.get_text().replace("\n", " ") for t in axes.get_yticklabels()] == [r.text() for r in reasons]
    assert_allclose([bar.get_width() for bar in axes.patches], [r.share for r in reasons], rtol=1e-6)
    pyplot.close(axes.figure)


# ---------------------------------------------------------------- PyOD's names


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(100, 3))
    x[:10] *= 20
    return x


@pytest.fixture(scope="module")
def other(rows: np.ndarray) -> PyODDetector:
    return PyODDetector(detector=AnomalyDetector(**SMALL)).fit(rows)


def test_pyods_attributes_hold_what_its_users_expect(other, rows):
    assert_array_equal(other.decision_scores_, other.decision_function(rows))
    assert_array_equal(other.decision_function(rows), -other.detector_.score_samples(rows))
    assert other.labels_.sum() == 10
    assert other.labels_[:10].sum() >= 8
    assert_array_equal(other.predict(rows), other.labels_)
    assert_array_equal(other.labels_, other.decision_scores_ > other.threshold_)
    assert other.n_features_in_ == 3
    again = clone(other)
    assert_array_equal(again.fit_predict(rows), other.labels_)


def test_probabilities_rank_as_scores_do_and_confidence_is_a_share(other, rows):
    for method in ("linear", "unify"):
        p, sure = other.predict_proba(rows, method=method, return_confidence=True)
        assert_allclose(p.sum(1), 1)
        assert ((p >= 0) & (p <= 1)).all()
        assert (np.diff(p[np.argsort(other.decision_scores_), 1]) >= 0).all()
        assert ((sure >= 0) & (sure <= 1)).all()
    assert other.predict_proba(rows)[:, 1].max() == 1
    labels, sure = other.predict(rows, return_confidence=True)
    assert_array_equal(labels, other.labels_)
    assert sure[other.decision_scores_.argmax()] > 0.99
    with pytest.raises(BadParameter, match="method"):
        other.predict_proba(rows, method="softmax")


def test_no_share_need_be_guessed_and_the_line_moves(other, rows):
    model = clone(other).set_params(contamination="auto", detector__epochs=2).fit(rows)
    assert model.detector_.epochs == 2
    assert model.threshold_ == model.detector_.threshold_
    assert np.isfinite(model.predict_confidence(rows)).all()
    model.threshold_ = np.inf
    assert not model.predict(rows).any()
    flat = PyODDetector(detector=AnomalyDetector(**SMALL)).fit(np.ones((5, 2)))
    assert_array_equal(flat.predict_proba(np.ones((2, 2)), "unify"), [[1, 0], [1, 0]])
