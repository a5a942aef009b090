"""What the door refuses: each message names the option, what it got, what it expected."""

import numpy as np
import pytest
import torch
from fits import fitted, rows
from sklearn.exceptions import NotFittedError
from torch import nn

from latently import Autoencoder, recipes, save
from latently.errors import BadParameter, LatentlyError
from latently.parts import Dense, Masking
from latently.recipes import Compose

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

WRONG = {
    "n_components": [0, -1, 2.5, "x", None, True],
    "epochs": [-1, 0, 1.5, "many", None],
    "batch_size": [0, 2.5, "big"],
    "learning_rate": [0, -0.1, "fast", float("nan"), float("inf"), True],
    "max_time": [0, -1.0, "x"],
    "validation_fraction": [1.5, 1.0, -0.1, "nope", float("nan")],
    "loss": ["nope", None, 3],
    "kind": ["nope", None, 3, int, "masking+nope", "topk:many", "topk+variational", "compose"],
    "network": [None, "big", (0,), (-3, 4), (2.5,), (True,), -3, Dense(activation="nope"), Dense(hidden=(0,))],
    "precision": ["nope", None, 16],
    "device": ["nope", None, "cuda:99"],
    "random_state": ["x", 1.5],
}
EACH = [pytest.param(name, value, id=f"{name}={value!r}") for name, values in WRONG.items() for value in values]
HINTS = ("expected", "known", "Try", "must be", "one", "no number")


@pytest.mark.parametrize(("name", "value"), EACH)
def test_a_wrong_option_is_refused_by_name(name, value):
    with pytest.raises(BadParameter) as caught:
        fitted(**{"k" if name == "n_components" else name: value})
    text = str(caught.value)
    names = {"network": ("network", "hidden", "activation")}.get(name, (name,))
    assert any(word in text for word in names), text
    assert any(word in text for word in HINTS), text
    assert repr(value).strip("()").rstrip(",") in text or isinstance(value, Dense), text


WRONG_KINDS = [
    (recipes.TopK(k=9), "k=9", "n_components=3"),
    (recipes.TopK(k=0), "k=0", "between 1 and"),
    (recipes.Sparse(alpha=-1.0), "alpha=-1.0", "at least 0"),
    (recipes.Sparse(penalty="nope"), "penalty='nope'", "expected 'l1' or 'kl'"),
    (recipes.Sparse(penalty="kl", rho=1.5), "rho=1.5", "(0, 1)"),
    (recipes.Denoising(noise="nope"), "noise='nope'", "expected one of"),
    (recipes.Denoising(level=1.5), "level=1.5", "(0, 1)"),
    (recipes.Denoising(emphasis=2.0), "emphasis=2.0", "[0, 1]"),
    (recipes.Contractive(alpha=-1.0), "alpha=-1.0", "at least 0"),
    (recipes.Variational(beta=-1.0), "beta=-1.0", "at least 0"),
    (recipes.Variational(warmup=2.0), "warmup=2.0", "[0, 1]"),
    (recipes.Variational(draws=0), "draws=0", "at least 1"),
    (Compose(corruption=Masking(level=0.0)), "level=0.0", "(0, 1)"),
]


@pytest.mark.parametrize(("kind", "got", "expected"), WRONG_KINDS, ids=lambda v: str(v))
def test_an_option_of_a_kind_that_cannot_work_is_refused(kind, got, expected):
    with pytest.raises(BadParameter) as caught:
        fitted(kind=kind)
    assert got in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize("option", ["kind__nope", "network__nope"])
def test_an_option_that_does_not_exist_is_refused(option):
    with pytest.raises(BadParameter, match=r"'nope'.*options: "):
        Autoencoder(kind="sparse").set_params(**{option: 1})
    with pytest.raises(ValueError, match="nope"):
        Autoencoder().set_params(nope=1)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("k", np.int64(2)), ("epochs", np.int32(2)), ("learning_rate", np.float32(0.01)), ("max_time", 5),
        ("validation_fraction", np.float64(0.2)), ("validation_fraction", 0),
        ("random_state", np.random.RandomState(0)), ("random_state", np.random.default_rng(0)),
        ("random_state", np.int64(3)), ("random_state", None),
        ("network", 7), ("network", [8, 4]), ("network", (np.int64(8),)), ("network", ()), ("kind", recipes.TopK),
        ("device", torch.device("cpu")),
    ],
    ids=str,
)  # fmt: skip
def test_what_python_calls_a_number_is_taken(option, value):
    assert fitted(**{"epochs": 1, option: value}).transform(rows()).shape[0] == 80


@pytest.mark.parametrize("share", [0.999, 0.9, 1e-6])
def test_every_share_of_rows_that_judge_leaves_rows_on_both_sides(share):
    held = fitted(validation_fraction=share).held_out_
    assert 1 <= held.rows <= 79


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize("k", [3, "auto"])
def test_a_network_that_cannot_fit_into_memory_is_refused_with_both_numbers(k):
    with pytest.raises(BadParameter, match=r"parameters.*needs about [\d,.]+ GiB.*has [\d,.]+ GiB") as caught:
        Autoencoder(k, network=(2_000_000, 2_000_000)).fit(rows())
    count = int(str(caught.value).split(" parameters")[0].split()[-1].replace(",", ""))
    assert 8e12 < count < 9e12


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (nn.Linear(6, 4), nn.Linear(3, 6), r"encoder maps \(2, 6\) to \(2, 4\); expected \(2, 3\)"),
        (nn.Linear(6, 3), nn.Linear(3, 5), r"decoder maps \(2, 3\) to \(2, 5\); expected \(2, 6\)"),
        (nn.Linear(5, 3), nn.Linear(3, 6), "encoder refuses rows of 6 numbers"),
        (nn.Linear(6, 3), nn.Linear(4, 6), "decoder refuses rows of 3 numbers"),
        (nn.LSTM(6, 3), nn.Linear(3, 6), "encoder"),
        (nn.Embedding(6, 3), nn.Linear(3, 6), "encoder"),
    ],
)
def test_modules_of_other_shapes_are_refused(encoder, decoder, message):
    with pytest.raises(BadParameter, match=message):
        fitted(network=(encoder, decoder))


@pytest.mark.parametrize(("kind", "loss"), [("variational", "auto"), ("undercomplete", "likelihood")])
def test_tied_weights_are_refused_only_where_nothing_mirrors(kind, loss):
    spec = Dense(tied=True)
    if kind == "variational":
        with pytest.raises(BadParameter, match=r"tied=True.*Use tied=False"):
            fitted(kind=kind, loss=loss, network=spec)
    else:
        assert np.isfinite(fitted(kind=kind, loss=loss, network=spec).reconstruct(rows())).all()


def test_a_code_activation_that_the_kind_overrules_is_refused():
    with pytest.raises(BadParameter, match="code_activation='tanh'"):
        fitted(kind="sparse", network=Dense(code_activation="tanh"))
    assert np.abs(fitted(network=Dense(code_activation="tanh")).transform(rows())).max() <= 1


# ---------------------------------------------------------------- order of things


METHODS = ["transform", "reconstruct", "inverse_transform", "score_samples", "score", "costs", "corrupt", "jacobian"]


@pytest.mark.parametrize("method", [*METHODS, "sample", "to_torch", "summary", "get_feature_names_out", "save"])
def test_nothing_is_told_before_a_fit(method, tmp_path):
    model = Autoencoder(3)
    given = (rows(),) if method in METHODS else ()
    with pytest.raises(NotFittedError):
        save(model, tmp_path / "m") if method == "save" else getattr(model, method)(*given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [0, -1, 2.5, "x", None])
def test_a_number_of_samples_that_is_none_is_refused(n):
    with pytest.raises(BadParameter, match=f"n_samples={n!r}"):
        fitted().sample(n)


@pytest.mark.parametrize(("method", "width"), [("inverse_transform", 2), ("transform", 5), ("score_samples", 7)])
def test_rows_of_another_width_are_refused(method, width):
    with pytest.raises(ValueError, match=rf"{width}.*(3|6)"):
        getattr(fitted(), method)(np.zeros((4, width)))


def test_weights_that_cannot_weigh_are_refused():
    for weight in (-np.ones(80), np.full(80, np.nan), np.ones(79), np.zeros(80)):
        with pytest.raises(ValueError, match="weight"):
            Autoencoder(3, epochs=1).fit(rows(), sample_weight=weight)


REFUSED = {"epochs": ({"epochs": -1}, 1.0), "data": ({}, np.inf), "kind": ({"kind": recipes.TopK(9)}, 2.0)}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_refused_fit_leaves_the_fitted_model_alone(what):
    model = fitted()
    codes = model.transform(rows())
    options, factor = REFUSED[what]
    with pytest.raises(LatentlyError):
        model.set_params(**options).fit(rows() * factor)
    np.testing.assert_array_equal(model.transform(rows()), codes)
