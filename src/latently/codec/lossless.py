"""Arrays of pixels to bytes without loss: WebP where it applies, else differences and LZMA."""

from __future__ import annotations

import io
import lzma
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import FileProblem

__all__ = ["pack", "unpack"]

Pixels = NDArray[Any]

WEBP, PLAIN, LEFT, UP, BOTH = range(5)
TALLEST = 16_383  # pixels a side of a WebP
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 24}]


def pack(images: Pixels) -> bytes:
    """The shortest form of images of one size, `(n, height, width[, channels])`, of any numeric dtype."""
    made = [_differences(images)]
    if images.dtype == np.uint8 and (images.ndim == 3 or images.shape[3] in (1, 3, 4)):
        stacked = images.reshape(-1, *images.shape[2:])  # one above the other
        if max(stacked.shape[:2]) <= TALLEST:
            made.append(bytes([WEBP]) + _webp(stacked))
    return min(made, key=len)


def unpack(data: bytes, shape: tuple[int, ...], dtype: str) -> Pixels:
    """The images that `pack` saw; `FileProblem` on bytes that are no such thing."""
    try:
        if data[0] == WEBP:
            return _from_webp(data[1:], shape)
        return _summed(data, shape, np.dtype(dtype))
    except (OSError, ValueError, IndexError, SyntaxError, lzma.LZMAError) as problem:
        raise FileProblem(f"a lossless block cannot be decoded ({problem}).") from None


def _webp(stacked: Pixels) -> bytes:
    from PIL import Image

    flat = stacked.reshape(*stacked.shape[:2]) if stacked.ndim == 2 or stacked.shape[2] == 1 else stacked
    image = Image.fromarray(np.ascontiguousarray(flat))
    out = io.BytesIO()
    (image.convert("RGB") if image.mode == "L" else image).save(out, "WEBP", lossless=True, quality=60, exact=True)
    return out.getvalue()


def _from_webp(data: bytes, shape: tuple[int, ...]) -> Pixels:
    from PIL import Image

    channels = shape[3] if len(shape) == 4 else 1
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
        if image.size != (shape[2], shape[0] * shape[1]):
            raise ValueError(f"it is of {image.size}")
        found = np.asarray(image.convert("RGBA" if channels == 4 else "RGB"))
    return np.ascontiguousarray(found[..., :channels]).reshape(shape)


def _differences(images: Pixels) -> bytes:
    """Each pixel minus its left one, its upper one, both or none, bytes by significance, then LZMA."""
    whole = _whole(images)
    best = b""
    for way in (PLAIN, LEFT, UP, BOTH) if images.size > 16 else (PLAIN,):
        d = whole.copy()
        if way in (LEFT, BOTH):
            d[:, :, 1:] -= whole[:, :, :-1]
        if way in (UP, BOTH):
            d[:, 1:] -= d[:, :-1].copy()
        planes = np.moveaxis(np.ascontiguousarray(d)[..., None].view(np.uint8), -1, 0)
        made = bytes([way]) + lzma.compress(planes.tobytes(), lzma.FORMAT_RAW, filters=FILTERS)
        best = made if not best or len(made) < len(best) else best
    return best


def _summed(data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Pixels:
    way, width = data[0], dtype.itemsize
    count = int(np.prod(shape))
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS)
    raw = unpacker.decompress(data[1:], count * width)
    if len(raw) != count * width or way not in (PLAIN, LEFT, UP, BOTH):
        raise ValueError(f"{len(raw)} bytes of {count * width}")
    planes = np.frombuffer(raw, np.uint8).reshape(width, *shape)
    whole = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view(f"<u{width}")[..., 0].astype(f"u{width}")
    if way in (UP, BOTH):
        whole = np.cumsum(whole, 1, dtype=whole.dtype)
    if way in (LEFT, BOTH):
        whole = np.cumsum(whole, 2, dtype=whole.dtype)
    return whole.astype(bool) if dtype.kind == "b" else np.ascontiguousarray(whole).view(dtype)


def _whole(images: Pixels) -> Pixels:
    """The same bits as unsigned integers, lowest byte first."""
    width = images.dtype.itemsize
    if images.dtype.kind == "b":
        return images.astype(np.uint8)
    native = np.ascontiguousarray(images.astype(images.dtype.newbyteorder("=")))
    return native.view(f"u{width}").astype(f"<u{width}")
