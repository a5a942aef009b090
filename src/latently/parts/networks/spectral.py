"""Networks for sound: a spectrum over time is an image, and what a pyramid makes of it is a complex mask for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from latently.errors import BadParameter
from latently.parts.frames import Frames, loudness
from latently.parts.networks.base import Ends, Network
from latently.parts.networks.pyramid import Climb, Convolutional, Descent, Pyramid, Steps

__all__ = ["Hear", "Speak", "Spectral"]

FEATURES = 4  # a bin's real and imaginary part, its level, its place
FAINT = 1e-3  # of the loudness of the stretch, -60 dB: fainter bins look alike


class _Sounding(Convolutional):
    """Steps over the spectrum of a stretch."""

    frames: Frames

    def _code(self) -> int:
        return 2 * math.prod(self.steps.shape[1:]) + sum(math.prod(m) for m in self.steps.maps)

    def over(self, length: int) -> Self:
        """The same weights, shared, for stretches of another length."""
        frames = replace(self.frames, length=length)
        other = self.at(frames.bins, frames.count)
        other.frames = frames
        other.inputs, other.outputs = other._ends()
        return other


class Hear(_Sounding, Climb):
    """The encoder: the spectrum of rows of samples, and the maps of a pyramid over it.

    The maps see bins in units of the row's own loudness, so that soft and loud are alike.
    """

    def __init__(self, steps: Steps, frames: Frames) -> None:
        self.frames = frames
        super().__init__(steps)

    def _ends(self) -> tuple[int, int]:
        return self.frames.length, self._code()

    def _through(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        parts = torch.view_as_real(self.frames.spectrum(x)).movedim(3, 1)
        return torch.cat([parts.flatten(1), *self._maps(_features(parts, loudness(x)), dtype)], 1)


class Speak(_Sounding, Descent):
    """The decoder: the sound of `(1 + gain * mask) * spectrum`, the mask complex. What is silent stays silent."""

    def __init__(self, steps: Steps, frames: Frames, gain: float = 1.0) -> None:
        self.frames = frames
        super().__init__(steps, gain)

    def _ends(self) -> tuple[int, int]:
        return self._code(), self.frames.length

    def _through(self, z: Tensor, dtype: torch.dtype) -> Tensor:
        shape = self.steps.shape[1:]
        parts, *maps = z.split([2 * math.prod(shape), *(math.prod(m) for m in self.steps.maps)], 1)
        mask = self.gain * self._joined(maps, dtype)[:, :2].to(z.dtype)
        (real, imaginary), (a, b) = parts.view(-1, 2, *shape).unbind(1), mask.unbind(1)
        a = 1 + a
        return self.frames.sound(torch.complex(a * real - b * imaginary, a * imaginary + b * real))

    def stack(self) -> list[str]:
        """A line a map, and the exit."""
        return [*super().stack()[:-1], "a complex mask over the spectrum"]


def _features(parts: Tensor, loud: Tensor) -> Tensor:
    """What convolutions see of a spectrum `(rows, 2, bins, frames)`; roots, so that 60 dB look like 30."""
    loud = loud.clamp(min=1e-20)[:, :, None, None]
    size = parts.square().sum(1, keepdim=True).clamp(min=1e-30).sqrt()
    place = torch.linspace(-1, 1, parts.shape[2], device=parts.device).view(1, 1, -1, 1).expand_as(size)
    return torch.cat([parts / (size * loud).sqrt(), (size / loud + FAINT).log() / 2, place], 1)


@dataclass
class Spectral(Pyramid):
    """A `Pyramid` over the spectrum of sound, which gives a complex mask for it (Williamson 2016).

    For rows of one channel of samples, `(1, length)`. `window`: samples of a frame, a power of two; a frame begins a
    quarter of a window after the one before. The modality picks 32 ms, in which a voice hardly moves. The other
    options are the pyramid's; there is no `residual`: a mask of one leaves the sound as it came.
    """

    window: int = 256

    def check(self) -> None:
        """The pyramid's, and the window's."""
        super().check()
        if not isinstance(self.window, int) or self.window < 8 or self.window & (self.window - 1):
            raise BadParameter(f"window={self.window!r}: expected samples, a power of two from 8 on, such as 256.")
        if not self.residual:
            raise BadParameter("residual=False: a mask is always over what came in; leave residual alone.")

    def frames(self, shape: tuple[int, ...]) -> Frames:
        """The frames of rows of this shape."""
        if len(shape) != 2 or shape[0] != 1 or shape[1] % self.unit:
            raise BadParameter(
                f"network=Spectral() is for (1, samples), samples in multiples of {self.unit}; these rows are {shape}."
            )
        return Frames(shape[1], self.window)

    @property
    def unit(self) -> int:
        """Samples that a length must be a multiple of: frames that halve evenly."""
        return self.window // 4 << len(self.widths)

    def steps(self, shape: tuple[int, ...]) -> Steps:
        """The layers over the spectrum of such rows."""
        frames = self.frames(shape)
        return super().steps((FEATURES, frames.bins, frames.count))

    def code(self, shape: tuple[int, ...]) -> int:
        """Width of the code of rows of this shape."""
        steps = self.steps(shape)
        return steps.code - (FEATURES - 2) * math.prod(steps.shape[1:])

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder; `BadParameter` where the code is not the network's own."""
        code, length = self.code(ends.shape), math.prod(ends.shape)
        if ends.delivered != code or ends.code != code or ends.outputs != length:
            raise BadParameter(
                f"a spectral network over {length} samples has a code of {code} numbers and gives one number a sample; "
                f"here they are {ends.code} and {ends.outputs}. Leave n_components, kind and loss at 'auto'."
            )
        steps, frames = self.steps(ends.shape), self.frames(ends.shape)
        return Hear(steps, frames).start(rng), Speak(steps, frames, self.gain).start(rng)
