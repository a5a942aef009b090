"""Draw the pictures of docs/tables.md and the one of labels in docs/jobs.md: `python tools/pictures_tables.py [NAME]`.

Every picture is made by the library with its defaults unless a line says otherwise, from tables that are made here or
come with scikit-learn; all take five minutes of a processor.
"""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression

from latently import Compressor, Denoiser, Generator, Imputer, PretrainedClassifier
from latently.errors import FitAlarm

mpl.use("Agg")
import itertools

import matplotlib.pyplot as plt

OUT = Path(__file__).parents[1] / "docs" / "_static" / "tables"
BLUE, ORANGE, RED, GREY = "#1f77b4", "#ff7f0e", "#d62728", "#8a8a8a"


def keep(figure: Any, name: str) -> None:
    """Write a figure; a small file."""
    OUT.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    figure.savefig(held, dpi=90, bbox_inches="tight")
    plt.close(figure)
    Image.open(held).convert("RGB").quantize(64).save(OUT / f"{name}.png", optimize=True)
    print(name, (OUT / f"{name}.png").stat().st_size)


def people(count: int = 3000) -> pd.DataFrame:
    """Heights, weights and shoes of three sizes."""
    rng = np.random.default_rng(0)
    height = rng.normal(172, 9, count)
    weight = np.maximum(height - 105 + rng.gamma(2, 6, count), 40)
    size = np.select([height > 181, height > 168], ["L", "M"], "S")
    shoe = (height / 4 - 1 + rng.normal(0, 0.6, count)).round()
    return pd.DataFrame({"height": height.round(1), "weight": weight.round(1), "size": size, "shoe": shoe.astype(int)})


def generate() -> None:
    """Columns and a pair of columns, of real rows and of new ones."""
    real = people()
    new = Generator(random_state=0).fit(real).sample(len(real))
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.3), layout="constrained")
    edges = np.linspace(real["weight"].min(), real["weight"].max(), 40)
    for frame, colour in ((real, GREY), (new, BLUE)):
        axes[0].hist(frame["weight"], edges, color=colour, alpha=0.6)
    axes[0].set_title("weight")
    levels = ["S", "M", "L"]
    for i, (frame, colour) in enumerate(((real, GREY), (new, BLUE))):
        name = ("rows of the fit", "new rows")[i]
        axes[1].bar(np.arange(3) + 0.4 * i, frame["size"].value_counts()[levels], 0.4, color=colour, label=name)
    axes[1].legend(frameon=False, fontsize=7)
    axes[1].set_ylim(0, 2000)
    axes[1].set_xticks(np.arange(3) + 0.2, levels)
    axes[1].set_title("size")
    for ax, frame, name in ((axes[2], real, "rows of the fit"), (axes[3], new, "new rows")):
        for level, colour in zip(levels, (ORANGE, BLUE, RED), strict=True):
            rows = frame[frame["size"] == level].head(300)
            ax.scatter(rows["height"], rows["weight"], s=2, color=colour)
        ax.set(title=name, xlim=(140, 205), ylim=(35, 140), xlabel="height")
    axes[2].set_ylabel("weight")
    keep(figure, "generate")


def compress() -> None:
    """Bits a cell of each column, beside its bytes in the table."""
    data = load_breast_cancer(as_frame=True).frame
    told = Compressor().verify(Compressor().compress(data))["columns"][:12]
    figure, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
    names, place = [c["name"] for c in told], np.arange(len(told))
    exact = [8 * c["bytes"] / len(data) for c in told]
    near = {n: 1e-3 * float(np.ptp(data[n])) for n in names}
    bounded = Compressor().verify(Compressor(max_error=near).compress(data))["columns"][:12]
    ax.barh(place, exact, 0.4, color=BLUE, label="exact")
    ax.barh(
        place + 0.4, [8 * c["bytes"] / len(data) for c in bounded], 0.4, color=ORANGE, label="within 1e-3 of the range"
    )
    ax.set_yticks(place + 0.2, names, fontsize=7)
    ax.invert_yaxis()
    ax.set_xlabel("bits a cell; 64 in memory")
    ax.set_xlim(0, 24)
    ax.legend(frameon=False, fontsize=8, loc="center right")
    keep(figure, "compress")


def impute() -> None:
    """Hidden cells of wine: what they were, what is filled in, and its limits."""
    wine = load_wine(as_frame=True).data
    hidden = np.random.default_rng(0).random(wine.shape) < 0.2
    imputer = Imputer(random_state=0).fit(wine.mask(hidden))
    filled = imputer.transform(wine.mask(hidden))
    low, high = imputer.interval(wine.mask(hidden), level=0.8)
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained")
    for ax, name in zip(axes, ("alcohol", "flavanoids", "proline"), strict=True):
        here = hidden[:, list(wine).index(name)]
        true, made = wine[name][here], filled[name][here]
        ax.vlines(true, low[name][here], high[name][here], color=GREY, lw=0.8, alpha=0.7)
        ax.scatter(true, made, s=10, color=BLUE, zorder=3)
        ends = [wine[name].min(), wine[name].max()]
        ax.plot(ends, ends, color=ORANGE, lw=1)
        ax.set(title=name, xlabel="hidden")
    axes[0].set_ylabel("filled in, 80 % limits")
    keep(figure, "impute")


def denoise() -> None:
    """Numbers measured badly, and wrong cells, before and after."""
    clean, rng = people(4000), np.random.default_rng(1)
    noisy = clean.assign(height=clean["height"] + rng.normal(0, 4, len(clean)))
    made = Denoiser(noise={"height": 4}, random_state=0).fit(noisy[:3000]).transform(noisy[3000:])
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.6), layout="constrained", sharey=True)
    for ax, frame, name in ((axes[0], noisy[3000:], "measured"), (axes[1], made, "cleaned")):
        ax.scatter(clean["height"][3000:], frame["height"], s=2, color=BLUE)
        ax.plot([145, 200], [145, 200], color=ORANGE, lw=1)
        ax.set(title=name, xlabel="true height")
    axes[0].set_ylabel("height")
    dirty = clean.copy()
    for column in dirty:
        wrong = rng.random(len(clean)) < 0.05
        dirty[column] = clean[column].where(~wrong, rng.permutation(clean[column]))
    made = Denoiser(random_state=0).fit(dirty[:3000]).transform(dirty[3000:])
    for ax, frame, name in ((axes[2], dirty[3000:], "5 % of cells wrong"), (axes[3], made, "mended")):
        for level, colour in zip("SML", (ORANGE, BLUE, RED), strict=True):
            rows = frame[frame["size"] == level]
            ax.scatter(rows["shoe"] + rng.uniform(-0.3, 0.3, len(rows)), rows["height"], s=2, color=colour)
        ax.set(title=name, xlabel="shoe, coloured by size")
    keep(figure, "denoise")


def learn() -> None:
    """Digits from few labels: errors beside a network without pretraining and logistic regression; probabilities."""
    digits, digit = load_digits().images, load_digits().target
    order, counts = np.random.default_rng(0).permutation(len(digit)), [30, 60, 120, 240, 480]
    digits, digit = digits[order], digit[order]
    errors: dict[str, list[float]] = {"pretrained": [], "from scratch": [], "logistic regression": []}
    sure = right = np.empty(0)
    for count in counts:
        few = np.where(np.arange(len(digit)) < count, digit, -1)
        ours = PretrainedClassifier(random_state=0).fit(digits, few)
        scratch = PretrainedClassifier(pretraining=None, random_state=0).fit(digits, few)
        flat = digits.reshape(len(digits), -1) / 16
        line = LogisticRegression(max_iter=1000).fit(flat[:count], digit[:count])
        for name, model, rows in (
            ("pretrained", ours, digits), ("from scratch", scratch, digits), ("logistic regression", line, flat),
        ):  # fmt: skip
            errors[name].append(100 * (1 - model.score(rows[count:], digit[count:])))
        if count == 120:
            p = ours.predict_proba(digits[count:])
            sure, right = p.max(1), ours.classes_[p.argmax(1)] == digit[count:]
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 2.8), layout="constrained", width_ratios=(3, 2))
    for (name, found), colour in zip(errors.items(), (BLUE, ORANGE, GREY), strict=True):
        axes[0].plot(counts, found, "o-", ms=4, color=colour, label=name)
    axes[0].set(xscale="log", xlabel="labels of 1,797 digits", ylabel="errors on the others, %", ylim=(0, None))
    axes[0].set_xticks(counts, [str(c) for c in counts])
    axes[0].minorticks_off()
    axes[0].legend(frameon=False, fontsize=8)
    edges = np.quantile(sure, np.linspace(0, 1, 9))
    parts = [(sure >= a) & (sure <= b) for a, b in itertools.pairwise(edges)]
    axes[1].plot([0.3, 1], [0.3, 1], color=ORANGE, lw=1)
    axes[1].scatter([sure[p].mean() for p in parts], [right[p].mean() for p in parts], s=18, color=BLUE, zorder=3)
    axes[1].set(xlabel="said, from 120 labels", ylabel="right", xlim=(0.3, 1.03), ylim=(0.3, 1.03))
    keep(figure, "learn")


def main() -> None:
    """All of them, or those that are named."""
    warnings.simplefilter("ignore", FitAlarm)
    for name in sys.argv[1:] or ("generate", "compress", "impute", "denoise", "learn"):
        globals()[name]()


if __name__ == "__main__":
    main()
