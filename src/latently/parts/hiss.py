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

# The softest patches of sound have nothing but noise in them. So told, speech at 0, 5, 10, 20, 30 dB seemed 0.1, 0.2,
# 0.4, 1.3, 3.8 dB noisier than it was; told by the medians over time of its frequencies, 0.1, 0.4, 0.8, 2.6, 6.8.
PATCH = 8  # frames, and frequencies
SOFTEST = 0.05  # of the patches
BIAS = 1.24  # that much louder noise is than there, in pieces of 16 frames and of 512, of windows of 64 and of 1,024

BANDS = 8  # each keeps its own share of what was taken out: 0.05 to 0.15 dB more than one share for all
SOFT = 0.005  # of a sound's power: its own softest patches may be as loud as noise 23 dB softer, speech's mostly less


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
        """Its spectrum, too, and how much softer its softest moments are than the whole."""
        super().keep(recording)
        frames = Frames(-(-self.length // self.window) * self.window, self.window)
        padded = functional.pad(self.recording, (0, frames.length - self.length))[None]
        self.power.copy_(frames.spectrum(padded).abs().square().mean(2)[0])
        self.power *= floor(padded, self.window, self.power).square()[0]
        return self

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """`x + alpha s n`, s the row's own."""
        return x + self.alpha * floor(x, self.window, self.power) * self._noise(x, rng)

    def spared(self, x: Tensor, seen: Tensor, made: Tensor) -> Tensor:
        """`x` less as much of what was taken out as is noise; `seen, made`: `(draws, rows, length)`, noisier, cleaned.

        A fit to noisy rows alone knows no others: with less noise it would take some of the sound, too. Of `d = x - y`
        the share `<n, d> / <d, d>` leaves least error, n the noise of x. Nobody knows n, but as much of it goes as goes
        of noise like it that is added (Stein's lemma). At 20 dB this made 22.5 dB of what was 20.8, and the share
        itself would have made 23.0; at 30 dB, 29.7, 23.0 and 31.0.
        """
        frames = Frames(x.shape[1], self.window)
        lost = frames.spectrum(x - made.mean(0))
        added, removed = (frames.spectrum(s.flatten(0, 1)).unflatten(0, s.shape[:2]) for s in (seen - x, seen - made))
        noise, whole = (
            each.sum(2, keepdim=True).unflatten(1, (min(BANDS, frames.bins), -1)).sum(2, keepdim=True)
            for each in ((added.conj() * removed).real.mean(0) / self.alpha**2, lost.abs().square())
        )
        sure = 1 - SOFT * (loudness(x) / floor(x, self.window, self.power).clamp(min=1e-20)).square()
        share = (sure.clamp(min=0)[:, None, None, :] * noise / whole.clamp(min=1e-30)).clamp(0, 1)
        return x - frames.sound((share * lost.unflatten(1, (share.shape[1], -1))).flatten(1, 2))


def floor(x: Tensor, window: int, power: Tensor) -> Tensor:
    """How loud the noise in each row is, `(rows, 1)`, noise of the spectrum `power` (ones: white).

    That of its softest patches over time and frequency. Frames that silence fills, such as that behind a clip's end,
    are left out.
    """
    frames = Frames(x.shape[1], window)
    found = frames.spectrum(x).abs().square()[:, 1:]
    full = functional.avg_pool1d(functional.pad((x != 0).to(x), (frames.edge, frames.edge)), window, frames.hop) > 0.5
    size = [min(PATCH, n) for n in found.shape[1:]]
    step = [max(1, n // 2) for n in size]
    whole = functional.avg_pool1d(full.to(x), size[1], step[1]) == 1
    usual = functional.avg_pool1d(power[None, 1:], size[0], step[0]).clamp(min=1e-6)
    each = (functional.avg_pool2d(found, size, step) / usual[:, :, None]).masked_fill(~whole[:, None], math.nan)
    return BIAS * each.flatten(1).nanquantile(SOFTEST, 1, keepdim=True).nan_to_num(0.0).sqrt()
