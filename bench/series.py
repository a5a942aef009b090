"""What codes of series are worth, and how well gaps are filled: `python bench/series.py [features] [gaps] [nab]`.

Features: accuracy of a logistic regression on standardised codes of the test parts of `ucr_dev`, encoder and probe
fitted on the training parts, mean of three seeds; beside raw series (ragged ones padded with zeros) and PCA of as many
components. "codes": 32 numbers, all else default. "shaped": the same with `network=Temporal(shapes=True)`, of which 4
numbers tell shapes. "windows": sparse codes of 128 numbers of windows of an eighth of the longest series, an item
having the mean of its windows.

Gaps: of every test item runs are removed until a fifth is gone (seeded); root mean square error of the removed steps in
deviations of a training channel, beside straight lines and the last value. `nab`: the same of every fourth series of
NAB, one fit for all, each series in its own unit; what was removed is removed in the fit as well.
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from latently import Autoencoder, Imputer, Series
from latently.parts.networks import Temporal

SEEDS = (0, 1, 2)
NAMES = ("ArrowHead", "GunPoint", "ItalyPowerDemand", "OSULeaf", "BasicMotions", "JapaneseVowels", "Trace")
SHARE, RUN = 0.2, (3, 30)  # of the steps; steps of a run, or an eighth of a short series

Items = list[NDArray[np.float64]]


def part(name: str, which: str) -> tuple[Items, NDArray]:
    """Items `(time, channels)` and labels of the "train" or "test" part."""
    with np.load(folder() / "ucr_dev" / "ucr_dev.npz", allow_pickle=False) as found:
        y = found[f"{name}__y_{which}"]
        if f"{name}__len_{which}" in found:
            return np.split(found[f"{name}__Xflat_{which}"], np.cumsum(found[f"{name}__len_{which}"])[:-1]), y
        return list(np.moveaxis(found[f"{name}__X_{which}"], 1, 2)), y


def padded(items: Items, length: int) -> NDArray[np.float64]:
    """Items as rows of one length."""
    rows = np.zeros((len(items), length, items[0].shape[1]))
    for row, item in zip(rows, items, strict=True):
        row[: len(item)] = item[:length]
    return rows.reshape(len(items), -1)


def probe(train: NDArray, y: NDArray, test: NDArray, wanted: NDArray) -> float:
    """Test accuracy of a linear probe."""
    return float(make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(train, y).score(test, wanted))


def features(seeds: tuple[int, ...] = SEEDS) -> None:
    """One line a set, and the means."""
    ways = {
        "codes": {"n_components": 32, "data": Series()},
        "shaped": {"n_components": 32, "data": Series(), "network": Temporal(shapes=True)},
        "windows": {"n_components": 128, "kind": "sparse", "data": Series(window=1 / 8)},
    }
    heads = ("raw", "PCA-32", "PCA-128", *ways)
    print(f"{'set':18s} " + " ".join(f"{h:>8s}" for h in heads) + "   CPU seconds")
    table = []
    for name in NAMES:
        (train, y), (test, wanted) = part(name, "train"), part(name, "test")
        length, line, start = max(map(len, train)), [], time.process_time()
        rows, others = padded(train, length), padded(test, length)
        line.append(probe(rows, y, others, wanted))
        for k in (32, 128):
            pca = PCA(min(k, *rows.shape), random_state=0).fit(rows)
            line.append(probe(pca.transform(rows), y, pca.transform(others), wanted))
        for way in ways.values():
            found = []
            for seed in seeds:
                encoder = Autoencoder(**way, random_state=seed).fit(train)
                found.append(probe(encoder.transform(train), y, encoder.transform(test), wanted))
            line.append(float(np.mean(found)))
        table.append(line)
        told = " ".join(f"{v:8.3f}" for v in line)
        print(f"{name:18s} {told}   {time.process_time() - start:.0f}", flush=True)
    print(f"{'mean':18s} " + " ".join(f"{v:8.3f}" for v in np.mean(table, 0)))


def holes(steps: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Runs of steps, a fifth of all."""
    gone = np.zeros(steps, bool)
    longest = max(1, min(RUN[1], steps // 8))
    while gone.mean() < SHARE:
        size = int(rng.integers(min(RUN[0], longest), longest + 1))
        start = int(rng.integers(0, max(1, steps - size)))
        gone[start : start + size] = True
    return gone


def filled(item: NDArray, last: bool) -> NDArray:
    """Gaps by straight lines between their neighbours, or by the last value before."""
    made = item.copy()
    for channel in made.T:
        known = np.flatnonzero(~np.isnan(channel))
        place = np.arange(len(channel))
        if last:
            channel[:] = channel[known[np.maximum(np.searchsorted(known, place, "right") - 1, 0)]]
        else:
            channel[:] = np.interp(place, known, channel[known])
    return made


def errors(truth: Items, gapped: Items, made: Items, unit: Items) -> float:
    """Root mean square of what was removed, in units of the channels."""
    off = [((m - t) / u)[np.isnan(g)] for m, t, g, u in zip(made, truth, gapped, unit, strict=True)]
    return float(np.sqrt(np.mean(np.concatenate(off) ** 2)))


def gapped_of(items: Items) -> Items:
    """The items with runs removed, from all channels at once."""
    rng = np.random.default_rng(0)
    made = []
    for item in items:
        made.append(item.astype(np.float64))
        made[-1][holes(len(item), rng)] = np.nan
    return made


def line_of(name: str, truth: Items, gapped: Items, made: Items, unit: Items) -> tuple[float, float]:
    """Print and return the imputer's error and that of straight lines."""
    ways = (made, [filled(g, False) for g in gapped], [filled(g, True) for g in gapped])
    ours, lines, last = (errors(truth, gapped, way, unit) for way in ways)
    print(f"{name:32s} {ours:8.3f} {lines:8.3f} {last:8.3f} {ours / lines:8.2f}", flush=True)
    return ours, lines


def gaps() -> None:
    """One line a set of ucr_dev."""
    print(f"{'set':32s} {'imputer':>8s} {'lines':>8s} {'last':>8s} {'ratio':>8s}")
    won = []
    for name in NAMES:
        train, truth = part(name, "train")[0], part(name, "test")[0]
        unit = [np.concatenate(train).std(0)] * len(truth)
        gapped = gapped_of(truth)
        made = Imputer(data=Series(), random_state=0).fit(train).transform(gapped)
        ours, lines = line_of(name, truth, gapped, made, unit)
        won.append(ours < lines)
    print(f"below straight lines on {sum(won)} of {len(won)} sets")


def nab() -> None:
    """One line a series of NAB."""
    import pandas as pd

    frame = pd.read_parquet(folder() / "nab" / "nab.parquet")
    names = sorted(frame["series"].unique())[::4]
    truth = [frame.loc[frame["series"] == n, ["value"]].to_numpy() for n in names]
    gapped = gapped_of(truth)
    made = Imputer(data=Series(own_scale=True), random_state=0).fit(gapped).transform(gapped)
    print(f"{'series':32s} {'imputer':>8s} {'lines':>8s} {'last':>8s} {'ratio':>8s}")
    won = []
    for i, name in enumerate(names):
        unit = [np.maximum(truth[i].std(0), 1e-9)]
        ours, lines = line_of(name[-32:], truth[i : i + 1], gapped[i : i + 1], made[i : i + 1], unit)
        won.append(ours < lines)
    print(f"below straight lines on {sum(won)} of {len(won)} series")


def main() -> None:
    """The parts that are named, or all."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    known = {"features": features, "gaps": gaps, "nab": nab}
    for name in sys.argv[1:] or known:
        start = time.process_time()
        known[name]()
        print(f"{name}: {time.process_time() - start:.0f} CPU seconds\n", flush=True)


if __name__ == "__main__":
    main()
