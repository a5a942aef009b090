"""Odd tables: a detector of anomalies says what is wrong with them, or has a finite score for every row."""

import functools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from latently import AnomalyDetector
from latently.errors import BadData, UnsupportedInput

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

SETTINGS = ("clean", "contaminated")
Rows = np.ndarray | pd.DataFrame


def detector(x: Rows, setting: str, epochs: int = 2, **options: object) -> AnomalyDetector:
    held = 0.2 if len(x) > 10 else "auto"  # one fit in place of six
    small = {"n_components": 4, "network": (8,), "validation_fraction": held, "random_state": 0, "verbose": False}
    return AnomalyDetector(**(small | options), setting=setting, epochs=epochs).fit(x)


def drawn(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def put(x: np.ndarray, place: object, value: object) -> np.ndarray:
    x = x.copy()
    x[place] = value
    return x


def copies() -> np.ndarray:
    """Nine of ten rows are one row."""
    return put(np.repeat(drawn(1, 4), 100, axis=0), slice(90, None), drawn(10, 4, 1))


TABLES: dict[str, Callable[[], np.ndarray]] = {
    "one row": lambda: drawn(1, 3),
    "two rows": lambda: drawn(2, 3),
    "nine rows": lambda: drawn(9, 3),
    "one column": lambda: drawn(60, 1),
    "600 columns": lambda: drawn(5, 600),
    "constant columns": lambda: np.full((30, 3), 7.0),
    "one constant column": lambda: put(drawn(30, 3), (slice(None), 1), 7.0),
    "a column of nearly one value": lambda: put(put(drawn(60, 3), (slice(None), 0), 0.0), (5, 0), 1.0),
    "a column without a known cell": lambda: put(drawn(30, 3), (slice(None), 1), np.nan),
    "a column of two known cells": lambda: put(drawn(400, 3), (slice(2, None), 1), np.nan),
    "rows without a known cell": lambda: put(drawn(30, 3), slice(5), np.nan),
    "no known cell": lambda: np.full((12, 3), np.nan),
    "nine in ten are copies": copies,
    "all are copies": lambda: np.repeat(drawn(1, 3), 20, axis=0),
    "one cell far out, float32": lambda: put(drawn(60, 3), (7, 1), 1e30).astype(np.float32),
}


def odd(x: np.ndarray) -> np.ndarray:
    """Rows of the fit, one far from them, one of zeros, one of gaps."""
    x = np.asarray(x, np.float64)
    known = np.where(np.isnan(x), 0.0, x)
    far = known.mean(0) + 50 * (known.std(0) + np.abs(known).max(0) * 1e-3)
    return np.vstack([x, far, np.zeros_like(far), np.full_like(far, np.nan)])


def check(model: AnomalyDetector, x: Rows) -> None:
    """Every answer is there, finite, and within what it may be."""
    scores = model.score_samples(x)
    p = model.p_values_of(scores)
    assert scores.shape == p.shape == (len(x),)
    assert np.isfinite(scores).all()
    assert (scores <= 0).all()
    assert ((p > 0) & (p <= 1)).all()
    assert set(model.predict(x)) <= {1, -1}
    table = model.explanations(x, top=1)
    for name in ("share", "p_value", "score", "row_p_value"):
        assert np.isfinite(np.asarray(table[name], np.float64)).all(), name
    assert type(model.nearest(x)) is type(x)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_an_odd_table_has_a_finite_score(name, setting):
    x = TABLES[name]()
    model = detector(x, setting)
    check(model, odd(x))
    assert np.isfinite([model.offset_, *model.calibration_]).all()


@pytest.mark.parametrize("setting", SETTINGS)
def test_categories_may_be_many_or_new_and_cells_may_be_missing(setting):
    levels = pd.Categorical([f"level {i}" for i in range(30)], categories=[f"level {i}" for i in range(200)])
    frame = pd.DataFrame({"kind": levels, "size": drawn(30, 1)[:, 0]}, index=range(100, 130))
    model = detector(frame, setting)
    check(model, frame)
    other = pd.DataFrame({"kind": ["level 1", "never seen", None, None], "size": [0.0, 0.1, np.nan, 1e6]})
    check(model, other)
    assert model.score_samples(other)[2] == 0
    assert model.p_values(other)[2] == 1


# ---------------------------------------------------------------- refusals


@functools.cache
def fitted(kind: str, setting: str) -> AnomalyDetector:
    return detector(drawn(30, 3) if kind == "array" else framed(drawn(30, 3)), setting)


def framed(x: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(x, columns=list("abc")).assign(word=(["this", "that"] * len(x))[: len(x)])


INFINITE = put(drawn(30, 3), (3, 1), np.inf)
REFUSED: dict[str, tuple[Rows, str]] = {
    "no rows": (np.empty((0, 3)), "0 sample"),
    "no columns": (np.empty((3, 0)), "0 feature"),
    "infinity": (INFINITE, "inf"),
    "no rows in a frame": (framed(drawn(0, 3)), "0 sample|no column"),
    "infinity in a frame": (framed(INFINITE), "inf"),
    "texts among numbers": (
        framed(drawn(30, 3)).astype({"a": object}).replace({"a": {drawn(30, 3)[2, 0]: "x"}}),
        "'a'",
    ),
}
REFUSED_LATER: dict[str, tuple[str, Rows, str]] = {
    "fewer columns": ("array", drawn(5, 2), "2 features"),
    "more columns": ("array", drawn(5, 4), "4 features"),
    "texts in an array": ("array", np.array([["a", "b", "c"]], dtype=object), "x0"),
    "a column of a frame is not there": ("frame", framed(drawn(5, 3)).drop(columns="b"), "b"),
    "columns of other names": ("frame", framed(drawn(5, 3)).rename(columns={"b": "z"}), "b|names"),
    "columns in another order": ("frame", framed(drawn(5, 3))[["b", "a", "c", "word"]], "order"),
    "texts where numbers were": ("frame", framed(drawn(5, 3)).assign(a="many"), "'a'"),
    "numbers where texts were": ("frame", framed(drawn(5, 3)).assign(word=5.5), "word"),
    "further away than float32 can say": ("array", np.full((2, 3), 1e200), "float32"),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("what", REFUSED)
def test_rows_that_cannot_be_learned_from_are_refused(what, setting):
    x, said = REFUSED[what]
    with pytest.raises((BadData, UnsupportedInput), match=said):
        detector(x, setting)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("what", [*REFUSED_LATER, "no rows", "infinity", "infinity in a frame"])
def test_rows_that_cannot_be_judged_are_refused(what, setting):
    if what in REFUSED:
        (x, said), kind = REFUSED[what], "frame" if "frame" in what else "array"
    else:
        kind, x, said = REFUSED_LATER[what]
    model = fitted(kind, setting)
    for method in (model.score_samples, model.predict, model.p_values, model.explanations, model.nearest):
        with pytest.raises((BadData, UnsupportedInput), match=said):
            method(x)


# ---------------------------------------------------------------- far away

MIX = np.random.default_rng(5).normal(size=(2, 6))
ACROSS = np.linalg.svd(MIX)[2][-1]
DIRECTIONS = {"along": MIX[0], "along, too": -MIX[1], "across": ACROSS, "one column": np.eye(6)[2]}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("tails", ["normal", "Student's t, 2", "lognormal, 2"])
def test_what_lies_many_deviations_away_is_stranger_than_any_training_row(tails, setting):
    """No row of 100 lies ten deviations away, whatever the tail: sqrt(99) is the furthest that one can be."""
    rng = np.random.default_rng(0)
    hidden = {"normal": rng.normal, "Student's t, 2": lambda size: rng.standard_t(2, size)}.get(
        tails, lambda size: rng.lognormal(0, 2, size)
    )(size=(100, 2))
    units = np.geomspace(0.01, 100, 6)
    x = hidden @ MIX + 0.1 * rng.normal(size=(100, 6))
    model = detector(x * units, setting)
    most = -model.score_samples(x * units).min()
    for name, direction in DIRECTIONS.items():
        deviations = np.array([10.0, 50.0, 1e3, 1e6])
        away = x.mean(0) + np.outer(deviations / np.abs(direction / x.std(0)).max(), direction)
        strange = -model.score_samples(away * units)
        assert (strange > most).all(), name
        assert (np.diff(strange) > 0).all(), f"{name}: further away is stranger"


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_cell_far_out_hides_no_other(setting):
    x = put(drawn(200, 3), (7, 1), 1e6)
    model = detector(x, setting)
    scores = model.score_samples(x)
    assert scores.argmin() == 7
    usual = put(drawn(20, 3, 1), (slice(None), 1), 0.0)
    assert model.score_samples(put(usual, (slice(None), 1), 1e4)).max() < np.quantile(scores, 0.05)
    assert_array_equal(model.predict(put(usual, (slice(None), 1), 1e6)), -1)
