"""Clips of spoken digits (fsdd, 8 kHz): features, search, detection: `python bench/sound.py [features|search|detect]`.

Index 0 to 4 of every speaker and digit are the test part (200 clips), the other 1,800 are learned from. The baselines
see the same spectrogram: 40 mel bands, 16 ms a frame, silence behind short clips. Default settings, one thread, seed 0;
CPU seconds of the whole fit.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sets import folder
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import AnomalyDetector, Autoencoder, SearchIndex
from latently.modalities import Audio

RATE, CODE = 8000, 32
Clips = list[NDArray]


def digits() -> tuple[Clips, NDArray, Clips, NDArray]:
    """Clips and digits to train on, and those to test on."""
    with np.load(folder() / "fsdd" / "fsdd.npz") as found:
        samples, lengths, digit, index = (found[n] for n in ("samples", "lengths", "digit", "index"))
    clips = np.split(samples, np.cumsum(lengths)[:-1])
    test = index < 5
    here, there = np.flatnonzero(~test), np.flatnonzero(test)
    return [clips[i] for i in here], digit[here], [clips[i] for i in there], digit[there]


class Plain:
    """Spectrograms as the baselines see them."""

    def __init__(self, clips: Clips) -> None:
        self.audio = Audio(rate=RATE, seconds=max(map(len, clips)) / RATE)
        self.audio.most, self.audio.padded = 10_000, True  # one row a clip, silence behind it
        self.audio.learn(self, clips, None, False)

    def __call__(self, clips: Clips) -> NDArray:
        return self.audio.take(self, clips).x.numpy()


def probe(train: NDArray, labels: NDArray, test: NDArray, wanted: NDArray) -> float:
    """Accuracy of a logistic regression."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(train, labels)
    return float(model.score(test, wanted))


def near(base: NDArray, labels: NDArray, asked: NDArray, wanted: NDArray) -> float:
    """Share of the ten nearest by cosine that are the same digit."""
    middle = base.mean(0)
    base, asked = ((x - middle) / np.linalg.norm(x - middle, axis=1, keepdims=True) for x in (base, asked))
    top = np.argsort(-(asked @ base.T), axis=1)[:, :10]
    return float((labels[top] == wanted[:, None]).mean())


def features() -> None:
    """Accuracy of a linear probe."""
    train, a, test, b = digits()
    start = time.process_time()
    model = Autoencoder(CODE, data=Audio(rate=RATE), random_state=0).fit(train)
    seconds = time.process_time() - start
    plain = Plain(train)
    x, y = plain(train), plain(test)
    pca = PCA(CODE, random_state=0).fit(x)
    ours = probe(model.transform(train), a, model.transform(test), b)
    linear = probe(pca.transform(x), a, pca.transform(y), b)
    raw = probe(x, a, y, b)
    print(
        f"features, {CODE}: ours {ours:.3f}  PCA {linear:.3f}  (all {x.shape[1]} cells {raw:.3f})  {seconds:.0f} s",
        flush=True,
    )


def search() -> None:
    """Precision at 10, the same digit."""
    train, a, test, b = digits()
    start = time.process_time()
    index = SearchIndex(CODE, data=Audio(rate=RATE), random_state=0).fit(train)
    seconds = time.process_time() - start
    _, names = index.query(test, 10)
    ours = float((a[np.asarray(names, int)] == b[:, None]).mean())
    plain = Plain(train)
    pca = PCA(CODE, random_state=0).fit(plain(train))
    linear = near(pca.transform(plain(train)), a, pca.transform(plain(test)), b)
    raw = near(plain(train), a, plain(test), b)
    print(f"search, {CODE}: ours {ours:.3f}  PCA {linear:.3f}  (all cells {raw:.3f})  {seconds:.0f} s", flush=True)


def planted(clips: Clips, sort: str, rng: np.random.Generator) -> Clips:
    """Clips with a click of 2 ms, or a tone of 60 ms, 12 dB below the clip's peak, somewhere inside."""
    found = []
    for clip in clips:
        x = clip.astype(np.float64)
        length = 16 if sort == "click" else 480
        at = int(rng.integers(0, max(1, len(x) - length)))
        peak = np.abs(x).max() / 4
        t = np.arange(min(length, len(x) - at))
        if sort == "click":
            x[at : at + len(t)] += peak * rng.choice([-1, 1], len(t))
        else:
            x[at : at + len(t)] += peak * np.sin(2 * np.pi * rng.uniform(500, 3500) * t / RATE) * np.hanning(len(t))
        found.append(np.clip(x, -32768, 32767).astype(np.int16))
    return found


def detect() -> None:
    """AUROC of planted anomalies among the clips of one digit; the means over the digits 0, 3, 7."""
    train, a, test, b = digits()
    scores: dict[tuple[str, str], list[float]] = {}
    start = time.process_time()
    for digit in (0, 3, 7):
        rng = np.random.default_rng(digit)
        known = [c for c, d in zip(train, a, strict=True) if d == digit]
        usual = [c for c, d in zip(test, b, strict=True) if d == digit]
        others = [c for c, d in zip(test, b, strict=True) if d != digit]
        strange = {"click": planted(usual, "click", rng), "tone": planted(usual, "tone", rng), "digit": others}
        model = AnomalyDetector(setting="clean", data=Audio(rate=RATE), random_state=0).fit(known)
        plain = Plain(known + test)
        x = plain(known)
        pca = PCA(CODE, random_state=0).fit(x)
        judges = {
            "ours": lambda c, m=model: -m.score_samples(c),
            "PCA": lambda c, p=pca, s=plain: np.square(s(c) - p.inverse_transform(p.transform(s(c)))).sum(1),
            "1-NN": lambda c, x=x, s=plain: np.sqrt(np.square(s(c)[:, None] - x[None]).sum(2)).min(1),
        }
        for name, judge in judges.items():
            normal = judge(usual)
            for sort, clips in strange.items():
                odd = judge(clips)
                truth = np.r_[np.zeros(len(normal)), np.ones(len(odd))]
                scores.setdefault((name, sort), []).append(float(roc_auc_score(truth, np.r_[normal, odd])))
    seconds = time.process_time() - start
    for name in ("ours", "PCA", "1-NN"):
        print(
            f"detect, {name:5s}", *(f"{sort} {np.mean(scores[name, sort]):.3f} " for sort in ("click", "tone", "digit"))
        )
    print(f"detect: {seconds:.0f} s", flush=True)


def main() -> None:
    """The jobs named, or all."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for job in sys.argv[1:] or ["features", "search", "detect"]:
        {"features": features, "search": search, "detect": detect}[job]()


if __name__ == "__main__":
    main()
