"""Series as a detector sees them: windows, as the patterns that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData, UnsupportedInput
from latently.modalities.base import Remember
from latently.modalities.channels import Channels
from latently.modalities.series import Series
from latently.modalities.tracks import Tracks
from latently.modalities.whitening import Whitening, bridged
from latently.modalities.windows import Windows, sized
from latently.parts.doors import Door
from latently.parts.networks import Dense, Design
from latently.values import Batch

__all__ = ["Spells"]

Matrix = NDArray[np.float64]

SHARE, LEAST, MOST = 10, 8, 96  # a window is a tenth of a series, between so many steps
WIDEST = 1024  # cells of a window
OVERLAP = 8  # windows that hold each step
BLOCK = 4  # windows, end to end, that a split keeps together
BLOCKS = 12  # of such, at least, where there are as many windows
ROWS = 4096  # windows to learn from, about; a series that has more at this stride has more
BATCH, STEPS = 128, 400  # windows a step, and steps of a fit
FURTHEST = 1e15  # deviations: beyond, squares leave float32


@dataclass
class Spells(Series):
    """Rows are overlapping windows of every series, told by how much of each pattern they hold.

    Patterns are the principal components of the training windows, each in deviations of its own (`Whitening`). "auto"
    is a window of a tenth of the median series, from 8 to 96 steps, and a stride of an eighth of that. Gaps are filled
    with what the rest of a window calls for, so that they add nothing to its strangeness.
    """

    cropped = True
    noun: ClassVar[str] = "pattern"
    item: ClassVar[str] = "series"
    judge: ClassVar[str] = "moments"

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Never by itself: a detector reads series this way."""
        return False

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """The windows of all series, the scale of channels, and the patterns."""
        found = self._read(data)
        self.channels_ = found.arrays[0].shape[1]
        self.names_ = found.names or []
        self.flat_, self.dtype_, self.irregular_ = found.flat, found.dtype, found.irregular
        self.stepwise_ = found.stepwise
        self.length_, self.stride_ = self._sized(found)
        arrays = self._levelled(found)
        self.unit_ = Channels.of(arrays)
        self.fine_ = max(1, min(self.stride_, sum(found.steps) // ROWS))
        windows, arrays = Windows.over(found.steps, self.length_, self.fine_), self._units(arrays)
        self.together_, self.margin_ = self._kept_together(windows)
        self.white_ = Whitening.of(windows.cut([bridged(a) for a in self._long(arrays)]).astype(np.float64))
        rows = windows.cut(arrays)
        counts = self._counts(weight, windows)
        seen = ~np.isnan(rows).all(1) if found.stepwise else np.ones(len(rows), bool)
        self.masked_ = False
        batch = self._patterns(rows[seen])
        return self._calm(batch, counts), lambda: self._sign(owner)

    def take(self, owner: Any, data: Any) -> Batch:
        """Windows as patterns."""
        found = self.tracks(data)
        return self._patterns(self._windows(found).cut(self._units(self._levelled(found))))

    def tracks(self, data: Any) -> Tracks:
        """As of `Series`; steps where the fit had steps, items where it had items."""
        found = super().tracks(data)
        if found.stepwise is not self.stepwise_:
            raise UnsupportedInput(
                "this detector learned from one long series and judges its steps; give it one series (time,) or "
                "(time, channels) at a time." if self.stepwise_ else
                "this detector learned from a collection of series and judges each as a whole; give it a list of "
                "series, [x] if it is one, and see heat_map or explain for its steps."
            )  # fmt: skip
        return found

    def count(self, data: Any) -> int:
        """How many scores there are: one a step, or one an item."""
        found = self.tracks(data)
        return sum(found.steps) if found.stepwise else len(found.arrays)

    def windows_of(self, found: Tracks) -> Windows:
        """Which steps of which item each row is."""
        return self._windows(found)

    def _sized(self, found: Tracks) -> tuple[int, int]:
        if self.window != "auto":
            length, stride = sized(self.window, self.stride, found.steps)
        else:
            room = max(1, WIDEST // self.channels_)
            length = min(max(LEAST, min(MOST, int(np.median(found.steps)) // SHARE)), max(found.steps), room)
            stride = sized(length, self.stride, found.steps)[1]
        return length, max(1, length // OVERLAP) if self.stride == "auto" else stride

    def _kept_together(self, windows: Windows) -> tuple[int, int]:
        """Windows that stay on one side of a split, and how many at either end share steps with those beside them."""
        if not self.stepwise_:
            return max(1, round(len(windows) / len(windows.steps))), 0
        together = max(1, min(BLOCK * self.length_ // self.fine_, len(windows) // BLOCKS))
        return together, min(-(-self.length_ // self.fine_) - 1, together // 4)

    def _calm(self, batch: Batch, counts: Tensor | None) -> Batch:
        """A window counts less the further out it lies, so that those to be found are not learned."""
        size = batch.x.square().mean(1).clamp(min=1e-12)  # nothing moves in a constant series
        weight = (size.median() / size).clamp(max=1.0)
        weight = weight if counts is None else weight * counts
        return Batch(batch.x, weight=weight / weight.mean())

    def _counts(self, weight: Any, windows: Windows) -> Tensor | None:
        if weight is None:
            return None
        counts = np.asarray(weight, np.float64)
        if self.stepwise_ or counts.shape != windows.steps.shape:
            raise BadData(
                f"sample_weight: expected one number an item of a collection, here {len(windows.steps)}; got shape "
                f"{counts.shape}{', and one long series has none' if self.stepwise_ else ''}."
            )
        each = counts[windows.item]
        return torch.from_numpy((each / max(each.mean(), 1e-12)).astype(np.float32))

    def _units(self, arrays: list[Matrix]) -> list[Matrix]:
        made = [(a - self.unit_.shift) / self.unit_.scale for a in arrays]
        if any(np.nanmax(np.abs(a), initial=0.0) > FURTHEST for a in made):
            raise BadData("a series lies further from those of the fit than can be told. Check its unit.")
        return made

    def _long(self, arrays: list[Matrix]) -> list[Matrix]:
        """Items with their last step repeated until they fill a window."""
        return [np.pad(a, ((0, max(0, self.length_ - len(a))), (0, 0)), "edge") for a in arrays]

    def _patterns(self, rows: NDArray[np.float32]) -> Batch:
        whole = self.white_.filled(rows.astype(np.float64))
        return Batch(torch.from_numpy(self.white_.there(whole).astype(np.float32)))

    # ------------------------------------------------------------------ what it calls for

    @property
    def shape(self) -> tuple[int, ...]:
        """A list of patterns."""
        return ()

    def plan(self, rows: int) -> dict[str, int]:
        """Windows overlap: few steps tell all of them."""
        return {"batch_rows": BATCH, "epochs": min(400, max(4, round(STEPS * BATCH / rows)))}

    def network(self) -> Design:
        """Layers."""
        return Dense()

    def door(self, masked: bool) -> Door:
        """Patterns in one unit, none missing."""
        return Door(self.levels, masked, common=True)

    def limits(self) -> tuple[Tensor, Tensor]:
        """Three deviations either way."""
        return torch.full((self.cells,), -3.0), torch.full((self.cells,), 3.0)

    # ------------------------------------------------------------------ results out

    def values(self, cells: Tensor) -> Matrix:
        """Windows in user units from patterns, `(rows, channels * length)`."""
        steps = self.white_.back(cells.cpu().numpy().astype(np.float64))
        return steps * self._spread(self.unit_.scale) + self._spread(self.unit_.shift)

    def between(self, found: Tracks, item: int, start: int, stop: int) -> Matrix:
        """What the steps around a stretch of an item call for within it, in user units: half a window at a time."""
        half, length = max(1, self.length_ // 2), self.length_
        units = ((self._levelled(found)[item] - self.unit_.shift) / self.unit_.scale).copy()
        units[start:stop] = np.nan
        made = []
        for a in range(start, stop, half):
            b = min(a + half, stop)
            first = max(0, min((a + b - length) // 2, len(units) - length))
            window = Windows(length, np.zeros(1, np.int64), np.array([first]), np.array([len(units)]))
            row = self.white_.filled(window.cut([units]).astype(np.float64)).reshape(-1, length)
            made.append(row[:, a - first : b - first].T)
        shift, scale = self._own(found)[item]
        return np.asarray((np.concatenate(made) * self.unit_.scale + self.unit_.shift) * scale + shift)

    @property
    def names(self) -> list[str]:
        """Patterns by their variance, greatest first."""
        return [f"pattern {j}" for j in range(self.cells)]

    def state(self) -> dict[str, Any]:
        """As of `Series`, and the patterns."""
        white = {"mean": self.white_.mean, "vectors": self.white_.vectors, "values": self.white_.values}
        form = {"stepwise": self.stepwise_, "margin": self.margin_, "fine": self.fine_}
        return super().state() | white | form

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        self.white_ = Whitening(state["mean"], state["vectors"], state["values"])
        self.stepwise_, self.margin_, self.fine_ = state["stepwise"], state["margin"], state["fine"]
        return super().restore(state)
