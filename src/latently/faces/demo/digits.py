"""Handwritten digits: codes that keep them, and a map that sorts them."""

from __future__ import annotations

import sys
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from latently.faces import screen

__all__ = ["Digits", "codes", "plane", "show"]

COMPONENTS = 16
SHOWN = 2  # digits: pairs that fit in 80 columns
EPOCHS = 100  # of the map: enough to see it in a few seconds
SHADES = " ░▒▓█"
PLAIN = " .:*#"
WIDE, HIGH = 72, 20  # characters of the map

Rows = NDArray[np.float64]


class Digits:
    """scikit-learn's 1,797 images: seven tenths to learn from, the others never seen."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        parts = train_test_split(digits.data, digits.target, test_size=0.3, random_state=0)
        self.seen, self.new, self.seen_labels, self.new_labels = parts

    @cached_property
    def standard(self) -> tuple[Rows, Rows]:
        """Both parts in units of each pixel's deviation."""
        mean, scale = self.seen.mean(0), self.deviation
        return (self.seen - mean) / scale, (self.new - mean) / scale

    @cached_property
    def deviation(self) -> Rows:
        """Of every pixel; 1 where it never changes."""
        scale = self.seen.std(0)
        return np.where(scale == 0, 1.0, scale)


# ---------------------------------------------------------------------- codes


def codes(digits: Digits) -> None:
    """An autoencoder beside PCA; some images beside what their codes tell."""
    from latently import Autoencoder

    typer.echo(f"ENCODE: {len(digits.seen):,} images of digits, 8 x 8 pixels, become codes of {COMPONENTS} numbers")
    start = time.monotonic()
    model = Autoencoder(COMPONENTS, random_state=0).fit(digits.seen)
    typer.echo(f"fitted in {time.monotonic() - start:.1f} s; on {len(digits.new)} images it has never seen:\n")
    _compare(model, digits)
    show(digits.new[:SHOWN], model.reconstruct(digits.new[:SHOWN]))
    _keep(model, digits.new)


def _compare(model: Any, digits: Digits) -> None:
    """Error and probe accuracy, beside PCA's, the mean predictor's and the pixels'."""
    from sklearn.decomposition import PCA

    x, new = digits.standard
    pca = PCA(COMPONENTS, random_state=0).fit(x)

    def error(again: Rows) -> str:
        return f"{((again - new) ** 2).sum() / (new**2).sum():.3f}"

    def accuracy(some: Any, others: Any) -> str:
        return f"{100 * _probe(some, digits.seen_labels, others, digits.new_labels):.1f} %"

    again = (model.reconstruct(digits.new) - digits.seen.mean(0)) / digits.deviation
    linear, size = pca.inverse_transform(pca.transform(new)), str(COMPONENTS)
    rows = [
        ("autoencoder", size, error(again), accuracy(model.transform(digits.seen), model.transform(digits.new))),
        ("PCA", size, error(linear), accuracy(pca.transform(x), pca.transform(new))),
        ("each pixel's mean", "0", error(np.zeros_like(new)), "-"),
        ("the pixels themselves", str(x.shape[1]), "0.000", accuracy(x, new)),
    ]
    screen.columns("what is kept of an image", ("", "numbers", "error", "digit told"), rows)
    typer.echo("error: squared, 1 is what the mean alone leaves")
    typer.echo("digit told: by a logistic regression on the numbers\n")


def _probe(some: Any, labels: Any, others: Any, other_labels: Any) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(some, labels)
    return float(probe.score(others, other_labels))


def show(images: Rows, again: Rows, titles: tuple[str, str] = ("image", "from its code")) -> None:
    """Images, and beside each what its code tells."""
    pairs = [rows[j] for j in range(len(images)) for rows in (images, again)]
    typer.echo("  " + "  ".join(f"{title:<16}" for title in titles * len(images)).rstrip())
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
    typer.echo(f"saved ({size / 1000:.0f} kB) and loaded again: {same}")


# ---------------------------------------------------------------------- the map


def plane(digits: Digits) -> None:
    """A map beside PCA's, and the map of the new images drawn in characters."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier

    from latently import Map

    def told(some: Any, others: Any) -> float:
        nearest = KNeighborsClassifier(1).fit(some, digits.seen_labels)
        return float(nearest.score(others, digits.new_labels))

    typer.echo("\nMAP: the same images as points of a plane; nobody told which digit is which")
    start = time.monotonic()
    model = Map(epochs=EPOCHS, random_state=0).fit(digits.seen)
    typer.echo(f"fitted in {time.monotonic() - start:.1f} s; the images it has never seen:\n")
    points = model.transform(digits.new)
    for line in _plot(points, digits.new_labels):
        typer.echo(line)
    x, new = digits.standard
    pca = PCA(2, random_state=0).fit(x)
    rows = [
        ("map", f"{100 * told(model.transform(digits.seen), points):.1f} %"),
        ("PCA", f"{100 * told(pca.transform(x), pca.transform(new)):.1f} %"),
        ("by chance", f"{100 * float(np.bincount(digits.new_labels).max()) / len(new):.1f} %"),
    ]
    typer.echo()
    screen.columns("new images whose nearest known image is of the same digit", ("", "share"), rows)


def _plot(points: Any, labels: Any) -> list[str]:
    """Every spot of the plane shows the digit that most of its images are."""
    low, high = points.min(0), points.max(0)
    spots = ((points - low) / (high - low) * (WIDE - 1, HIGH - 1)).round().astype(int)
    votes = np.zeros((HIGH, WIDE, 10), dtype=int)
    np.add.at(votes, (spots[:, 1], spots[:, 0], labels), 1)
    shown = np.where(votes.sum(2) > 0, votes.argmax(2), -1)[::-1]
    return ["  " + "".join(" " if v < 0 else str(v) for v in line).rstrip() for line in shown]
