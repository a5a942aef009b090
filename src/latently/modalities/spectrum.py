"""Sound as loudness over time and pitch, and back: a short-time Fourier transform, bands, and gains put on a sound."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from latently import rng as chance

__all__ = ["Front"]

WINDOW = 0.032  # seconds; the nearest power of two of samples
OVERLAP = 4  # windows over each sample
ROUNDS = 32  # of Griffin-Lim
HASTE = 0.99  # its momentum (Perraudin 2013)
MOST_GAIN = 40.0  # dB either way


@dataclass(frozen=True)
class Front:
    """What turns samples of one rate into bands and frames. A frame is the mean power of `stride` windows.

    Bands are triangles, evenly spaced in mel, or each frequency of the transform where `linear`. A sine of full scale
    has power 1 at its frequency.
    """

    rate: int  #: samples a second
    bands: int
    stride: int
    linear: bool = False

    @property
    def size(self) -> int:
        """Samples of a window."""
        return size_of(self.rate)

    @property
    def hop(self) -> int:
        """Samples from a window to the next."""
        return self.size // OVERLAP

    @property
    def step(self) -> int:
        """Samples of a frame."""
        return self.hop * self.stride

    def hertz(self) -> Float[Tensor, " bands"]:
        """The middle of each band."""
        return centres(self) * self.rate / self.size

    # ------------------------------------------------------------------ there

    def waves(self, x: Float[Tensor, "channels samples"]) -> Complex[Tensor, "channels bins windows"]:
        """Spectra of windows that lie within the samples, the first at the first sample."""
        found: Tensor = torch.stft(
            x, self.size, self.hop, window=torch.hann_window(self.size), center=False, return_complex=True
        )
        return found

    def powers(self, x: Float[Tensor, "channels samples"]) -> Float[Tensor, "bands frames"]:
        """Power of each band and frame, the mean of all channels; samples as `reach` says."""
        power = self.waves(x).abs().square().mean(0) / (self.size / 4) ** 2
        bands = weights(self) @ power
        return bands.view(len(bands), -1, self.stride).mean(2)

    def reach(self, first: int, frames: int) -> tuple[int, int]:
        """From which sample to which a run of frames is made; below 0 and beyond the end there is silence."""
        return first * self.step - self.size // 2, (first + frames) * self.step - self.hop + self.size // 2

    # ------------------------------------------------------------------ back

    def louder(
        self, x: Float[Tensor, "channels samples"], gain: Float[Tensor, "bands frames"]
    ) -> Float[Tensor, "channels samples"]:
        """What to add to the samples so that each band and frame gains so many dB; nothing where that is 0."""
        length, count = x.shape[1], gain.shape[1] * self.stride
        gain = self._spread(gain.clamp(-MOST_GAIN, MOST_GAIN)).repeat_interleave(self.stride, 1)
        factor = torch.cat([gain, gain[:, -1:]], 1).mul(math.log(10) / 20).expm1()
        padded = torch.nn.functional.pad(x, (0, count * self.hop - length))
        window = torch.hann_window(self.size)
        z: Tensor = torch.stft(padded, self.size, self.hop, window=window, pad_mode="constant", return_complex=True)
        more: Tensor = torch.istft(z * factor, self.size, self.hop, window=window, length=length)
        return more

    def sound(self, power: Float[Tensor, "bands frames"]) -> Float[Tensor, " samples"]:
        """Samples of such power, their phases found by Griffin-Lim from a start that is always the same."""
        fine = self._spread(power.clamp(min=1e-12).log()).repeat_interleave(self.stride, 1)
        wide = torch.nn.functional.avg_pool1d(fine, 2 * self.stride - 1, 1, self.stride - 1, count_include_pad=False)
        size = (torch.cat([wide, wide[:, -1:]], 1) / 2).exp() * (self.size / 4)
        turn = torch.rand(size.shape, generator=chance.child(0, "phases")) * (2 * math.pi)
        window, length = torch.hann_window(self.size), fine.shape[1] * self.hop
        z, last = torch.polar(size, turn), torch.zeros(())
        for _ in range(ROUNDS):
            x = torch.istft(z, self.size, self.hop, window=window, length=length)
            now: Tensor = torch.stft(x, self.size, self.hop, window=window, pad_mode="constant", return_complex=True)
            ahead = now + HASTE * (now - last)
            z, last = torch.polar(size, ahead.angle()), now
        found: Tensor = torch.istft(z, self.size, self.hop, window=window, length=length)
        return found

    def _spread(self, bands: Float[Tensor, "bands frames"]) -> Float[Tensor, "bins frames"]:
        """Values of bands as values of frequencies: each between those of the bands about it."""
        share = triangles(self)
        return (share / share.sum(0, keepdim=True)).t() @ bands


def size_of(rate: int) -> int:
    """Samples of a window."""
    return int(2 ** max(4, round(math.log2(rate * WINDOW))))


@functools.lru_cache(maxsize=8)
def centres(front: Front) -> Tensor:
    """The middle of each band, in bins."""
    bins = front.size // 2
    if front.linear:
        return torch.arange(bins + 1, dtype=torch.float32)
    top = math.log1p(front.rate / 2 / 700)
    mel = torch.arange(1, front.bands + 1, dtype=torch.float64) / (front.bands + 1) * top
    return (mel.expm1() * 700 * front.size / front.rate).float()


@functools.lru_cache(maxsize=8)
def triangles(front: Front) -> Tensor:
    """How much each band has of each frequency, `(bands, bins)`: at least one bin either way; every bin is in one."""
    middle, bins = centres(front), torch.arange(front.size // 2 + 1)
    if front.linear:
        return torch.eye(len(bins))
    ends = torch.cat([torch.zeros(1), middle, torch.tensor([front.size / 2])])
    away = bins - middle[:, None]
    below, above = (ends.diff()[k : k + front.bands, None].clamp(min=1.0) for k in (0, 1))
    found = (1 - torch.where(away < 0, -away / below, away / above)).clamp(min=0)
    alone = found.sum(0) < 1e-3
    nearest = away.abs().argmin(0)
    found[nearest[alone], bins[alone]] = 1e-3
    return found


@functools.lru_cache(maxsize=8)
def weights(front: Front) -> Tensor:
    """The same, as a mean over frequencies."""
    found = triangles(front)
    return found / found.sum(1, keepdim=True)
