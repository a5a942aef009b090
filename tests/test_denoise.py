"""The denoiser: less noise than it got and than a blur leaves, with and without clean images; tiles nobody sees."""

import numpy as np
import pandas as pd
import pytest
import torch
from fits import rows
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from latently import Denoiser, Image, load, save
from latently.errors import BadData, BadParameter
from latently.modalities.crops import Crops, Pair
from latently.parts import Pyramid
from latently.parts.corruptions import GaussianRange
from latently.tasks import tiles
from latently.tasks.noise import deviation, noise_named

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

SMALL = Pyramid((16, 24))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A temple, 256 x 320, grey, float64 from 0 to 255."""
    from sklearn.datasets import load_sample_images

    return load_sample_images().images[0][:256, :320].mean(2)


@pytest.fixture(scope="module")
def trained(digits) -> Denoiser:
    return Denoiser(noise=4, clean=True, epochs=25, network=SMALL, random_state=0).fit(
        digits[:1400].reshape(-1, 8, 8).astype(np.uint8)
    )


@pytest.fixture(scope="module")
def alone(photo) -> Denoiser:
    return Denoiser(epochs=5, network=SMALL, random_state=0).fit(noisy(photo, 25)[None])


def noisy(image: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    return image + np.random.default_rng(seed).normal(0, sigma, image.shape)


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(np.asarray(a, np.float64) - b).mean())


def least_blurred(images: np.ndarray, clean: np.ndarray) -> float:
    """The error that the best Gaussian blur leaves."""
    return min(error(np.stack([gaussian_filter(i, s) for i in images]), clean) for s in (0.4, 0.6, 0.8, 1, 1.3, 1.6))


# ---------------------------------------------------------------- less noise


def test_learned_from_clean_images_it_beats_every_blur_on_others(trained, digits):
    clean = digits[1400:].reshape(-1, 8, 8)
    seen = noisy(clean, 4)
    left = error(trained.transform(seen), clean)
    assert left < 0.5 * least_blurred(seen, clean) < 0.5 * error(seen, clean)


def test_learned_from_the_noisy_image_alone_it_beats_every_blur(alone, photo):
    seen = noisy(photo, 25)
    left = error(alone.transform(seen[None])[0], photo)
    assert left < 0.9 * least_blurred(seen[None], photo[None]) < 0.9 * error(seen, photo)
    assert alone.noise_["clean"] is False


def test_pairs_teach_noise_of_any_sort(photo):
    def spoiled(image: np.ndarray, seed: int) -> np.ndarray:  # stripes, which no corruption makes
        return image + 30 * np.random.default_rng(seed).normal(size=(1, image.shape[1]))

    left, right = photo[:128], photo[128:]
    model = Denoiser(epochs=3, network=SMALL, random_state=0).fit(
        np.stack([spoiled(left, s) for s in (0, 1)]), np.stack([left, left])
    )
    seen = spoiled(right, 2)
    assert error(model.transform(seen[None])[0], right) < 0.5 * error(seen, right)
    assert model.noise_["sort"] == "pairs"


def test_noise_of_which_nothing_is_known_is_learned_from_the_noisy_image(photo):
    seen = np.where(np.random.default_rng(0).random(photo.shape) < 0.5, photo - 30, photo + 30)
    model = Denoiser(noise="unknown", clean=False, epochs=5, network=SMALL, random_state=0).fit(seen[None])
    assert error(model.transform(seen[None])[0], photo) < 0.6 * error(seen, photo)


def test_one_fit_serves_every_strength(digits):
    clean = digits.reshape(-1, 8, 8)
    model = Denoiser(epochs=10, network=SMALL, random_state=0).fit(clean[:1400])
    assert model.noise_["clean"] is True
    for sigma in (1, 3):
        seen = noisy(clean[1400:], sigma)
        assert error(model.transform(seen), clean[1400:]) < 0.8 * error(seen, clean[1400:])


def test_more_passes_leave_less(alone, photo):
    seen = noisy(photo, 25)[None]
    left = [error(alone.set_params(passes=n).transform(seen)[0], photo) for n in (1, 8)]
    assert left[1] < left[0]


# ---------------------------------------------------------------- how strong the noise is


@pytest.mark.parametrize("sigma", [8, 25, 50])
def test_the_strength_is_told_within_five_per_cent(photo, sigma):
    crops, _ = Crops().learn(Denoiser(), noisy(photo, sigma)[None], None, False)
    unit = float(np.std(noisy(photo, sigma)))
    assert deviation(crops.x.view(-1, 1, 64, 64)) * unit == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("sigma", [0.5, 2, 4])
def test_the_strength_is_told_from_many_small_images(digits, sigma):
    x = torch.from_numpy(noisy(digits.reshape(-1, 1, 8, 8), sigma)).float()
    assert deviation(x) == pytest.approx(sigma, rel=0.05)


def test_clean_images_are_told_from_noisy_ones(photo, digits):
    for clean, seen in ((photo[None], noisy(photo, 25)[None]), (digits.reshape(-1, 8, 8),) * 2):
        model = Denoiser(epochs=1, network=Pyramid((2,)), random_state=0).fit(clean)
        assert model.noise_["clean"] is True
        assert model.set_params(clean=False, noise=3).fit(seen).noise_["clean"] is False


# ---------------------------------------------------------------- forms, sizes, tiles


def test_results_have_the_form_of_what_came_in(trained):
    rng = np.random.default_rng(0)
    given = [rng.integers(0, 17, size).astype(np.uint8) for size in ((8, 8), (8, 8), (5, 7), (1, 1), (70, 9))]
    made = trained.transform(given)
    assert [(a.shape, a.dtype) for a in made] == [(a.shape, a.dtype) for a in given]
    assert trained.transform(np.stack(given[:2])).shape == (2, 8, 8)
    assert trained.transform(np.stack(given[:2])[..., None].astype(np.float32)).dtype == np.float32


def test_colours_are_cleaned_together(photo):
    colours = np.stack([photo, photo[::-1], 255 - photo], 2)[:96, :96].round().astype(np.uint8)
    seen = np.clip(noisy(colours, 25), 0, 255).astype(np.uint8)
    model = Denoiser(noise=25, clean=True, epochs=1, network=SMALL, random_state=0).fit([colours])
    made = model.transform([seen])[0]
    assert (made.shape, made.dtype) == (seen.shape, np.uint8)
    assert error(made, colours) < 0.6 * error(seen, colours)


@pytest.mark.parametrize("size", [(1, 1), (64, 65), (96, 96), (100, 257), (300, 31)])
def test_tiles_put_together_are_the_image(size, monkeypatch):
    monkeypatch.setattr(tiles, "LONGEST", 96)
    image = torch.empty(2, 3, *size).normal_(generator=torch.Generator().manual_seed(0))
    bands = tiles.through(lambda places: image[:, :, torch.from_numpy(places)], tiles.Grid.over(*size), lambda t: t)
    assert_allclose(torch.cat(list(bands), 2), image, atol=1e-6)


def test_nobody_sees_the_seams_of_tiles(alone, photo, monkeypatch):
    seen = noisy(photo, 25)[None]
    alone.set_params(passes=1)
    alone.noise_["clean"] = True  # no noise of its own, which would differ with the tile
    whole = alone.transform(seen)
    monkeypatch.setattr(tiles, "LONGEST", 128)
    tiled = alone.transform(seen)
    alone.noise_["clean"] = False
    assert not np.array_equal(whole, tiled)  # there were tiles
    assert np.abs(whole - tiled).max() < 2
    assert error(whole, tiled) < 0.05


def test_a_result_does_not_depend_on_the_images_beside_it(alone, trained, photo, digits):
    seen = noisy(digits[:90].reshape(-1, 8, 8), 4)
    assert_allclose(trained.transform(seen)[50], trained.transform(seen[50:51])[0], rtol=1e-5, atol=1e-5)
    few = [noisy(photo, 25)[:80, :90], noisy(photo, 25)[:90, :80]]
    assert_allclose(alone.transform(few)[1], alone.transform(few[1:])[0], rtol=1e-5, atol=1e-4)


def test_small_images_are_not_turned_as_none_was_in_the_fit(trained, digits):
    seen = noisy(digits[1400:1450].reshape(-1, 8, 8), 4)
    once = trained.set_params(passes=1).transform(seen)
    assert_array_equal(trained.set_params(passes="auto").transform(seen), once)


def test_psnr_is_that_of_the_result(trained, digits):
    clean = digits[1400:1500].reshape(-1, 8, 8)
    seen = noisy(clean, 4)
    expected = np.mean(
        [10 * np.log10(16**2 / error(a, b)) for a, b in zip(trained.transform(seen), clean, strict=True)]
    )
    assert trained.psnr(seen, clean) == pytest.approx(expected)


# ---------------------------------------------------------------- promises of every task


def test_the_same_seed_gives_the_same_bytes(photo, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        model = Denoiser(noise=20, clean=False, epochs=1, network=Pyramid((4, 4)), random_state=seed, device="cpu")
        save(model.fit(photo[None, :64, :80]), tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_a_saved_denoiser_cleans_the_same(alone, photo, tmp_path):
    seen = noisy(photo, 25)[None, :100, :100]
    save(alone, tmp_path / "alone")
    again = load(tmp_path / "alone", device="cpu")
    assert again.noise_ == alone.noise_
    assert_array_equal(again.transform(seen), alone.transform(seen))
    save(again, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "alone").read_bytes()
    chosen = Denoiser(data=Image(), noise=20, clean=True, epochs=1, network=Pyramid((2,)), random_state=0).fit(seen)
    save(chosen, tmp_path / "chosen")
    assert_array_equal(load(tmp_path / "chosen", device="cpu").transform(seen), chosen.transform(seen))


def test_the_global_generators_stay_where_they_are(alone, photo):
    before = torch.get_rng_state()
    Denoiser(noise=20, epochs=1, network=Pyramid((2,))).fit(photo[None, :64, :64])
    alone.transform(photo[None, :64, :64])
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------- crops


def test_crops_of_a_pair_lie_at_the_same_places(photo):
    batch, _ = Crops().learn(Denoiser(), Pair(photo[None] + 7, photo[None]), None, False)
    assert batch.given is not None
    assert_allclose((batch.given - batch.x) * np.std(photo), 7, rtol=0.1)
    assert len(batch) >= 1024


def test_small_images_are_taken_whole_once_and_as_they_stand(digits):
    batch, _ = Crops().learn(Denoiser(), digits.reshape(-1, 8, 8), None, False)
    assert_allclose(batch.x * digits.std() + digits.mean(), digits, atol=1e-4)


def test_images_smaller_than_a_crop_are_mirrored(photo):
    found = Crops()
    batch, _ = found.learn(Denoiser(), [photo[:80, :80], photo[:80, :80], photo[:20, :70]], None, False)
    assert found.shape == (1, 64, 64)
    assert bool(batch.x.isfinite().all())


# ---------------------------------------------------------------- tables


def test_rows_of_a_table_lose_noise_and_keep_their_container_and_gaps():
    clean = rows(200)
    frame = pd.DataFrame(clean + 0.5 * clean.std(0) * np.random.default_rng(0).normal(size=clean.shape))
    frame.columns = [f"c{j}" for j in frame]
    frame.iloc[3, 2] = np.nan
    made = Denoiser(3, epochs=10, random_state=0).fit(frame).transform(frame)
    assert list(made.columns) == list(frame.columns)
    assert np.isnan(made.iloc[3, 2])
    assert made.isna().sum().sum() == 1
    unit = clean.std(0)
    assert np.nanmean(((made - clean) / unit) ** 2) < 0.8 * np.nanmean(((frame - clean) / unit) ** 2)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Sizes follow from heights, and so does nearly everything else."""
    rng = np.random.default_rng(0)
    height = rng.normal(172, 9, 900)
    sizes = pd.Categorical(np.select([height > 180, height > 168], ["L", "M"], "S"))
    return pd.DataFrame({
        "height": height, "shoe": (height / 4 - 1).round().astype(int), "size": sizes,
        "name": [f"n{i}" for i in range(900)], "weight": height - 100 + rng.normal(0, 3, 900),
    })  # fmt: skip


def test_wrong_cells_of_a_table_are_mended_and_the_others_stay_to_the_bit(people):
    dirty = people.copy()
    dirty["size"] = dirty["size"].where(np.arange(900) % 20 > 0, np.random.default_rng(1).permutation(people["size"]))
    dirty.loc[5, "weight"] = np.nan
    model = Denoiser(noise="swap:.05", epochs=30, validation_fraction=0.3, random_state=0).fit(dirty)
    made = model.transform(dirty)
    assert list(made.dtypes) == list(dirty.dtypes)
    wrong = dirty["size"] != people["size"]
    assert (made["size"] == people["size"])[wrong].mean() > 0.5
    assert (made["size"] != dirty["size"])[~wrong].mean() < 0.02
    assert np.isnan(made.loc[5, "weight"])
    same = made["weight"] == dirty["weight"]
    assert same.mean() > 0.95
    report = {r.column: r for r in model.report_}
    assert list(report) == ["height", "shoe", "size", "weight"]
    assert report["size"].mended > 0.5 > 0.03 > report["size"].broken


def test_noise_of_a_known_strength_leaves_numbers_and_the_error_left_is_told(people, tmp_path):
    noisy = people.assign(height=people["height"] + np.random.default_rng(5).normal(0, 3, 900))
    model = Denoiser(noise={"height": 3}, epochs=40, validation_fraction=0.2, random_state=0).fit(noisy)
    made = model.transform(noisy)
    left = float((made["height"] - people["height"]).std())
    assert left < 1.6
    [told] = model.report_
    assert (told.column, told.noise) == ("height", pytest.approx(3))
    assert told.left == pytest.approx(left, rel=0.3)
    pd.testing.assert_frame_equal(made.drop(columns="height"), noisy.drop(columns="height"))
    save(model, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    pd.testing.assert_frame_equal(again.transform(noisy), made)
    assert again.report_ == model.report_


@pytest.mark.parametrize(
    ("noise", "said"), [({"size": 1}, "no column of numbers"), ({"height": -1}, "above 0"), ({}, "above 0")]
)
def test_noise_by_columns_that_cannot_be_is_refused(noise, said, people):
    with pytest.raises(BadParameter, match=said):
        Denoiser(noise=noise, epochs=1).fit(people)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "noise", ["pink", "gaussian:", "gaussian:x", "gaussian:9-3", -1, "gaussian:-4", "masking:2", "uniform:1-2", 0, "25"]
)
def test_noise_that_nobody_knows_is_refused_with_what_is_known(noise):
    if noise == "gaussian:":
        assert noise_named(noise) == noise_named("gaussian")
        return
    with pytest.raises(BadParameter, match="gaussian:25"):
        Denoiser(noise=noise).fit(np.zeros((2, 8, 8)))


@pytest.mark.parametrize(
    "options",
    [{"passes": 0}, {"clean": "yes"}, {"kind": "topk"}, {"network": (32,)}, {"noise": "masking:.2", "clean": False}],
)
def test_options_that_cannot_work_are_refused(options, photo):
    with pytest.raises(BadParameter):
        Denoiser(epochs=1, **options).fit(photo[None, :64, :64])


def test_pairs_that_do_not_pair_up_are_refused(photo):
    with pytest.raises(BadData, match="image 1"):
        Denoiser(epochs=1).fit([photo, photo[:70, :80]], [photo, photo[:80, :80]])
    with pytest.raises(BadData, match="without noise"):
        Denoiser(epochs=1).fit(photo[None], np.zeros(1))


def test_holes_are_refused(photo):
    holed = photo.copy()
    holed[3, 4] = np.nan
    with pytest.raises(BadData, match="Imputer"):
        Denoiser(epochs=1).fit(holed[None])


def test_noise_of_any_strength_has_a_strength_a_row():
    x = GaussianRange(0.5, 2.0)(torch.zeros(400, 500), torch.Generator().manual_seed(0)).std(1)
    assert 0.45 < float(x.min()) < 0.6
    assert 1.8 < float(x.max()) < 2.2
