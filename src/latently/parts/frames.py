"""Sound as a spectrum over time, and back, in plain torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

__all__ = ["Frames", "loudness"]

TINY = 1e-20


@dataclass(frozen=True)
class Frames:
    """Windows over a stretch of `length` samples, each a quarter of a window after the one before.

    A frame has as many complex bins as half a window has samples: the first holds the lowest and the highest frequency,
    both of which are real. The root of Hann's window on the way there and back makes the two ways inverse to each
    other. Nothing is mirrored at the ends: the first window begins before the stretch, in silence.
    """

    length: int
    window: int

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return self.window // 4

    @property
    def count(self) -> int:
        """Frames of the stretch."""
        return self.length // self.hop

    @property
    def bins(self) -> int:
        """Frequencies of a frame."""
        return self.window // 2

    @property
    def edge(self) -> int:
        """Samples of silence before the stretch that its first window sees."""
        return (self.window - self.hop) // 2

    def _shape(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.window, device=like.device, dtype=like.dtype).sqrt()

    def spectrum(self, x: Float[Tensor, "rows length"]) -> Complex[Tensor, "rows bins frames"]:
        """The bins of every frame; those of white noise have its deviation."""
        frames = functional.pad(x, (self.edge, self.edge)).unfold(1, self.window, self.hop) * self._shape(x)
        found = torch.fft.rfft(frames) / math.sqrt(self.bins)
        first = torch.complex(found[..., 0].real, found[..., -1].real)
        return torch.cat([first[..., None], found[..., 1:-1]], -1).transpose(1, 2)

    def sound(self, spectrum: Complex[Tensor, "rows bins frames"]) -> Float[Tensor, "rows length"]:
        """The rows that have such a spectrum, or come nearest to it: frames added where they overlap."""
        bins = spectrum.transpose(1, 2)
        low, high = (torch.complex(e, torch.zeros_like(e))[..., None] for e in (bins[..., 0].real, bins[..., 0].imag))
        frames = torch.fft.irfft(torch.cat([low, bins[..., 1:], high], -1)) * math.sqrt(self.bins)
        shape = self._shape(frames)
        return self._added(frames * shape) / self._added(shape.square().expand(1, self.count, -1))

    def _added(self, frames: Tensor) -> Tensor:
        quarters = frames.unflatten(-1, (4, self.hop))
        parts = [functional.pad(quarters[:, :, k], (0, 0, k, 3 - k)) for k in range(4)]
        whole = (parts[0] + parts[1] + parts[2] + parts[3]).flatten(1)
        return whole[:, self.edge : self.edge + self.length]


def loudness(x: Float[Tensor, "rows length"]) -> Float[Tensor, "rows 1"]:
    """The root mean square of each row's samples that are not silent: zeros, such as those behind its end."""
    sounding = (x != 0).sum(1, keepdim=True).clamp(min=1)
    return (x.square().sum(1, keepdim=True) / sounding).sqrt()
