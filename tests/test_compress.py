"""Images become files and come back: the same form, no farther off than promised, or a typed error."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image as Pillow
from sklearn.datasets import load_digits, load_sample_images
from sklearn.exceptions import NotFittedError

import latently
from latently import Compressor
from latently.codec import read
from latently.errors import BadData, BadParameter, FileProblem, UnsupportedInput
from latently.modalities.pictures import Pictures
from latently.modalities.stores import Shelf
from latently.tasks.packed_images import Images

pytest.importorskip("constriction")

LEARNED = {"quality": 50, "random_state": 0, "device": "cpu", "verbose": False}


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.fixture(scope="module")
def photographs():
    """Two photographs at half their size, in tiles."""
    found = [np.asarray(Pillow.fromarray(i).resize((320, 208))) for i in load_sample_images().images]
    return [i[y : y + 104, x : x + 80] for i in found for y in (0, 104) for x in (0, 80, 160, 240)]


@pytest.fixture(scope="module")
def model(photographs):
    return Compressor(repair=60, **LEARNED).fit(photographs[1:])


@pytest.fixture(scope="module")
def file(model, photographs):
    return model.compress(photographs[:2])


def test_images_come_back_in_their_form_and_close(model, photographs, file):
    back = model.decompress(file)
    assert isinstance(back, list)
    assert [b.shape for b in back] == [p.shape for p in photographs[:2]]
    assert {b.dtype.name for b in back} == {"uint8"}
    assert psnr(back[0], photographs[0]) > 26
    assert len(file) < 0.12 * photographs[0].size * 2


def test_the_second_decoder_gives_closer_images_from_the_same_bits(photographs, model):
    alone = Compressor(repair=0, **LEARNED).fit(photographs[1:])
    errors = []
    for coder in (alone, model):
        back = coder.decompress(coder.compress(photographs[1:]))
        errors.append(np.mean([psnr(a, b) for a, b in zip(back, photographs[1:], strict=True)]))
    assert errors[1] > errors[0] + 0.05


def test_a_higher_quality_is_closer_and_longer(photographs, model):
    better = Compressor(**LEARNED | {"quality": 85, "repair": 0}).fit(photographs[1:])
    low, high = (coder.compress(photographs[:1]) for coder in (model, better))
    assert len(low) < len(high)
    assert psnr(model.decompress(low)[0], photographs[0]) < psnr(better.decompress(high)[0], photographs[0])


def test_the_same_fit_writes_the_same_bytes(photographs, model, file):
    again = Compressor(repair=60, **LEARNED).fit(photographs[1:])
    assert again.compress(photographs[:2]) == file
    for a, b in zip(again.decompress(file), model.decompress(file), strict=True):
        assert_array_equal(a, b)


def test_some_images_of_a_file_are_what_all_of_them_hold(model, photographs):
    stack = np.stack([p[:40, :40] for p in photographs])
    data = model.compress(stack)
    whole = model.decompress(data)
    assert whole.shape == stack.shape
    assert_array_equal(model.decompress(data, only=[5, 0, 11]), whole[[5, 0, 11]])
    with pytest.raises(BadParameter, match="no image 99"):
        model.decompress(data, only=[99])


def test_every_form_comes_back(model, photographs):
    rgb = photographs[0]
    alpha = np.indices(rgb.shape[:2]).sum(0).astype(np.uint8)
    forms = [
        rgb, rgb[..., 0], np.dstack([rgb, alpha]), np.dstack([rgb[..., 1], alpha]), rgb[:7, :3],
        rgb.astype(np.uint16) * 257, rgb[..., 0] > 90,
    ]  # fmt: skip
    back = model.decompress(model.compress(forms))
    for given, got in zip(forms, back, strict=True):
        assert got.shape == given.shape
        assert got.dtype == given.dtype
    assert_array_equal(back[2][..., 3], alpha)
    assert_array_equal(back[3][..., 1], alpha)
    assert psnr(back[1], forms[1]) > 26
    for exact in (5, 6):
        assert_array_equal(back[exact], forms[exact])
    stack = np.stack([rgb[:40, :40, :1]] * 2)
    assert model.decompress(model.compress(stack)).shape == stack.shape


def test_a_learned_block_is_never_longer_than_a_lossless_one(model):
    flat = np.full((64, 64, 3), 7, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[..., None].repeat(3, 2)
    exact = Compressor(quality="lossless")
    for image in (flat, noise, stripes):
        assert len(model.compress([image])) <= len(exact.compress([image]))
    assert_array_equal(model.decompress(model.compress([flat]))[0], flat)


@pytest.mark.parametrize("what", ["header", "body"])
def test_every_flipped_bit_is_an_error(model, file, what):
    """Every bit of the header, one bit of every byte behind it, in a learned file."""
    size = len(file) - sum(len(b.payload) for b in read(file).blocks)
    places = range(8 * size) if what == "header" else [8 * i + i % 8 for i in range(size, len(file))]
    for place in places:
        broken = bytearray(file)
        broken[place // 8] ^= 1 << place % 8
        with pytest.raises(FileProblem):
            model.verify(bytes(broken))
    for broken in (file[:-1], file[: len(file) // 2], b"", file + b"\x00"):
        with pytest.raises(FileProblem):
            model.decompress(broken)


def test_a_file_of_another_model_is_refused(model, photographs):
    other = Compressor(**LEARNED | {"quality": 30, "repair": 0}).fit(photographs[:4])
    data = other.compress(photographs[:1])
    for act in (model.decompress, model.verify):
        with pytest.raises(FileProblem, match="written by model"):
            act(data)
    with pytest.raises(NotFittedError):
        Compressor().decompress(data)
    assert Compressor().verify(data)["images"] == 1


def test_a_saved_model_reads_the_file_in_another_process(model, file, tmp_path):
    latently.save(model, tmp_path / "model.safetensors")
    (tmp_path / "file.ltn").write_bytes(file)
    code = (
        "import sys, numpy as np, latently; from pathlib import Path\n"
        "model = latently.load(sys.argv[1], device='cpu'); data = Path(sys.argv[2]).read_bytes()\n"
        "np.savez(sys.argv[3], *model.decompress(data)); assert model.compress(model.decompress(data))"
    )
    names = [str(tmp_path / n) for n in ("model.safetensors", "file.ltn", "out.npz")]
    subprocess.run([sys.executable, "-c", code, *names], check=True)
    with np.load(names[2]) as found:
        for name, image in zip(found.files, model.decompress(file), strict=True):
            assert_array_equal(found[name], image)


def test_verify_tells_what_a_file_holds(model, photographs):
    told = model.verify(model.compress(photographs[:2], names=["a.png", "b.png"]))
    assert told["names"] == ["a.png", "b.png"]
    assert told["images"] == 2
    assert told["model"] == model.learned_.name.hex()
    assert {b["codec"] for b in told["blocks"]} == {"learned"}
    assert told["blocks"][0]["shape"] == [104, 80, 3]
    with pytest.raises(BadData, match="1 names for 2"):
        model.compress(photographs[:2], names=["a.png"])


def test_small_grey_images_share_tables_and_beat_lossless():
    digits = (load_digits().images * 15).astype(np.uint8)
    model = Compressor(**LEARNED | {"repair": 0}).fit(digits[:1500])
    data = model.compress(digits[1500:])
    back = model.decompress(data)
    assert back.shape == digits[1500:].shape
    assert psnr(back, digits[1500:]) > 24
    assert len(data) < 0.8 * len(Compressor(quality="lossless").compress(digits[1500:]))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
@pytest.mark.parametrize("max_error", [1, 2.7, 9])
def test_max_error_is_kept_to_the_last_value(dtype, max_error):
    rng = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    images = rng.integers(limits.min, limits.max, (3, 17, 11, 3), dtype=dtype, endpoint=True)
    images[0, 0, 0] = limits.max
    images[0, 0, 1] = limits.min
    coder = Compressor(max_error=max_error)
    data = coder.compress(images)
    back = Compressor().decompress(data)
    assert back.dtype == images.dtype
    assert np.abs(back.astype(np.int64) - images).max() <= max_error
    assert len(data) < len(Compressor(quality="lossless").compress(images))


def test_lossless_is_lossless_for_files_too(tmp_path, photographs):
    for i, image in enumerate(photographs[:3]):
        Pillow.fromarray(image).save(tmp_path / f"{i}.png")
    for coder in (Compressor(quality="lossless"), Compressor(max_error=0), Compressor(max_error=0.4)):
        back = coder.decompress(coder.compress(str(tmp_path)))
        for a, b in zip(back, photographs[:3], strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize(
    "options", [{"quality": 0}, {"quality": 101}, {"quality": 50.5}, {"quality": "high"}, {"max_error": -1},
                {"repair": -1}, {"kind": "variational"}],
)  # fmt: skip
def test_impossible_options_are_refused(options, photographs):
    with pytest.raises(BadParameter):
        Compressor(**options).fit(photographs[:1])


def test_what_cannot_be_fitted_says_why(photographs):
    with pytest.raises(BadParameter, match="need no fit"):
        Compressor(quality="lossless").fit(photographs[:1])
    with pytest.raises(BadData, match="uint16"):
        Compressor(repair=0).fit([p.astype(np.uint16) for p in photographs[:2]])
    with pytest.raises((BadData, UnsupportedInput), match="images"):
        Compressor().fit(np.zeros((20, 3)))
    with pytest.raises(NotFittedError):
        Compressor().compress(photographs[:1])


def test_a_model_of_grey_refuses_colours_and_another_quality():
    digits = (load_digits().images * 15).astype(np.uint8)
    model = Compressor(**LEARNED | {"repair": 0}).fit(digits[:200])
    with pytest.raises(BadData, match="grey"):
        model.compress(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(BadParameter, match="a fit of its own"):
        model.set_params(quality=80).compress(digits[:2])
    assert_array_equal(model.set_params(quality="lossless").decompress(model.compress(digits[:2])), digits[:2])


def test_a_transform_may_be_trained_further_and_deeper(photographs):
    deep = latently.parts.Dense(hidden=(64,))
    model = Compressor(32, network=deep, epochs=1, **LEARNED | {"repair": 0}).fit(photographs[:4])
    back = model.decompress(model.compress(photographs[:1]))
    assert psnr(back[0], photographs[0]) > 15


class Counted(Shelf):
    """Images that are made when they are read; knows how many of them anybody still holds."""

    def __init__(self, items):
        super().__init__(items)
        self.alive, self.most, self.reads = weakref.WeakValueDictionary(), 0, 0

    def read(self, i, name):
        image = self.items[i].copy()
        self.alive[self.reads] = image
        self.reads += 1
        gc.collect()  # the checks of shapes under test leave cycles behind
        self.most = max(self.most, len(self.alive))
        return image


@pytest.mark.parametrize("exact", [False, True])
def test_large_images_are_read_and_coded_one_by_one(exact, model):
    china, flower = load_sample_images().images
    items = [china[:, :320], flower[:, :320]] * 3  # more pixels than share a block
    shelf = Counted(items)
    coder = Compressor(max_error=9) if exact else model
    data = coder.compress(Pictures(shelf))
    assert shelf.reads == len(items)
    assert shelf.most == 1
    assert data == coder.compress(items)


def test_images_of_a_file_come_one_by_one(photographs, monkeypatch):
    coder, opened = Compressor(max_error=9), []
    data = coder.compress([p[:40, :40] for p in photographs] + photographs)
    open_block = Images.opened
    monkeypatch.setattr(Images, "opened", lambda way, c, b: opened.append(b) or open_block(way, c, b))
    found = coder.images(data)
    assert_array_equal(next(found), coder.decompress(data, only=[0])[0])
    assert len(opened) == 2
    rest = list(found)
    for a, b in zip(rest, coder.decompress(data)[1:], strict=True):
        assert_array_equal(a, b)
    opened.clear()
    mixed = [20, 1, 21, 0]
    for a, i in zip(coder.images(data, only=mixed), mixed, strict=True):
        assert_array_equal(a, coder.decompress(data)[i])
    with pytest.raises(FileProblem):  # at once, not at the first image
        coder.images(data[:-1])
