"""The main job on real data that comes along: scikit-learn's handwritten digits."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from latently.faces import screen

__all__ = ["run"]

COMPONENTS = 16
SHOWN = 2  # digits: pairs that fit in 80 columns
SHADES = " ░▒▓█"
PLAIN = " .:*#"

Rows = NDArray[np.float64]


def run() -> None:
    """Fit, compare, show, save and load; leaves nothing behind."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x, test, labels, test_labels = train_test_split(digits.data, digits.target, test_size=0.3, random_state=0)
    typer.echo(f"{len(x):,} images of handwritten digits, 8 x 8 pixels each, become codes of {COMPONENTS} numbers.")
    from latently import Autoencoder

    start = time.monotonic()
    model = Autoencoder(COMPONENTS, random_state=0).fit(x)
    seconds = time.monotonic() - start
    typer.echo(f"Fitted in {seconds:.1f} s. On {len(test)} images it has never seen:\n")
    _compare(model, (x, labels), (test, test_labels))
    _show(test[:SHOWN], model.reconstruct(test[:SHOWN]))
    _keep(model, test)


def _compare(model: Any, train: tuple[Rows, Any], test: tuple[Rows, Any]) -> None:
    """Error and probe accuracy, beside PCA's, the mean predictor's and the pixels'."""
    from sklearn.decomposition import PCA

    mean, scale = train[0].mean(0), train[0].std(0)
    scale[scale == 0] = 1
    x, new = (train[0] - mean) / scale, (test[0] - mean) / scale
    pca = PCA(COMPONENTS, random_state=0).fit(x)

    def error(again: Rows) -> str:
        return f"{((again - new) ** 2).sum() / (new**2).sum():.3f}"

    def accuracy(codes: Any, new_codes: Any) -> str:
        return f"{100 * _probe(codes, train[1], new_codes, test[1]):.1f} %"

    again = (model.reconstruct(test[0]) - mean) / scale
    linear = pca.inverse_transform(pca.transform(new))
    rows = [
        (
            "autoencoder",
            str(COMPONENTS),
            error(again),
            accuracy(model.transform(train[0]), model.transform(test[0])),
        ),
        ("PCA", str(COMPONENTS), error(linear), accuracy(pca.transform(x), pca.transform(new))),
        ("each pixel's mean", "0", error(np.zeros_like(new)), "-"),
        ("the pixels themselves", str(x.shape[1]), "0.000", accuracy(x, new)),
    ]
    screen.columns("what is kept of an image", ("", "numbers", "error", "digit told"), rows)
    typer.echo("error: squared, 1 is what the mean alone leaves")
    typer.echo("digit told: by a logistic regression on the numbers\n")


def _probe(codes: Any, labels: Any, new: Any, new_labels: Any) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(codes, labels)
    return float(probe.score(new, new_labels))


def _show(images: Rows, again: Rows) -> None:
    """Images, and beside each what its code tells."""
    pairs = [rows[j] for j in range(len(images)) for rows in (images, again)]
    typer.echo("  " + "  ".join(f"{title:<16}" for title in ("image", "from its code") * len(images)).rstrip())
    for lines in zip(*map(_picture, pairs), strict=True):
        typer.echo("  " + "  ".join(lines).rstrip())
    typer.echo()


def _picture(pixels: Rows) -> list[str]:
    """An image of 0 (paper) to 16 (ink), two characters a pixel."""
    try:
        SHADES.encode(sys.stdout.encoding or "ascii")
        shades = SHADES
    except UnicodeEncodeError:
        shades = PLAIN
    levels = np.clip(np.rint(pixels / 16 * (len(shades) - 1)), 0, len(shades) - 1).astype(int)
    return ["".join(shades[level] * 2 for level in line) for line in levels.reshape(8, 8)]


def _keep(model: Any, rows: Rows) -> None:
    """A model that went through a file gives the same codes."""
    from latently import load, save

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.safetensors"
        save(model, path)
        size = path.stat().st_size
        apart = float(np.abs(load(path).transform(rows) - model.transform(rows)).max())
    same = "the same codes, to the bit" if apart == 0 else f"codes that differ by {apart:.1g}"
    typer.echo(f"Saved ({size / 1000:.0f} kB), loaded again: {same}. The file is gone.")
