"""Sound as a picture: time to the right, low to high upwards, loud is bright."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.faces.sheets import heated
from latently.modalities.pixels import resized

__all__ = ["overlaid", "spectrogram"]

FRAME = 0.032  # seconds: harmonics of a voice are apart, and clicks are narrow
COLUMNS = 256  # of the picture, at most
ROWS = 128
RANGE = 70.0  # decibels between black and white


def spectrogram(samples: NDArray[Any], rate: int) -> NDArray[np.uint8]:
    """Short-time spectrum of a clip `(samples[, channels])`, grey, `(rows, columns)`; channels are averaged."""
    power = spectrum(samples, rate)
    level = 10 * np.log10(power + 1e-12)
    share = np.clip((level - level.max()) / RANGE + 1, 0, 1)
    return np.ascontiguousarray((share[::-1] * 255 + 0.5).astype(np.uint8))


def overlaid(
    samples: NDArray[Any], rate: int, heat: NDArray[Any], ends: tuple[float, float]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A clip's spectrogram, and the same with its heat between `ends`; `heat` has the lowest band first."""
    seen = spectrogram(samples, rate)
    spread = resized(np.ascontiguousarray(heat[::-1], dtype=np.float32), *seen.shape)
    return seen, heated(seen, spread, *ends)


def spectrum(samples: NDArray[Any], rate: int) -> NDArray[np.float64]:
    """Power `(bands, columns)`, the lowest band first; as many columns as a picture bears."""
    whole = samples.astype(np.float64) / (np.iinfo(samples.dtype).max if samples.dtype.kind in "iu" else 1.0)
    mono = whole if whole.ndim == 1 else whole.mean(1)
    size = 2 ** max(4, round(np.log2(max(2.0, rate * FRAME))))
    padded = np.pad(mono, (size // 2, size))
    step = max(1, size // 16, -(-len(mono) // COLUMNS))
    starts = np.arange(0, max(1, len(mono)), step)
    frames = np.stack([padded[s : s + size] for s in starts]) * np.hanning(size)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))[:, 1:].T
    edges = np.linspace(0, len(power), min(ROWS, len(power)) + 1).astype(int)
    return np.asarray(np.add.reduceat(power, edges[:-1], axis=0))
