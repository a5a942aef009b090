"""Digits as images: noise taken out, like ones found, new ones drawn, and all of them kept in a small file."""

from __future__ import annotations

import time
import zlib
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from latently.faces import screen
from latently.faces.demo.digits import Digits, show

__all__ = ["denoise", "pack", "sample", "search"]

NOISE = 4.0  # of 16 greys
EPOCHS = {"denoise": 10, "search": 40, "sample": 20}  # enough to see it in a few seconds
NEAREST = 10
DRAWN = 2  # digits that fit in 80 columns

Images = NDArray[Any]


def _square(rows: Images) -> Images:
    return rows.reshape(-1, 8, 8)


def denoise(digits: Digits) -> None:
    """A denoiser beside the blur that fits the noise best."""
    from scipy.ndimage import gaussian_filter

    from latently import Denoiser

    clean = _square(digits.new)
    noisy = clean + np.random.default_rng(0).normal(0, NOISE, clean.shape)
    typer.echo(
        f"\nDENOISE: {len(clean)} images with noise of deviation {NOISE:g}, "
        f"learned from {len(digits.seen):,} clean ones"
    )
    start = time.monotonic()
    model = Denoiser(noise=NOISE, clean=True, epochs=EPOCHS["denoise"], random_state=0).fit(_square(digits.seen))
    made = model.transform(noisy)
    typer.echo(f"fitted and cleaned in {time.monotonic() - start:.1f} s\n")

    def ratio(images: Images) -> str:
        return f"{10 * np.log10(16**2 / np.square(images - clean).mean()):.1f} dB"

    blurs = [gaussian_filter(noisy, (0, s, s)) for s in (0.4, 0.5, 0.6, 0.7, 0.8, 1.0)]
    best = min(blurs, key=lambda b: float(np.square(b - clean).mean()))
    rows = [("denoiser", ratio(made)), ("the best Gaussian blur", ratio(best)), ("noisy", ratio(noisy))]
    screen.columns("images never seen", ("", "PSNR"), rows)


def search(digits: Digits) -> None:
    """Of the nearest ten, how many have the digit that was asked for."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    from latently import SearchIndex

    typer.echo(f"\nSEARCH: {len(digits.new)} images ask {len(digits.seen):,} others for the {NEAREST} most alike")
    start = time.monotonic()
    index = SearchIndex(16, epochs=EPOCHS["search"], random_state=0).fit(digits.seen)
    names = index.query(digits.new, k=NEAREST)[1].astype(int)
    typer.echo(f"learned and asked in {time.monotonic() - start:.1f} s\n")

    def right(found: Images) -> str:
        return f"{(digits.seen_labels[found] == digits.new_labels[:, None]).mean():.3f}"

    pca = PCA(16, random_state=0).fit(digits.seen)
    pairs = [("16 principal components", pca.transform(digits.seen), pca.transform(digits.new)),
             ("64 pixels", digits.seen, digits.new)]  # fmt: skip
    plain = [(n, right(NearestNeighbors(n_neighbors=NEAREST).fit(a).kneighbors(b)[1])) for n, a, b in pairs]
    screen.columns("share of the same digit", ("", "share"), [("search index, codes of 16", right(names)), *plain])


def sample(digits: Digits) -> None:
    """New digits of each label; a classifier that saw only real ones tells which they are."""
    from sklearn.linear_model import LogisticRegression

    from latently import Generator

    typer.echo("\nSAMPLE: new digits, 50 of each label")
    start = time.monotonic()
    model = Generator(16, network=(128,), epochs=EPOCHS["sample"], random_state=0)
    model.fit(_square(digits.seen).astype(np.uint8), digits.seen_labels)
    made = np.stack([model.sample(50, given=d, random_state=0) for d in range(10)])
    typer.echo(f"fitted and drawn in {time.monotonic() - start:.1f} s\n")
    judge = LogisticRegression(max_iter=2000).fit(digits.seen / 16, digits.seen_labels)
    told = judge.predict(made.reshape(500, 64) / 16).reshape(10, 50)
    real = judge.score(digits.new / 16, digits.new_labels)
    rows = [("new digits", f"{(told == np.arange(10)[:, None]).mean():.3f}"), ("real ones, never seen", f"{real:.3f}")]
    screen.columns("taken by a classifier for what they should be", ("", "share"), rows)
    threes, eights = (made[d, :DRAWN].reshape(DRAWN, 64) for d in (3, 8))
    show(threes, eights, ("a new three", "a new eight"))


def pack(digits: Digits) -> None:
    """All images as one checked file, without loss, beside zlib."""
    from latently import Compressor

    images = _square(np.concatenate([digits.seen, digits.new])).astype(np.uint8)
    typer.echo(f"\nCOMPRESS: {len(images):,} images in one checked file, without loss")
    try:
        file = Compressor(quality="lossless").compress(images)
    except ImportError:
        typer.echo("needs the extra codec: pip install 'latently[codec]'")
        return
    same = bool((Compressor().decompress(file) == images).all())
    rows = [
        ("compressor", f"{len(file) / 1000:.1f} kB"),
        ("zlib", f"{len(zlib.compress(images.tobytes(), 9)) / 1000:.1f} kB"),
    ]
    screen.columns("size", ("", "file"), rows)
    typer.echo(f"what comes back: {'the same, to the bit' if same else 'NOT THE SAME'}")
