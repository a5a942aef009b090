"""Sounds as a detector hears them: what every place of the spectrogram is like, beside what is usual there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData
from latently.modalities.audio import Audio
from latently.modalities.textures import MOST_PLACES, SPACING, Textured
from latently.values import Batch

__all__ = ["Spectra"]


@dataclass
class Spectra(Textured, Audio):
    """Whole clips, 8 ms a frame up to four seconds; places behind the end of shorter ones are unknown.

    Longer clips than a row holds are refused: the longest of the fit, `seconds`, 30 seconds at most.
    """

    item: ClassVar[str] = "clip"
    longest: ClassVar[float] = 30.0
    pace: ClassVar[float] = 0.008
    most: ClassVar[int] = 512
    padded: ClassVar[bool] = False  #: filters hear silence behind a clip, and nothing is judged there

    @property
    def grid(self) -> tuple[int, int]:
        """Places down and across: every fourth band and frame, 64 across at most."""
        down, across = (max(1, round(n / SPACING)) for n in (self.height_, self.width_))
        return min(down, MOST_PLACES), min(across, 2 * MOST_PLACES)

    def sizes(self, data: Any) -> list[tuple[int, int]]:
        """Bands and frames of each clip."""
        heads = self.sounds(data).headers()
        return [(self.height_, self._frames(heads[i].length, heads[i].rate)) for i in range(len(heads))]

    def whole(self, size: tuple[int, int]) -> tuple[int, int]:
        """A row, silence behind the clip with it."""
        return self.height_, self.width_

    def spot(self, box: tuple[int, int, int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
        """From which second to which, and from which frequency to which."""
        top, left, bottom, right = box
        middle = self.ear.hertz().numpy()
        edges = np.concatenate([[0.0], (middle[1:] + middle[:-1]) / 2, [self.rate_ / 2]])
        frame = self.ear.step / self.rate_
        return (left * frame, right * frame), (float(edges[top]), float(edges[bottom]))

    def _items(self, data: Any) -> Any:
        return self.sounds(data)

    def _filtered(self, images: Batch) -> Tensor:
        if images.known is None:
            return super()._filtered(images)
        silence = (10 * math.log10(self.floor_) - float(self.shift_[0])) / float(self.scale_[0])
        return super()._filtered(replace(images, x=images.x.masked_fill(~images.known, silence)))

    def _seen(self, known: Tensor) -> Tensor:
        """Places within their clip."""
        down, across = self.grid
        middle = ((torch.arange(across) + 0.5) * self.width_ / across).long()
        first = known.view(-1, self.height_, self.width_)[:, :1, middle]
        first[:, :, 0] = True  # of a clip shorter than half a place, too
        return first.expand(-1, down, -1).flatten()

    def _light(self, piece: Tensor) -> Tensor:
        return piece.clamp(min=0)  # decibels are logarithms already

    def _long(self, seconds: NDArray[np.float64]) -> float:
        return min(float(seconds.max()), self.longest)

    def _starts(self, frames: int) -> list[int]:
        if frames > self.width_:
            step = self.ear.step / self.rate_
            raise BadData(
                f"a clip lasts {frames * step:.2f} s, and the detector hears {self.width_ * step:.2f} s. Cut it, "
                f"sounds(data).cut({self.width_ * step:.2f}), or fit with Audio(seconds={frames * step:.2f})."
            )
        return [0]
