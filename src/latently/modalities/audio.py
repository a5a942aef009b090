"""Audio: clips of sound as rows of loudness over time and pitch, and back in the form they came in."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from latently.errors import BadParameter
from latently.modalities.base import Remember
from latently.modalities.planes import Planes
from latently.modalities.rows import merged
from latently.modalities.sounds import Sounds, accepts, sounds
from latently.modalities.spectrum import Front, size_of
from latently.modalities.waves import Heads, as_float, as_samples, fitted_to, resampled
from latently.values import Batch

__all__ = ["Audio"]

Samples = NDArray[Any]
FRONTS = ("mel", "linear")
DEPTH = 60.0  # dB below the loudest cell of the fit: what lies deeper is silence
SILENT = 1e-10  # power of silence where the fit heard nothing else
COMMON = 95  # percent of the clips that are no longer than a row
EDGE = 32  # samples of the lower rate that a filter for another rate sees either way


@dataclass
class Audio(Planes):
    """Clips of sound: WAV, FLAC, OGG, MP3 files, folders, globs, a zip; arrays, where `rate` tells theirs.

    A row is a clip's spectrogram, `(1, bands, frames)` in dB; silence follows a short clip. A clip
    longer than a row takes several that overlap by half. Channels are heard together, by their mean power. Results
    come back with the rate, length, channels and dtype of each clip: what the model says of a band and frame is a gain
    there, and phases stay. New sounds have one channel, and phases found by Griffin-Lim.

    Parameters
    ----------
    rate : "auto" or int
        Samples a second of arrays, and what the model hears: clips of another rate are resampled for it. "auto" is the
        rate that most files have; arrays need a number.
    seconds : "auto" or float
        What a row holds. "auto" is the length that 95 % of the clips do not exceed, 4 seconds at most.
    bands : "auto" or int
        Bands between 0 Hz and half the rate. "auto" is 40 up to 12 kHz, else 64.
    front : {"mel", "linear"}
        Bands evenly spaced in mel, as ears have them, or every frequency of the transform (`bands` is not asked then).
    skip : bool
        Leave out files that cannot be read, with a warning; otherwise the first one raises an error.
    """

    rate: Any = "auto"
    seconds: Any = "auto"
    bands: Any = "auto"
    front: str = "mel"
    skip: bool = False
    readings: ClassVar[dict[str, str]] = {"denoise": "snippets", "detect": "spectra"}
    noun: ClassVar[str] = "spectrogram cell"
    item: ClassVar[str] = "clip"
    gapless: ClassVar[str] = "every sample of a sound is there. Denoiser() takes noise out of it"
    longest: ClassVar[float] = 4.0  #: seconds of a row when nobody says otherwise
    pace: ClassVar[float] = 0.016  #: seconds of a frame, where a row then has no more of them
    most: ClassVar[int] = 96
    # Silence behind short clips, for how long a clip lasts tells much of it: among spoken digits (held-out training
    # clips) .81 of the ten nearest are of the same digit; .70 where cells behind the end are unknown.
    padded: ClassVar[bool] = True  #: whether silence follows a short clip, instead of nothing known

    @classmethod
    def accepts(cls, data: Any) -> bool:
        """Paths that lead to sounds. Arrays of sound look like any other."""
        return accepts(data)

    # ------------------------------------------------------------------ rows in

    def learn(self, owner: Any, data: Any, weight: Any, natural: bool) -> tuple[Batch, Remember]:
        """Rate, length and bands of a row, and the scale of loudness; clips as rows, equal ones merged."""
        self._check()
        found = self.sounds(data)
        heads = found.headers()
        self.rate_ = self._rated(heads)
        self.dtype_ = Counter(heads.dtypes.tolist()).most_common(1)[0][0]
        self._framed(heads)
        powers = self._powers(found)
        peak = float(np.nanmax(powers))
        self.floor_ = peak * 10 ** (-DEPTH / 10) if peak > SILENT else SILENT
        if weight is not None:
            weight = _check_sample_weight(weight, heads, ensure_non_negative=True)[self._owners(heads)]
        rows, counts = merged(self._decibels(powers), weight)
        self._measure(rows, counts, False)
        return self._batch(rows, counts), lambda: self._sign(owner)

    def take(self, owner: Any, data: Any) -> Batch:
        """Clips as rows in model units."""
        return self._batch(self._decibels(self._powers(self.sounds(data))))

    def gaps(self, owner: Any, data: Any) -> NDArray[np.bool_]:
        """Nowhere: behind the end of a clip there is nothing to fill."""
        return np.zeros((len(self._owners(self.sounds(data).headers())), self.cells), bool)

    def owners(self, data: Any) -> NDArray[np.int64] | None:
        """Which clip each row belongs to; None where each clip is a row."""
        found = self._owners(self.sounds(data).headers())
        return None if (np.diff(found, prepend=-1) == 1).all() else found

    def count(self, data: Any) -> int:
        """How many clips."""
        return len(self.sounds(data))

    def sounds(self, data: Any) -> Sounds:
        """The clips themselves, each read when asked for."""
        given = getattr(self, "rate_", None) if self.rate == "auto" else int(self.rate)
        return sounds(data, given, self.skip)

    def _check(self) -> None:
        vars(self).pop("rate_", None)
        for name, sort in (("rate", Integral), ("seconds", Real), ("bands", Integral)):
            value = getattr(self, name)
            if isinstance(value, str) and value == "auto":
                continue
            if isinstance(value, bool) or not isinstance(value, sort) or not 0 < float(value) < 1e6:
                unit = {"rate": "samples a second", "seconds": "seconds that a row holds", "bands": "bands of a row"}
                raise BadParameter(f"{name}={value!r}: expected 'auto' or how many {unit[name]}.")
        if self.front not in FRONTS:
            raise BadParameter(f"front={self.front!r}: expected one of {', '.join(FRONTS)}.")

    def _rated(self, heads: Heads) -> int:
        if self.rate != "auto":
            return int(self.rate)
        counts = Counter(heads.rates.tolist())
        return int(max(counts, key=lambda rate: (counts[rate], -rate)))

    def _framed(self, heads: Heads) -> None:
        """Bands and frames of a row."""
        size, auto = size_of(self.rate_), self.bands == "auto"
        bands = (
            size // 2 + 1 if self.front == "linear" else (40 if self.rate_ <= 12_000 else 64) if auto else self.bands
        )
        if not 1 <= bands <= size // 2 + 1:
            raise BadParameter(
                f"bands={self.bands!r}: a sound of {self.rate_} samples a second has {size // 2 + 1} frequencies to "
                "put into bands."
            )
        seconds = self._long(heads.seconds) if self.seconds == "auto" else float(self.seconds)
        windows = seconds * self.rate_ / (size // 4)
        stride = max(1, round(self.pace * self.rate_ / (size // 4)), math.ceil(windows / self.most))
        self.stride_, self.channels_ = stride, 1
        self.height_, self.width_ = int(bands), max(1, math.ceil(windows / stride - 1e-9))

    def _long(self, seconds: NDArray[np.float64]) -> float:
        return min(float(np.percentile(seconds, COMMON)), self.longest)

    @property
    def ear(self) -> Front:
        """What turns samples into bands and frames."""
        return Front(self.rate_, self.height_, self.stride_, self.front == "linear")

    # ------------------------------------------------------------------ windows

    def _frames(self, head_length: int, rate: int) -> int:
        """Frames of a whole clip."""
        return max(1, math.ceil(head_length * self.rate_ / rate / self.ear.step))

    def _starts(self, frames: int) -> list[int]:
        """The first frame of each row of a clip of so many."""
        spare = frames - self.width_
        if spare <= 0:
            return [0]
        count = 1 + math.ceil(spare / max(1, self.width_ // 2))
        return [round(spare * k / (count - 1)) for k in range(count)]

    def _owners(self, heads: Heads) -> NDArray[np.int64]:
        counts = [len(self._starts(self._frames(heads[i].length, heads[i].rate))) for i in range(len(heads))]
        return np.repeat(np.arange(len(heads)), counts)

    def _powers(self, found: Sounds) -> NDArray[np.float32]:
        """`(rows, bands * frames)`; NaN behind the end of a clip."""
        rows = []
        for i in range(len(found)):
            head = found.headers()[i]
            frames = self._frames(head.length, head.rate)
            for first in self._starts(frames):
                row = np.full((self.height_, self.width_), 0.0 if self.padded else np.nan, np.float32)
                here = min(self.width_, frames - first)
                samples = self._heard(found, i, *self.ear.reach(first, here))
                row[:, :here] = self.ear.powers(torch.from_numpy(samples.T.copy())).numpy()
                rows.append(row.ravel())
        return np.stack(rows)

    def _heard(self, found: Sounds, i: int, start: int, stop: int) -> NDArray[np.float32]:
        """Samples `start` to `stop` of a clip at the model's rate, `(samples, channels)`; silence about the clip."""
        head = found.headers()[i]
        shared = math.gcd(head.rate, self.rate_)
        own, ours = head.rate // shared, self.rate_ // shared  # samples that last as long
        edge = 0 if own == ours else EDGE * max(1, ours // own)
        first = max(0, (start - edge) // ours)
        last = min(head.length, -((-stop - edge) // ours) * own)
        pieces = list(found.blocks(i, max(1, last - first * own), first * own, last)) if last > first * own else []
        whole = as_float(np.concatenate(pieces)) if pieces else np.zeros((1, head.channels), np.float32)
        whole, place = resampled(whole, head.rate, self.rate_), first * ours - start
        whole = whole[max(0, -place) :]
        silence = np.zeros((max(0, place), head.channels), np.float32)
        return fitted_to(np.concatenate([silence, whole]), stop - start)

    def _decibels(self, powers: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(10 * np.log10(powers + np.float32(self.floor_)), np.float32)

    # ------------------------------------------------------------------ results out

    def shown(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sounds `(n, samples)` of one channel at the rate and in the dtype of the fit."""
        power = 10 ** (torch.from_numpy(np.asarray(values, np.float32)) / 10) - self.floor_
        made = [self.ear.sound(row).numpy() for row in power.reshape(-1, self.height_, self.width_)]
        return as_samples(np.stack(made), self.dtype_)

    def rebuilt(self, values: NDArray[Any], like: Any, changed: NDArray[np.bool_] | None = None) -> Any:
        """The clips of `like` with the loudness of `values`, in their own form: an array for an array, else a list.

        With `changed`, only in those cells.
        """
        found = self.sounds(like)
        heads, at = found.headers(), 0
        made = []
        for i in range(len(found)):
            starts = self._starts(self._frames(heads[i].length, heads[i].rate))
            rows = slice(at, at + len(starts))
            at += len(starts)
            made.append(self._gained(found, i, values[rows], None if changed is None else changed[rows]))
        if isinstance(like, np.ndarray):
            return made[0] if like.ndim == 1 else np.stack(made)
        return made

    def _gained(self, found: Sounds, i: int, values: NDArray[Any], changed: NDArray[np.bool_] | None) -> Samples:
        head, old = found.headers()[i], found[i]
        frames = self._frames(head.length, head.rate)
        x = as_float(old)
        heard = resampled(x, head.rate, self.rate_)[: frames * self.ear.step]
        start, stop = self.ear.reach(0, frames)
        edged = np.concatenate([np.zeros((-start, x.shape[1]), np.float32), heard])
        power = self.ear.powers(torch.from_numpy(fitted_to(edged, stop - start).T.copy()))
        gain = self._gains(self._decibels(power.numpy()), values, changed)
        more = self.ear.louder(torch.from_numpy(heard.T.copy()), torch.from_numpy(gain)).numpy().T
        new = x + fitted_to(resampled(more, self.rate_, head.rate), len(x))
        return as_samples(new, old.dtype).reshape(-1) if found.flat(i) else as_samples(new, old.dtype)

    def _gains(
        self, before: NDArray[np.float32], values: NDArray[Any], changed: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """DB to add to each band and frame of a clip: the mean of what the rows that hold it say."""
        sums, counts = np.zeros_like(before), np.zeros(before.shape[1], np.float32)
        for k, first in enumerate(self._starts(before.shape[1])):
            seen = before[:, first : first + self.width_]
            here = seen.shape[1]
            more = values[k].reshape(self.height_, self.width_)[:, :here] - seen
            if changed is not None:
                more = more * changed[k].reshape(self.height_, self.width_)[:, :here]
            sums[:, first : first + here] += more
            counts[first : first + here] += 1
        return sums / counts

    # ------------------------------------------------------------------ what was decided

    @property
    def names(self) -> list[str]:
        """The middle of each band and the start of each frame."""
        starts = np.arange(self.width_) * self.ear.step / self.rate_
        return [f"{f:.0f} Hz at {t:.2f} s" for f in self.ear.hertz().tolist() for t in starts]

    def schema(self) -> list[dict[str, Any]]:
        """What the model hears of a clip."""
        return [{
            "name": "sound", "sort": "audio", "role": "learned", "why": "", "levels": 0, "missing": self.missing_,
            "rate": self.rate_, "seconds": self.width_ * self.ear.step / self.rate_, "bands": self.height_,
            "frames": self.width_, "dtype": self.dtype_, "cropped": self.cropped,
            "range": (float(self.low_.min()), float(self.high_.max())), "scaled": "dB, one unit for all cells",
        }]  # fmt: skip

    _learned: ClassVar[tuple[str, ...]] = (*Planes._learned, "rate_", "stride_", "floor_")
