"""Draw the pictures of docs/series.md, audio.md and text.md anew: `python tools/pictures_sequences.py [NAME]`.

Every picture is made by the library with its defaults unless a line says otherwise, from data that is made here or
comes with scikit-learn.
"""

from __future__ import annotations

import importlib
import io
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latently import AnomalyDetector, Audio, Autoencoder, Denoiser, Generator, Imputer, Map, Series, Text
from latently.errors import FitAlarm
from latently.faces.spectrogram import spectrogram

mpl.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parents[1] / "docs" / "_static"
DAY = 48  # steps
RATE = 8000
BLUE, ORANGE, RED, GREY = "#1f77b4", "#ff7f0e", "#d62728", "#8a8a8a"

Floats = NDArray[np.float64]


def keep(figure: Any, name: str) -> None:
    """Write a figure; a small file."""
    place = OUT / f"{name}.png"
    place.parent.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    figure.savefig(held, dpi=90, bbox_inches="tight")
    plt.close(figure)
    Image.open(held).convert("RGB").quantize(64).save(place, optimize=True)
    print(place.name, place.stat().st_size)


# ---------------------------------------------------------------------- series


def loads(days: int, rng: np.random.Generator) -> Floats:
    """Load in percent and temperature of a machine, `(time, 2)`: two peaks a day, heat follows load."""
    t = np.arange(days * DAY) / DAY
    tall = rng.uniform(0.85, 1.15, (2, days)).repeat(DAY, 1)
    peaks = tall[0] * np.exp(-((((t % 1) - 0.42) / 0.1) ** 2)) + 0.7 * tall[1] * np.exp(
        -((((t % 1) - 0.8) / 0.05) ** 2)
    )
    load = 15 + 60 * peaks + 2 * rng.normal(size=len(t))
    kernel = np.exp(-np.arange(24) / 6)
    heat = 30 + 0.3 * np.convolve(load, kernel / kernel.sum())[: len(t)] + 0.5 * rng.normal(size=len(t))
    return np.column_stack([load, heat])


def series_detect() -> None:
    """A week in which an evening is quiet, and a thermometer jitters one night; windows of a third of a day."""
    rng = np.random.default_rng(0)
    learned, week = loads(60, rng), loads(7, rng)
    evening, night = slice(2 * DAY + 34, 2 * DAY + 44), slice(5 * DAY - 4, 5 * DAY + 10)
    week[evening, 0] = 15 + 2 * rng.normal(size=10)
    week[night, 1] += 2 * rng.normal(size=14)
    detector = AnomalyDetector(setting="clean", data=Series(window=16), random_state=0).fit(learned)
    scores, heat = -detector.score_samples(week), detector.heat_map(week)
    print(f"line {detector.threshold_:.2f}", *(i.text() for i in detector.explain(week, top=2)[0]), sep="\n")
    figure, axes = plt.subplots(3, 1, figsize=(8, 4.2), sharex=True, height_ratios=[2, 2, 1.6])
    days = np.arange(len(week)) / DAY
    for c, (ax, name) in enumerate(zip(axes, ("load, %", "heat, °C"), strict=False)):
        ax.plot(days, week[:, c], color=BLUE, lw=1)
        share = np.clip(heat[:, c] / heat.max(), 0, 1)[None]
        low, high = ax.get_ylim()
        ax.imshow(share, aspect="auto", extent=(0, 7, low, high), cmap="Reds", vmin=0, vmax=1.4, zorder=0)
        ax.set_ylabel(name)
    axes[2].plot(days, scores, color=RED, lw=1)
    axes[2].axhline(detector.threshold_, color=GREY, lw=1, ls="--")
    axes[2].set_yscale("symlog", linthresh=10)
    axes[2].set_ylabel("strange, nats")
    axes[2].set_xlabel("day")
    axes[2].set_xlim(0, 7)
    keep(figure, "series/detect")


def series_gaps() -> None:
    """Gaps of some hours: the truth, straight lines, and what the model fills in."""
    rng = np.random.default_rng(1)
    whole = loads(60, rng)
    holed = whole.copy()
    for start in rng.integers(0, 56 * DAY, 60):
        holed[start : start + 12] = np.nan
    first = 56 * DAY
    gaps = [slice(first + a, first + a + 14) for a in (14, DAY + 32, 2 * DAY + 12)]
    for gap in gaps:
        holed[gap] = np.nan
    filled = Imputer(data=Series(), random_state=0).fit_transform(holed)
    figure, axes = plt.subplots(2, 1, figsize=(8, 3.4), sharex=True)
    shown = slice(first, first + 3 * DAY)
    hours = np.arange(3 * DAY) / 2
    for c, (ax, name) in enumerate(zip(axes, ("load, %", "heat, °C"), strict=True)):
        ax.plot(hours, whole[shown, c], color=GREY, lw=0.8, ls=":", label="what was there")
        ax.plot(hours, holed[shown, c], color=BLUE, lw=1.2, label="known")
        for i, gap in enumerate(gaps):
            a, b = gap.start - 1, gap.stop
            at = (np.arange(a, b + 1) - first) / 2
            ax.plot(at[[0, -1]], whole[[a, b], c], color=GREY, lw=1, ls="--", label="" if i else "straight line")
            ax.plot(at, np.r_[whole[a, c], filled[gap, c], whole[b, c]], color=ORANGE, lw=1.6,
                    label="" if i else "filled")  # fmt: skip
        ax.set_ylabel(name)
    axes[0].legend(ncols=4, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    axes[1].set_xlabel("hour")
    axes[1].set_xlim(0, 3 * DAY / 2)
    keep(figure, "series/gaps")


def series_generate() -> None:
    """Days that were there, new ones, and the way from one to another."""
    days = loads(300, np.random.default_rng(2))[:, 0].reshape(300, DAY)
    late = np.roll(days[:150], 8, axis=1)
    both = [*late, *days[150:]]
    generator = Generator(8, random_state=0).fit(both)
    new, way = generator.sample(8, random_state=0), generator.interpolate(both[0], both[-1], steps=7)
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.2), sharey=True)
    hours = np.arange(DAY) / 2
    for ax, name, some in ((axes[0], "of the fit", [*both[:4], *both[-4:]]), (axes[1], "new", new)):
        for one in some:
            ax.plot(hours, one, color=BLUE, lw=0.8, alpha=0.7)
        ax.set_title(name, fontsize=10)
    for i, one in enumerate(way):
        axes[2].plot(hours, one, color=plt.get_cmap("viridis")(i / 7), lw=1)
    axes[2].set_title("from one to another", fontsize=10)
    axes[0].set_ylabel("load, %")
    for ax in axes:
        ax.set_xlabel("hour")
    keep(figure, "series/generate")


# ---------------------------------------------------------------------- sound


def tune(rng: np.random.Generator, seconds: float = 1.2) -> Floats:
    """Notes of six overtones that glide and fade, with rests between them."""
    made, left = [], seconds
    while left > 0:
        t = np.arange(int(min(left, rng.uniform(0.15, 0.35)) * RATE)) / RATE
        pitch = rng.choice([220, 262, 330, 392]) * (1 + rng.uniform(-0.25, 0.25) * t)
        turn = 2 * np.pi * np.cumsum(pitch) / RATE
        note = sum(np.sin(k * turn) / k for k in range(1, 7)) * np.sqrt(np.hanning(len(t)))
        made.append(np.concatenate([note * rng.choice([0.1, 0.2]), np.zeros(int(0.05 * RATE))]))
        left -= len(made[-1]) / RATE
    return np.concatenate(made)[: int(seconds * RATE)]


def audio_denoise() -> None:
    """A tune with noise as loud as itself less 5 dB, cleaned by a model that heard clean tunes; few epochs."""
    rng = np.random.default_rng(0)
    clean = [tune(rng).astype(np.float32) for _ in range(80)]
    denoiser = Denoiser(data=Audio(rate=RATE), epochs=6, random_state=0).fit(clean)
    wanted = tune(rng)
    noise = rng.normal(size=len(wanted)) * np.sqrt(np.square(wanted).mean() / 10**0.5)
    noisy = (wanted + noise).astype(np.float32)
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.2), sharey=True)
    for ax, name, sound in zip(
        axes, ("noisy", "cleaned", "what was there"), (noisy, denoiser.transform([noisy])[0], wanted), strict=True
    ):
        heard(ax, sound)
        ax.set_title(name, fontsize=10)
    axes[0].set_ylabel("kHz")
    keep(figure, "audio/denoise")


def heard(ax: Any, sound: NDArray[Any]) -> None:
    """A spectrogram."""
    ax.imshow(
        255 - spectrogram(sound, RATE), cmap="gray", aspect="auto", interpolation="bilinear", vmin=0, vmax=255,
        extent=(0, len(sound) / RATE, 0, RATE / 2000),
    )  # fmt: skip
    ax.set_xlabel("s")


def hum(rng: np.random.Generator) -> Floats:
    """A second of a machine: a hum that beats, and its hiss."""
    t = np.arange(RATE) / RATE
    turn = 2 * np.pi * np.cumsum(120 * (1 + 0.02 * np.sin(2 * np.pi * rng.uniform(1, 2) * t))) / RATE
    tones = sum(np.sin(k * turn + rng.uniform(0, 6)) / k for k in range(1, 12))
    beat = 1 + 0.4 * np.sin(2 * np.pi * 8 * t + rng.uniform(0, 6))
    return 0.1 * tones * beat + 0.01 * rng.normal(size=RATE)


def audio_detect() -> None:
    """A machine that squeals for a moment, beside one that does not."""
    rng = np.random.default_rng(0)
    clips = [hum(rng).astype(np.float32) for _ in range(80)]
    detector = AnomalyDetector(setting="clean", data=Audio(rate=RATE), random_state=0).fit(clips)
    fine, odd = hum(rng).astype(np.float32), hum(rng)
    t = np.arange(RATE // 4) / RATE
    odd[3000:5000] += 0.05 * np.sin(2 * np.pi * (2200 + 1200 * t) * t) * np.hanning(len(t))
    (low, high), middle = detector.heat_range_, detector.data_.ear.hertz().numpy()
    edges = np.r_[0.0, (middle[1:] + middle[:-1]) / 2, RATE / 2] / 1000
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.4), sharey=True)
    for ax, name, sound in zip(axes, ("as usual", "with a squeal"), (fine, odd.astype(np.float32)), strict=True):
        heard(ax, sound)
        ax.set_title(name, fontsize=10)
        heat = detector.heat_map([sound])[0]
        frames = np.linspace(0, 1, heat.shape[1] + 1)
        share = np.clip((heat - low) / (high - low), 0, 1)
        ax.pcolormesh(frames, edges, share, cmap="autumn_r", vmin=0, vmax=1, alpha=0.5 * share)
    print(detector.explain([odd.astype(np.float32)], top=1)[0][0].text())
    axes[0].set_ylabel("kHz")
    keep(figure, "audio/detect")


# ---------------------------------------------------------------------- text

SHELVES = ("cluster", "decomposition", "ensemble", "linear_model", "metrics")


def passages() -> tuple[list[str], list[str]]:
    """What scikit-learn says of itself: passages of 30 words or more, and the module they are of."""
    found: dict[str, set[str]] = {}
    for shelf in SHELVES:
        module = importlib.import_module(f"sklearn.{shelf}")
        for name in module.__all__:
            for part in re.split(r"\n\s*\n", getattr(getattr(module, name, None), "__doc__", None) or ""):
                if ">>>" not in part and len(re.findall(r"[a-z]{2,}", part)) >= 30:
                    found.setdefault(" ".join(part.split()), set()).add(shelf)
    own = sorted((text, shelves.pop()) for text, shelves in found.items() if len(shelves) == 1)
    return [text for text, _ in own], [shelf for _, shelf in own]


def text_map() -> None:
    """Passages, near each other where their words are."""
    texts, shelves = passages()
    print(len(texts), "passages")
    axes = Map(random_state=0).fit(texts).plot(texts, np.array(shelves))
    axes.figure.set_size_inches(6.5, 4.5)
    keep(axes.figure, "text/map")


def manuals() -> list[str]:
    """What scikit-learn says of each of its classes and functions, without references and examples."""
    shelves = (*SHELVES, "datasets", "manifold", "neighbors", "preprocessing", "svm", "tree")
    found: dict[str, None] = {}
    for module in (importlib.import_module(f"sklearn.{shelf}") for shelf in shelves):
        for name in module.__all__:
            whole = getattr(getattr(module, name, None), "__doc__", None) or ""
            found[re.split(r"(?:See Also|References|Examples)\n", whole)[0]] = None
    return [text for text in found if len(text) > 400]


def text_topics() -> None:
    """Words that the units of a code bring forward; words of a fifth of the documents are left out."""
    texts = manuals()
    data = Text(max_share=0.2, min_count=5)
    model = Autoencoder(6, kind="variational", data=data, random_state=0).fit(texts)
    found = model.topics(top=7)
    figure, axes = plt.subplots(1, 6, figsize=(9, 1.8))
    for j, (ax, words) in enumerate(zip(axes, found, strict=True)):
        for k, word in enumerate(words):
            ax.text(0.5, 1 - (k + 0.5) / 7, word, ha="center", va="center", fontsize=11 - k * 0.6,
                    color=plt.get_cmap("Blues")(1 - 0.08 * k))  # fmt: skip
        ax.set_axis_off()
        ax.set_title(f"unit {j}", fontsize=9, color=GREY)
    keep(figure, "text/topics")


PICTURES = (series_detect, series_gaps, series_generate, audio_denoise, audio_detect, text_map, text_topics)


def main(names: list[str]) -> None:
    """Those named, or all of them."""
    warnings.simplefilter("ignore", FitAlarm)
    for draw in PICTURES:
        if not names or draw.__name__ in names:
            draw()


if __name__ == "__main__":
    main(sys.argv[1:])
