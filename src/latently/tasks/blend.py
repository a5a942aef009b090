"""Filled cells of series between straight lines and what the network says, as held-out rows call for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.parts.doors import Door
from latently.tasks.remasked import FAR, STRATA, Trial, sides
from latently.values import Batch

__all__ = ["Blend"]

PRIOR = 100  # hidden cells: with as many of its own a weight lies half-way to that of all channels, or all places


@dataclass(frozen=True)
class Blend:
    """`line + w (network - line)`, w in [0, 1] of each place in a gap and each channel.

    A place is how long the gap is and how far the next known step. Weights are least squares on hidden cells of rows
    that the network did not learn from; where few cells tell, they lean on those of all channels, then of all places,
    then on the line.
    """

    weights: NDArray[np.float32]  #: (places, channels)

    @classmethod
    def of(cls, found: list[Trial], door: Door, channels: int) -> Self:
        """The weights that all trials call for; the door draws the lines."""
        sums = np.zeros((3, STRATA**2, channels))
        for trial in found:
            seen, (row, cell) = trial.seen, trial.hidden.nonzero()
            line, at = (
                door.filled(seen),
                (_places(seen, channels)[row, cell], cell // (trial.hidden.shape[1] // channels)),
            )
            off, way = ((t - line).double().numpy()[row, cell] for t in (trial.truth, trial.guess))
            for total, value in zip(sums, (off * way, way**2, np.ones_like(way)), strict=True):
                np.add.at(total, at, value)
        weights = np.zeros((1, 1))
        for product, square, count in (sums.sum((1, 2), keepdims=True), sums.sum(2, keepdims=True), sums):
            own = np.clip(product / np.maximum(square, 1e-12), 0, 1)
            weights = (count * own + PRIOR * weights) / (count + PRIOR)
        return cls(weights.astype(np.float32))

    def mixed(self, door: Door, guess: Tensor, seen: Batch) -> Tensor:
        """The rows `seen`, filled."""
        line, channels = door.filled(seen), self.weights.shape[1]
        kin = np.arange(seen.cells) // (seen.cells // channels)
        return line + torch.from_numpy(self.weights[_places(seen, channels), kin]) * (guess - line)


def _places(seen: Batch, channels: int) -> NDArray[np.int64]:
    """Of each cell, in what gap it lies and where."""
    known = torch.ones_like(seen.x, dtype=torch.bool) if seen.known is None else seen.known
    left, right = sides(known, (channels, seen.cells // channels))
    steps, far = (torch.bucketize(n, torch.tensor(FAR)) for n in (left + right - 1, torch.minimum(left, right)))
    return (STRATA * steps + far).view_as(known).numpy()
