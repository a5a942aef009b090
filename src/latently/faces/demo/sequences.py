"""Series, texts and sounds: a machine that stutters, descriptions told apart, tones out of noise."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from latently.faces import screen

__all__ = ["paragraphs", "signal", "tones"]

DAY, DAYS = 96, 24  # steps of a day, and days
FAULTS, LONG = 9, 12  # and steps of a fault
WINDOW = 24  # a fault and what is around it
UNITS, SHOWN, WORDS = 12, 4, 6
LEAST = 12  # words of a paragraph
SHARE = 0.15  # of the paragraphs: a word in more of them tells none apart
RATE, SECONDS, CLIPS = 8000, 0.5, 24

Steps = NDArray[np.float64]


# ---------------------------------------------------------------------- series


def signal() -> None:
    """A detector that has seen good days, beside what looks at a step alone, at those around it, or at its hour."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    from latently import AnomalyDetector, Series

    rng = np.random.default_rng(0)
    good, (x, wrong) = _wave(rng), _spoiled(rng)
    typer.echo(
        f"\nSERIES: a daily wave that wanders, made here; {DAYS} good days to learn from,\n"
        f"then {DAYS} with {FAULTS} faults of {LONG} steps"
    )
    start = time.monotonic()
    detector = AnomalyDetector(setting="clean", data=Series(window=WINDOW), random_state=0).fit(good)
    strange = -detector.score_samples(x)
    typer.echo(f"fitted and judged in {time.monotonic() - start:.1f} s\n")
    width = WINDOW + 1
    rolling = np.convolve(np.pad(x, WINDOW // 2, "edge"), np.ones(width) / width, "valid")
    hour = np.median(good.reshape(DAYS, DAY), 0)
    scores = [
        ("detector", strange), ("distance to the mean around it", np.abs(x - rolling)),
        ("distance to the step before", np.abs(np.diff(x, prepend=x[0]))),
        ("distance to the median of its hour", np.abs(x - np.tile(hour, DAYS))),
    ]  # fmt: skip
    rows = [(n, f"{average_precision_score(wrong, s):.3f}", f"{roc_auc_score(wrong, s):.3f}") for n, s in scores]
    screen.columns("steps of faults before the others", ("", "AP", "ROC AUC"), rows)
    where, _, why = detector.explain(x, top=1)[0][0].text().partition(": ")
    typer.echo(f"the strangest: {where}\n               {why}")


def _wave(rng: np.random.Generator) -> Steps:
    phase = 2 * np.pi * np.arange(DAY * DAYS) / DAY + np.cumsum(rng.normal(0, 0.02, DAY * DAYS))
    return np.asarray(np.sin(phase) + 0.4 * np.sin(3 * phase) + 0.08 * rng.normal(size=len(phase)))


def _spoiled(rng: np.random.Generator) -> tuple[Steps, NDArray[np.bool_]]:
    """Another stretch of it, and where its faults are: it stands still, shivers, or runs at twice the pace."""
    x, wrong = _wave(rng), np.zeros(DAY * DAYS, bool)
    for i, start in enumerate((np.arange(FAULTS) + 0.5) * len(x) // FAULTS + rng.integers(-60, 60, FAULTS)):
        here = slice(int(start), int(start) + LONG)
        wrong[here] = True
        if i % 3 == 0:
            x[here] = x[here.start]
        elif i % 3 == 1:
            x[here] += 0.4 * (-1.0) ** np.arange(LONG)
        else:
            x[here] = x[here.start + 2 * np.arange(LONG)]
    return x, wrong


# ---------------------------------------------------------------------- texts


def paragraphs() -> None:
    """What the units of a code of texts speak of; and whether the nearest text is of the same source."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    from latently import Autoencoder, Text

    texts, source = _descriptions()
    typer.echo(f"\nTEXT: {len(texts)} paragraphs that describe the {len(set(source))} data sets of scikit-learn")
    start = time.monotonic()
    model = Autoencoder(UNITS, data=Text(max_share=SHARE), random_state=0).fit(texts)
    seconds = time.monotonic() - start
    typer.echo(f"fitted in {seconds:.1f} s; words that its units bring forward:")
    order = np.argsort(-model.codes_.std(0), kind="stable")[:SHOWN]
    topics = model.topics(WORDS)
    for unit in order:
        typer.echo(f"  {', '.join(topics[unit])}")
    typer.echo()
    svd = make_pipeline(TfidfVectorizer(min_df=2, max_df=SHARE), TruncatedSVD(UNITS, random_state=0))
    pairs = [(f"autoencoder, codes of {UNITS}", model.transform(texts)),
             (f"TF-IDF and SVD of {UNITS}", svd.fit_transform(texts)),
             ("TF-IDF, every word", TfidfVectorizer().fit_transform(texts).toarray())]  # fmt: skip
    rows = [(name, f"{_alike(np.asarray(codes, np.float64), source):.3f}") for name, codes in pairs]
    rows.append(("a paragraph at random", f"{_chance(source):.3f}"))
    screen.columns("share whose nearest paragraph describes the same data set", ("", "share"), rows)


def _descriptions() -> tuple[list[str], list[str]]:
    from importlib.resources import files

    texts, source = [], []
    for file in sorted(files("sklearn.datasets.descr").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".rst"):
            for text in re.split(r"\n\s*\n", file.read_text("utf-8")):
                if len(re.findall(r"[^\W\d_]{2,}", text)) >= LEAST:
                    texts.append(" ".join(text.split()))
                    source.append(file.name)
    return texts, source


def _alike(codes: Steps, source: list[str]) -> float:
    """By the cosine of codes about their mean."""
    centred = codes - codes.mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    names = np.array(source)
    return float((names[near.argmax(1)] == names).mean())


def _chance(source: list[str]) -> float:
    _, counts = np.unique(source, return_counts=True)
    return float((counts * (counts - 1)).sum() / (len(source) * (len(source) - 1)))


# ---------------------------------------------------------------------- sounds


def tones() -> None:
    """Tunes out of noise, beside spectral subtraction that is told how loud the noise is."""
    from latently import Audio, Denoiser

    rng = np.random.default_rng(0)
    seen, clean = ([_tune(rng) for _ in range(CLIPS)] for _ in range(2))
    noisy = [c + rng.normal(0, np.sqrt(np.mean(c**2) / 2), len(c)) for c in clean]  # 3 dB
    typer.echo(f"\nSOUND: {CLIPS} tunes in white noise at 3 dB, made here; learned from {CLIPS} without")
    start = time.monotonic()
    model = Denoiser(data=Audio(rate=RATE), clean=True, epochs=1, random_state=0).fit(seen)
    made = model.transform(noisy)
    typer.echo(f"fitted and cleaned in {time.monotonic() - start:.1f} s\n")
    plain = [_subtracted(n, float(np.mean(c**2) / 2)) for n, c in zip(noisy, clean, strict=True)]

    def ratio(found: Any) -> str:
        return f"{np.mean([_ratio(f, c) for f, c in zip(found, clean, strict=True)]):.1f} dB"

    rows = [("sound denoiser", ratio(made)), ("spectral subtraction that is told the noise", ratio(plain)),
            ("noisy", ratio(noisy))]  # fmt: skip
    screen.columns("tunes to what is not them (SI-SDR)", ("", "ratio"), rows)


def _tune(rng: np.random.Generator) -> Steps:
    """Four notes with overtones, each fading."""
    t = np.arange(round(RATE * SECONDS / 4)) / RATE
    notes = [220 * 2 ** (rng.integers(0, 25) / 12) for _ in range(4)]
    return np.concatenate([
        0.2 * np.exp(-3 * t) * sum(np.sin(2 * np.pi * k * f * t) / k for k in (1, 2, 3)) for f in notes
    ])  # fmt: skip


def _subtracted(x: Steps, power: float) -> Steps:
    from scipy.signal import istft, stft

    size = 256
    spectrum = stft(x, nperseg=size)[2]
    floor = power * np.square(np.hanning(size)).sum() / np.hanning(size).sum() ** 2
    gain = np.sqrt(np.maximum(1 - floor / np.maximum(np.square(np.abs(spectrum)), 1e-30), 0.01))
    return np.asarray(istft(spectrum * gain, nperseg=size)[1][: len(x)])


def _ratio(made: Steps, clean: Steps) -> float:
    shared = made @ clean / (clean @ clean) * clean
    return float(10 * np.log10(shared @ shared / np.square(made - shared).sum()))
