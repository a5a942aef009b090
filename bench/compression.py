"""Bits for the same error: `Compressor` against JPEG, WebP and AVIF on Kodak's images, whole files counted.

Trained on bsds500_color_train200, tested on kodak_odd. One row a quality: bits a pixel and the mean PSNR of the images,
beside it the bits that the others take for that PSNR (interpolated between their own qualities, logarithm of the bits
linear in PSNR), and what time it took.
"""

from __future__ import annotations

import argparse
import io
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sets import folder

from latently import Compressor

Pixels = NDArray[np.uint8]

RIVALS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "JPEG": ((10, 20, 30, 40, 50, 60, 70, 80, 88, 94), {"optimize": True, "progressive": True}),
    "WEBP": ((1, 5, 10, 25, 50, 70, 80, 90, 95), {"method": 6}),
    "AVIF": ((15, 25, 35, 45, 55, 65, 75, 85), {"speed": 6, "max_threads": 1}),
}


def psnr(a: Pixels, b: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def rival(name: str, images: list[Pixels]) -> list[tuple[float, float]]:
    """Bits a pixel and PSNR at each quality, means over the images."""
    qualities, options = RIVALS[name]
    points = []
    for quality in qualities:
        bits, errors = [], []
        for image in images:
            out = io.BytesIO()
            Image.fromarray(image).save(out, name, quality=quality, **options)
            bits.append(8 * out.tell() / image[..., 0].size)
            errors.append(psnr(np.asarray(Image.open(out).convert("RGB")), image))
        points.append((float(np.mean(bits)), float(np.mean(errors))))
    return points


def at(points: list[tuple[float, float]], error: float) -> float:
    """Bits for this PSNR; NaN outside what was measured."""
    bits, errors = np.array(points).T
    return float(np.exp(np.interp(error, errors, np.log(bits), left=np.nan, right=np.nan)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("qualities", nargs="*", type=int, default=[20, 40, 60, 80])
    parser.add_argument("--repair", type=int, default=None, help="steps of training of the second decoder")
    given = parser.parse_args()
    images = [np.asarray(Image.open(p).convert("RGB")) for p in sorted((folder() / "kodak_odd").glob("*.png"))]
    training = str(folder() / "bsds500_color_train200" / "train")
    rivals = {name: rival(name, images) for name in RIVALS}
    print(f"{len(images)} images of kodak_odd; bits a pixel, whole files; PSNR in dB, mean of the images'")
    for name, points in rivals.items():
        print(f"{name:>5}", " ".join(f"{b:.3f}@{e:.2f}" for b, e in points))
    print(
        "quality    bits   PSNR   " + "".join(f"{n:>6} bits  ours" for n in rivals) + "   fit s  file s  back s  (CPU)"
    )
    for quality in given.qualities:
        start = time.process_time()
        repair = "auto" if given.repair is None else given.repair
        model = Compressor(quality=quality, repair=repair, random_state=0, verbose=False).fit(training)
        fitted = time.process_time()
        files = [model.compress([image]) for image in images]
        written = time.process_time()
        back = [model.decompress(file)[0] for file in files]
        end = time.process_time()
        bits = float(np.mean([8 * len(f) / i[..., 0].size for f, i in zip(files, images, strict=True)]))
        error = float(np.mean([psnr(a, b) for a, b in zip(back, images, strict=True)]))
        others = "".join(f"{at(p, error):>11.3f} {100 * (bits / at(p, error) - 1):>+4.0f}%" for p in rivals.values())
        times = (fitted - start, (written - fitted) / len(images), (end - written) / len(images))
        print(
            f"{quality:>7} {bits:>7.3f} {error:>6.2f}   {others}   {times[0]:>5.0f} {times[1]:>7.2f} {times[2]:>7.2f}"
        )


if __name__ == "__main__":
    main()
