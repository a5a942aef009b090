"""White noise in spoken digits: `python bench/hush.py [clean] [noisy] [recording]`.

`clean`: learned from the training clips of fsdd as they are (indices 5 and up). `noisy`: learned from nothing but noisy
versions of them, white noise at 0, 5 or 10 dB. `recording`: as `clean`, with a recording of coloured noise that stands
for an engine, and judged with other seconds of that noise. The rest of the script looks at the test clips, indices 0 to
4: mean scale-invariant signal-to-distortion ratio in dB, 60 at most, beside it the gain over the input of the worst
tenth of the clips. Baselines: spectral gating with a clip of the noise (noisereduce, where it is installed), and
spectral subtraction that is told the noise's variance.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import istft, lfilter, stft
from sets import folder

from latently import Audio, Denoiser

RATE = 8000
RATIOS = (0, 5, 10, 20)
Sound = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Sound]


def clips(test: bool) -> list[Sound]:
    with np.load(folder() / "fsdd/fsdd.npz") as found:
        samples, lengths, index = found["samples"] / 32768, found["lengths"], found["index"]
    ends = np.cumsum(lengths)
    return [samples[e - n : e] for e, n, i in zip(ends, lengths, index, strict=True) if (i < 5) == test]


def white(draw: np.random.Generator, length: int) -> Sound:
    return draw.standard_normal(length)


def engine(draw: np.random.Generator, length: int) -> Sound:
    """A low rumble that comes and goes, and a hum with its overtones."""
    t = np.arange(length) / RATE
    rumble = lfilter([1.0], [1.0, -1.6, 0.72], draw.standard_normal(length)) * (1 + 0.4 * np.sin(2 * np.pi * 2.5 * t))
    return rumble + sum(2 / k * np.sin(2 * np.pi * 97 * k * t + draw.uniform(0, 6.3)) for k in (1, 2, 3))


def noisy(clean: list[Sound], noise: Noise, ratio: float, seed: int) -> list[Sound]:
    made = []
    for i, clip in enumerate(clean):
        n = noise(np.random.default_rng((seed, i)), len(clip))
        made.append(clip + n * np.sqrt(np.mean(clip**2) / np.mean(n**2)) * 10 ** (-ratio / 20))
    return made


def si_sdr(made: Sound, clean: Sound) -> float:
    shared = made @ clean / (clean @ clean) * clean
    return float(10 * np.log10(shared @ shared / max(np.square(made - shared).sum(), 1e-6 * (shared @ shared))))


def subtracted(clip: Sound, deviation: float) -> Sound:
    """Spectral subtraction: the power of every bin less twice that of the noise, a gain of at least a tenth."""
    _, _, bins = stft(clip, RATE, nperseg=256, noverlap=192)
    noise = deviation**2 * np.square(np.hanning(256)).sum() / np.hanning(256).sum() ** 2
    gain = np.maximum(1 - 2 * noise / np.maximum(np.abs(bins) ** 2, 1e-20), 0.1)
    return istft(bins * gain, RATE, nperseg=256, noverlap=192)[1][: len(clip)]


def baselines(seen: list[Sound], clean: list[Sound], noise: Noise) -> dict[str, list[Sound]]:
    spread = [float(np.std(a - b)) for a, b in zip(seen, clean, strict=True)]
    found = {"spectral subtraction": [subtracted(s, d) for s, d in zip(seen, spread, strict=True)]}
    try:
        from noisereduce import reduce_noise
    except ImportError as problem:
        print(f"spectral gating skipped: {problem}")
        return found
    known = [noise(np.random.default_rng((9, i)), RATE) for i in range(len(seen))]
    known = [k / np.std(k) * d for k, d in zip(known, spread, strict=True)]
    found["spectral gating"] = [
        reduce_noise(y=s, sr=RATE, y_noise=k, stationary=True, n_fft=256) for s, k in zip(seen, known, strict=True)
    ]
    return found


def told(name: str, made: list[list[Sound]], seen: list[list[Sound]], clean: list[Sound]) -> None:
    cells = []
    for a, b in zip(made, seen, strict=True):
        ratios = np.array([si_sdr(x, c) for x, c in zip(a, clean, strict=True)])
        gains = ratios - [si_sdr(x, c) for x, c in zip(b, clean, strict=True)]
        cells.append(f"{ratios.mean():6.2f} ({np.percentile(gains, 10):+5.1f})")
    print(f"{name:24}", *cells, flush=True)


def fitted(what: str, train: list[Sound]) -> Denoiser:
    model = Denoiser(data=Audio(rate=RATE), random_state=0, verbose=False)
    if what == "clean":
        return model.fit(train)
    if what == "recording":
        return model.set_params(noise=engine(np.random.default_rng(3), 60 * RATE)).fit(train)
    return model.fit([noisy([c], white, (0, 5, 10)[i % 3], 1000 + i)[0] for i, c in enumerate(train)])


def main() -> None:
    torch.set_num_threads(1)
    train, test = clips(test=False), clips(test=True)
    for what in sys.argv[1:] or ("clean", "noisy", "recording"):
        noise = engine if what == "recording" else white
        seen = [noisy(test, noise, r, 7) for r in RATIOS]
        print(f"\n{what}: noise at", *(f"{r} dB" for r in RATIOS))
        simple = [baselines(s, test, noise) for s in seen]
        for name in simple[0]:
            told(name, [s[name] for s in simple], seen, test)
        start = time.process_time()
        model = fitted(what, train)
        learned = time.process_time()
        made = [model.transform(s) for s in seen]
        told("ours", made, seen, test)
        print(f"{learned - start:.0f} s to learn, {time.process_time() - learned:.0f} s to clean {len(RATIOS)} times "
              f"{len(test)} clips; {model.noise_}")  # fmt: skip
        again = model.transform(test)
        kept = [si_sdr(a, c) for a, c in zip(again, test, strict=True)]
        print(f"clean clips come back at {np.mean(kept):.1f} dB, the worst tenth at {np.percentile(kept, 10):.1f}")


if __name__ == "__main__":
    main()
