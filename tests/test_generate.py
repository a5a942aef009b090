"""New rows and images: of the label asked for, like those of the fit, the same for the same seed."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from latently import Autoencoder, Generator, load, save
from latently.errors import BadData, BadParameter
from latently.tasks.density import FEW, mixture, mixtures


def quick(k: int, **options: object) -> Generator:
    """Two epochs of all rows, none judged."""
    return Generator(k, **{"epochs": 2, "validation_fraction": None, "random_state": 0, **options})


@pytest.fixture(scope="module")
def images() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return found.images.astype(np.uint8), found.target


@pytest.fixture(scope="module")
def written(images) -> Generator:
    """Digits as images with their labels."""
    return Generator(12, epochs=8, random_state=0, validation_fraction=0.1).fit(*images)


def test_images_come_in_the_size_dtype_and_range_of_the_fit(written, images):
    made = written.sample(30)
    assert made.shape == (30, 8, 8)
    assert made.dtype == images[0].dtype
    assert made.max() <= 16
    assert made.std() > 0.5 * images[0].std()


def test_a_draw_given_a_label_is_of_that_label(written, images):
    judge = KNeighborsClassifier(1).fit(images[0].reshape(-1, 64), images[1])
    hits = [(judge.predict(written.sample(40, given=k).reshape(40, 64)) == k).mean() for k in range(10)]
    assert np.mean(hits) > 0.85
    assert min(hits) > 0.6


def test_one_label_for_each_row_may_be_asked_for(written, images):
    judge = KNeighborsClassifier(1).fit(images[0].reshape(-1, 64), images[1])
    asked = np.repeat([3, 0], 30)
    found = judge.predict(written.sample(60, given=asked).reshape(60, 64))
    assert (found == asked).mean() > 0.8


def test_labels_are_drawn_as_often_as_the_fit_saw_them(images):
    x, y = images
    kept = np.flatnonzero((y == 0) | ((y == 1) & (np.arange(len(y)) % 4 == 0)))
    model = quick(6).fit(x[kept], y[kept])
    which = model._which(None, 4000, torch.Generator().manual_seed(0))
    assert abs(which.mean() - (y[kept] == 1).mean()) < 0.03


def test_the_way_begins_and_ends_at_the_reconstructions(written, images):
    a, b = images[0][0], images[0][1]
    way = written.interpolate(a, b, 5)
    assert way.shape == (5, 8, 8)
    codes = Autoencoder(12, epochs=8, random_state=0, validation_fraction=0.1).fit(images[0])
    assert_array_equal(way[[0, -1]], codes.reconstruct(images[0][:2]).clip(0, 16))
    steps = [np.abs(way[i + 1].astype(float) - way[i]).mean() for i in range(4)]
    assert max(steps) < np.abs(way[4].astype(float) - way[0]).mean()


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_an_arc_keeps_the_length_and_a_line_its_middle(written, images, path, monkeypatch):
    seen = []
    monkeypatch.setattr(written, "_shown", lambda z: seen.append(z) or z)
    a, mid, b = written.interpolate(images[0][0], images[0][1], 3, path)
    half = (a + b) / 2
    if path == "linear":
        np.testing.assert_allclose(mid, half, atol=1e-5)
    else:
        lengths = [np.linalg.norm(v) for v in (a, mid, b)]
        np.testing.assert_allclose(lengths[1], (lengths[0] + lengths[2]) / 2, rtol=1e-5)
        assert mid @ half / np.linalg.norm(half) / lengths[1] > 0.9


@pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")
@pytest.mark.parametrize("kind", ["undercomplete", "variational"])
def test_the_same_seed_draws_the_same_and_another_does_not(kind, images):
    fits = [quick(6, kind=kind, random_state=s).fit(images[0][:300]) for s in (0, 0, 1)]
    a, b, c = (f.sample(5) for f in fits)
    assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert_array_equal(fits[0].sample(5, random_state=4), fits[1].sample(5, random_state=4))
    assert not np.array_equal(fits[0].sample(5, random_state=4), a)


def test_chance_of_others_is_left_alone(images):
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    quick(4).fit(images[0][:100], images[1][:100]).sample(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert_array_equal(np.random.get_state()[1], numbers)  # noqa: NPY002


@pytest.mark.parametrize("labels", [None, "number", "text"])
def test_a_saved_generator_draws_the_same(labels, images, tmp_path):
    x, y = images[0][:300], images[1][:300]
    y = {None: None, "number": y, "text": np.array([f"digit {v}" for v in y])}[labels]
    model = quick(5).fit(x, y)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model", device="cpu")
    given = None if y is None else y[0]
    assert_array_equal(again.sample(4, given=given, random_state=1), model.sample(4, given=given, random_state=1))
    save(again, tmp_path / "again")
    assert (tmp_path / "model").read_bytes() == (tmp_path / "again").read_bytes()


def test_rows_of_a_table_have_its_means_and_spreads(wine):
    made = Generator(6, epochs=30, random_state=0).fit(wine).sample(2000)
    assert made.shape == (2000, 13)
    assert (np.abs(made.mean(0) - wine.mean(0)) < 0.25 * wine.std(0)).all()
    assert (np.abs(np.log(made.std(0) / wine.std(0))) < 0.7).all()


def test_a_row_of_a_table_is_one_end_of_a_way(wine):
    model = quick(4).fit(wine)
    assert_array_equal(model.interpolate(wine[0], wine[:1], 3)[0], model.interpolate(wine[0], wine[0], 3)[2])
    with pytest.raises(BadData, match="one row"):
        model.interpolate(wine[:2], wine[0])


def test_a_label_of_one_row_is_drawn_near_it(wine):
    labels = np.zeros(len(wine), int)
    labels[5] = 1
    model = quick(4).fit(wine, labels)
    z = model._densities[1].draw(500, torch.Generator().manual_seed(0))
    code = model._map(model.model_.encode, model._batch(wine[5:6]))[0]
    assert np.linalg.norm(z.mean(0) - code) < 0.5 * np.linalg.norm(model.codes_.std(0))


@pytest.mark.parametrize(
    ("ask", "error", "word"),
    [
        (lambda m, x: m.sample(0), BadParameter, "n_samples"),
        (lambda m, x: m.sample(2, given=77), BadParameter, "77"),
        (lambda m, x: m.sample(2, given=[1, 2, 3]), BadParameter, "shape"),
        (lambda m, x: m.interpolate(x[0], x[1], steps=1), BadParameter, "steps"),
        (lambda m, x: m.interpolate(x[0], x[1], path="wiggly"), BadParameter, "path"),
    ],
)
def test_what_cannot_be_asked_is_refused(ask, error, word, written, images):
    with pytest.raises(error, match=word):
        ask(written, images[0])


def test_labels_that_cannot_be_are_refused(images, wine):
    with pytest.raises(BadData, match="labels"):
        Generator(2, epochs=1).fit(wine, np.zeros(3))
    with pytest.raises(BadData, match="missing"):
        Generator(2, epochs=1).fit(wine, np.full(len(wine), np.nan))
    with pytest.raises(BadParameter, match="no labels"):
        quick(2).fit(wine).sample(2, given=1)


def test_held_out_codes_find_the_number_of_components():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 2)) * 20
    codes = (centres[rng.integers(5, size=2000)] + rng.normal(size=(2000, 2))).astype(np.float32)
    found = mixture(codes, FEW, 0)
    assert len(found.shares) == 5
    assert len(mixture(rng.normal(size=(2000, 2)).astype(np.float32), FEW, 0).shares) <= 2
    drawn = found.draw(4000, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=0.15, atol=4)
    assert (drawn >= codes.min(0)).all()
    assert (drawn <= codes.max(0)).all()


def test_a_label_of_few_codes_borrows_the_spread_of_others():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(302, 4)).astype(np.float32)
    labels = np.array([0] * 300 + [1] * 2)
    many, few = mixtures(codes, labels, FEW, 0)
    assert np.linalg.slogdet(few.roots[0])[1] > -4
    np.testing.assert_allclose(few.means[0], codes[300:].mean(0), rtol=1e-5)
    assert len(many.low) == 4
