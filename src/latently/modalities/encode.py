"""An array as an image file: formats, what each can hold, written in one stroke."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import latently.modalities.tiff as tiff
from latently.disk import replace
from latently.errors import BadData, BadParameter, FileProblem
from latently.modalities.pixels import check

__all__ = ["suffix_for", "write"]

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".avif": "AVIF", ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
LARGEST = {"JPEG": 65_535, "WEBP": 16_383, "AVIF": 65_536}  # pixels along a side
QUALITY = {"JPEG": 95, "AVIF": 90}  # where a format has no other way
LARGE = 2**22  # numbers of an image: a PNG of more is packed
QUICK = 1  # at this level: a photograph of 12 megapixels takes .9 s instead of 1.7, and 24.7 MB instead of 25.0


def suffix_for(suffix: str, channels: int, dtype: DTypeLike) -> str:
    """The suffix itself where its format keeps such pixels as they are, else `.png` or `.tif`.

    So results go beside their sources: `suffix_for(Path(source).suffix, 3, "uint16")` is `.tif` for `.tif`, and `.png`
    for `.jpg`.
    """
    for choice in (suffix.lower(), ".png"):
        if choice in FORMATS and not _refusal(FORMATS[choice], channels, np.dtype(dtype)):
            return suffix if choice == suffix.lower() else choice
    return ".tif"


def write(path: str | os.PathLike[str], array: NDArray[Any], quality: int | None = None) -> None:
    """Write an image in the format of the suffix: PNG, JPEG, WebP, AVIF or TIFF.

    PNG, TIFF, and WebP without a `quality`, lose nothing (WebP makes grey RGB); JPEG has quality 95 and AVIF 90 unless
    `quality` (1 to 100) says otherwise. What a format cannot hold is refused with `BadData`. The file that was there
    stays whole until the new one takes its place; `FileProblem` where that fails.
    """
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadParameter(f"{path} has the suffix {path.suffix!r}; expected one of {', '.join(FORMATS)}.")
    if quality is not None and not 1 <= quality <= 100:
        raise BadParameter(f"quality={quality!r} must lie in 1 to 100; 100 is the best.")
    array = np.asarray(array)
    check(array, f"the image for {path}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    refusal = _refusal(kind, 1 if array.ndim == 2 else array.shape[2], array.dtype)
    if refusal:
        raise BadData(f"cannot write {path}: {refusal}")
    if max(array.shape[:2]) > LARGEST.get(kind, max(array.shape)):
        raise BadData(
            f"cannot write {path}: {kind} holds at most {LARGEST[kind]} pixels along a side. Try .png or .tif."
        )
    try:
        data = _encoded(kind, np.ascontiguousarray(array), quality)
    except (OSError, ValueError, RuntimeError) as problem:
        raise FileProblem(f"cannot write {path}: {problem}. The file that was there is unchanged.") from None
    replace(path, data)


def _refusal(kind: str, channels: int, dtype: np.dtype[Any]) -> str:
    """Why a format cannot hold such pixels, and what to try; empty where it can."""
    if dtype.kind == "b" and channels > 1:
        return "pixels of true and false have one channel. Try array.astype('uint8') * 255."
    if kind == "TIFF":
        return ""
    deepest = 2 if kind == "PNG" else 1
    if dtype.kind != "b" and (dtype.kind != "u" or dtype.itemsize > deepest):
        better = ".png or .tif keep it" if dtype == np.uint16 else ".tif keeps it"
        depth = "8 or 16" if deepest == 2 else "8"
        return f"{kind} holds integers of {depth} bits, this is {dtype}. {better}, or scale it to uint8."
    if channels > 4:
        return f"{kind} holds up to 4 channels, this has {channels}. Try .tif, or write channels one by one."
    if kind == "JPEG" and channels in (2, 4):
        return "JPEG holds no alpha. Try .png or .webp, or leave the last channel out."
    return ""


def _encoded(kind: str, array: NDArray[Any], quality: int | None) -> bytes:
    channels = 1 if array.ndim == 2 else array.shape[2]
    if array.dtype.byteorder not in "=|<":
        array = array.astype(array.dtype.newbyteorder("="))
    if kind == "PNG" and array.dtype == np.uint16 and channels > 1:
        return _deep_png(array)
    if kind == "TIFF" and not _pillow_holds(array.dtype, channels):
        return tiff.encoded(array)
    return _by_pillow(kind, array, quality)


def _pillow_holds(dtype: np.dtype[Any], channels: int) -> bool:
    if dtype.name in ("bool", "uint8"):
        return channels <= 4
    return channels == 1 and dtype.name in ("uint16", "int32", "float32")


def _by_pillow(kind: str, array: NDArray[Any], quality: int | None) -> bytes:
    from PIL import Image

    if array.dtype.kind == "b" and kind not in ("PNG", "TIFF"):
        array = array.astype(np.uint8) * 255
    image = Image.fromarray(array)
    if kind in ("WEBP", "AVIF") and image.mode in ("L", "LA"):
        image = image.convert({"L": "RGB", "LA": "RGBA"}[image.mode])
    options: dict[str, Any] = {"quality": quality or QUALITY.get(kind, 100)}
    if kind == "JPEG":
        options |= {"subsampling": 0, "optimize": True} if options["quality"] > 90 else {}
    elif kind == "WEBP":
        options |= {"lossless": quality is None, "exact": True}
    elif kind == "AVIF":
        options |= {"subsampling": "4:4:4" if options["quality"] >= 90 else "4:2:0", "max_threads": 1}
    else:
        options = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
        options |= {"compress_level": QUICK} if kind == "PNG" and array.size > LARGE else {}
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _deep_png(array: NDArray[np.uint16]) -> bytes:
    """A PNG of 16-bit colours or of grey with alpha, which Pillow does not write; each row minus the one above it."""
    height, width, channels = array.shape
    stored = array.astype(">u2").view(np.uint8).reshape(height, -1)
    packer = zlib.compressobj(6)
    rows = max(1, 2**22 // stored.shape[1])
    pieces = []
    for start in range(0, height, rows):
        here = stored[start : start + rows]
        above = np.zeros_like(here)
        above[1:] = here[:-1]
        if start:
            above[0] = stored[start - 1]
        filtered = np.empty((len(here), here.shape[1] + 1), np.uint8)
        filtered[:, 0] = 2  # "up"
        np.subtract(here, above, out=filtered[:, 1:])
        pieces.append(packer.compress(filtered.tobytes()))
    pieces.append(packer.flush())
    colours = {2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", b"".join(pieces)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
