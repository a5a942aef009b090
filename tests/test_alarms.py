"""What a fit says when something is wrong with it, and that it says nothing when nothing is."""

import warnings

import numpy as np
import pytest

from latently import Autoencoder
from latently.errors import FitAlarm
from latently.parts import Dense
from latently.recipes.sparse import Sparse
from latently.recipes.variational import Variational

Case = tuple[np.ndarray, dict[str, object]]


def linear(n: int = 300) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, 8)) + 0.1 * rng.normal(size=(n, 8))


def noise(n: int) -> np.ndarray:
    """Columns that have nothing in common."""
    return np.random.default_rng(0).normal(size=(n, 8))


FEW = np.random.default_rng(2).normal(size=(24, 12)) + np.random.default_rng(3).normal(size=(24, 1))
WIDE = {"n_components": 8, "network": Dense(hidden=(256, 256), line=False), "epochs": 50, "learning_rate": 0.01}
CASES: dict[str, list[Case]] = {
    "dead units": [(linear(), {"kind": Sparse(alpha=100.0)})],
    "posterior collapse": [(linear(), {"kind": Variational(beta=100.0), "epochs": 10})],
    "no better than the mean": [
        (noise(3000), {"kind": Sparse(alpha=3.0), "n_components": 1}),
        (linear(), {"kind": Sparse(alpha=3.0), "n_components": 1, "learning_rate": 1e-9}),
    ],
    "no better than PCA": [(linear(), {"kind": "topk"}), (linear(), {"kind": Sparse(alpha=1.0)})],
    "overfit": [(FEW, {**WIDE, "validation_fraction": share}) for share in (0.25, 0.5)],
    "diverged": [(linear(), {"learning_rate": 1e20, "validation_fraction": share}) for share in (0.25, None, "auto")],
}
EACH = [pytest.param(name, *case, id=f"{name} {i}") for name, cases in CASES.items() for i, case in enumerate(cases)]


@pytest.mark.parametrize(("name", "x", "options"), EACH)
def test_a_fault_is_named_with_its_cure(name, x, options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = Autoencoder(**{"n_components": 4, "epochs": 5, "random_state": 0, **options}).fit(x)
    raised = {alarm.name: alarm.message for alarm in model.alarms_}
    assert name in raised
    assert "Try" in raised[name]
    said = [str(w.message) for w in caught if issubclass(w.category, FitAlarm)]
    assert said == [f"{alarm.name}: {alarm.message}" for alarm in model.alarms_]
    assert {w.filename for w in caught if issubclass(w.category, FitAlarm)} == {__file__}


def test_a_good_fit_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Autoencoder(3, epochs=20, random_state=0).fit(linear())
    assert model.alarms_ == []


def test_figures_in_a_message_are_those_of_the_fit():
    with pytest.warns(FitAlarm, match="no better than PCA") as caught:
        model = Autoencoder(4, kind="topk", epochs=5, random_state=0).fit(linear())
    text, held = str(caught[0].message), model.held_out_
    assert f"{held.model:.3g}" in text
    assert f"{held.pca:.3g}" in text
    assert "4 components" in text


@pytest.mark.parametrize("kind", ["undercomplete", "sparse", "topk", "denoising", "contractive", "variational"])
def test_only_a_wide_code_that_nothing_restrains_is_warned_of(kind):
    x = linear(60)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for width in (8, 12):
            Autoencoder(width, kind=kind, epochs=1, random_state=0).fit(x)
    copies = [str(w.message) for w in caught if "can copy its input" in str(w.message)]
    assert len(copies) == (2 if kind == "undercomplete" else 0)
    assert all("kind='sparse'" in c for c in copies)
    assert all(w.filename == __file__ for w in caught if "can copy its input" in str(w.message))


def test_messages_call_a_cell_what_it_is():
    x, slow = linear(), {"kind": Sparse(alpha=3.0), "network": (8,), "learning_rate": 1e-9, "epochs": 2}
    for given, own, other in ((x.reshape(-1, 2, 4), "pixel", "column"), (x, "column", "pixel")):
        with pytest.warns(FitAlarm, match=f"for predicting each {own}'s mean") as caught:
            Autoencoder(1, random_state=0, **slow).fit(given)
        assert not any(other in str(w.message) for w in caught)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Autoencoder(9, network=(8,), epochs=1, random_state=0).fit(x.reshape(-1, 2, 4))
    assert any("a code of 9 for rows of 8 numbers can copy" in str(w.message) for w in caught)
