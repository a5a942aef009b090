"""Whole clips through a fitted denoiser: in stretches that overlap, in bounded memory, each in its own form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently import rng as chance
from latently.modalities.sounds import Sounds
from latently.modalities.waves import as_float, as_samples, fitted_to, resampled
from latently.model import Composition
from latently.parts.hiss import Remixed
from latently.parts.networks.spectral import Hear, Speak
from latently.tasks.tiles import Axis, joined

__all__ = ["Silencer"]

TILE = 512  # frames of a stretch: most clips are one
MARGIN = 16  # frames at either end of a stretch whose result is thrown away
BLEND = 16  # frames over which one stretch passes into the next


@dataclass(frozen=True)
class Silencer:
    """What the model makes of clips; with `draws` the mean of so many, each with noise of its own as in the fit."""

    model: Composition
    rate: int
    draws: int = 0

    def blocks(self, source: Sounds, i: int) -> Iterator[NDArray[np.generic]]:
        """One clip, `(samples, channels)` after each other, no more than a stretch in memory."""
        head = source.headers()[i]
        axis = self._axis(head.length, head.rate)
        stretches = (axis.kept(self._cleaned(x, head.rate), 1) for x in _stretches(source, i, axis))
        for piece in joined(stretches, 1, axis):
            yield as_samples(piece.numpy().T, head.dtype)

    def _axis(self, length: int, rate: int) -> Axis:
        """Stretches of a clip at its own rate; they follow from its length alone."""
        tile, margin, blend = (n * self._hop * rate // self.rate for n in (TILE, MARGIN, BLEND))
        return Axis(length, length, 0) if length <= tile else Axis(length, tile, margin, max(1, blend))

    def _cleaned(self, x: NDArray[np.float32], rate: int) -> Tensor:
        """`(channels, samples)` of a stretch `(samples, channels)`; what the model cannot hear stays as it is."""
        heard = resampled(x, rate, self.rate)
        length = -(-len(heard) // self._unit) * self._unit
        rows = torch.from_numpy(np.ascontiguousarray(fitted_to(heard, length).T))
        made = self._mean(rows)[:, : len(heard)].numpy().T
        if rate == self.rate:
            return torch.from_numpy(made.T)
        return torch.from_numpy((x + fitted_to(resampled(made - heard, self.rate, rate), len(x))).T)

    @torch.no_grad()
    def _mean(self, rows: Tensor) -> Tensor:
        if not self.draws:
            return self._once(rows)
        noise = self.model.corruption
        assert isinstance(noise, Remixed)
        seen = torch.stack([self._noisier(noise, rows, i) for i in range(self.draws)])
        made = torch.stack([self._once(each) for each in seen])
        return torch.where(rows == 0, rows, noise.spared(rows, seen, made))

    @staticmethod
    def _noisier(noise: Remixed, rows: Tensor, i: int) -> Tensor:
        """Every channel with the same draws: none depends on those beside it."""
        seen = torch.cat([noise(row[None], chance.child(i, "noisier", row.device)) for row in rows])
        return torch.where(rows == 0, rows, seen)

    def _once(self, rows: Tensor) -> Tensor:
        """Through both networks at the rows' own length."""
        hear, speak = self._ends
        device = next(self.model.parameters()).device
        return speak.over(rows.shape[1]).plain(hear.over(rows.shape[1]).plain(rows.to(device))).cpu()

    @property
    def _ends(self) -> tuple[Hear, Speak]:
        hear, speak = self.model.encoder, self.model.decoder
        assert isinstance(hear, Hear)
        assert isinstance(speak, Speak)
        return hear, speak

    @property
    def _hop(self) -> int:
        return self._ends[0].frames.hop

    @property
    def _unit(self) -> int:
        """Samples that a length is a multiple of."""
        return int(self._hop * 2 ** len(self._ends[0].steps.widths))


def _stretches(source: Sounds, i: int, axis: Axis) -> Iterator[NDArray[np.float32]]:
    """The stretches of a clip in floats, read once from its beginning to its end; silence beyond both."""
    step = axis.step if axis.count > 1 else axis.tile
    blocks = source.blocks(i, step)
    kept = np.zeros((axis.margin, source.headers()[i].channels), np.float32)
    for _ in range(axis.count):
        while len(kept) < axis.tile:
            block = next(blocks, None)
            kept = fitted_to(kept, axis.tile) if block is None else np.concatenate([kept, as_float(block)])
        yield kept[: axis.tile]
        kept = kept[step:]
