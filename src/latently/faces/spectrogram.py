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
    samples: NDArray[Any], rate: int, heat: NDArray[Any], detector: Any
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A clip's spectrogram, and the same with the heat `(bands, frames)` that `detector` sees in it.

    The bands of a detector are not evenly spaced: each row of the picture has the heat of the band nearest to it.
    """
    seen = spectrogram(samples, rate)
    rows = (np.arange(len(seen))[::-1] + 0.5) * (rate / 2 / len(seen))
    middle = detector.data_.ear.hertz().numpy()
    nearest = np.searchsorted((middle[1:] + middle[:-1]) / 2, rows)
    spread = resized(np.ascontiguousarray(heat[nearest], dtype=np.float32), *seen.shape)
    return seen, heated(seen, spread, *detector.heat_range_)


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
