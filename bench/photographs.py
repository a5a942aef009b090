"""Large photographs through the command line: `python bench/photographs.py [COUNT] [VERB ...]`.

COUNT (200) photographs of 4000 x 3000 pixels, made of scikit-learn's two with other crops, mirrors, brightness and
grain, written as JPEG; then `latently denoise` and `latently detect` on the folder. Seconds by the clock, and the most
memory that the process ever held.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

WIDTH, HEIGHT = 4000, 3000
VERBS = ("denoise", "detect")


def make(folder: Path, count: int) -> None:
    """The photographs; one in twenty has a black bar that the others lack."""
    rng = np.random.default_rng(0)
    sources = [Image.fromarray(image) for image in load_sample_images().images]
    folder.mkdir(parents=True)
    for i in range(count):
        source = sources[int(rng.integers(2))]
        wide = int(rng.integers(400, 640))
        left, top = int(rng.integers(0, 641 - wide)), int(rng.integers(0, 428 - wide * 3 // 4 + 1) if wide < 569 else 0)
        crop = source.crop((left, top, left + wide, min(top + wide * 3 // 4, 427)))
        photo = np.asarray(crop.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)
        photo = photo[:, :: int(rng.choice((-1, 1)))] * rng.uniform(0.8, 1.2)
        photo = photo + rng.standard_normal(photo.shape, dtype=np.float32) * 12
        if i % 20 == 19:
            photo[1400:1440, 800:2800] = 0
        Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(folder / f"{i:04d}.jpg", quality=92)


def main() -> None:
    """One line a verb."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    latently = str(Path(sys.executable).with_name("latently"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("PLACE")) as place:
        photos = Path(place, "photos")
        make(photos, count)
        size = sum(p.stat().st_size for p in photos.iterdir()) / 1e6
        print(f"{count} photographs of {WIDTH} x {HEIGHT}, {size:.0f} MB", flush=True)
        for verb in sys.argv[2:] or VERBS:
            start = time.perf_counter()
            done = subprocess.run(
                [latently, verb, str(photos), "-o", str(Path(place, verb))], capture_output=True, text=True, check=False
            )
            seconds = time.perf_counter() - start
            most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
            told = (done.stdout or done.stderr).strip().splitlines()
            print(
                f"{verb:8s} exit {done.returncode}  {seconds:7.1f} s  {most:5.2f} GiB  {told[-1] if told else ''}",
                flush=True,
            )


if __name__ == "__main__":
    main()
