"""The detector of strange images: what its scores, heat maps, masks and regions promise."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_sample_images

from latently import AnomalyDetector, load, save
from latently.errors import BadParameter, UnsupportedInput
from latently.modalities import Image, Textures
from latently.parts.filters import Filters, kernel

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

SIDE = 48


def woven(n: int, seed: int = 0) -> np.ndarray:
    """Cloth under changing light: stripes of a random phase, grain, an exposure of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    phase, light = rng.uniform(0, 6.3, (2, n, 1, 1)), rng.uniform(0.5, 1.0, (n, 1, 1))
    cloth = 120 + 40 * np.sin(x / 2 + phase[0]) + 15 * np.sin(y / 3 + phase[1]) + 8 * rng.normal(size=(n, SIDE, SIDE))
    return np.clip(light * cloth, 0, 255).astype(np.uint8)


def torn(images: np.ndarray, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The same with a dark spot of 6 x 6 pixels each, and where: (top, left)."""
    rng, found = np.random.default_rng(seed), images.copy()
    corner = rng.integers(4, SIDE - 10, (len(images), 2))
    for image, (i, j) in zip(found, corner, strict=True):
        image[i : i + 6, j : j + 6] = 10
    return found, corner


def detector(x: np.ndarray, **options: object) -> AnomalyDetector:
    given = {"setting": "clean", "epochs": 4, "network": (32,), "n_components": 16, "random_state": 0}
    return AnomalyDetector(**(given | options), verbose=False).fit(x)


@pytest.fixture(scope="module")
def cloth() -> AnomalyDetector:
    return detector(woven(60))


def test_a_tear_is_found_and_the_heat_lies_on_it(cloth):
    ordinary = woven(30, 2)
    spoiled, corner = torn(ordinary)
    assert (cloth.score_samples(spoiled) < cloth.score_samples(ordinary)).all()
    assert (cloth.predict(spoiled) == -1).mean() > 0.9
    heat = cloth.heat_map(spoiled)
    assert heat.shape == spoiled.shape
    assert heat.dtype == np.float32
    for here, (i, j) in zip(heat, corner, strict=True):
        top, left = np.unravel_index(here.argmax(), here.shape)
        assert i - 3 <= top < i + 9
        assert j - 3 <= left < j + 9


@pytest.mark.parametrize("photograph", [0, 1])
def test_a_scratch_on_a_photograph_is_found(photograph):
    scene, rng = load_sample_images().images[photograph], np.random.default_rng(0)
    places = [(i, j) for i in range(0, scene.shape[0] - 63, 40) for j in range(0, scene.shape[1] - 63, 40)]
    crops = np.stack([scene[i : i + 64, j : j + 64] for i, j in (places[k] for k in rng.permutation(len(places)))])
    model = detector(crops[16:])
    clean, spoiled, hits = crops[:16], crops[:16].copy(), 0
    corners = rng.integers(6, 28, (16, 2))
    for image, (i, j) in zip(spoiled, corners, strict=True):
        here = image[i : i + 30, j : j + 3]
        here[:] = 250 if here.mean() < 128 else 5
    assert (model.score_samples(spoiled) < model.score_samples(clean)).mean() > 0.9
    for heat, (i, j) in zip(model.heat_map(spoiled), corners, strict=True):
        top, left = np.unravel_index(heat.argmax(), heat.shape)
        hits += i - 4 <= top < i + 34 and j - 4 <= left < j + 7
    assert hits >= 10, "by chance it would be one or two"


def test_ordinary_images_are_flagged_no_more_often_than_said(cloth):
    p = cloth.p_values(woven(400, 5))
    for alpha in (0.05, 0.1, 0.5):
        spread = np.sqrt(alpha * (1 - alpha) * (1 / 60 + 1 / 400))
        assert (p <= alpha).mean() < alpha + 3 * spread
    assert (p <= 0.5).mean() > 0.2, "flags next to nothing"
    assert len(cloth.calibration_) == 60


def test_a_mask_marks_the_spoiled_pixels_and_few_ordinary_images(cloth):
    ordinary = woven(100, 6)
    spoiled, corner = torn(ordinary)
    assert cloth.mask(ordinary).any((1, 2)).mean() < 0.05 + 3 * np.sqrt(0.05 / 60)
    marked = cloth.mask(spoiled)
    found = [mask[i + 2 : i + 4, j + 2 : j + 4].all() for mask, (i, j) in zip(marked, corner, strict=True)]
    assert np.mean(found) > 0.9
    assert (cloth.mask(spoiled, alpha=0.5) >= marked).all()
    with pytest.raises(BadParameter, match="alpha"):
        cloth.mask(spoiled, alpha=2)


def test_regions_are_boxes_around_the_defect(cloth):
    spoiled, corner = torn(woven(10, 7))
    for regions, (i, j) in zip(cloth.explain(spoiled, top=2), corner, strict=True):
        top, left, bottom, right = regions[0].box
        assert top <= i + 3 < bottom
        assert left <= j + 3 < right
        assert bottom - top <= 24
        assert 0 < regions[0].share <= 1 + 1e-6
        assert regions[0].p_value == 1 / 61
        assert f"columns {left}-{right - 1}" in regions[0].text()


def test_maps_come_in_each_images_own_size(cloth):
    ordinary = woven(2, 8)
    pair = [ordinary[0], np.kron(ordinary[1], np.ones((3, 2), np.uint8))]
    assert [h.shape for h in cloth.heat_map(pair)] == [(SIDE, SIDE), (3 * SIDE, 2 * SIDE)]
    assert [m.shape for m in cloth.mask(pair)] == [(SIDE, SIDE), (3 * SIDE, 2 * SIDE)]


def test_a_score_is_an_images_own(cloth):
    x = np.concatenate([woven(20, 3), torn(woven(5, 4))[0]])
    crowd = np.concatenate([woven(70, 9), x])
    assert_allclose(cloth.score_samples(crowd)[70:], cloth.score_samples(x), rtol=1e-5, atol=1e-7)
    assert_allclose(cloth.heat_map(crowd[70:71]), cloth.heat_map(x)[:1], rtol=1e-4, atol=1e-5)


def test_same_seed_same_bytes_and_no_trace_on_global_chance(tmp_path):
    x, before = woven(24), torch.get_rng_state()
    for name in ("one", "two"):
        save(detector(x, epochs=1), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("data", ["auto", Image(size=32)])
def test_a_file_keeps_scores_maps_and_regions(data, tmp_path):
    model = detector(woven(24), epochs=1, data=data)
    assert isinstance(model.data_, Textures)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    x = torn(woven(6, 3))[0]
    for method in ("score_samples", "predict", "p_values", "heat_map", "mask"):
        assert_array_equal(getattr(again, method)(x), getattr(model, method)(x), err_msg=method)
    assert again.explain(x) == model.explain(x)


def test_defects_among_the_training_images_are_found_there():
    x = np.concatenate([woven(76), torn(woven(4, 3))[0]])
    model = detector(x, setting="contaminated", contamination=0.05)
    assert set(np.flatnonzero(model.predict(x) == -1)) == {76, 77, 78, 79}


def test_colour_and_holes_are_seen():
    grey = woven(40).astype(np.float64)
    colour = np.stack([grey, 0.8 * grey, 0.6 * grey], 3)
    model = detector(colour)
    tinted = colour[:4].copy()
    tinted[:, 10:22, 10:22] = tinted[:, 10:22, 10:22, ::-1]
    assert (model.score_samples(tinted) < model.score_samples(colour[:4])).all()
    holed = colour.copy()
    holed[:, :12, :12] = np.nan
    open_ = detector(holed)
    heat = open_.heat_map(holed)
    assert (heat[:, :4, :4] == 0).all()
    hidden = holed[:4].copy()
    hidden[:, 20:32, 20:32] = np.nan
    assert (open_.heat_map(hidden)[:, 25:27, 25:27] == 0).all()
    assert np.isfinite(open_.score_samples(hidden)).all()


def test_rows_have_no_heat():
    rows = np.random.default_rng(0).normal(size=(40, 3))
    model = detector(rows, epochs=1)
    with pytest.raises(UnsupportedInput, match="explain"):
        model.heat_map(rows)


# ---------------------------------------------------------------- the filters


@pytest.mark.parametrize("order", [1, 2])
def test_a_kernel_takes_derivatives(order):
    x = torch.arange(40, dtype=torch.float32)
    found = kernel(40, 40, 2.0, order) @ (x**order / 10)
    expected = {1: 2.0 / 10, 2: 2 * 4.0 / 10}[order]
    assert_allclose(found[12:28].numpy(), expected, rtol=0.02)
    assert_allclose((kernel(40, 40, 2.0, order) @ torch.ones(40)).numpy(), 0, atol=1e-6)


def test_filters_tell_directions_and_scales_apart():
    bank = Filters((64, 64), (16, 16))
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    energies = dict(zip(bank.names(1), bank(torch.sin(x / 1.5)[None, None])[0], strict=True))
    assert energies["edges across at 1 px"].mean() > 50 * energies["edges down at 1 px"].mean()
    assert energies["edges across at 1 px"].mean() > energies["edges across at 4 px"].mean()
    turned = bank(torch.sin(y / 1.5)[None, None])[0]
    assert_allclose(turned[1].numpy(), energies["edges across at 1 px"].t().numpy(), rtol=1e-4, atol=1e-6)
    assert bank(torch.zeros(2, 3, 64, 64)).shape == (2, bank.features(3), 16, 16)
    assert len(bank.energies(3)) == bank.features(3)
