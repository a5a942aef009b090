"""Noise taken out of sound: which kind learns to, at which pace, and how whole clips go through it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter
from latently.modalities.crops import Pair
from latently.modalities.snippets import Snippets
from latently.modalities.sounds import accepts, sounds
from latently.modalities.waves import as_float, resampled
from latently.parts.bottlenecks import Identity
from latently.parts.frames import loudness
from latently.parts.hiss import Mixed, Remixed, floor
from latently.parts.networks import Spectral
from latently.recipes import Compose
from latently.tasks.assemble import Blueprint
from latently.tasks.silence import Silencer
from latently.tasks.ways import Suited, Way, paced, settled
from latently.values import Batch

__all__ = ["Clips", "Hiss", "hiss_named"]

CLEAN = 20.0  # dB: noise a tenth as loud as the sound, or softer, is taken for that of clean recordings
RATIOS = (-5.0, 20.0)  # dB, of noise whose strength nobody names
ALPHA = 0.5  # noise added to noisy clips, in units of their own
DRAWS = 8  # of that noise, averaged in prediction
AT_ONCE = 2**16  # samples a training step
STEPS = 3500  # some five minutes of one core: speech at 0, 5, 10 dB came to 9.9, 13.1, 16.2 dB after 680 of them
LOOKED_AT = 512  # pieces that tell how strong noise is
LONGEST = 2**19  # samples of a recording of noise that are kept: a minute of speech, 2 MB in a file


@dataclass(frozen=True)
class Hiss:
    """White noise, or that of a recording, at ratios to the sound, dB."""

    low: float = RATIOS[0]
    high: float = RATIOS[1]
    recording: Any = None  #: samples at the rate of the clips, or where they are


def hiss_named(noise: Any) -> Hiss:
    """What `noise=` stands for with sounds."""
    if isinstance(noise, np.ndarray) or (not isinstance(noise, str) and accepts(noise)):
        return Hiss(recording=noise)
    if isinstance(noise, (str, os.PathLike)):
        number = r"(-?\d+(?:\.\d+)?)"
        found = re.fullmatch(rf"(?:auto|white)|white:{number}(?:-{number})?", str(noise))
        if found:
            low, high = found.groups()
            ends = RATIOS if low is None else (float(low), float(high or low))
            if -60 <= ends[0] <= ends[1] <= 120:
                return Hiss(*ends)
        elif accepts(noise):
            return Hiss(recording=noise)
    raise BadParameter(
        f"noise={noise!r}: expected 'auto', 'white', white noise at a ratio to the sound in dB, 'white:5', or at every "
        "ratio between two, 'white:-5-20'; or a recording of the noise: a file, or an array at the rate of the clips."
    )


class Clips(Way):
    """Sounds of any length, learned from as snippets, cleaned in stretches that overlap."""

    sort = "sound"
    what = "sounds"
    data: Snippets

    def check(self) -> None:
        """A noise with a name."""
        hiss_named(self.noise)

    def paired(self, seen: Any, wanted: Any) -> Any:
        """Noisy and clean clips."""
        return Pair(seen, wanted)

    def suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> Suited:
        """The kind that undoes this noise, and the pace that suits it."""
        parts, network = plan.recipe.parts(1), plan.network
        if not isinstance(network, Spectral) or not isinstance(parts.bottleneck, Identity) or parts.penalties:
            raise BadParameter("sounds are cleaned by a mask alone: leave kind, and network (or a Spectral(...)).")
        told: dict[str, Any] = {"sort": "pairs", "low": None, "high": None, "clean": False, "measured": None}
        kind = Compose()  # the absolute error of sparse noise, such as clicks, is least where nothing is done
        if rows.given is None:
            kind, network, told = self._noised(network, rows)
        numbers = self.data.samples_ if told["sort"] != "pairs" and not told["clean"] else None
        own = {"n_components": network.code(self.data.shape), "validation": None}  # snippets overlap
        own |= paced(rows, AT_ONCE // rows.cells, numbers, STEPS)
        given = own | {n: v for n, v in given.items() if v != "auto"}
        return replace(plan, recipe=kind, network=network), given, told

    def _noised(self, network: Spectral, rows: Batch) -> tuple[Compose, Spectral, dict[str, Any]]:
        """The kind and network for clips alone, clean or noisy."""
        noise, clean = hiss_named(self.noise), vars(self.task)["clean"]
        recording = None if noise.recording is None else self.recorded(noise.recording)
        length = 0 if recording is None else len(recording)
        again = Remixed(ALPHA, network.window, length)
        mixed = Mixed(noise.low, noise.high, length)
        if recording is not None:
            again.keep(recording)
            mixed.keep(recording)
        measured = ratio(rows.x[:: max(1, len(rows) // LOOKED_AT)], again)
        if clean == "auto":  # under a recording the least of a voice looks like the noise: it cannot be told then
            clean = recording is not None or measured > CLEAN
        told = {"sort": "white" if recording is None else "recording", "clean": bool(clean), "measured": measured}
        if clean:
            return Compose(mixed, loss="l1"), network, told | {"low": noise.low, "high": noise.high}
        gain = ALPHA**2 / (1 + ALPHA**2)
        return Compose(again), replace(network, gain=gain), told | {"low": measured, "high": measured}

    def recorded(self, recording: Any) -> torch.Tensor:
        """A recording of noise at the rate of the clips, one channel."""
        found, rate = sounds(recording, self.data.rate_), self.data.rate_
        pieces = [resampled(as_float(found[i]), found.headers()[i].rate, rate).mean(1) for i in range(len(found))]
        whole = torch.from_numpy(np.concatenate(pieces)[:LONGEST].astype(np.float32))
        if not bool(whole.any()):
            raise BadData("the recording of noise is silent. Give one with the noise in it, or noise='white'.")
        return whole

    def kept(self, rows: Batch) -> dict[str, Any]:
        """Nothing else."""
        settled(self.task)
        return {}

    def cleaned(self, data: Any, passes: int | None) -> Any:
        """The clips of `data`, each in its own dtype, rate and length: an array for an array, else a list."""
        found = self.data.sounds(data)
        done = [np.concatenate(list(self.blocks(found, i, passes))) for i in range(len(found))]
        done = [made[:, 0] if found.flat(i) else made for i, made in enumerate(done)]
        if not isinstance(data, np.ndarray):
            return done
        return done[0] if data.ndim == 1 else np.stack(done).reshape(data.shape)

    def blocks(self, found: Any, i: int, passes: int | None) -> Iterator[NDArray[Any]]:
        """One clip as it is cleaned, `(samples, channels)` after each other."""
        told = vars(self.task)["noise_"]
        alone = not told["clean"] and told["sort"] != "pairs"
        silencer = Silencer(self.task.model_, self.data.rate_, (passes or DRAWS) if alone else 0)
        return silencer.blocks(found, i)


def ratio(rows: torch.Tensor, noise: Remixed) -> float:
    """How far the sound stands out from the noise that is in it, dB: the median of these rows."""
    power = noise.power.to(rows.device)
    share = (floor(rows, noise.window, power) / loudness(rows).clamp(min=1e-20)).square().clamp(1e-12, 1 - 1e-3)
    heard = rows.abs().amax(1) > 0
    return float(10 * ((1 - share) / share).log10()[heard].median()) if bool(heard.any()) else float("inf")
