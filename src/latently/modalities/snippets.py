"""Pieces of sound at its own level of detail: samples, which a network that hears a moment at a time learns from."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from latently.errors import BadData
from latently.modalities.audio import Audio
from latently.modalities.base import Remember
from latently.modalities.crops import Pair
from latently.modalities.sounds import Sounds
from latently.modalities.waves import Heads
from latently.parts.doors import Door
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
class Snippets(Audio):
    """Clips as pieces of at most a second, `(1, samples)`, each channel by itself, each scaled to a loudness of one.

    Places are drawn evenly, the same ones at every fit. Behind the end of a clip shorter than a piece, samples are
    unknown. `bands` and `front` say nothing here: a network hears all frequencies.
    """

    cropped: ClassVar[bool] = True
    cut_from: ClassVar[str] = "sound"

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Never by itself: a task asks for snippets."""
        return False

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """Pieces of all clips at one rate, of a `Pair` with what is heard beside them."""
        self._check()
        heard = self.sounds(data.seen if isinstance(data, Pair) else data)
        wanted = self.sounds(data.wanted) if isinstance(data, Pair) else None
        heads = heard.headers()
        if wanted is not None:
            _check_pair(heads, wanted.headers())
        self.rate_ = self._rated(heads)
        self.dtype_ = Counter(heads.dtypes.tolist()).most_common(1)[0][0]
        self._framed(heads)
        batch = self._cut(heard, wanted)
        peak = np.array([float(batch.x.abs().max())])
        self.shift_, self.scale_, self.low_, self.high_ = np.zeros(1), np.ones(1), -peak, peak
        self.missing_, self.binary_, self.floor_ = 0.0, False, 0.0
        return batch, lambda: self._sign(owner)

    def take(self, owner: Any, data: Any) -> Batch:
        """Pieces of other clips."""
        return self._cut(self.sounds(data), None)

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Behind the ends of clips."""
        batch = self.take(owner, data)
        return np.zeros(tuple(batch.x.shape), bool) if batch.known is None else ~batch.known.numpy()

    def owners(self, data: Any) -> NDArray[np.int64] | None:
        """Which clip each piece belongs to."""
        return np.repeat(np.arange(len(counts := self._counts(self.sounds(data).headers()))), counts)

    def _framed(self, heads: Heads) -> None:
        """Window and length of a piece: half of the clips fit into it, where a second is enough for that."""
        self.window_ = 2 ** max(3, round(math.log2(FRAME * self.rate_)))
        unit = FRAMES * self.window_ // 4
        usual = float(np.median(heads.seconds)) if self.seconds == "auto" else float(self.seconds)
        self.channels_ = self.height_ = self.stride_ = 1
        self.width_ = unit * min(max(1, math.ceil(usual * self.rate_ / unit)), LONGEST // FRAMES)
        self.samples_ = int((heads.seconds * heads.channels).sum() * self.rate_)

    def _counts(self, heads: Heads) -> NDArray[np.int64]:
        """Pieces of each clip, as its share of the sound is."""
        spans = heads.seconds * heads.channels
        most = max(1, MOST // self.width_)
        count = min(max(FEWEST, len(heads), SHARES * int(spans.sum() * self.rate_) // self.width_), most)
        return np.asarray(np.diff(np.rint(np.cumsum(spans) / spans.sum() * count).astype(np.int64), prepend=0))

    def _cut(self, heard: Sounds, wanted: Sounds | None) -> Batch:
        """The rows, and beside them those of the other half of a pair."""
        counts, sources = self._counts(heard.headers()), [heard] if wanted is None else [wanted, heard]
        rows = np.zeros((len(sources), int(counts.sum()), self.width_), np.float32)
        long = np.full(rows.shape[1], self.width_)
        rng, start = np.random.Generator(np.random.PCG64(0)), 0
        for i, count in enumerate(counts.tolist()):
            here = slice(start, start + count)
            self._fill(rows[:, here], long[here], sources, i, rng)
            start = here.stop
        return self._scaled(rows, long)

    def _fill(
        self, rows: NDArray[np.float32], long: NDArray[np.int64], sources: list[Sounds], i: int,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        """Pieces of one clip, of a pair at the same places."""
        head = sources[0].headers()[i]
        length = math.ceil(head.length * self.rate_ / head.rate)
        long[:] = min(self.width_, length)
        whole = [self._heard(s, i, 0, max(length, self.width_)) if length <= WHOLE else None for s in sources]
        for j in range(rows.shape[1]):
            place, channel = int(rng.integers(max(0, length - self.width_) + 1)), int(rng.integers(head.channels))
            for row, read, source in zip(rows, whole, sources, strict=True):
                stop = place + self.width_
                heard = self._heard(source, i, place, stop) if read is None else read[place:stop]
                row[j] = heard[:, channel]

    def _scaled(self, rows: NDArray[np.float32], long: NDArray[np.int64]) -> Batch:
        """At a loudness of one, of a pair what is heard; silence stays silent."""
        x = torch.from_numpy(rows)
        loud = (x[-1].square().sum(1) / torch.from_numpy(long)).sqrt()[:, None]
        x /= torch.where(loud > 0, loud, 1.0)
        known = torch.arange(self.width_) < torch.from_numpy(long)[:, None]
        return Batch(x[0], None if bool(known.all()) else known, x[1] if len(x) > 1 else None)

    # ------------------------------------------------------------------ what it calls for

    @property
    def shape(self) -> tuple[int, ...]:
        """`(1, samples)`."""
        return 1, self.width_

    def door(self, masked: bool) -> Door:
        """Samples as they are."""
        return Door(self.levels, masked=False, common=True)

    def network(self) -> Design:
        """A mask over the spectrum."""
        return Spectral(window=self.window_)

    # ------------------------------------------------------------------ what was decided

    @property
    def names(self) -> list[str]:
        """When each sample is heard."""
        return [f"{i / self.rate_:.4f} s" for i in range(self.width_)]

    def schema(self) -> list[dict[str, Any]]:
        """What the model hears at a time."""
        return [{
            "name": "sound", "sort": "audio", "role": "learned", "why": "", "levels": 0, "missing": 0.0,
            "rate": self.rate_, "seconds": self.width_ / self.rate_, "bands": self.window_ // 2,
            "frames": self.width_ // (self.window_ // 4), "dtype": self.dtype_, "cropped": self.cropped,
            "range": (float(self.low_[0]), float(self.high_[0])), "scaled": "by the loudness of each piece",
        }]  # fmt: skip

    _learned: ClassVar[tuple[str, ...]] = (*Audio._learned, "window_", "samples_")


def _check_pair(heard: Heads, wanted: Heads) -> None:
    """Refuse halves that are no pair."""
    a, b = (list(zip(h.rates.tolist(), h.lengths.tolist(), h.channels.tolist(), strict=True)) for h in (heard, wanted))
    if a != b:
        where = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), min(len(a), len(b)))
        raise BadData(
            f"{len(a)} noisy clips and {len(b)} clean ones do not pair up, first at clip {where}: each noisy clip "
            "needs its clean one, at the same place, of the same rate, length and channels."
        )
