"""What a fitted model tells: costs, slopes, corrupted rows, new rows, its torch module."""

import numpy as np
import pytest
import torch
from fits import fitted, gaps, rows
from numpy.testing import assert_allclose, assert_array_equal

from latently import recipes
from latently.parts import Dense

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

each_kind = pytest.mark.parametrize("kind", [*recipes.names(), "denoising+topk+contractive"])


def test_costs_are_raw_and_named():
    x = rows()
    model = fitted(x, kind="l1:.4+contractive:.2", network=Dense(hidden=(8,)))
    costs, codes = model.costs(x), model.transform(x)
    assert set(costs) == {"reconstruction", "l1", "contraction"}
    assert_allclose(costs["reconstruction"], -model.score_samples(x), rtol=1e-4)
    assert_allclose(costs["l1"], np.abs(codes).sum(1), rtol=1e-5)
    assert_allclose(costs["contraction"], (model.jacobian(x) ** 2).sum((1, 2)), rtol=1e-4, atol=1e-6)
    assert isinstance(fitted(kind=recipes.Sparse(penalty="kl")).costs(x)["kl_sparse"], float)


@pytest.mark.parametrize("kind", ["undercomplete", "contractive", "variational", "sparse"])
@pytest.mark.parametrize("x", [rows(), gaps(rows())], ids=["whole", "gaps"])
def test_the_jacobian_is_that_of_transform_in_units_of_a_columns_scale(kind, x):
    model = fitted(x, kind=kind, network=Dense(activation="tanh"))
    at, step = rows(4), 1e-2 * model.data_.scales_.scale
    exact = model.jacobian(at)
    assert exact.shape == (4, 3, 6)
    for j in range(6):
        move = np.zeros(6)
        move[j] = step[j]
        slope = (model.transform(at + move).astype(float) - model.transform(at - move)) / 0.02
        assert_allclose(exact[:, :, j], slope, atol=2e-3 * np.abs(exact).max())


@pytest.mark.parametrize("noise", ["masking", "salt_and_pepper", "swap", "gaussian"])
def test_corrupt_shows_what_the_encoder_saw(noise):
    x = rows(400)
    model = fitted(x, epochs=1, kind=recipes.Denoising(noise=noise, level=0.25))
    spoiled = model.corrupt(x, random_state=1)
    changed = ~np.isclose(spoiled, x, rtol=1e-4, atol=1e-6)
    assert_array_equal(spoiled, model.corrupt(x, random_state=1))
    assert not np.array_equal(spoiled, model.corrupt(x, random_state=2))
    if noise == "gaussian":
        assert ((spoiled - x) / model.data_.scales_.scale).std() == pytest.approx(0.25, rel=0.1)
        return
    assert changed.mean() == pytest.approx(0.25, abs=0.05)
    for j in range(6):
        new = spoiled[changed[:, j], j]
        if noise == "swap":
            assert np.isclose(new[:, None], x[:, j], rtol=1e-4, atol=1e-6).any(1).all()
        else:
            allowed = [x[:, j].mean()] if noise == "masking" else [x[:, j].min(), x[:, j].max()]
            assert np.isclose(new[:, None], allowed, rtol=1e-4, atol=1e-5).any(1).all()


@pytest.mark.parametrize("x", [rows(), gaps(rows())], ids=["whole", "gaps"])
def test_a_kind_without_a_corruption_gives_the_rows_back(x):
    assert_array_equal(fitted(x).corrupt(x), x)


@each_kind
def test_samples_look_like_rows(kind):
    x = rows(100)
    model = fitted(x, kind=kind, epochs=40)
    new = model.sample(200, random_state=0)
    assert (new.shape, new.dtype) == ((200, 6), np.float64)
    assert_array_equal(new, model.sample(200, random_state=0))
    assert not np.array_equal(new, model.sample(200, random_state=1))
    middle, spread = x.mean(0), x.std(0)
    assert (np.abs(new.mean(0) - middle) < 0.5 * spread).all()
    assert (np.abs(new - middle) < 8 * spread).all()
    assert (new.std(0) > 0.2 * spread).mean() > 0.5


@pytest.mark.parametrize("kind", ["undercomplete", "variational"])
def test_one_sample_is_one_row(kind):
    assert fitted(kind=kind).sample().shape == (1, 6)


def test_the_torch_module_is_a_copy_that_computes_the_same():
    model = fitted()
    module = model.to_torch()
    with torch.no_grad():
        codes = module.encode(model.data_.batch(rows())).numpy()
        next(module.parameters()).fill_(0.0)
    assert_allclose(codes, model.transform(rows()), rtol=1e-5, atol=1e-5)
    assert not np.allclose(model.transform(rows()), 0)
