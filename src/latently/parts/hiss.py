"""Noise mixed into sound: at a ratio to it, or as much again as it has already."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from latently.parts.corruptions import Cells, Corruption
from latently.parts.frames import Frames, loudness
from latently.values import Sizes

__all__ = ["Mixed", "Remixed", "floor"]

UNSURE = 0.25  # of the frequencies: where there is least, there is only noise. With it speech at 0, 5, 10, 20 dB was
BIAS = 1.11  # told 0.1 dB too low, and 0.2, 0.6, 2.5 dB too high, after this factor


# Deviations of the noise that a bin may lose. Without a limit a fit to tones at 5 dB made 9.9 dB of clean ones and 11.5
# of 20 dB; with 2, 47 and 19.2; with 1.5, 50 and 21.9, and at 5 dB 13.4 instead of 13.1.
MOST = 1.5


class _Hiss(Corruption):
    """White noise, or pieces of a recording of `length` samples, which `keep` takes in (0: white)."""

    recording: Tensor

    def __init__(self, length: int = 0) -> None:
        super().__init__()
        self.length = length
        self.register_buffer("recording", torch.zeros(length))

    def keep(self, recording: Tensor) -> Self:
        """Take in a recording of the length given, loudness one."""
        self.recording.copy_(recording / loudness(recording[None])[0].clamp(min=1e-20))
        return self

    def check(self, sizes: Sizes) -> None:
        """Rows of one channel."""
        self.require(self.length >= 0, "length", "the number of samples of a recording, or 0")

    def _noise(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Of loudness one, as long as the rows; a short recording begins again at its end."""
        if not self.length:
            return torch.empty_like(x).normal_(generator=rng)
        starts = torch.randint(self.length, (len(x), 1), generator=rng, device=x.device)
        return self.recording[(starts + torch.arange(x.shape[1], device=x.device)) % self.length]


class Mixed(_Hiss):
    """Noise at a signal-to-noise ratio that is drawn for each row from `[low, high]`, dB."""

    def __init__(self, low: float = -5.0, high: float = 20.0, length: int = 0) -> None:
        super().__init__(length)
        self.low = low
        self.high = high

    def check(self, sizes: Sizes) -> None:
        """`low <= high`, within what float32 can add."""
        super().check(sizes)
        self.require(-60 <= self.low <= self.high <= 120, "low", f"in [-60, high], dB, and high {self.high!r} <= 120")

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """`x + 10^(-ratio / 20) |x| n`; silence stays silent."""
        ratio = x.new_empty(len(x), 1).uniform_(self.low, self.high, generator=rng)
        return x + loudness(x) * 10 ** (-ratio / 20) * self._noise(x, rng)


class Remixed(_Hiss):
    """`alpha` times the noise that each row has already, whose strength is told from the row (Moran 2020)."""

    power: Tensor

    def __init__(self, alpha: float = 0.5, window: int = 256, length: int = 0) -> None:
        super().__init__(length)
        self.alpha = alpha
        self.window = window
        self.register_buffer("power", torch.ones(window // 2))

    def check(self, sizes: Sizes) -> None:
        """`alpha > 0`."""
        super().check(sizes)
        self.require(self.alpha > 0, "alpha", "positive")

    def keep(self, recording: Tensor) -> Self:
        """Its spectrum, too."""
        super().keep(recording)
        frames = Frames(-(-self.length // self.window) * self.window, self.window)
        padded = functional.pad(self.recording, (0, frames.length - self.length))
        self.power.copy_(frames.spectrum(padded[None]).abs().square().mean(2)[0])
        return self

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """`x + alpha s n`, s the row's own."""
        return x + self.alpha * floor(x, self.window, self.power) * self._noise(x, rng)

    def spared(self, x: Tensor, cleaned: Tensor) -> Tensor:
        """`cleaned` rows of `x`, no bin of which has lost more than noise as strong as the row's is likely to be.

        A fit to noisy rows alone knows no others: what has less noise would suffer.
        """
        frames = Frames(x.shape[1], self.window)
        lost = frames.spectrum(x - cleaned)
        most = MOST * floor(x, self.window, self.power)[:, :, None] * self.power.sqrt()[:, None]
        return x - frames.sound(lost * (most / lost.abs().clamp(min=1e-20)).clamp(max=1))


def floor(x: Tensor, window: int, power: Tensor) -> Tensor:
    """How loud the noise in each row is, `(rows, 1)`, noise of the spectrum `power` (ones: white).

    The power of noise in a bin is exponential, its median a log 2 of its mean. Over time a median looks past sounds
    that last less than half of it; among frequencies, those that sounds fill are left out.
    """
    found = Frames(x.shape[1], window).spectrum(x).abs().square()[:, 1:]
    heard = found.amax(1, keepdim=True) > 1e-12 * found.amax((1, 2), keepdim=True)
    each = found.masked_fill(~heard, math.nan).nanmedian(2).values / math.log(2)
    each = each / power[1:].clamp(min=1e-6)
    return BIAS * each.nan_to_num(0.0).quantile(UNSURE, 1, keepdim=True).sqrt()
