"""Rows that are planes of one unit each, channels first: pixels of images, bands and frames of sounds."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.modalities.base import Modality
from latently.modalities.intensities import moments
from latently.parts.doors import Door
from latently.parts.likelihoods import Bernoulli, Gaussian, Likelihood
from latently.parts.networks import Conv, Design
from latently.values import Batch

__all__ = ["COLOUR", "Planes"]

COLOUR = 4  # channels: up to here they are grey, colours and alpha, in one unit; beyond, each has its own


class Planes(Modality, abstract=True):
    """Cells `(channels, height, width)` in user units to model units and back; NaN where nothing is known."""

    _learned: ClassVar[tuple[str, ...]] = (
        "channels_", "dtype_", "height_", "width_", "shift_", "scale_", "low_", "high_", "missing_", "binary_",
    )  # fmt: skip
    channels_: int
    height_: int
    width_: int
    dtype_: str
    shift_: NDArray[np.float64]
    scale_: NDArray[np.float64]
    low_: NDArray[np.float64]
    high_: NDArray[np.float64]
    missing_: float
    binary_: bool

    def _measure(self, rows: NDArray[np.float32], counts: NDArray[np.float64] | None, natural: bool) -> None:
        """Shift and scale of the cells, their limits, and whether any was missing."""
        each = rows.reshape(len(rows), self.channels_, -1)
        groups = [slice(None)] if self.channels_ <= COLOUR else [slice(c, c + 1) for c in range(self.channels_)]
        self.shift_, self.scale_, self.low_, self.high_ = (np.zeros(self.channels_) for _ in range(4))
        for group in groups:
            mean, deviation = moments(each[:, group], counts)
            self.shift_[group], self.scale_[group] = mean, deviation
            self.low_[group], self.high_[group] = np.nanmin(each[:, group]), np.nanmax(each[:, group])
        self.missing_ = float(np.isnan(rows).mean())
        top = float(self.high_.max())
        self.binary_ = natural and top > 0 and bool(np.isin(rows, (0, top)).all())
        if self.binary_:
            self.shift_[:], self.scale_[:] = 0.0, top

    def _batch(self, rows: NDArray[np.float32], counts: NDArray[np.float64] | None = None) -> Batch:
        each = rows.reshape(len(rows), self.channels_, -1)
        each -= self.shift_[:, None].astype(np.float32)
        each /= self.scale_[:, None].astype(np.float32)
        cells = torch.from_numpy(rows)
        gaps = torch.isnan(cells) if bool(cells.sum(dtype=torch.float64).isnan()) else None
        weight = None if counts is None else torch.from_numpy(counts.astype(np.float32))
        known, cells = (None, cells) if gaps is None else (~gaps, cells.masked_fill(gaps, 0.0))
        return Batch(cells, known, weight=weight)

    def _sign(self, owner: Any) -> None:
        owner.n_features_in_ = self.cells
        vars(owner).pop("feature_names_in_", None)

    # ------------------------------------------------------------------ what they call for

    @property
    def masked_(self) -> bool:
        """Whether cells were missing in the fit."""
        return self.missing_ > 0

    @property
    def cells(self) -> int:
        """Numbers a row."""
        return self.channels_ * self.height_ * self.width_

    @property
    def shape(self) -> tuple[int, ...]:
        """`(channels, height, width)` as the model sees them."""
        return self.channels_, self.height_, self.width_

    def door(self, masked: bool) -> Door:
        """Cells as they are, and which are known."""
        return Door(self.levels, self.masked_ or masked, common=True)

    def network(self) -> Design:
        """Filters."""
        return Conv()

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """`numbers`; a normal with a learned spread if None, Bernoulli of black and white."""
        return numbers if numbers is not None else Bernoulli() if self.binary_ else Gaussian()

    def limits(self) -> tuple[Tensor, Tensor]:
        """Least and greatest value of each cell in model units."""
        low, high = ((end - self.shift_) / self.scale_ for end in (self.low_, self.high_))
        return torch.from_numpy(self._spread(low)).float(), torch.from_numpy(self._spread(high)).float()

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest value of each cell in user units."""
        return self._spread(self.low_), self._spread(self.high_)

    def _spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.repeat(values, self.height_ * self.width_)

    def values(self, cells: Tensor) -> NDArray[np.float32]:
        """Rows in user units, `(n, channels * height * width)`."""
        each = cells.cpu().numpy().reshape(len(cells), self.channels_, -1)
        values = each * self.scale_[:, None].astype(np.float32) + self.shift_[:, None].astype(np.float32)
        return np.asarray(values.reshape(len(cells), -1), np.float32)

    def _within(self, values: NDArray[Any]) -> NDArray[Any]:
        """`(..., channels, height, width)` with its channels last, within what the fit saw."""
        return np.asarray(np.clip(np.moveaxis(values, -3, -1), self.low_, self.high_))

    def state(self) -> dict[str, Any]:
        """Form, size, scale and limits."""
        return {n[:-1]: getattr(self, n) for n in self._learned}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        for name in self._learned:
            setattr(self, name, state[name[:-1]])
        return self
