"""Pieces of sound at its own level of detail: samples, which a network that hears a moment at a time learns from."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.errors import BadData
from latently.modalities.base import Modality, Remember
from latently.modalities.crops import Pair
from latently.modalities.sounds import Sounds, sounds
from latently.modalities.waves import Heads, as_float, fitted_to, resampled
from latently.parts.doors import Door
from latently.parts.likelihoods import Gaussian, Likelihood
from latently.parts.networks import Design, Spectral
from latently.values import Batch

__all__ = ["Snippets"]

FRAME = 0.032  # seconds of a frame's window: a voice hardly moves in it, and its harmonics stand apart
LONGEST = 128  # frames of a piece
FRAMES = 8  # a piece has a multiple of so many: they halve three times
SHARES = 4  # times that the pieces together cover the clips
FEWEST = 1024  # pieces
MOST = 2**26  # numbers in all pieces together: 256 MiB
WHOLE = 2**22  # samples: a longer clip is read piece by piece


@dataclass
class Snippets(Modality):
    """Clips as pieces of at most a second, `(1, samples)`, each channel by itself, each scaled to a loudness of one.

    Places are drawn evenly, the same ones at every fit. Behind the end of a clip shorter than a piece, samples are
    unknown.
    """

    rate: Any = "auto"
    seconds: Any = "auto"
    bands: Any = "auto"
    front: str = "mel"
    skip: bool = False
    cropped: ClassVar[bool] = True
    cut_from: ClassVar[str] = "sound"

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Never by itself: a task asks for snippets."""
        return False

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """Pieces of all clips at one rate, of a `Pair` with what is heard beside them."""
        vars(self).pop("rate_", None)
        heard = self.sounds(data.seen if isinstance(data, Pair) else data)
        wanted = self.sounds(data.wanted) if isinstance(data, Pair) else None
        heads = heard.headers()
        if wanted is not None:
            _check_pair(heads, wanted.headers())
        self.rate_ = self._rated(heads)
        self.dtype_ = Counter(heads.dtypes.tolist()).most_common(1)[0][0]
        self._sized(heads)
        batch = self._cut(heard, wanted)
        self.high_ = float(batch.x.abs().max())
        return batch, lambda: self._sign(owner)

    def take(self, owner: Any, data: Any) -> Batch:
        """Pieces of other clips."""
        return self._cut(self.sounds(data), None)

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Behind the ends of clips."""
        batch = self.take(owner, data)
        return np.zeros(tuple(batch.x.shape), bool) if batch.known is None else ~batch.known.numpy()

    def sounds(self, data: Any) -> Sounds:
        """The clips themselves, each read when asked for."""
        given = getattr(self, "rate_", None) if self.rate == "auto" else int(self.rate)
        return sounds(data, given, self.skip)

    def _rated(self, heads: Heads) -> int:
        if self.rate != "auto":
            return int(self.rate)
        counts = Counter(heads.rates.tolist())
        return int(max(counts, key=lambda rate: (counts[rate], -rate)))

    def _sized(self, heads: Heads) -> None:
        """Window and length of a piece: half of the clips fit into it, if a second is enough for that."""
        self.window_ = 2 ** max(3, round(math.log2(FRAME * self.rate_)))
        unit = FRAMES * self.window_ // 4
        usual = float(np.median(heads.seconds)) * self.rate_ if self.seconds == "auto" else self.seconds * self.rate_
        self.length_ = unit * min(max(1, math.ceil(usual / unit)), LONGEST // FRAMES)
        self.samples_ = int((heads.seconds * heads.channels).sum() * self.rate_)

    def _cut(self, heard: Sounds, wanted: Sounds | None) -> Batch:
        """The rows, and beside them those of the other half of a pair."""
        heads = heard.headers()
        spans = heads.seconds * heads.channels
        most = max(1, MOST // self.length_)
        count = min(max(FEWEST, len(heard), SHARES * int(spans.sum() * self.rate_) // self.length_), most)
        ends = np.rint(np.cumsum(spans) / spans.sum() * count).astype(np.int64)
        rows = np.zeros((2, count, self.length_), np.float32)[: 1 if wanted is None else 2]
        long = np.full(count, self.length_)
        rng, start = np.random.Generator(np.random.PCG64(0)), 0
        for i, end in enumerate(ends):
            sources = [heard] if wanted is None else [wanted, heard]
            self._fill(rows[:, start:end], long[start:end], [_Clip(s, i, self.rate_) for s in sources], rng)
            start = int(end)
        return self._scaled(rows, long)

    def _fill(
        self, rows: NDArray[np.float32], long: NDArray[np.int64], clips: list[_Clip], rng: np.random.Generator
    ) -> None:
        """Pieces of one clip, of a pair at the same places."""
        spare = max(0, clips[0].length - self.length_)
        for j in range(rows.shape[1]):
            place, channel = int(rng.integers(spare + 1)), int(rng.integers(clips[0].channels))
            for row, clip in zip(rows, clips, strict=True):
                row[j] = fitted_to(clip.piece(place, self.length_)[:, channel], self.length_)
            long[j] = min(self.length_, clips[0].length)

    def _scaled(self, rows: NDArray[np.float32], long: NDArray[np.int64]) -> Batch:
        """At a loudness of one, of a pair what is heard; silence stays silent."""
        x = torch.from_numpy(rows)
        loud = (x[-1].square().sum(1) / torch.from_numpy(long)).sqrt()[:, None]
        x /= torch.where(loud > 0, loud, 1.0)
        known = torch.arange(self.length_) < torch.from_numpy(long)[:, None]
        given = x[1] if len(x) > 1 else None
        return Batch(x[0], None if bool(known.all()) else known, given)

    def _sign(self, owner: Any) -> None:
        owner.n_features_in_ = self.cells
        vars(owner).pop("feature_names_in_", None)

    # ------------------------------------------------------------------ what it calls for

    @property
    def cells(self) -> int:
        """Samples a piece."""
        return int(self.length_)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(1, samples)`."""
        return 1, self.length_

    def door(self, masked: bool) -> Door:
        """Samples as they are."""
        return Door(self.levels, masked=False, common=True)

    def network(self) -> Design:
        """A mask over the spectrum."""
        return Spectral(window=self.window_)

    def likelihood(self, numbers: Likelihood | None = None) -> Likelihood:
        """`numbers`; a normal with a learned spread if None."""
        return Gaussian() if numbers is None else numbers

    def limits(self) -> tuple[Tensor, Tensor]:
        """Least and greatest sample in units of a piece's loudness."""
        return torch.full((self.cells,), -self.high_), torch.full((self.cells,), self.high_)

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same: a piece's own loudness is its unit."""
        low, high = self.limits()
        return low.double().numpy(), high.double().numpy()

    def values(self, cells: Tensor) -> NDArray[np.float32]:
        """Samples in units of a piece's loudness."""
        return np.asarray(cells.cpu().numpy(), np.float32)

    # ------------------------------------------------------------------ what was decided

    def schema(self) -> list[dict[str, Any]]:
        """What the model hears at a time."""
        return [{
            "name": "sound", "sort": "audio", "role": "learned", "why": "", "levels": 0, "missing": 0.0,
            "rate": self.rate_, "seconds": self.length_ / self.rate_, "dtype": self.dtype_, "cropped": self.cropped,
            "scaled": "by the loudness of each piece",
        }]  # fmt: skip

    def state(self) -> dict[str, Any]:
        """What `learn` decided."""
        return {n: getattr(self, n) for n in ("rate_", "dtype_", "window_", "length_", "samples_", "high_")}

    def restore(self, state: dict[str, Any]) -> Self:
        """Take back a state."""
        vars(self).update(state)
        return self


class _Clip:
    """One clip at the rate of the model, in floats; a long one is read piece by piece."""

    def __init__(self, source: Sounds, i: int, rate: int) -> None:
        self.source, self.i, self.rate = source, i, rate
        head = source.headers()[i]
        self.head, self.channels = head, head.channels
        self.length = math.ceil(head.length * rate / head.rate)
        self.whole = self._read(0, head.length) if head.length <= WHOLE else None

    def piece(self, start: int, length: int) -> NDArray[np.float32]:
        """`(at most length, channels)` from sample `start` on."""
        if self.whole is not None:
            return self.whole[start : start + length]
        first = start * self.head.rate // self.rate
        last = min(self.head.length, math.ceil((start + length) * self.head.rate / self.rate))
        return self._read(first, last)[:length]

    def _read(self, start: int, stop: int) -> NDArray[np.float32]:
        samples = np.concatenate(list(self.source.blocks(self.i, stop - start, start, stop)))
        return resampled(as_float(samples), self.head.rate, self.rate)


def _check_pair(heard: Heads, wanted: Heads) -> None:
    """Refuse halves that are no pair."""
    a, b = (list(zip(h.rates.tolist(), h.lengths.tolist(), h.channels.tolist(), strict=True)) for h in (heard, wanted))
    if a != b:
        where = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), min(len(a), len(b)))
        raise BadData(
            f"{len(a)} noisy clips and {len(b)} clean ones do not pair up, first at clip {where}: each noisy clip "
            "needs its clean one, at the same place, of the same rate, length and channels."
        )
