"""Images in and out: what every source, format and form promises."""

import io
import os
import pickle
import threading
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, features

from latently.errors import BadData, BadParameter, FileProblem, FitAlarm, MissingExtra, UnsupportedInput
from latently.modalities import opening
from latently.modalities.encode import suffix_for, write
from latently.modalities.folders import find
from latently.modalities.pictures import Pictures, accepts, pictures
from latently.modalities.pixels import common, conform, resized

UPRIGHT = {  # what a camera does to an upright image, by EXIF's orientation
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def random(*shape, dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if dtype == "bool":
        return rng.random(shape) > 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def smooth(height, width, channels=3):
    y, x = np.mgrid[:height, :width]
    bands = [127 + 100 * np.sin(x / 9 + j) * np.cos(y / 7) for j in range(channels)]
    return np.stack(bands, 2).astype(np.uint8)


@pytest.fixture
def tree(tmp_path):
    """cat/1.png, cat/2.png, cat/10.png, dog/1.png, a text and a hidden file."""
    for k, name in enumerate(("cat/10.png", "cat/2.png", "dog/1.png", "cat/1.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, random(4, 5, seed=k))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    return tmp_path


def one(path):
    """The only image of a path, whose header is held to say what is decoded."""
    found = pictures(path)
    assert len(found) == 1
    image, header = found[0], found.headers()[0]
    assert image.shape[:2] == (header.height, header.width)
    assert (1 if image.ndim == 2 else image.shape[2]) == header.channels
    assert image.dtype.name == header.dtype
    return image


# ---------------------------------------------------------------------- sources


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 3), (3, 4, 5, 7)])
def test_an_array_is_its_images(shape, dtype):
    array = random(*shape, dtype=dtype)
    found = pictures(array)
    assert len(found) == 3
    assert found.names == ["0", "1", "2"]
    assert found.array is array
    assert found.paths is None
    assert found.labels is None
    assert found[-1].dtype == array.dtype
    assert_array_equal(found[1], array[1, ..., 0] if shape[3:] == (1,) else array[1])
    assert found.headers().channels.tolist() == [shape[3] if len(shape) > 3 else 1] * 3


def test_sixty_thousand_images_are_not_looked_at_one_by_one(monkeypatch):
    array = np.zeros((60_000, 2, 2), np.float32)
    looks = []
    monkeypatch.setattr("latently.modalities.pixels.check", lambda *a: looks.append(a))
    monkeypatch.setattr("latently.modalities.stores.Stack.header", _counted(looks))
    assert pictures(array).headers()[59_999].dtype == "float32"
    assert len(looks) == 1


def _counted(looks):
    from latently.modalities.stores import Stack

    whole = Stack.header

    def header(self, i, name):
        looks.append(i)
        return whole(self, i, name)

    return header


def test_a_list_may_mix_sizes_arrays_and_pillow():
    grey, colour = random(4, 5), random(6, 3, 3)
    found = pictures([grey, colour, Image.fromarray(colour)])
    assert_array_equal(found[0], grey)
    assert_array_equal(found[1], colour)
    assert_array_equal(found[2], colour)
    headers = found.headers()
    assert headers.heights.tolist() == [4, 6, 6]
    assert headers.channels.tolist() == [1, 3, 3]


def test_a_folder_is_read_in_natural_order_with_its_classes(tree):
    found = pictures(tree)
    assert found.names == ["cat/1.png", "cat/2.png", "cat/10.png", "dog/1.png"]
    assert found.labels == ["cat", "cat", "cat", "dog"]
    assert found.paths == [tree / n for n in found.names]
    assert found.ignored == 2
    assert_array_equal(found[2], random(4, 5, seed=0))


def test_a_folder_entered_by_a_loop_of_links_is_read_once(tree):
    (tree / "cat" / "back").symlink_to(tree)
    assert len(pictures(tree)) == 4


def test_images_beside_the_folders_have_no_labels(tree):
    write(tree / "loose.png", random(4, 5))
    assert pictures(tree).labels is None


def test_a_glob_a_list_and_one_path_lead_to_the_same_images(tree):
    cats = pictures(str(tree / "cat" / "*.png"))
    assert cats.names == ["1.png", "2.png", "10.png"]
    listed = pictures([tree / "dog" / "1.png", str(tree / "cat" / "2.png")])
    assert listed.names == ["dog/1.png", "cat/2.png"]
    assert listed.labels == ["dog", "cat"]
    assert_array_equal(listed[1], cats[1])
    assert_array_equal(one(tree / "cat" / "2.png"), cats[1])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_is_the_folder_in_it(tree, method):
    with zipfile.ZipFile(tree / "all.zip", "w", method) as archive:
        for file in tree.rglob("*"):
            if file.suffix != ".zip":
                archive.write(file, file.relative_to(tree))
        archive.write(tree / "notes.txt", "__MACOSX/cat/1.png")
    found, folder = pictures(tree / "all.zip"), pictures(tree)
    assert found.names == folder.names
    assert found.labels == folder.labels
    assert found.ignored == 3
    for a, b in zip(found, folder, strict=True):
        assert_array_equal(a, b)


def test_a_damaged_member_of_an_archive_is_named(tree):
    with zipfile.ZipFile(tree / "all.zip", "w") as archive:
        archive.write(tree / "cat" / "1.png", "a.png")
    data = bytearray((tree / "all.zip").read_bytes())
    data[60] ^= 1
    (tree / "all.zip").write_bytes(data)
    with pytest.raises(FileProblem, match=r"a\.png cannot be read.*damaged in the archive"):
        pictures(tree / "all.zip")[0]


def test_part_of_the_images_keeps_names_labels_and_pixels(tree):
    found = pictures(tree)
    part = found.take([3, 0])
    assert part.names == ["dog/1.png", "cat/1.png"]
    assert part.labels == ["dog", "cat"]
    assert_array_equal(part[1], found[0])
    assert found[1:3].names == found.take(np.array([False, True, True, False])).names == found.names[1:3]
    array = random(5, 2, 2)
    assert np.shares_memory(pictures(array)[1:4].array, array)
    assert pictures(array).take([4, 2]).names == ["4", "2"]
    with pytest.raises(IndexError, match="of 5"):
        pictures(array).take([5])


def test_pictures_of_files_can_be_sent_to_another_process(tree):
    found = pictures(tree)
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again[2], found[2])


# ---------------------------------------------------------------------- each


@pytest.mark.parametrize("threads", [1, 3])
def test_each_gives_results_in_order(tree, threads):
    found = pictures(tree)
    assert list(found.each(lambda a: int(a.sum()), threads)) == [int(a.sum()) for a in found]


def test_each_holds_only_a_few_images_at_a_time():
    started, lock = [], threading.Lock()

    def count(image):
        with lock:
            started.append(1)
        return image

    results = pictures(np.zeros((100, 2, 2))).each(count, threads=3)
    for taken in range(1, 20):
        next(results)
        assert len(started) <= taken + 5
    results.close()
    assert len(started) < 30


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_each_names_the_image(tree, threads):
    (tree / "cat" / "2.png").write_bytes(b"nothing")
    with pytest.raises(FileProblem, match=r"cat/2\.png"):
        list(pictures(tree).each(np.sum, threads))

    def fails(image):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        list(pictures(np.zeros((3, 2, 2))).each(fails, threads))
    assert caught.value.__notes__ == ["while working on image 0"]


# ---------------------------------------------------------------------- formats

LOSSLESS = [
    *[(s, c, d) for s in (".png", ".tif") for c in (1, 2, 3, 4) for d in ("uint8", "uint16")],
    *[(".tiff", c, d) for c in (1, 3, 5) for d in ("float16", "float32", "float64", "int16", "int32", "uint32")],
    (".tif", 9, "uint8"),
    (".tif", 2, "float32"),
    (".webp", 3, "uint8"),
    (".webp", 4, "uint8"),
]


@pytest.mark.parametrize(("suffix", "channels", "dtype"), LOSSLESS)
def test_what_is_written_without_loss_comes_back(tmp_path, suffix, channels, dtype):
    pytest.importorskip("tifffile")
    array = random(7, 5, channels, dtype=dtype)
    array = array[..., 0] if channels == 1 else array
    write(tmp_path / f"a{suffix}", array)
    found = one(tmp_path / f"a{suffix}")
    assert found.dtype == array.dtype
    assert_array_equal(found, array)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_true_and_false_come_back_as_white_and_black(tmp_path, suffix):
    mask = random(7, 5, dtype="bool")
    write(tmp_path / f"a{suffix}", mask)
    assert_array_equal(one(tmp_path / f"a{suffix}"), mask * np.uint8(255))


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".avif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_formats_come_back_nearly(tmp_path, suffix, channels):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    array = smooth(48, 40, channels)
    write(tmp_path / f"a{suffix}", array, quality=90)
    found = one(tmp_path / f"a{suffix}")
    assert np.abs(found.reshape(48, 40, -1).astype(float) - array).mean() < 3
    write(tmp_path / f"b{suffix}", array, quality=10)
    assert (tmp_path / f"b{suffix}").stat().st_size < (tmp_path / f"a{suffix}").stat().st_size


def test_webp_loses_nothing_unless_told(tmp_path):
    write(tmp_path / "a.webp", random(9, 8))
    assert_array_equal(one(tmp_path / "a.webp"), random(9, 8)[..., None].repeat(3, 2))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bit_png_of_others_keeps_all_bits(tmp_path, channels, interlaced):
    array = random(11, 13, channels, dtype="uint16")
    path = tmp_path / "a.png"
    write(path, array)
    if interlaced:
        path.write_bytes(_interlaced(array))
    assert_array_equal(one(path), array)


def _interlaced(array):
    """A 16-bit PNG in Adam7 order."""
    import struct
    import zlib

    from latently.modalities.encode import _chunk

    rows = b""
    for y, x, dy, dx in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        rows += b"".join(b"\0" + row.astype(">u2").tobytes() for row in array[y::dy, x::dx] if len(row))
    height, width, channels = array.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*c) for c in chunks)


@pytest.mark.parametrize("options", [
    {"photometric": "rgb"},
    {"photometric": "rgb", "byteorder": ">"},
    {"photometric": "rgb", "compression": "zlib", "predictor": True},
    {"photometric": "rgb", "planarconfig": "separate"},
    {"photometric": "rgb", "bigtiff": True, "rowsperstrip": 2},
    {"photometric": "minisblack", "planarconfig": "contig"},
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff_of_others_keeps_its_pixels(tmp_path, options, dtype):
    tifffile = pytest.importorskip("tifffile")
    array = random(7, 5, 3, dtype=dtype)
    stored = array.transpose(2, 0, 1) if options.get("planarconfig") == "separate" else array
    if dtype == "float32" and "predictor" in options:
        options = {**options, "predictor": None}
    tifffile.imwrite(tmp_path / "a.tif", stored, metadata=None, **options)
    assert_array_equal(one(tmp_path / "a.tif"), array)


def test_a_fourth_channel_that_is_no_alpha_is_kept(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    array = random(7, 5, 4)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unspecified"])
    assert_array_equal(one(tmp_path / "a.tif"), array)


@pytest.mark.parametrize(("dtype", "compression", "channels"), [
    ("uint8", None, 1), ("uint16", "zlib", 1), ("uint16", "zlib", 3), ("float32", None, 5), ("uint8", "zlib", 3),
])  # fmt: skip
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_page_is_an_image(tmp_path, dtype, compression, channels, bigtiff, zipped):
    tifffile = pytest.importorskip("tifffile")
    stack = random(4, 6, 5, channels, dtype=dtype)
    stack = stack[..., 0] if channels == 1 else stack
    kind = "rgb" if channels == 3 else "minisblack"
    with tifffile.TiffWriter(tmp_path / "cells.tif", bigtiff=bigtiff) as file:
        for page in stack:
            file.write(page, photometric=kind, planarconfig=1, compression=compression, metadata=None)
            file.write(page[::2, ::2], photometric=kind, planarconfig=1, subfiletype=1, metadata=None)
    place = tmp_path / "cells.tif"
    if zipped:
        place = tmp_path / "all.zip"
        with zipfile.ZipFile(place, "w") as archive:
            archive.write(tmp_path / "cells.tif", "cells.tif")
    found = pictures(place)
    assert found.names == [f"cells.tif[{k}]" for k in range(4)]
    assert found.headers().heights.tolist() == [6] * 4
    for image, page in zip(found, stack, strict=True):
        assert_array_equal(image, page)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_photographs_come_upright(tmp_path, orientation, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    upright = smooth(32, 48)
    exif = Image.Exif()
    exif[274] = orientation
    shot = np.ascontiguousarray(UPRIGHT[orientation](upright))
    Image.fromarray(shot).save(tmp_path / f"a{suffix}", exif=exif, quality=95)
    found = one(tmp_path / f"a{suffix}")
    assert found.shape == upright.shape
    assert np.abs(found.astype(float) - upright).mean() < 4


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_tiffs_of_many_channels_come_upright(tmp_path, orientation):
    tifffile = pytest.importorskip("tifffile")
    upright = random(6, 4, 5, dtype="float32")
    shot = np.ascontiguousarray(UPRIGHT[orientation](upright))
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", shot, photometric="minisblack", planarconfig=1, extratags=tags)
    assert_array_equal(one(tmp_path / "a.tif"), upright)


def test_palettes_become_colours_and_keep_what_is_clear(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("L").copy()
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", transparency=1)
    image.save(tmp_path / "c.gif", transparency=1)
    image.save(tmp_path / "d.png", transparency=bytes([255, 128, 0]))
    colours = np.eye(3, dtype=np.uint8)[None] * 255
    assert_array_equal(one(tmp_path / "a.png"), colours)
    for name, alpha in (("b.png", [255, 0, 255]), ("c.gif", [255, 0, 255]), ("d.png", [255, 128, 0])):
        found = one(tmp_path / name)
        assert_array_equal(found[..., :3], colours)
        assert found[0, :, 3].tolist() == alpha


@pytest.mark.parametrize(("array", "clear"), [
    (np.array([[7, 9]], np.uint8), 9),
    (np.array([[7, 900]], np.uint16), 900),
    (np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), (4, 5, 6)),
])  # fmt: skip
def test_a_colour_that_is_called_clear_becomes_alpha(tmp_path, array, clear):
    Image.fromarray(array).save(tmp_path / "a.png", transparency=clear)
    found = one(tmp_path / "a.png")
    assert_array_equal(found[..., -1], [[np.iinfo(array.dtype).max, 0]])
    assert_array_equal(found[..., :-1], array.reshape(1, 2, -1))


def test_deep_colours_that_are_called_clear_become_alpha(tmp_path):
    from latently.modalities.encode import _chunk

    array = random(3, 4, 3, dtype="uint16")
    write(tmp_path / "a.png", array)
    data = (tmp_path / "a.png").read_bytes()
    at = data.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(data[:at] + _chunk(b"tRNS", array[1, 2].astype(">u2").tobytes()) + data[at:])
    found = one(tmp_path / "a.png")
    assert_array_equal(found[..., :3], array)
    assert found[1, 2, 3] == 0
    assert (found[..., 3] == 65535).sum() == 11


def test_inks_and_other_colour_spaces_become_rgb(tmp_path):
    colours = smooth(16, 16)
    image = Image.fromarray(colours)
    image.convert("CMYK").save(tmp_path / "a.tif")
    image.convert("CMYK").save(tmp_path / "b.jpg", quality=100, subsampling=0)
    image.convert("YCbCr").save(tmp_path / "c.tif")
    for name in ("a.tif", "b.jpg", "c.tif"):
        assert np.abs(one(tmp_path / name).astype(float) - colours).mean() < 2
    Image.frombytes("LAB", (2, 1), bytes([255, 0, 0, 0, 0, 0])).save(tmp_path / "d.tif")
    assert_array_equal(one(tmp_path / "d.tif") > 240, [[[True] * 3, [False] * 3]])


def test_deep_grey_of_netpbm_is_sixteen_bits(tmp_path):
    array = random(3, 4, dtype="uint16")
    (tmp_path / "a.pgm").write_bytes(b"P5 4 3 65535\n" + array.astype(">u2").tobytes())
    assert_array_equal(one(tmp_path / "a.pgm"), array)


def test_fifty_megapixels_are_read_whatever_pillows_limit(tmp_path, monkeypatch):
    array = np.zeros((5000, 10_000), np.uint8)
    array[4999, 9999] = 200
    write(tmp_path / "a.png", array)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    found = one(tmp_path / "a.png")
    assert found.shape == array.shape
    assert found[4999, 9999] == 200
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_more_than_a_gigapixel_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    write(tmp_path / "a.png", np.zeros((100, 100), np.uint8))
    write(tmp_path / "b.tif", np.zeros((100, 100), np.float64))
    for module in ("opening", "decode"):
        monkeypatch.setattr(f"latently.modalities.{module}.LIMIT", 9999)
    for name in ("a.png", "b.tif"):
        with pytest.raises(FileProblem, match=f"{name}.*more than 9,999"):
            pictures(tmp_path / name)[0]
        with pytest.raises(FileProblem, match=f"{name}.*more than 9,999"):
            pictures(tmp_path / name).headers()
    assert opening.LIMIT == 9999


def test_headers_decode_no_pixels(tmp_path, monkeypatch):
    from PIL import ImageFile

    for suffix in (".png", ".jpg", ".tif"):
        write(tmp_path / f"a{suffix}", smooth(8, 6))
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert pictures(tmp_path).headers().widths.tolist() == [6, 6, 6]


def test_without_tifffile_the_extra_is_named(tmp_path, monkeypatch):
    pytest.importorskip("tifffile")
    write(tmp_path / "a.tif", random(4, 5, 6))
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(MissingExtra, match=r"a\.tif.*latently\[tiff\]"):
        pictures(tmp_path / "a.tif")[0]
    with pytest.raises(MissingExtra, match=r"latently\[tiff\]"):
        write(tmp_path / "b.tif", random(4, 5, 6))


# ---------------------------------------------------------------------- bad input


def damaged(tmp_path):
    """Files that are no images, by name."""
    write(tmp_path / "whole.png", random(40, 50, 3))
    write(tmp_path / "whole.jpg", random(40, 50, 3))
    write(tmp_path / "whole.tif", random(40, 50, 5, dtype="float32"))
    made = {"empty.png": b"", "text.png": b"these are words", "zeros.jpg": bytes(1000)}
    for name in ("whole.png", "whole.jpg", "whole.tif"):
        data = (tmp_path / name).read_bytes()
        made[f"cut{Path(name).suffix}"] = data[: len(data) // 2]
        made[f"stub{Path(name).suffix}"] = data[:12]
        (tmp_path / name).unlink()
    return made


def test_every_sort_of_damage_names_the_file(tmp_path):
    made = damaged(tmp_path)
    assert len(made) == 9
    for name, data in made.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(FileProblem, match=f"{name} cannot be read as an image: .*skip=True"):
            pictures(tmp_path / name)[0]


def test_a_flipped_bit_never_escapes_as_a_foreign_error(tmp_path):
    rng = np.random.default_rng(1)
    for suffix, array in (
        (".png", random(9, 9, 3)),
        (".tif", random(9, 9)),
        (".jpg", smooth(16, 16)),
        (".webp", smooth(9, 9)),
    ):
        path = tmp_path / f"a{suffix}"
        write(path, array)
        whole = path.read_bytes()
        for _ in range(60):
            data = bytearray(whole)
            data[rng.integers(min(len(data), 200))] ^= 1 << rng.integers(8)
            path.write_bytes(data)
            try:
                for image in pictures(path):
                    assert image.size
            except (FileProblem, BadData):
                pass


def test_bad_files_are_counted_and_skipped_on_request_only(tree):
    (tree / "cat" / "3.png").write_bytes(b"")
    (tree / "dog" / "2.png").write_bytes((tree / "dog" / "1.png").read_bytes()[:60])
    (tree / "dog" / "3.png").write_text("text")
    with pytest.raises(FileProblem, match=r"cat/3\.png.*empty.*1 more of 7 images are bad"):
        pictures(tree).headers()
    with pytest.warns(FitAlarm, match=r"3 of 7 images cannot be read.*cat/3\.png"):
        found = pictures(tree, skip=True)
    assert found.names == ["cat/1.png", "cat/2.png", "cat/10.png", "dog/1.png"]
    assert [name for name, _ in found.skipped] == ["cat/3.png", "dog/2.png", "dog/3.png"]
    assert "empty" in found.skipped[0][1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pictures(tree / "cat" / "1.png", skip=True).skipped == ()
    with pytest.raises(BadData, match="none of 1 images"):
        pictures(tree / "cat" / "3.png", skip=True)


def test_places_without_images_say_what_is_there(tmp_path):
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(BadData, match=r"no images; it has 1 other files.*\.png"):
        pictures(tmp_path)
    with pytest.raises(FileProblem, match="does not exist"):
        pictures(tmp_path / "absent")
    with pytest.raises(FileProblem, match=r"absent\.png does not exist.* 1 more of 3"):
        pictures([tmp_path / "absent.png", tmp_path / "notes.txt", tmp_path / "other.png"])
    with pytest.raises(BadData, match="no images"):
        pictures(str(tmp_path / "*.png"))
    with pytest.raises(FileProblem, match="none of PNG"):
        pictures(tmp_path / "notes.txt")[0]
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(FileProblem, match=r"bad\.zip"):
        pictures(tmp_path / "bad.zip")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_file_that_may_not_be_read_is_named(tree):
    (tree / "cat" / "1.png").chmod(0)
    with pytest.raises(FileProblem, match=r"cat/1\.png.*Permission denied"):
        pictures(tree)[0]


def test_floats_of_files_must_be_finite(tmp_path):
    array = random(3, 4, dtype="float32")
    array[1, 2] = np.nan
    Image.fromarray(array).save(tmp_path / "a.tif")
    with pytest.raises(BadData, match=r"a\.tif holds nan at \(1, 2\)"):
        pictures(tmp_path / "a.tif")[0]


NAN = np.array([[[0.0, 1.0]], [[np.nan, 0.0]], [[np.inf, 0.0]]])


@pytest.mark.parametrize(("data", "error", "words"), [
    (NAN, BadData, r"image 1 holds nan at \(0, 0\).* 1 more is like it"),
    (list(NAN), BadData, "image 1 holds nan.* 1 more of 3"),
    (np.zeros((3, 0, 5)), BadData, "without pixels"),
    (np.zeros((0, 5, 5)), BadData, "no images"),
    ([np.zeros((4, 4)), np.zeros((0, 5))], BadData, r"image 1 has shape \(0, 5\)"),
    ([], BadData, "empty list"),
    (np.zeros((5, 5)), UnsupportedInput, r"shape \(5, 5\).*image\[None\]"),
    (np.zeros((2, 2, 2, 2, 2)), UnsupportedInput, "expected images"),
    ([np.zeros(5)], UnsupportedInput, r"image 0 has shape \(5,\)"),
    (np.array([[[1, None]]], dtype=object), UnsupportedInput, "dtype object.*list of arrays"),
    (np.zeros((2, 2, 2), complex), UnsupportedInput, "complex"),
    (np.zeros((2, 2, 2), "longdouble"), UnsupportedInput, "expected bool, integers or floats"),
    (np.ma.zeros((2, 2, 2)), UnsupportedInput, "masked"),
    (np.zeros((2, 3, 32, 32)), BadData, "channels first.*transpose"),
    ([np.zeros((4, 4)), "a.png"], UnsupportedInput, "image 1 is a str"),
    (["a.png", 3], UnsupportedInput, "int among paths"),
    (3, UnsupportedInput, "got int"),
])  # fmt: skip
def test_what_is_no_image_is_refused_in_words(data, error, words):
    with pytest.raises(error, match=words):
        pictures(data)


# ---------------------------------------------------------------------- accepts


@pytest.mark.parametrize(("data", "answer"), [
    (np.zeros((2, 3, 3)), True),
    (np.zeros((2, 3, 3, 3), np.uint8), True),
    (np.zeros((5, 5)), False),
    (np.zeros((2, 2, 2), object), False),
    ([np.zeros((3, 3, 3))], True),
    ([np.zeros((3, 3), np.uint8)], True),
    ([np.zeros((30, 40), np.uint16), np.zeros((20, 40), np.uint16)], True),
    ([np.zeros((30, 40)), np.zeros((30, 41))], True),
    ([np.zeros((30, 3)), np.zeros((50, 3))], False),
    ([np.zeros(5)], False),
    ([Image.new("L", (2, 2))], True),
    ([[1, 2], [3, 4]], False),
    ([], False),
    ("no/such/place", False),
    ("some words", False),
    (["a text", "another"], False),
    (None, False),
])  # fmt: skip
def test_images_are_told_from_other_data(data, answer):
    assert accepts(data) is answer


def test_places_are_images_when_they_lead_to_some(tree):
    assert accepts(tree)
    assert accepts(str(tree / "*" / "*.png"))
    assert accepts([tree / "cat" / "1.png"])
    assert accepts(pictures(tree))
    (tree / "sound").mkdir()
    (tree / "sound" / "a.wav").write_bytes(b"")
    assert not accepts(tree / "sound")
    assert not accepts(tree / "notes.txt")


def test_what_may_as_well_be_series_is_asked_about():
    with pytest.raises(UnsupportedInput, match=r"data=Image\(\) or data=Series\(\)"):
        accepts([np.zeros((30, 12)), np.zeros((50, 12))])
    assert len(pictures([np.zeros((30, 12)), np.zeros((50, 12))])) == 2


# ---------------------------------------------------------------------- forms


@pytest.mark.parametrize(("forms", "expected"), [
    ([(1, "uint8")], (1, "uint8")),
    ([(1, "uint8"), (3, "uint8")], (3, "uint8")),
    ([(2, "uint8"), (3, "uint16")], (4, "uint16")),
    ([(1, "uint8"), (2, "bool")], (2, "uint8")),
    ([(1, "float32"), (4, "float64")], (4, "float64")),
    ([(7, "uint8"), (7, "uint16")], (7, "uint16")),
])  # fmt: skip
def test_a_common_form_holds_every_image_without_loss(forms, expected):
    images = [random(4, 5, c, dtype=d) if c > 1 else random(4, 5, dtype=d) for c, d in forms]
    channels, dtype = common(pictures(images).headers())
    assert (channels, dtype) == expected
    for image in images:
        found = conform(image, channels, dtype)
        assert found.dtype == dtype
        assert (found.ndim == 2) == (channels == 1)
        white = {"bool": 1, "uint8": 255, "uint16": 65535}.get(image.dtype.name, 1)
        scaled = found.astype(float) / {"uint8": 255, "uint16": 65535}.get(dtype.name, 1)
        assert_array_equal(
            scaled[..., 0] if found.ndim == 3 else scaled, (image[..., 0] if image.ndim == 3 else image) / white
        )
        if channels in (2, 4) and (image.ndim == 2 or image.shape[2] in (1, 3)):
            assert (scaled[..., -1] == 1).all()


@pytest.mark.parametrize(("odd", "words"), [
    (random(4, 5, 7), "image1.*7 channels of uint8.*3 channels of uint8"),
    (random(4, 5, 3, dtype="float32"), "image1.*float32"),
    (random(4, 5, 3, dtype="int32"), "image1.*int32"),
])  # fmt: skip
def test_an_image_that_fits_with_no_other_is_named(odd, words):
    found = Pictures(
        pictures([random(4, 5, 3), odd, random(4, 5), random(4, 5, 3)])._store, [f"image{i}" for i in range(4)]
    )
    with pytest.raises(BadData, match=words):
        common(found.headers())


def test_conform_loses_nothing_silently():
    for array, channels, dtype in (
        (random(4, 5, 3), 1, "uint8"),
        (random(4, 5, dtype="uint16"), 1, "uint8"),
        (random(4, 5, 4), 3, "uint8"),
    ):
        with pytest.raises(BadData, match="without loss"):
            conform(array, channels, dtype)


# ---------------------------------------------------------------------- sizes


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "float32", "float64", "int32"])
@pytest.mark.parametrize("channels", [0, 1, 3, 6])
def test_a_smaller_image_is_the_mean_over_areas(dtype, channels):
    array = random(12, 20, *([channels] if channels else []), dtype=dtype)
    if dtype == "int32":
        array //= 1000
    found = resized(array, 3, 5)
    blocks = array.reshape(3, 4, 5, 4, *array.shape[2:]).astype(float).mean((1, 3))
    assert found.dtype == array.dtype
    assert found.shape == (3, 5, *array.shape[2:])
    if dtype == "bool":
        assert_array_equal(found, blocks > 0.5)
    else:
        assert np.abs(found - blocks).max() <= (0.51 if found.dtype.kind in "ui" else 1e-5)
    assert_array_equal(found, resized(array, 3, 5))


def test_a_larger_image_stays_in_range_and_keeps_what_is_flat():
    assert (resized(np.full((3, 4), 1000, np.uint16), 30, 17) == 1000).all()
    found = resized(random(4, 4), 9, 2)
    assert found.shape == (9, 2)
    ramp = resized(np.arange(8.0)[None].repeat(3, 0), 3, 16)
    assert np.abs(ramp[0, 4:12] - (np.arange(16)[4:12] / 2 - 0.25)).max() < 0.02
    assert ramp.min() == 0
    assert ramp.max() == 7
    with pytest.raises(BadParameter, match="at least 1 x 1"):
        resized(random(4, 4), 0, 3)


# ---------------------------------------------------------------------- writing


@pytest.mark.parametrize(("name", "array", "error", "words"), [
    ("a.jpg", random(4, 5, dtype="uint16"), BadData, r"integers of 8 bits.*\.png or \.tif"),
    ("a.jpg", random(4, 5, 4), BadData, "no alpha"),
    ("a.png", random(4, 5, dtype="float32"), BadData, r"8 or 16 bits, this is float32.*\.tif"),
    ("a.png", random(4, 5, 7), BadData, r"up to 4 channels.*\.tif"),
    ("a.webp", np.zeros((1, 16_384), np.uint8), BadData, "at most 16383"),
    ("a.png", random(4, 5, 3, dtype="bool"), BadData, "one channel"),
    ("a.bmp", random(4, 5), BadParameter, "suffix '.bmp'"),
    ("a.png", np.zeros((0, 5), np.uint8), BadData, "no pixels"),
    ("a.png", np.zeros(5, np.uint8), UnsupportedInput, "expected one image"),
    ("a.tif", np.full((2, 2), np.nan), BadData, "nan"),
    ("no/such/a.png", random(4, 5), FileProblem, "cannot write"),
])  # fmt: skip
def test_what_a_format_cannot_hold_is_refused(tmp_path, name, array, error, words):
    with pytest.raises(error, match=words):
        write(tmp_path / name, array)
    assert not list(tmp_path.iterdir())


def test_quality_must_be_possible(tmp_path):
    with pytest.raises(BadParameter, match="1 to 100"):
        write(tmp_path / "a.jpg", random(4, 5), quality=0)


def test_the_old_file_stays_whole_when_writing_fails(tmp_path, monkeypatch):
    write(tmp_path / "a.png", random(4, 5))
    before = (tmp_path / "a.png").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FileProblem, match="No space left on device"):
        write(tmp_path / "a.png", random(9, 9))
    assert (tmp_path / "a.png").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_same_pixels_same_bytes(tmp_path):
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        write(tmp_path / f"a{suffix}", smooth(16, 16))
        write(tmp_path / f"b{suffix}", smooth(16, 16))
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize(("suffix", "channels", "dtype", "expected"), [
    (".jpg", 3, "uint8", ".jpg"),
    (".JPG", 3, "uint8", ".JPG"),
    (".jpg", 4, "uint8", ".png"),
    (".jpg", 3, "uint16", ".png"),
    (".png", 3, "uint16", ".png"),
    (".tif", 3, "uint16", ".tif"),
    (".png", 1, "float32", ".tif"),
    (".webp", 7, "uint8", ".tif"),
    (".gif", 3, "uint8", ".png"),
    (".tiff", 7, "float64", ".tiff"),
])  # fmt: skip
def test_a_result_keeps_its_sources_suffix_where_that_keeps_the_pixels(suffix, channels, dtype, expected):
    assert suffix_for(suffix, channels, dtype) == expected


def test_find_gives_bytes_that_pillow_reads(tree):
    with find(tree).files[0].open() as file:
        assert Image.open(io.BytesIO(file.read())).size == (5, 4)
