"""Intensities of pixels: their mean and spread, and numbers as pixels of a dtype and of channels again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from latently.errors import BadData
from latently.modalities.pixels import WHITE
from latently.modalities.results import as_dtype

__all__ = ["as_pixels", "banded", "moments"]

Pixels = NDArray[Any]
AT_ONCE = 1024  # images whose sums are taken together


def moments(each: NDArray[np.float32], counts: NDArray[np.float64] | None) -> tuple[float, float]:
    """Mean and standard deviation of all known numbers, 1 in place of no deviation; images count `counts`."""
    sums = np.zeros(3)
    for i in range(0, len(each), AT_ONCE):
        piece = each[i : i + AT_ONCE].reshape(len(each[i : i + AT_ONCE]), -1).astype(np.float64)
        known = ~np.isnan(piece)
        piece[~known] = 0.0
        weight = np.ones(len(piece)) if counts is None else counts[i : i + AT_ONCE]
        sums += [weight @ known.sum(1), weight @ piece.sum(1), weight @ np.square(piece).sum(1)]
    if not sums[0]:
        raise BadData("no pixel is known in any image; nothing can be learned from holes.")
    mean = sums[1] / sums[0]
    deviation = float(np.sqrt(max(sums[2] / sums[0] - mean**2, 0.0)))
    return float(mean), deviation if deviation > 1e-6 * abs(mean) else 1.0


def as_pixels(values: Pixels, unit: DTypeLike, dtype: DTypeLike) -> Pixels:
    """Numbers in the unit of images of dtype `unit` as pixels of `dtype`: white stays white, integers within range."""
    have, wanted = np.dtype(unit), np.dtype(dtype)
    if have != wanted and have.name in WHITE and wanted.name in WHITE:
        values = values * (WHITE[wanted.name] / WHITE[have.name])
    return as_dtype(values, wanted)


def banded(values: Pixels, channels: int) -> Pixels:
    """Numbers `(..., bands)` as an image of fewer channels, as `conform` came from: alpha left out, colours as grey."""
    have = values.shape[-1]
    if have == channels:
        return values
    colours, alpha = (values[..., :-1], values[..., -1:]) if have in (2, 4) else (values, values[..., :0])
    if channels < 3:
        colours = colours.mean(-1, keepdims=True)
    return np.concatenate([colours, alpha], -1) if channels in (2, 4) else colours
