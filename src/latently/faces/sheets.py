"""Sheets of pictures: many beside each other with a line under each, and maps laid over images."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.modalities.pixels import resized

__all__ = ["heated", "plotted", "sheet", "shrunk", "small", "visible"]

Pixels = NDArray[Any]
TILE = 128  # pixels a side
MOST = 1600  # pixels a side of a picture that is only looked at
LINE = 16  # pixels for a caption
GAP = 8
LINES = ((31, 99, 171), (212, 72, 66), (230, 150, 20), (90, 140, 60))  # of channels
# Dark to bright through purple and orange, told apart in grey too; colours at even steps.
HEAT = np.array([[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39]])


def visible(image: Pixels, low: float | None = None, high: float | None = None) -> NDArray[np.uint8]:
    """An image of any dtype and channels as 8-bit RGB, from `low` to `high`; bytes as they are without these."""
    shown = image[..., None] if image.ndim == 2 else image
    if shown.shape[2] == 2 or shown.shape[2] == 4:
        shown = shown[..., :-1]  # alpha
    shown = shown[..., :3] if shown.shape[2] >= 3 else shown[..., :1].repeat(3, 2)
    if shown.dtype == np.uint8 and high is None:
        return np.ascontiguousarray(shown)
    bottom = 0.0 if low is None and shown.dtype.kind in "ub" else float(np.nanmin(shown)) if low is None else low
    top = float(np.nanmax(shown)) if high is None else high
    if high is None and shown.dtype.kind == "u" and top > 4095:
        top = float(np.iinfo(shown.dtype).max)
    scaled = (shown.astype(np.float32) - bottom) / max(top - bottom, 1e-12)
    return np.asarray(np.nan_to_num(np.clip(scaled, 0, 1)) * 255 + 0.5).astype(np.uint8)


def heated(image: Pixels, heat: Pixels, low: float, high: float) -> NDArray[np.uint8]:
    """A map of heat laid over a darkened image: from `low`, where nothing shows, to `high`."""
    share = np.clip((heat - low) / max(high - low, 1e-12), 0, 1)
    place = share * (len(HEAT) - 1)
    left = np.minimum(place.astype(int), len(HEAT) - 2)
    part = (place - left)[..., None]
    colour = HEAT[left] * (1 - part) + HEAT[left + 1] * part
    grey = visible(image).mean(2, keepdims=True)
    cover = np.clip(share * 1.5, 0, 0.85)[..., None]
    return np.asarray(grey * (1 - cover) + colour * cover + 0.5).astype(np.uint8)


def sheet(rows: Sequence[Sequence[Pixels]], captions: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> Pixels:
    """Rows of 8-bit RGB images as one picture, a caption under each, heads over the columns."""
    from PIL import Image, ImageDraw

    across = max((len(row) for row in rows), default=1)
    top = LINE if heads else 0
    size = (across * (TILE + GAP) + GAP, len(rows) * (TILE + LINE + GAP) + GAP + top)
    page = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(page)
    for j, head in enumerate(heads):
        pen.text((GAP + j * (TILE + GAP), 4), _cut(head), fill="black")
    for i, (images, words) in enumerate(zip(rows, captions, strict=True)):
        y = GAP + top + i * (TILE + LINE + GAP)
        for j, (image, word) in enumerate(zip(images, words, strict=True)):
            x = GAP + j * (TILE + GAP)
            tile = small(image)
            page.paste(Image.fromarray(tile), (x + (TILE - tile.shape[1]) // 2, y + (TILE - tile.shape[0]) // 2))
            pen.text((x, y + TILE + 2), _cut(word), fill="black")
    return np.asarray(page)


def plotted(values: Pixels, low: NDArray[Any], high: NDArray[Any]) -> Pixels:
    """Lines `(time, channels)` from left to right, each channel from its `low` to its `high`; gaps stay gaps."""
    from PIL import Image, ImageDraw

    side = 2 * TILE
    page = Image.new("RGB", (side, side), (245, 245, 245))
    pen = ImageDraw.Draw(page)
    across = np.linspace(GAP, side - GAP, len(values))
    for line, a, b, colour in zip(values.T, low, high, LINES, strict=False):
        a, b = min(a, np.nanmin(line, initial=a)), max(b, np.nanmax(line, initial=b))
        down = side - GAP - (line - a) / max(b - a, 1e-12) * (side - 2 * GAP)
        ends = list(zip(across.tolist(), down.tolist(), strict=True))
        for start, stop in itertools.pairwise(ends):
            if np.isfinite(start[1] + stop[1]):
                pen.line([start, stop], fill=colour, width=3)
    return np.asarray(page)


def shrunk(image: Pixels) -> Pixels:
    """An image with its longer side no longer than a screen has pixels."""
    share = MOST / max(image.shape[:2])
    return image if share >= 1 else resized(image, *(max(1, round(s * share)) for s in image.shape[:2]))


def small(image: Pixels) -> Pixels:
    """An image with its longer side as long as a tile; small ones are enlarged pixel by pixel."""
    longest = max(image.shape[:2])
    if longest < TILE:
        times = TILE // longest
        return np.ascontiguousarray(image.repeat(times, 0).repeat(times, 1))
    height, width = (max(1, round(s * TILE / longest)) for s in image.shape[:2])
    return np.ascontiguousarray(resized(image, height, width))


def _cut(text: str, most: int = 21) -> str:
    """The end of a long path says most; the built-in font knows ASCII alone, so that ü is drawn as u."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = bare.encode("ascii", "replace").decode("ascii")
    return text if len(text) <= most else "..." + text[len(text) - most + 3 :]
