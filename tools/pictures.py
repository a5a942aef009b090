"""Draw the pictures of docs/images.md and docs/kinds.md anew: `python tools/pictures.py`, a few minutes of processor.

Every picture is made by the library from data that scikit-learn ships.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, load_sample_images

from latently import AnomalyDetector, Autoencoder, Denoiser, Generator, Imputer, Map, SearchIndex
from latently.errors import FitAlarm
from latently.faces.sheets import heated, visible
from latently.modalities.encode import write
from latently.recipes.dictionary import Dictionary

OUT = Path(__file__).parents[1] / "docs" / "_static" / "images"
DIGITS = load_digits()
IMAGES = (DIGITS.images * (255 / 16)).astype(np.uint8)
TEST = IMAGES[1500:1512]


def strip(name: str, *rows: Any) -> None:
    """Rows of digits, one under the other, enlarged."""
    lines = [np.concatenate([np.pad(visible(i, 0, 255), ((1, 1), (1, 1), (0, 0)), constant_values=255) for i in row], 1)
             for row in rows]  # fmt: skip
    write(OUT / f"{name}.png", np.concatenate(lines).repeat(5, 0).repeat(5, 1))


def defect() -> None:
    """Crops of a photograph without and with a scratch of 3 x 30 pixels."""
    photo = load_sample_images().images[0]
    crops = [photo[y : y + 96, x : x + 96] for y in range(0, 320, 48) for x in range(0, 540, 48)]
    order = np.random.default_rng(3).permutation(len(crops))
    learned, judged = [crops[i] for i in order[:50]], [crops[i].copy() for i in order[50:53]]
    for image in judged:
        image[40:43, 30:60] = 250
    detector = AnomalyDetector(setting="clean", random_state=0).fit(np.stack(learned))
    low, high = detector.heat_range_
    pairs = [np.concatenate([image, heated(image, heat, low, high)]) for image, heat in
             zip(judged, detector.heat_map(np.stack(judged)), strict=True)]  # fmt: skip
    write(
        OUT / "defect.png", np.concatenate([np.pad(p, ((2, 2), (2, 2), (0, 0)), constant_values=255) for p in pairs], 1)
    )


def units() -> None:
    """What each of six units of a dictionary adds to an image (grey: nothing), and digits on which it is greatest."""
    kind, train = Dictionary(k=8), IMAGES[:1500]
    model = Autoencoder(128, kind=kind, random_state=0).fit(train)
    on = (model.transform(train) > 0).mean(0)
    chosen = np.argsort(-on)[4:52:8]  # from those on for many to those on for few
    atoms = model.inverse_transform(10 * np.eye(128, dtype=np.float32)).astype(float)
    atoms -= model.inverse_transform(np.zeros((1, 128), np.float32)).astype(float)
    added = [128 + 127 * atoms[u].reshape(8, 8) / np.abs(atoms[u]).max() for u in chosen]
    strip("units", *([a, *train[model.strongest(train, u, 12)[0]]] for a, u in zip(added, chosen, strict=True)))


def main() -> None:
    """All of them."""
    OUT.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", FitAlarm)
    train = IMAGES[:1500]
    strip("reconstruct", TEST, Autoencoder(8, random_state=0).fit(train).reconstruct(TEST))
    noisy = TEST + np.random.default_rng(0).normal(0, 64, TEST.shape)
    strip("denoise", TEST, noisy, Denoiser(noise=64, clean=True, random_state=0).fit(train).transform(noisy))
    index = SearchIndex(16, random_state=0).fit(train)
    found = index.query(TEST[:4], k=11)[1]
    strip("search", *([TEST[i], *train[found[i].astype(int)]] for i in range(4)))
    generator = Generator(16, random_state=0).fit(train, DIGITS.target[:1500])
    drawn = [generator.sample(12, given=d, random_state=0) for d in (3, 8)]
    way: NDArray[Any] = np.asarray(generator.interpolate(TEST[0], TEST[3], steps=12))
    strip("generate", *drawn, way)
    holed = TEST.astype(np.float32)
    holed[:, 2:5, 2:6] = np.nan
    strip(
        "impute",
        TEST,
        np.nan_to_num(holed, nan=128),
        Imputer(random_state=0).fit(train.astype(np.float32)).transform(holed),
    )
    axes = Map(random_state=0).fit(IMAGES).plot(IMAGES, images=True)
    axes.figure.savefig(OUT / "map.png", dpi=110)
    defect()
    units()


if __name__ == "__main__":
    main()
