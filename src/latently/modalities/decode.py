"""One image file as an array, as it is seen: turned upright, palettes and inks as colours, in its own dtype."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latently.modalities.tiff as tiff
from latently.errors import LatentlyError
from latently.modalities.folders import File
from latently.modalities.opening import DAMAGE, LIMIT, named, opened
from latently.modalities.pixels import Header, check

__all__ = ["header", "header_of_pillow", "of_pillow", "pixels"]

SEEN = {
    "1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA", "RGBa": "RGBA",
    "RGBX": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "I": "I", "F": "F", "I;16": "I;16",
    "I;16B": "I;16", "I;16L": "I;16", "I;16N": "I;16",
}  # fmt: skip
DTYPES = {"I": "int32", "F": "float32", "I;16": "uint16"}
CHANNELS = {"LA": 2, "RGB": 3, "RGBA": 4}
WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}


@dataclass(frozen=True)
class Plan:
    """How an opened image becomes an array."""

    mode: str  #: Pillow's mode to convert to
    channels: int
    dtype: str
    deep: str  #: the layout of colours of 16 bits, which Pillow would cut to 8; "" where there are none
    turn: int  #: EXIF orientation that is left to do

    def header(self, size: tuple[int, int]) -> Header:
        width, height = size if self.turn < 5 else size[::-1]
        return Header(height, width, self.channels, self.dtype)


def header(file: File) -> Header:
    """Size, channels and dtype, without decoding pixels."""
    with named(file.name), file.open() as stream:
        image = _by_pillow(stream)
        if image is not None:
            return _plan(image).header(image.size)
        found, turn = tiff.described(stream, LIMIT)
        return Header(found.width, found.height, found.channels, found.dtype) if turn > 4 else found


def pixels(file: File) -> NDArray[Any]:
    """The image as an array: (height, width), or (height, width, channels). It is not to be written into."""
    with named(file.name), file.open() as stream:
        image = _by_pillow(stream)
        if image is None:
            array, turn = tiff.read(stream, LIMIT)
        else:
            plan = _plan(image)
            turn, array = plan.turn, _deep(image, plan, stream) if plan.deep else _array(image, plan)
    array = _turned(array, turn)
    check(array, file.name)
    return array


def of_pillow(image: Any, name: str) -> NDArray[Any]:
    """The same for an image that the user has opened with Pillow."""
    with named(name):
        plan = _plan(image)
        array = _turned(_array(image, plan), plan.turn)
    check(array, name)
    return array


def header_of_pillow(image: Any, name: str) -> Header:
    """Its header."""
    with named(name):
        return _plan(image).header(image.size)


def _by_pillow(file: tiff.Stream) -> Any:
    """The image by Pillow; None for a TIFF that Pillow does not know, or would change."""
    is_tiff = tiff.is_tiff(file.read(4))
    file.seek(0)
    if not is_tiff:
        return opened(file)
    try:
        image = opened(file)
    except LatentlyError:
        raise
    except DAMAGE:
        return None
    return image if _faithful(image) else None


def _layout(image: Any) -> str:
    """How the first tile is stored, in Pillow's words: `RGB;16B`."""
    tile = getattr(image, "tile", None)
    if not tile:
        return ""
    stored = tile[0][3]
    stored = stored[0] if isinstance(stored, tuple) and stored else stored
    return stored if isinstance(stored, str) else ""


def _is_deep(layout: str) -> bool:
    return layout.partition(";")[0] in CHANNELS and layout.partition(";")[2] in ("16B", "16L", "16N")


def _faithful(image: Any) -> bool:
    """Whether Pillow gives a TIFF's channels and bits as they are stored."""
    bits, samples = max(image.tag_v2.get(258, (1,))), image.tag_v2.get(277, 1)
    if samples != len(image.getbands()):
        return False
    if SEEN.get(image.mode) in DTYPES or _is_deep(_layout(image)):
        return True
    return bits <= 8 and not {2, 3}.intersection(image.tag_v2.get(339, (1,)))


# ---------------------------------------------------------------------- decoding


def _plan(image: Any) -> Plan:
    layout = _layout(image)
    deep = layout if _is_deep(layout) else ""
    mode = SEEN.get(image.mode)
    if mode is None:
        raise ValueError(f"Pillow's mode {image.mode} is not read. Convert it to RGB.")
    clear = image.has_transparency_data
    if clear:
        mode = WITH_ALPHA.get(mode, mode)
    if deep or mode == "I;16":
        channels = CHANNELS[deep.partition(";")[0]] if deep else 1
        return Plan(mode, channels + (clear and channels in (1, 3)), "uint16", deep, _orientation(image))
    dtype = _whole(image) if mode == "I" else DTYPES.get(mode, "uint8")
    return Plan(mode, CHANNELS.get(mode, 1), dtype, "", _orientation(image))


def _whole(image: Any) -> str:
    """The integers that Pillow has widened to 32 bits with a sign."""
    if image.format == "PPM":
        return "uint16"
    tags = getattr(image, "tag_v2", {})
    sign = "int" if tags.get(339, (1,))[0] == 2 else "uint"
    return f"{sign}{tags[258][0]}" if 258 in tags else "int32"


def _orientation(image: Any) -> int:
    """EXIF's orientation, 1 for upright. Pillow turns a TIFF itself."""
    from PIL import Image

    if image.format == "TIFF":
        return 1
    try:  # the base class: a PNG's own method decodes the pixels to look for a late chunk
        found = Image.Image.getexif(image).get(tiff.ORIENTATION, 1)
    except DAMAGE:  # an image with a broken label is an image
        return 1
    return found if found in range(1, 9) else 1


def _array(image: Any, plan: Plan) -> NDArray[Any]:
    image.load()
    clear = image.info.get("transparency") if plan.mode == "I;16" else None
    if image.mode == "LAB":
        image = _from_lab(image)
    elif plan.mode not in (image.mode, "I;16"):
        image = image.convert(plan.mode)
    array = np.asarray(image).astype(plan.dtype, copy=False)
    return array if clear is None else _keyed(array[..., None], clear)


def _from_lab(image: Any) -> Any:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")


def _deep(image: Any, plan: Plan, file: tiff.Stream) -> NDArray[Any]:
    """Colours of 16 bits. Pillow keeps one byte of each two, and can be told which: so it decodes twice.

    Grey with alpha has the four bytes that a pixel of RGBA has.
    """
    bands, _, order = plan.deep.partition(";")
    clear = image.info.get("transparency")
    if order == "16N":
        order = "16L" if sys.byteorder == "little" else "16B"
    if bands == "LA":
        stored = _decoded(image, "RGBA").view(">u2" if order == "16B" else "<u2")
        return stored.astype(np.uint16)
    first = _decoded(image, f"{bands};16B")
    file.seek(0)
    second = _decoded(opened(file), f"{bands};16L")
    high, low = (first, second) if order == "16B" else (second, first)
    array = high.astype(np.uint16) << 8 | low
    return array if clear is None else _keyed(array, clear)


def _decoded(image: Any, layout: str) -> NDArray[np.uint8]:
    image.tile = [
        tile._replace(args=(layout, *tile.args[1:]) if isinstance(tile.args, tuple) else layout) for tile in image.tile
    ]
    image.load()
    return np.asarray(image)


def _keyed(array: NDArray[Any], clear: Any) -> NDArray[Any]:
    """With an alpha that is zero where the pixel has the one colour that a PNG calls transparent."""
    alpha = np.where((array == np.asarray(clear)).all(axis=2), 0, 65535).astype(np.uint16)
    return np.dstack([array, alpha])


def _turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Upright, from EXIF's orientation."""
    if orientation == 1:
        return array
    if orientation > 4:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
