"""White noise of deviation 25 (of 255) on Set12: `python bench/denoise.py [clean] [noisy] [default]`.

`clean`: learned from the 200 training photographs of BSDS500, as grey images, for eight epochs, under five minutes of
one core; `default`: the same, and nothing said but the noise. `noisy`: learned from nothing but the
twelve noisy images themselves. The noise is drawn once (seed 7) and not clipped. Mean peak signal-to-noise ratio in
dB, results clipped to [0, 255], beside non-local means and wavelets (scikit-image), which are told the deviation.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Files
from sets import folder

from latently import Denoiser, Image

SIGMA = 25
CLEAN_EPOCHS = 8  # under five minutes of one core
Grey = NDArray[np.float64]


def grey(place: str, pattern: str) -> list[NDArray[np.uint8]]:
    return [np.asarray(Files.open(path).convert("L")) for path in sorted((folder() / place).glob(pattern))]


def psnr(made: list[Grey], clean: list[NDArray[np.uint8]]) -> float:
    errors = [np.square(np.clip(a, 0, 255) - b).mean() for a, b in zip(made, clean, strict=True)]
    return float(np.mean([10 * np.log10(255**2 / e) for e in errors]))


def non_local_means(image: Grey) -> Grey:
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(image, patch_size=5, patch_distance=6, h=0.6 * SIGMA, sigma=SIGMA, fast_mode=True)


def wavelets(image: Grey) -> Grey:
    from skimage.restoration import denoise_wavelet

    return denoise_wavelet(image, sigma=SIGMA, method="BayesShrink", mode="soft", rescale_sigma=True)


BASELINES: dict[str, Callable[[Grey], Grey]] = {"non-local means": non_local_means, "wavelets": wavelets}


def fitted(what: str, noisy: list[Grey]) -> Denoiser:
    if what != "noisy":
        images = grey("bsds500_color_train200", "train/*.jpg")
        epochs = CLEAN_EPOCHS if what == "clean" else "auto"
        return Denoiser(noise=SIGMA, clean=True, epochs=epochs, random_state=0, verbose=False).fit(images)
    return Denoiser(data=Image(), random_state=0, verbose=False).fit(noisy)


def main() -> None:
    torch.set_num_threads(1)
    clean = grey("set12", "*.png")
    draw = np.random.default_rng(7)
    noisy = [image + SIGMA * draw.standard_normal(image.shape) for image in clean]
    print(f"{'Set12, noisy':30} {psnr(noisy, clean):7.2f} dB")
    for name, method in BASELINES.items():
        try:
            start = time.process_time()
            print(f"{name:30} {psnr([method(n) for n in noisy], clean):7.2f} dB  {time.process_time() - start:5.0f} s")
        except ImportError as problem:
            print(f"{name:30} skipped: {problem}")
    for what in sys.argv[1:] or ("clean", "noisy"):
        start = time.process_time()
        model = fitted(what, noisy)
        learned = time.process_time()
        made = model.transform(noisy)
        spent = f"{learned - start:5.0f} s, {time.process_time() - learned:.0f} s to clean; noise {model.noise_}"
        print(f"{'ours, learned from ' + what:30} {psnr(made, clean):7.2f} dB  {spent}", flush=True)


if __name__ == "__main__":
    main()
