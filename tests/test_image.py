"""Images through every job: the form, range and size that they came in, holes, files, and what is refused."""

import time
import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image as Pillow
from sklearn.base import clone

from latently import Autoencoder, Image, Imputer, Map, Table, evaluate, load, recipes, save
from latently.errors import BadData, BadParameter, FileProblem, FitAlarm, LatentlyError
from latently.modalities.encode import write
from latently.modalities.holes import shrunk
from latently.modalities.intensities import as_pixels, banded, moments
from latently.modalities.pixels import conform

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """120 digits of 8x8 pixels, uint8 from 0 to 240."""
    from sklearn.datasets import load_digits

    return (load_digits().images[:120] * 15).astype(np.uint8)


@pytest.fixture(scope="module")
def model(images) -> Autoencoder:
    return fitted(images)


@pytest.fixture(scope="module")
def variational(images) -> Autoencoder:
    return fitted(images, kind="variational")


def fitted(x, task=Autoencoder, k=4, **options):
    given = {"epochs": 2, "network": (16,), "validation_fraction": None, "random_state": 0, "device": "cpu"}
    return task(k, **given | options).fit(x)


def made(*shape, dtype="uint8", seed=0):
    """Smooth images with something of their own each, over most of the range of `dtype`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[1], : shape[2]]
    waves = np.sin(rng.normal(size=shape[0])[:, None, None] + x / 3) * np.cos(y / 4 + rng.normal(size=(shape[0], 1, 1)))
    level = 0.5 + 0.4 * waves[..., None] * rng.uniform(0.5, 1, (shape[3:] or (1,))[0])
    level = level if len(shape) == 4 else level[..., 0]
    if dtype == "bool":
        return level > 0.5
    return level.astype(dtype) if np.dtype(dtype).kind == "f" else (level * np.iinfo(dtype).max).astype(dtype)


# ---------------------------------------------------------------------- every kind, every form


@pytest.mark.parametrize("kind", recipes.names())
def test_every_kind_takes_images_and_gives_them_back_in_their_form(kind, images):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    found = fitted(images, kind=kind)
    again = found.reconstruct(images)
    assert (again.dtype, again.shape) == (images.dtype, images.shape)
    assert found.transform(images).shape == (120, 4)
    assert np.isfinite(found.score_samples(images)).all()
    drawn = found.sample(3, random_state=1)
    assert (drawn.dtype, drawn.shape) == (images.dtype, (3, 8, 8))
    spoilt = found.corrupt(images)
    assert (spoilt.dtype, spoilt.shape) == (images.dtype, images.shape)
    assert found.inverse_transform(found.transform(images[:2])).shape == (2, 8, 8)
    assert found.jacobian(images[:2]).shape == (2, 4, 64)
    assert len(found.costs(images)["reconstruction"]) == 120
    assert torch.equal(torch.get_rng_state(), before[0]), "torch's global generator moved"
    assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("shape", [(20, 6, 5), (20, 6, 5, 1), (20, 6, 5, 3), (20, 6, 5, 4), (20, 6, 5, 5)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "uint64", "float16", "float32", "float64"])
def test_stacks_come_back_in_their_dtype_shape_and_range(shape, dtype):
    x = made(*shape, dtype=dtype)
    found = fitted(x, epochs=40)
    again = found.reconstruct(x)
    assert (again.dtype, again.shape) == (x.dtype, x.shape)
    if x.dtype != bool:
        channels = x.reshape(-1, 5).T if shape[3:] == (5,) else x.reshape(1, -1)
        for seen, told in zip(channels, again.reshape(-1, len(channels)).T, strict=True):
            ends = np.array([seen.min(), seen.max()], np.float32).astype(float)
            assert ends[0] <= float(told.min())
            assert float(told.max()) <= ends[1]
    white = 1.0 if dtype == "bool" or x.dtype.kind == "f" else float(np.iinfo(dtype).max)
    error, spread = (again / white - x / white).std(), (x / white).std()
    assert error < 0.9 * spread, "nothing was learned, or in another unit"
    assert found.n_features_in_ == x[0].size


def test_each_of_many_channels_is_scaled_alone_and_colours_are_not():
    x = made(30, 5, 4, 5, dtype="float64") * [1, 10, 100, 1e3, 1e4] + np.arange(5)
    assert_allclose(fitted(x).data_.scale_, x.std((0, 1, 2)), rtol=1e-5)
    few = x[..., :3]
    assert_allclose(fitted(few).data_.scale_, few.std(), rtol=1e-5)
    assert fitted(x).data_.schema()[0]["scaled"] != fitted(few).data_.schema()[0]["scaled"]


def test_black_and_white_is_judged_by_bernoulli_where_a_likelihood_is_asked_for():
    x = made(30, 5, 5, dtype="bool")
    for images in (x, x.astype(np.uint8) * 255, x.astype(float)):
        found = fitted(images, kind="variational")
        assert type(found.model_.likelihood).__name__ == "Bernoulli"
        assert set(np.unique(found.data_.take(found, images).x)) == {0.0, 1.0}
    assert type(fitted(made(30, 5, 5), kind="variational").model_.likelihood).__name__ == "Gaussian"


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2), (7, 1)])
@pytest.mark.parametrize("kind", ["undercomplete", "variational", "denoising"])
def test_the_smallest_images_are_images(shape, kind):
    x = made(12, *shape)
    found = fitted(x, k=2, kind=kind, network="auto")
    assert found.reconstruct(x).shape == x.shape
    assert found.sample(2).shape == (2, *shape)
    assert found.jacobian(x).shape == (12, 2, x[0].size)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_one_constant_image_is_learned(value):
    x = np.full((1, 4, 4), value, np.uint8)
    found = fitted(x, epochs=200, learning_rate=0.01)
    assert np.isfinite(found.score(x))
    assert_array_equal(found.reconstruct(x), x)


# ---------------------------------------------------------------------- sets of several forms


def test_images_of_several_sizes_come_back_each_in_its_own():
    x = [made(1, h, w)[0] for h, w in ((8, 8), (16, 16), (5, 9), (8, 8), (1, 3))]
    found = fitted(x, k=2)
    assert found.data_.shape == (1, 8, 8)
    for form in (x, tuple(x)):
        again = found.reconstruct(form)
        assert isinstance(again, list)
        assert [(a.shape, a.dtype) for a in again] == [(a.shape, a.dtype) for a in x]


def test_images_of_several_forms_come_back_each_in_its_own():
    grey, colour, alpha = made(4, 6, 6), made(4, 6, 6, 3), made(4, 6, 6, 4)
    x = [*grey, colour[0], alpha[0], made(1, 6, 6, 2)[0], grey[1][..., None], made(1, 6, 6, dtype="uint16")[0]]
    x.append(made(1, 6, 6, dtype="bool")[0])
    found = fitted(x, k=3, epochs=60)
    assert (found.data_.channels_, found.data_.dtype_) == (4, "uint16")
    again = found.reconstruct(x)
    assert [(a.shape, a.dtype) for a in again] == [(a.shape, a.dtype) for a in x]
    for a, b in zip(again, x, strict=True):
        white = {"bool": 1, "uint8": 255, "uint16": 65535}[b.dtype.name]
        assert abs(a.mean() / white - b.mean() / white) < 0.25, "in another unit"
    alone = found.reconstruct(grey)
    assert (alone.shape, alone.dtype) == (grey.shape, grey.dtype)
    assert_array_equal(alone, np.stack(again[:4]))


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("have", [1, 2, 3])
def test_fewer_channels_are_taken_back_from_where_they_went(have, channels):
    x = made(1, 4, 5, have)[0] if have > 1 else made(1, 4, 5)[0]
    if channels < have or (have == 2 and channels == 3):
        return
    wide = conform(x, channels, "uint8")
    assert_array_equal(banded(wide.astype(np.float64), have).squeeze(), x)


def test_a_colour_image_is_refused_by_a_grey_model_in_words(model):
    with pytest.raises(BadData, match="3 channels of uint8 cannot become 1 channel"):
        model.transform(made(2, 8, 8, 3))
    with pytest.raises(BadData, match="16"):
        model.transform(made(2, 8, 8, dtype="uint16"))


def test_floats_of_the_same_range_are_taken_as_they_are(images, model):
    inexact = images + np.float64(0.4)
    assert_allclose(model.data_.take(model, inexact).x, model.data_.take(model, images).x + 0.4 / model.data_.scale_[0],
                    atol=1e-5)  # fmt: skip
    beyond = images * 2.0 - 100
    batch = model.data_.take(model, beyond)
    assert_allclose(model.data_.values(batch.x).reshape(beyond.shape), beyond, atol=1e-3)
    assert model.reconstruct(inexact).dtype == np.float64
    opaque = fitted(made(10, 4, 4, 4), k=2)
    assert_allclose(opaque.data_.conformed(made(1, 4, 4, 3)[0] * 1.0)[..., 3], 255)


def test_pixels_that_float32_cannot_hold_are_refused():
    with pytest.raises(BadData, match=r"3\.4e38"):
        fitted(made(6, 4, 4, dtype="float64") * 1e300)


def test_integers_stay_within_their_range():
    values = np.array([-1e30, -3.0, 0.4, 254.6, 300.0, 1e30])
    assert as_pixels(values, "uint8", "uint8").tolist() == [0, 0, 0, 255, 255, 255]
    assert as_pixels(values, "uint64", "uint64").max() == np.iinfo("uint64").max
    assert as_pixels(np.array([65535.0]), "uint16", "uint8").tolist() == [255]
    assert as_pixels(np.array([128.0, 127.0]), "uint8", "bool").tolist() == [True, False]


# ---------------------------------------------------------------------- files


def test_files_folders_and_globs_are_their_arrays(images, tmp_path):
    few = images[:12]
    for i, image in enumerate(few):
        write(tmp_path / f"{i}.png", image)
    found = fitted(few, k=2)
    expected = found.transform(few)
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for form in (
        tmp_path,
        str(tmp_path),
        paths,
        str(tmp_path / "*.png"),
        list(few),
        [Pillow.fromarray(f) for f in few],
    ):
        assert_array_equal(found.transform(form), expected)
        assert_array_equal(fitted(form, k=2).transform(few), expected)
    again = found.reconstruct(tmp_path)
    assert isinstance(again, list)
    assert_array_equal(np.stack(again), found.reconstruct(few))


@pytest.mark.parametrize("damage", [b"", b"\x89PNG\r\n\x1a\n", b"no image at all"])
def test_a_bad_file_is_named_and_left_out_when_asked(damage, images, tmp_path):
    for i, image in enumerate(images[:6]):
        write(tmp_path / f"{i}.png", image)
    (tmp_path / "3.png").write_bytes(damage)
    with pytest.raises(FileProblem, match=r"3\.png"):
        fitted(tmp_path, k=2)
    with pytest.warns(FitAlarm, match=r"1 of 6 images.*3\.png"):
        found = fitted(tmp_path, k=2, data=Image(skip=True))
    assert_array_equal(found.transform(images[:6]), fitted(np.delete(images[:6], 3, 0), k=2).transform(images[:6]))
    with pytest.warns(FitAlarm):
        assert len(found.transform(tmp_path)) == 5


def test_a_file_cut_in_its_pixels_is_named(images, tmp_path):
    for i, image in enumerate(images[:3]):
        write(tmp_path / f"{i}.png", image)
    data = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(data[: len(data) - 30])
    with pytest.raises(FileProblem, match=r"1\.png"):
        fitted(tmp_path, k=2)


def test_a_folder_of_large_images_needs_the_memory_of_few(tmp_path):
    """60 images of 2000 x 1500 in colour are 515 MiB decoded, one of them is 9, and 12 more as each band shrinks."""
    one = np.repeat(np.add.outer(np.arange(1500, dtype=np.uint16), np.arange(2000, dtype=np.uint16))[..., None], 3, 2)
    write(tmp_path / "0.jpg", (one // 16).astype(np.uint8))
    for i in range(1, 60):
        (tmp_path / f"{i}.jpg").hardlink_to(tmp_path / "0.jpg")
    tracemalloc.start()
    try:
        found = fitted(str(tmp_path), k=2)
        assert found.transform(str(tmp_path)).shape == (60, 2)
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert found.data_.shape == (3, 72, 96)
    assert 8 < peak < 100, f"{peak:.0f} MiB"


def test_two_thousand_digits_are_read_in_a_blink():
    x = np.random.default_rng(0).integers(0, 256, (2000, 28, 28), np.uint8)
    found = Image()
    start = time.process_time()
    found.learn(Autoencoder(), x, None, natural=True)
    found.take(Autoencoder(), x)
    assert time.process_time() - start < 0.5


# ---------------------------------------------------------------------- holes


def impute(x, **options):
    return fitted(x, task=Imputer, k=8, **options)


def pierced(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Which pixels are taken out: a block in every other image."""
    rng = np.random.default_rng(seed)
    hole = np.zeros(x.shape[:3], bool)
    for i in range(0, len(x), 2):
        top, left = (int(rng.integers(0, side - side // 3)) for side in x.shape[1:3])
        hole[i, top : top + x.shape[1] // 3, left : left + x.shape[2] // 3] = True
    return hole


@pytest.mark.parametrize("size", ["auto", 4, (3, 7), 16])
@pytest.mark.parametrize("channels", [0, 3])
@pytest.mark.parametrize("sort", ["nan", "masked", "value"])
def test_holes_are_filled_and_everything_else_is_left_to_the_bit(sort, channels, size):
    x = made(24, 9, 8, *([channels] if channels else []))
    hole = pierced(x)
    wide = np.broadcast_to(hole[..., None] if channels else hole, x.shape)
    if sort == "nan":
        given, missing = np.where(wide, np.nan, x).astype(np.float32), None
    elif sort == "masked":
        given, missing = np.ma.array(x, mask=wide), None
    else:
        given, missing = np.where(wide, 0, np.maximum(x, 1)), 0
    before = given.copy()
    found = impute(given, data=Image(size=size, missing=missing))
    assert found.data_.masked_
    assert found.summary()["schema"][0]["missing"] > 0
    filled = found.transform(given)
    assert (filled.dtype, filled.shape) == (given.dtype, given.shape)
    assert_array_equal(np.ma.getdata(filled)[~wide], np.ma.getdata(given)[~wide])
    assert not np.ma.getmaskarray(filled).any()
    assert np.isfinite(np.ma.getdata(filled)).all()
    inside = np.ma.getdata(filled)[wide].astype(float)
    assert abs(inside.mean() - x[wide].mean()) < 60, "not filled with what is like the rest"
    assert inside.std() > 0
    assert_array_equal(np.ma.getdata(given), np.ma.getdata(before), err_msg="what was given has changed")


def test_larger_images_are_filled_at_their_own_size():
    given = made(10, 150, 201, dtype="float32")
    given[::2, 31:36, 50:57] = np.nan
    given[1, 149, 200] = np.nan
    found = impute(given)
    assert found.data_.shape == (1, 72, 96)
    known = ~np.isnan(given)
    for form in (given, list(given)):
        filled = np.stack(found.transform(form))
        assert_array_equal(filled[known], given[known])
        assert np.isfinite(filled).all()


def test_holes_of_files_are_those_of_a_value(tmp_path):
    x = np.maximum(made(8, 9, 8, 3), 1)
    x[:, :, :4, 1:] = 0  # red, not missing
    hole = pierced(x)
    given = np.where(hole[..., None], 0, x).astype(np.uint8)
    for i, image in enumerate(given):
        write(tmp_path / f"{i}.png", image)
    found = impute(tmp_path, data=Image(missing=0))
    filled = np.stack(found.transform(tmp_path))
    assert_array_equal(filled[~hole], given[~hole])
    assert (filled[hole] > 0).any(1).mean() > 0.9
    assert_array_equal(filled, found.transform(given))


def test_no_hole_is_lost_however_much_images_shrink():
    rng = np.random.default_rng(0)
    for _ in range(300):
        tall, wide = rng.integers(1, 400, 2)
        hole = np.zeros((tall, wide), bool)
        hole[rng.integers(tall), rng.integers(wide)] = True
        assert shrunk(hole, (int(rng.integers(1, tall + 1)), int(rng.integers(1, wide + 1)))).any()


def test_an_image_that_is_all_hole_is_filled_and_a_set_of_them_refused():
    x = made(10, 5, 5, dtype="float32")
    x[3] = np.nan
    assert np.isfinite(impute(x).transform(x)).all()
    assert np.isfinite(fitted(x).score_samples(x)).all()
    with pytest.raises(BadData, match="no pixel is known"):
        fitted(np.full((4, 3, 3), np.nan))


def test_holes_stay_holes_in_what_is_corrupted():
    x = made(10, 6, 6, dtype="float32")
    x[::2, 1:3, 2] = np.nan
    spoilt = fitted(x, kind="denoising").corrupt(x)
    assert_array_equal(np.isnan(spoilt), np.isnan(x))
    assert (spoilt != x)[~np.isnan(x)].any()
    masked = np.ma.array(np.nan_to_num(x), mask=np.isnan(x))
    again = fitted(masked, kind="denoising").corrupt(masked)
    assert_array_equal(np.ma.getmaskarray(again), np.isnan(x))
    assert_array_equal(np.ma.getdata(fitted(masked).reconstruct(masked)), fitted(x).reconstruct(x))


def test_draws_and_limits_are_of_holes_alone():
    x = made(40, 4, 4, dtype="float32")
    x[::3, 1, 2] = np.nan
    found = impute(x, validation_fraction=0.25, epochs=5)
    known = ~np.isnan(x)
    low, high = found.interval(x, 0.8)
    for copy in (*found.sample(x, 2), low, high):
        assert copy.shape == x.shape
        assert_array_equal(copy[known], x[known])
    assert (low <= high)[~known].all()


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("size", [0, -3, True, 2.5, "large", None, (4,), (4, 0), (4, 4, 4), [4, 4], ("a", 4)])
def test_a_size_that_is_none_is_refused(size, images):
    with pytest.raises(BadParameter, match="size="):
        fitted(images, data=Image(size=size))


@pytest.mark.parametrize("missing", ["0", True, [0]])
def test_a_missing_value_that_is_none_is_refused(missing, images):
    with pytest.raises(BadParameter, match="missing="):
        fitted(images, data=Image(missing=missing))


@pytest.mark.parametrize("size", [5, np.int64(5), (5, 5), (np.int64(5), 5)])
def test_a_size_may_be_any_whole_number(size, images):
    found = fitted(images, data=Image(size=size))
    assert found.data_.shape == (1, 5, 5)
    assert found.reconstruct(images).shape == images.shape


def strangers():
    import pandas as pd
    import scipy.sparse

    table = np.random.default_rng(0).normal(size=(10, 64))
    return [table, table[0], pd.DataFrame(table), table.tolist(), scipy.sparse.csr_array(table), None, 3, "nowhere", [],
            np.zeros((0, 8, 8)), np.zeros((3, 8, 0)), np.zeros((2, 2, 2, 2, 2)), np.full((2, 8, 8), np.inf),
            np.array([["a"]]), np.zeros((2, 8, 8), complex), [table[0]], [None]]  # fmt: skip


@pytest.mark.parametrize("stranger", strangers(), ids=lambda s: type(s).__name__)
def test_what_is_no_images_is_refused_in_words(stranger, model):
    for method in (model.transform, model.reconstruct, model.score_samples, model.corrupt):
        with pytest.raises(LatentlyError):
            method(stranger)


def test_images_are_refused_by_a_model_of_a_table(images, tmp_path):
    table = fitted(images.reshape(len(images), -1).astype(float))
    write(tmp_path / "a.png", images[0])
    for form in (images, images[..., None], list(images), str(tmp_path), tmp_path):
        with pytest.raises((LatentlyError, ValueError)) as caught:
            table.transform(form)
        assert len(str(caught.value)) > 20
    with pytest.raises((LatentlyError, ValueError)):
        fitted(images, data=Table())
    with pytest.raises(LatentlyError):
        fitted(images.reshape(len(images), -1), data=Image())


# ---------------------------------------------------------------------- promises of every model


@pytest.mark.parametrize("data", ["auto", Image(size=16, missing=0), Image(size=(5, 6), skip=True)])
def test_a_saved_model_of_images_is_the_same_model(data, images, tmp_path):
    x = np.where(images == 45, 0, images)
    first = fitted(x, kind="variational", data=data)
    save(first, tmp_path / "a")
    again = load(tmp_path / "a", device="cpu")
    save(again, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert again.data == first.data
    assert again.data_.schema() == first.data_.schema()
    for method in ("transform", "reconstruct", "score_samples"):
        assert_array_equal(getattr(again, method)(x), getattr(first, method)(x), err_msg=method)
    assert_array_equal(again.sample(3, random_state=1), first.sample(3, random_state=1))
    assert_array_equal(again.fit(x).transform(x), first.transform(x))


def test_weights_are_copies_and_order_means_nothing(images):
    few = images[:20]
    weight = np.arange(20) % 3
    expected = fitted(few, epochs=3).transform(few)
    assert_array_equal(fitted(few[::-1], epochs=3).transform(few), expected)
    given = {"epochs": 3, "network": (16,), "validation_fraction": None, "random_state": 0, "device": "cpu"}
    weighed = Autoencoder(4, **given).fit(few, sample_weight=weight)
    copied = Autoencoder(4, **given).fit(np.repeat(few, weight, 0))
    assert_array_equal(weighed.transform(few), copied.transform(few))
    assert not np.allclose(weighed.transform(few), expected)


def test_a_score_does_not_depend_on_its_batch(images, variational):
    many = np.concatenate([images[50:], np.repeat(images, 30, 0), images[:50]])
    assert_allclose(variational.score_samples(many)[-50], variational.score_samples(images[:1])[0], rtol=1e-5)
    assert_allclose(variational.transform(many)[-50], variational.transform(images[:1])[0], rtol=1e-5, atol=1e-6)


def test_the_mean_and_spread_are_those_of_known_pixels_as_often_as_they_weigh():
    rng = np.random.default_rng(0)
    x, counts = rng.normal(3, 2, (2500, 1, 7)).astype(np.float32), rng.integers(1, 4, 2500).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    copies = np.repeat(x, counts.astype(int), 0).astype(np.float64)
    assert_allclose(moments(x, counts), (np.nanmean(copies), np.nanstd(copies)), rtol=1e-6)
    assert moments(np.full((3, 1, 4), 5, np.float32), None) == (5.0, 1.0)


def test_options_survive_clone_and_reach_into_images(images):
    first = Autoencoder(4, data=Image(size=6, missing=0))
    again = clone(first)
    assert again.data == Image(size=6, missing=0)
    assert again.get_params()["data"] == first.data
    fit = fitted(images, data=first.data)
    assert vars(first.data) == vars(Image(size=6, missing=0)), "a fit has changed what was given"
    assert fit.data_ is not first.data


# ---------------------------------------------------------------------- beside others


def test_everything_is_told_of_a_model_of_images(images, variational):
    from sklearn.datasets import load_digits

    found = evaluate(variational, images, load_digits().target[:120])
    assert set(found["probe"]) == {"accuracy, logistic", "nmi, k-means", "ari, k-means"}
    assert {"reconstruction", "code", "robustness", "costs", "kl", "neighbours"} <= set(found.sections)
    assert "columns" not in found.sections
    again = evaluate(variational, list(images)).to_dict()
    assert again["reconstruction"] == found.to_dict()["reconstruction"]
    told = variational.summary()["schema"]
    assert [(c["sort"], c["height"], c["width"], c["dtype"]) for c in told] == [("image", 8, 8, "uint8")]
    assert len(variational.data_.names) == 64


@pytest.mark.parametrize("channels", [0, 2, 3, 4, 5])
def test_a_map_shows_its_images(channels):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    x = made(30, 8, 8, *([channels] if channels else []), dtype="uint16" if channels == 3 else "uint8")
    found = fitted(x, task=Map, k=2)
    assert found.inverse_transform(found.transform(x)).shape == x.shape
    if channels > 4:
        with pytest.raises(BadParameter, match="channels"):
            found.plot(x, images=True)
    else:
        axes = found.plot(x, images=True)
        assert 0 < len(axes.artists) <= 30
        axes.figure.canvas.draw()
    pyplot.close("all")


def test_codes_of_images_feed_a_classifier_in_a_pipeline(images):
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    y = load_digits().target[:120]
    coder = Autoencoder(8, network=(32,), epochs=60, validation_fraction=None, random_state=0, device="cpu")
    pipe = make_pipeline(coder, LogisticRegression(max_iter=1000))
    assert pipe.fit(images, y).score(images, y) > 0.8
    assert pipe.predict(list(images[:3])).shape == (3,)
    few = Autoencoder(3, kind="variational", network=(8,), epochs=2, validation_fraction=None, random_state=0)
    search = GridSearchCV(few, {"kind__beta": [0.1, 2.0]}, cv=2).fit(images)
    assert search.best_params_["kind__beta"] in (0.1, 2.0)
    assert len({round(float(s), 3) for s in search.cv_results_["mean_test_score"]}) == 2


def test_draws_repeat_by_their_seed(variational):
    first, again = (variational.sample(4, random_state=3) for _ in range(2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, variational.sample(4, random_state=4))


@pytest.mark.parametrize("kind", recipes.names())
def test_every_kind_takes_images_by_what_auto_stands_for(kind):
    x = made(16, 7, 5, 3)
    found = fitted(x, kind=kind, network="auto", epochs=1)
    assert found.reconstruct(x).shape == x.shape
    assert found.sample(2).shape == (2, 7, 5, 3)
    assert_allclose(found.score_samples(x)[3], found.score_samples(x[3:4])[0], rtol=1e-5)


def test_a_drawn_image_is_a_mean_and_no_noise():
    x = made(40, 8, 8)
    found = fitted(x, kind="variational", k=2, epochs=40)
    drawn = found.sample(20, random_state=0).astype(float)
    rough = [np.diff(images, axis=2).std() for images in (drawn, x.astype(float))]
    assert rough[0] < 1.5 * rough[1]
