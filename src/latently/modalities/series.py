"""Series: arrays, lists and frames of steps in time to rows of one length, and back to every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData
from latently.modalities.base import Modality, Remember
from latently.modalities.channels import Channels, moments
from latently.modalities.results import as_dtype
from latently.modalities.rows import merged
from latently.modalities.tracks import Roles, Tracks, accepts, rebuilt, tracks
from latently.modalities.whitening import bridged
from latently.modalities.windows import Windows, sized
from latently.parts.doors import Door
from latently.parts.likelihoods import Gaussian, Likelihood
from latently.parts.networks import Dense, Design, Temporal
from latently.values import Batch

__all__ = ["Series"]

Matrix = NDArray[np.float64]
# Held-out error of codes of training sets, layers and filters: 150 steps .023 .008, 275 steps .014 .007; 24 steps .004
# .002, 26 steps of 12 channels .070 .066. Filters take ten times the time.
FILTERED = 64  # steps
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
    window : "auto", int or float
        Steps of a row, or a share of the longest series. "auto": several series of up to 512 steps are rows as they
        are, padded to the longest; longer ones are cut into windows of 128 steps, or of an eighth of a single series
        that has less than 1,024. Short windows, `window=1 / 8` with a sparse kind, make codes of the shapes that occur
        in an item, wherever.
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

    window: Any = "auto"
    stride: Any = "auto"
    time: str | None = None
    id: str | None = None
    drop: Sequence[str] = ()
    own_scale: bool = False
    readings: ClassVar[dict[str, str]] = {"detect": "spells"}
    noun, item = "step", "window"

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Lists of 1-D arrays of numbers, and of 2-D arrays of floats that share few columns."""
        return accepts(data)

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """The length of a row and the scale of the channels; items as rows, equal ones merged, or their windows."""
        found = self._read(data)
        self.channels_: int = found.arrays[0].shape[1]
        self.names_ = found.names or []
        self.flat_, self.dtype_, self.irregular_ = found.flat, found.dtype, found.irregular
        self.length_, self.stride_ = sized(self.window, self.stride, found.steps)
        arrays = self._levelled(found)
        self.unit_ = Channels.of(arrays, self.channels)
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

    def lines(self, data: Any) -> Batch:
        """The rows of `take` with straight lines across gaps, whatever a window sees of them."""
        found = self.tracks(data)
        whole = [np.where(np.isnan(a).all(0), np.nan, bridged(a)) for a in self._levelled(found)]
        return self._batch(self._windows(found).cut(whole))

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Which cells are missing, those behind the end of a short item among them."""
        found = self.tracks(data)
        return np.isnan(self._windows(found).cut(found.arrays))

    def _read(self, data: Any) -> Tracks:
        drop = (self.drop,) if isinstance(self.drop, str) else tuple(self.drop)
        return tracks(data, Roles(self.time, self.id, drop))

    def tracks(self, data: Any) -> Tracks:
        """The series in `data`, held to the channels of the fit and in their order."""
        return self._read(data).held_to(self.names_, self.channels_)

    def _windows(self, found: Tracks) -> Windows:
        return Windows.over(found.steps, self.length_, self.stride_)

    def _own(self, found: Tracks) -> list[tuple[Matrix, Matrix]]:
        """Shift and scale of each item's channels, 0 and 1 unless each is read beside its own."""
        none = np.zeros(self.channels_), np.ones(self.channels_)
        return [moments(a) if self.own_scale else none for a in found.arrays]

    def _levelled(self, found: Tracks) -> list[Matrix]:
        return [(a - shift) / scale for a, (shift, scale) in zip(found.arrays, self._own(found), strict=True)]

    def _batch(self, rows: NDArray[np.float32], counts: Matrix | None = None) -> Batch:
        each = rows.reshape(len(rows), self.channels_, -1).astype(np.float64)
        with np.errstate(over="ignore"):
            scaled = (each - self.unit_.shift[:, None]) / self.unit_.scale[:, None]
            units = scaled.reshape(len(rows), -1).astype(np.float32)
        if np.isinf(units).any():
            raise BadData("a series lies further from those of the fit than float32 can say. Check its unit.")
        cells = torch.from_numpy(units).clone()
        weight = None if counts is None else torch.from_numpy(counts.astype(np.float32))
        known = ~torch.isnan(cells)
        return Batch(cells.nan_to_num(), None if bool(known.all()) else known, weight=weight)

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

    @property
    def kin(self) -> NDArray[np.int64]:
        """The channel of each cell."""
        return np.repeat(np.arange(self.channels_), self.length_)

    def door(self, masked: bool) -> Door:
        """Steps in one unit, gaps bridged, and which are known."""
        return Door(self.levels, self.masked_ or masked, common=True, bridged=self.shape)

    def network(self) -> Design:
        """Filters for rows of 64 steps or more, layers for shorter ones."""
        return Temporal() if self.length_ >= FILTERED else Dense()

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """`numbers`; a normal with a learned spread if None."""
        return Gaussian() if numbers is None else numbers

    def limits(self) -> tuple[Tensor, Tensor]:
        """Least and greatest value of each cell in model units."""
        unit = self.unit_
        low, high = (self._spread(np.nan_to_num((e - unit.shift) / unit.scale)) for e in (unit.low, unit.high))
        return torch.from_numpy(low).float(), torch.from_numpy(high).float()

    def bounds(self) -> tuple[Matrix, Matrix]:
        """Least and greatest value of each cell in user units; NaN in a channel of which nothing was known."""
        return self._spread(self.unit_.low), self._spread(self.unit_.high)

    def _spread(self, values: Matrix) -> Matrix:
        return np.repeat(values, self.length_)

    # ------------------------------------------------------------------ results out

    def values(self, cells: Tensor) -> Matrix:
        """Cells in user units (with `own_scale` in those of each series), `(rows, channels * length)`."""
        shift = np.where(self.unit_.missing == 1, np.nan, self.unit_.shift)  # nothing was learned there
        return cells.cpu().numpy().astype(np.float64) * self._spread(self.unit_.scale) + self._spread(shift)

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
            "missing": float(self.unit_.missing[c]), "length": self.length_, "stride": self.stride_,
            "irregular": self.irregular_, "dtype": self.dtype_, "cropped": self.cropped,
            "range": None if self.unit_.missing[c] == 1 else (float(self.unit_.low[c]), float(self.unit_.high[c])),
            "scaled": "each series by its own mean and spread" if self.own_scale else "each channel by its spread",
        } for c, name in enumerate(self.channels)]  # fmt: skip

    def state(self) -> dict[str, Any]:
        """Form, length, scale and limits."""
        return {n[:-1]: getattr(self, n) for n in self._learned} | vars(self.unit_)

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        for name in self._learned:
            setattr(self, name, state[name[:-1]])
        self.unit_ = Channels(**{f.name: state[f.name] for f in fields(Channels)})
        return self

    _learned = (
        "channels_", "names_", "flat_", "dtype_", "irregular_", "length_", "stride_", "masked_", "together_",
    )  # fmt: skip
