"""Series: arrays, lists and frames of steps in time to rows of one length, and back to every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData, BadParameter
from latently.modalities.base import Modality, Remember
from latently.modalities.pixels import is_length
from latently.modalities.results import as_dtype
from latently.modalities.rows import merged
from latently.modalities.tracks import Roles, Tracks, accepts, rebuilt, tracks
from latently.modalities.windows import Windows
from latently.parts.doors import Door
from latently.parts.likelihoods import Gaussian, Likelihood
from latently.parts.networks import Dense, Design
from latently.values import Batch

__all__ = ["Series"]

Matrix = NDArray[np.float64]
LONGEST = 512  # steps: items up to here are rows as they are
WINDOW = 128  # steps of a window, where longer series are cut
LEAST = 8  # windows that lie end to end in the longest series, where it is short itself
OVERLAP = 4  # windows that hold each step
TOGETHER = 8  # windows in a row that a validation split keeps together, so that few of them share steps with others
BLOCKS = 30  # of such, at least, where there are as many windows


@dataclass
class Series(Modality):
    """Series of one or many channels: many of them (ragged ones, too), or long ones, cut into windows.

    A list of arrays `(time,)` or `(time, channels)`, or an array `(n, time, channels)`, is a collection: one code and
    one score an item. An array `(time,)` or `(time, channels)`, a pandas or polars series or a frame is stepwise: its
    rows are steps and its columns channels; scores and results are aligned to every row, codes to windows.

    NaN is a gap: it is masked, and filled with the straight line between its neighbours where a network reads it. Each
    channel has one shift and scale, of its known steps. Steps count alike whatever time lies between two of them:
    bring an irregular series to a grid first (`frame.resample("5min").mean()` leaves NaN where nothing was measured).
    Times out of order or twice in one series are refused.

    Parameters
    ----------
    window : "auto" or int
        Steps of a row. "auto": several series of up to 512 steps are rows as they are, padded to the longest; longer
        ones are cut into windows of 128 steps, or of an eighth of a single series that has less than 1,024.
    stride : "auto" or int
        Steps from one window to the next, at most; "auto" is a quarter of the window, so that every step is seen with
        both of its sides.
    time : str or None
        The column of a frame that tells the time. None: a pandas index of times, if there is one.
    id : str or None
        The column of a frame that tells several series apart; their rows may lie mixed.
    drop : list of str
        Columns of a frame that are passed through and never learned.
    own_scale : bool
        Whether every series is read beside its own mean and spread, a channel at a time. False: the level of a series
        tells something about it. True suits series of one shape in several units; new ones are drawn in such units.
    """

    window: int | Literal["auto"] = "auto"
    stride: int | Literal["auto"] = "auto"
    time: str | None = None
    id: str | None = None
    drop: Sequence[str] = ()
    own_scale: bool = False

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Lists of 1-D arrays of numbers, and of 2-D arrays of floats that share few columns."""
        return accepts(data)

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """The length of a row and the scale of the channels; items as rows, equal ones merged, or their windows."""
        found = self._read(data)
        self.channels_, self.names_ = found.arrays[0].shape[1], found.names or []
        self.flat_, self.dtype_, self.irregular_ = found.flat, found.dtype, found.irregular
        self.length_, self.stride_ = self._sized(found)
        arrays = self._levelled(found)
        self._measure(arrays)
        windows = self._windows(found)
        rows, counts = windows.cut(arrays), None
        if windows.whole:
            rows, counts = merged(rows, weight)
        elif weight is not None:
            raise BadData("sample_weight has no meaning for windows of longer series; leave it out.")
        else:
            rows = rows[~np.isnan(rows).all(1)]
        self.masked_ = bool(np.isnan(rows).any())
        self.together_ = 1 if windows.whole else max(1, min(TOGETHER, len(rows) // BLOCKS))
        return self._batch(rows, counts), lambda: self._sign(owner)

    def take(self, owner: Any, data: Any) -> Batch:
        """Items or windows as rows in model units; other channels than those of the fit are refused."""
        found = self.tracks(data)
        return self._batch(self._windows(found).cut(self._levelled(found)))

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Which cells are missing, those behind the end of a short item among them."""
        found = self.tracks(data)
        return np.isnan(self._windows(found).cut(found.arrays))

    def _read(self, data: Any) -> Tracks:
        drop = (self.drop,) if isinstance(self.drop, str) else tuple(self.drop)
        return tracks(data, Roles(self.time, self.id, drop))

    def tracks(self, data: Any) -> Tracks:
        """The series in `data`, held to the channels of the fit and in their order."""
        found = self._read(data)
        if found.names is not None and self.names_:
            absent, extra = (
                [n for n in a if n not in b] for a, b in ((self.names_, found.names), (found.names, self.names_))
            )
            if absent:
                raise BadData(f"channel {absent[0]!r} of the fit is missing; columns: {', '.join(found.names[:20])}.")
            if extra:
                raise BadData(f"column {extra[0]!r} was not there in the fit. Leave it out, or fit with it.")
            order = [found.names.index(n) for n in self.names_]
            found = Tracks(
                [a[:, order] for a in found.arrays], True, self.names_, found.rows, irregular=found.irregular
            )
        if found.arrays[0].shape[1] != self.channels_:
            raise BadData(f"series have {found.arrays[0].shape[1]} channels; those of the fit have {self.channels_}.")
        return found

    def _sized(self, found: Tracks) -> tuple[int, int]:
        """Steps of a row, and from one to the next."""
        for name, value in (("window", self.window), ("stride", self.stride)):
            if not (is_length(value) or (isinstance(value, str) and value == "auto")):
                raise BadParameter(f"{name}={value!r}: expected a number of steps, from 1, or 'auto'.")
        longest = max(found.steps)
        if self.window == "auto":
            several = len(found.arrays) > 1
            length = longest if several and longest <= LONGEST else max(1, min(WINDOW, longest // LEAST))
        else:
            length = int(self.window)
        if length > longest:
            raise BadParameter(
                f"window={length} steps, and the longest series has {longest}. Try window={max(1, longest // LEAST)}, "
                "or 'auto'."
            )
        return length, max(1, length // OVERLAP) if self.stride == "auto" else int(self.stride)

    def _windows(self, found: Tracks) -> Windows:
        return Windows.over(found.steps, self.length_, self.stride_)

    def _own(self, found: Tracks) -> list[tuple[Matrix, Matrix]]:
        """Shift and scale of each item's channels, 0 and 1 unless each is read beside its own."""
        if not self.own_scale:
            return [(np.zeros(self.channels_), np.ones(self.channels_))] * len(found.arrays)
        return [_moments(a) for a in found.arrays]

    def _levelled(self, found: Tracks) -> list[Matrix]:
        if not self.own_scale:
            return found.arrays
        return [(a - shift) / scale for a, (shift, scale) in zip(found.arrays, self._own(found), strict=True)]

    def _measure(self, arrays: list[Matrix]) -> None:
        whole = np.concatenate(arrays)
        if np.isnan(whole).all():
            raise BadData("no step is known in any channel; nothing can be learned from gaps.")
        self.missing_ = np.isnan(whole).mean(0)
        self.shift_, self.scale_ = _moments(whole)
        empty = self.missing_ == 1
        filled = np.where(empty, 0.0, whole)
        self.low_, self.high_ = (np.where(empty, np.nan, end(filled, 0)) for end in (np.nanmin, np.nanmax))

    def _batch(self, rows: NDArray[np.float32], counts: Matrix | None = None) -> Batch:
        each = rows.reshape(len(rows), self.channels_, -1).astype(np.float64)
        with np.errstate(over="ignore"):
            units = ((each - self.shift_[:, None]) / self.scale_[:, None]).reshape(len(rows), -1).astype(np.float32)
        if np.isinf(units).any():
            raise BadData("a series lies further from those of the fit than float32 can say. Check its unit.")
        cells = torch.from_numpy(units).clone()
        weight = None if counts is None else torch.from_numpy(counts.astype(np.float32))
        gaps = torch.isnan(cells)
        known = ~gaps if bool(gaps.any()) else None
        return Batch(cells if known is None else cells.masked_fill(gaps, 0.0), known, weight=weight)

    def _sign(self, owner: Any) -> None:
        owner.n_features_in_ = self.channels_
        vars(owner).pop("feature_names_in_", None)
        if self.names_:
            owner.feature_names_in_ = np.array(self.names_, dtype=object)

    # ------------------------------------------------------------------ rows and steps

    def stepwise(self, data: Any) -> bool:
        """Whether the rows of `data` are steps, so that scores and results are aligned to each of them."""
        return self._read(data).stepwise

    def along(self, cells: NDArray[np.floating], data: Any) -> list[Matrix]:
        """Values of the cells of `take(data)`, `(rows, channels * length)`, as an array `(time, channels)` an item.

        A step has the mean of what it has in all windows that hold it. Items come in the order of `tracks(data)`.
        """
        return self._windows(self.tracks(data)).joined(cells)

    def aligned(self, items: Sequence[NDArray[Any]], data: Any) -> NDArray[Any]:
        """Arrays `(time, ...)` of each item as one, in the order of the rows of stepwise `data`."""
        rows, whole = self._read(data).rows, np.concatenate(list(items))
        return whole if rows is None else whole[np.argsort(np.concatenate(rows))]

    def steps(self, cells: NDArray[np.floating], data: Any) -> Matrix:
        """The sum over channels of each step, scaled up where some are not known; NaN where none is."""
        known = [~np.isnan(a) for a in self.tracks(data).arrays]
        sums = [np.where(k, a, 0.0).sum(1) for k, a in zip(known, self.along(cells, data), strict=True)]
        counts = self.aligned([k.sum(1) for k in known], data)
        total = self.aligned(sums, data) * (self.channels_ / np.maximum(counts, 1))
        return np.where(counts > 0, total, np.nan)

    def owners(self, data: Any) -> NDArray[np.int64] | None:
        """The item of each row; None where a row is what counts: an item by itself, a window of stepwise data."""
        found = self.tracks(data)
        windows = self._windows(found)
        return None if found.stepwise or windows.whole else windows.item

    def windows(self, data: Any) -> Windows:
        """Which steps of which item each row of `take(data)` is."""
        return self._windows(self.tracks(data))

    @property
    def together(self) -> int:
        """Windows that lie side by side: never on both sides of a validation split."""
        return int(self.together_)

    # ------------------------------------------------------------------ what it calls for

    @property
    def cells(self) -> int:
        """Numbers a row."""
        return self.channels_ * self.length_

    @property
    def shape(self) -> tuple[int, ...]:
        """`(channels, length)`."""
        return self.channels_, self.length_

    def door(self, masked: bool) -> Door:
        """Steps in one unit, gaps bridged, and which are known."""
        return Door(self.levels, self.masked_ or masked, common=True, bridged=self.shape)

    def network(self) -> Design:
        """Layers."""
        return Dense()

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """`numbers`; a normal with a learned spread if None."""
        return Gaussian() if numbers is None else numbers

    def limits(self) -> tuple[Tensor, Tensor]:
        """Least and greatest value of each cell in model units."""
        low, high = (np.nan_to_num((end - self.shift_) / self.scale_) for end in (self.low_, self.high_))
        return torch.from_numpy(self._spread(low)).float(), torch.from_numpy(self._spread(high)).float()

    def bounds(self) -> tuple[Matrix, Matrix]:
        """Least and greatest value of each cell in user units; NaN in a channel of which nothing was known."""
        return self._spread(self.low_), self._spread(self.high_)

    def _spread(self, values: Matrix) -> Matrix:
        return np.repeat(values, self.length_)

    # ------------------------------------------------------------------ results out

    def values(self, cells: Tensor) -> Matrix:
        """Cells in user units (with `own_scale` in those of each series), `(rows, channels * length)`."""
        return cells.cpu().numpy().astype(np.float64) * self._spread(self.scale_) + self._spread(self.shift_)

    def shown(self, values: NDArray[Any]) -> NDArray[Any]:
        """Series `(n, length)` where items of the fit had no axis for channels, else `(n, length, channels)`."""
        made = as_dtype(np.moveaxis(values.reshape(-1, *self.shape), 1, 2), np.dtype(self.dtype_))
        return made[..., 0] if self.flat_ else made

    def rebuilt(self, values: NDArray[Any], like: Any, changed: NDArray[np.bool_] | None = None) -> Any:
        """`like` with every step replaced by what `values` say of it; with `changed`, only in those cells."""
        found = self.tracks(like)
        windows = self._windows(found)
        own = zip(windows.joined(values), self._own(found), strict=True)
        arrays = [a * scale + shift for a, (shift, scale) in own]
        masks = None if changed is None else [m > 0.5 for m in windows.joined(changed.astype(np.float64))]
        return rebuilt(found, arrays, like, masks)

    # ------------------------------------------------------------------ what was decided

    @property
    def channels(self) -> list[str]:
        """What the channels are called."""
        return list(self.names_) or [f"channel {c}" for c in range(self.channels_)]

    @property
    def names(self) -> list[str]:
        """The channel and step of each cell."""
        return [f"{c} step {t}" for c in self.channels for t in range(self.length_)]

    def schema(self) -> list[dict[str, Any]]:
        """Every channel, and how long a row is."""
        return [{
            "name": name, "sort": "series", "role": "learned", "why": "", "levels": 0,
            "missing": float(self.missing_[c]), "length": self.length_, "stride": self.stride_,
            "irregular": self.irregular_, "dtype": self.dtype_, "cropped": self.cropped,
            "range": None if self.missing_[c] == 1 else (float(self.low_[c]), float(self.high_[c])),
            "scaled": "each series by its own mean and spread" if self.own_scale else "each channel by its spread",
        } for c, name in enumerate(self.channels)]  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Form, length, scale and limits."""
        return {n[:-1]: getattr(self, n) for n in self._learned}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        for name in self._learned:
            setattr(self, name, state[name[:-1]])
        return self

    _learned = (
        "channels_", "names_", "flat_", "dtype_", "irregular_", "length_", "stride_", "shift_", "scale_", "low_",
        "high_", "missing_", "masked_", "together_",
    )  # fmt: skip


def _moments(steps: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and spread of each channel's known steps: 1 in place of no spread, 0 and 1 where nothing is known."""
    known = ~np.isnan(steps)
    count, filled = np.maximum(known.sum(0), 1), np.where(known, steps, 0.0)
    mean = filled.sum(0) / count
    spread = np.sqrt((np.where(known, steps - mean, 0.0) ** 2).sum(0) / count)
    return mean, np.where(spread > 1e-6 * np.abs(mean), spread, 1.0)
