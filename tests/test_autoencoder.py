"""The estimator: scikit-learn's habits, codes, reconstructions and scores, on arrays."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from fits import fitted, gaps, rows
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import Autoencoder, recipes
from latently.parts import Dense
from latently.tasks.options import LOSSES

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

each_kind = pytest.mark.parametrize("kind", [*recipes.names(), "denoising+topk+contractive"])

# ---------------------------------------------------------------- scikit-learn's habits


def test_clone_keeps_options_and_forgets_the_fit():
    model = fitted(kind=recipes.Sparse(alpha=0.3), network=Dense(hidden=(8,)))
    again = clone(model)
    assert not hasattr(again, "model_")
    assert again.kind == model.kind
    assert again.kind is not model.kind
    assert_array_equal(again.fit(rows()).transform(rows()), model.transform(rows()))


def test_options_of_kind_and_network_are_reached_through_names():
    model = Autoencoder(kind="sparse").set_params(kind__alpha=0.7, network__hidden=(9,), epochs=1)
    assert model.get_params()["kind__alpha"] == 0.7
    assert (model.kind, model.network.hidden) == (recipes.Sparse(alpha=0.7), (9,))
    assert "9" in fitted(kind=model.kind, network=model.network).summary()["encoder"][0]


def test_it_is_a_step_of_a_pipeline():
    pipe = make_pipeline(StandardScaler(), Autoencoder(3, epochs=3, random_state=0))
    codes = pipe.fit_transform(rows())
    assert codes.shape == (80, 3)
    assert pipe.inverse_transform(codes).shape == rows().shape
    assert list(pipe.get_feature_names_out()) == ["autoencoder0", "autoencoder1", "autoencoder2"]


def test_a_grid_search_over_options_of_a_kind_given_by_name():
    search = GridSearchCV(
        Autoencoder(3, kind="sparse", epochs=10, random_state=0),
        {"kind__alpha": [1e-3, 1e3]},
        cv=2,
        error_score="raise",
    )
    search.fit(rows())
    assert search.best_params_ == {"kind__alpha": 1e-3}
    assert search.best_estimator_.kind.alpha == 1e-3
    assert search.estimator.kind == "sparse"


def test_a_grid_search_reaches_a_kind_inside_a_pipeline():
    pipe = Pipeline([("code", Autoencoder(3, kind="variational", epochs=5, random_state=0)), ("head", Ridge())])
    search = GridSearchCV(pipe, {"code__kind__beta": [1e-3, 1e4]}, cv=2, error_score="raise")
    search.fit(rows(), rows() @ np.arange(6.0))
    assert search.best_params_ == {"code__kind__beta": 1e-3}  # a price that high leaves nothing in the code
    assert search.best_estimator_["code"].recipe_.beta == 1e-3


@pytest.mark.parametrize(("name", "container"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_codes_come_in_the_container_asked_for(name, container):
    frame = pd.DataFrame(rows(), index=range(100, 180))
    codes = clone(fitted()).set_output(transform=name).fit_transform(frame)
    assert isinstance(codes, container)
    assert list(codes.columns) == ["autoencoder0", "autoencoder1", "autoencoder2"]
    if name == "pandas":
        assert list(codes.index) == list(frame.index)


@pytest.mark.parametrize("kind", ["undercomplete", "sparse", "variational"])
def test_a_weight_is_that_many_copies_and_zero_is_none(kind):
    x, weight = rows(), np.arange(80) % 4
    weighted = Autoencoder(2, kind=kind, epochs=3, random_state=0).fit(x, sample_weight=weight)
    copied = fitted(np.repeat(x, weight, axis=0), k=2, kind=kind)
    assert_array_equal(weighted.transform(x), copied.transform(x))
    assert_allclose(weighted.data_.scales_.mean, np.average(x, axis=0, weights=weight))


# ---------------------------------------------------------------- codes and reconstructions


@each_kind
@pytest.mark.parametrize("x", [rows(), gaps(rows())], ids=["whole", "gaps"])
def test_reconstructions_are_decoded_codes(kind, x):
    model = fitted(x, kind=kind)
    codes = model.transform(x)
    assert (codes.dtype, codes.shape) == (np.float32, (80, 3))
    assert_allclose(model.reconstruct(x), model.inverse_transform(codes), rtol=1e-5, atol=1e-5)


def test_training_makes_reconstructions_better():
    x = rows(100)
    error = [((fitted(x, epochs=e).reconstruct(x) - x) ** 2 / x.var(0)).mean() for e in (1, 40)]
    assert error[1] < 0.7 * error[0] < 0.5


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 5)])
def test_tied_decoders_have_no_weights_of_their_own(tied, hidden):
    model = fitted(network=Dense(hidden=hidden, tied=tied, line=False))
    ours = [tuple(p.shape) for p in model.decoder_.parameters() if p.ndim == 2]
    assert ours == ([] if tied else [(b, a) for a, b in zip((3, *hidden[::-1]), (*hidden[::-1], 6), strict=True)])
    for w, mirror in zip(model.decoder_.matrices(), reversed(model.encoder_.matrices()), strict=True):
        assert torch.equal(w, mirror.t()) is tied


def test_modules_are_taken_as_they_are():
    encoder = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ELU(), torch.nn.Linear(5, 3))
    decoder = torch.nn.Linear(3, 6)
    before = [p.detach().clone() for p in encoder.parameters()]
    model = fitted(network=(encoder, decoder), epochs=30)
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), before, strict=True)), "the user's modules moved"
    curve = model.history_.folds[0]
    assert curve[-1] < 0.9 * curve[0]
    assert model.transform(rows()).shape == (80, 3)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name not in ("auto", "likelihood")])
@pytest.mark.parametrize("x", [rows(), gaps(rows())], ids=["whole", "gaps"])
def test_a_score_is_minus_the_loss_that_is_named(loss, x):
    model = fitted(x, loss=loss)
    known = ~np.isnan(x)
    r = np.where(known, model.reconstruct(x) - x, 0) / model.data_.scales_.scale
    each = {
        "squared_error": r**2,
        "mean_squared_error": r**2 / 6,
        "l1": np.abs(r),
        "huber": np.where(np.abs(r) <= 1, r**2 / 2, np.abs(r) - 0.5),
    }[loss]
    assert_allclose(model.score_samples(x), -each.sum(1) * 6 / known.sum(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("binary", [False, True])
def test_the_likelihood_fits_the_columns(binary):
    x = rows()
    if binary:
        x[:, :3] = x[:, :3] > np.median(x[:, :3], 0)
    model = fitted(x, loss="likelihood", epochs=10)
    seen = model.reconstruct(x)[:, :3]
    assert np.isfinite(model.score_samples(x)).all()
    assert bool(seen.min() > 0 and seen.max() < 1) is binary


@each_kind
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_goes_with_every_kind(kind, loss):
    x = rows(20)
    model = fitted(x, kind=kind, loss=loss, epochs=1)
    scores = model.score_samples(x)
    assert scores.shape == (20,)
    assert np.isfinite(scores).all()
    assert model.score(x) == pytest.approx(scores.mean())


def test_scores_tell_rows_like_those_learned_from_others():
    model = fitted(rows(150), epochs=30)
    shuffled = np.random.default_rng(0).permuted(rows(150), axis=0)
    assert model.score(rows(150)) > 2 * model.score(shuffled)
