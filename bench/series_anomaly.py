"""Strange stretches of series, defaults: `python bench/series_anomaly.py [nab|ucr] [quarter|rest] [METHOD ...]`.

`nab`: the series of the Numenta Anomaly Benchmark that have anomalies (52 of 58); each is learned from and judged as
a whole, without labels, by every method alike. Ranges are its windows. `quarter`: the fourth of them that settings
were chosen on (permutation of seed 0); `rest`: the others.

`ucr`: seven sets of labelled series. Learned from the training items as they are; up to 90 test items are judged, to
every other of which one of six things is done (seed 0): a spike, a shift of level, a burst of noise, a flat line,
time that runs unevenly, a reversed stretch.

Every method sees windows of the same length and stride, those of `AnomalyDetector`, of channels with mean 0 and
deviation 1, and gives each a number; a step has the mean of the windows around it, weighted by a triangle of two
lengths. Beside: the squared error of the principal components that hold 90 % of the variance; an isolation forest; an
LSTM autoencoder of 32 units, 300 steps of Adam. No points are adjusted. Area under the ROC curve of steps, and
range-aware average precision (bench/ranges.py), in per cent, means over series or sets.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from ranges import auroc, range_aupr
from sets import folder
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from torch import nn

from latently import AnomalyDetector, Series
from latently.modalities.windows import Windows

Matrix = NDArray[np.float64]
APART = 64  # steps of the lowest score between items, so that no buffer reaches from one to the next
MOST = 90  # test items
WINDOWS = 20_000  # that a baseline learns from
SPOILS = ("spike", "shift", "noise", "flat", "warp", "reversed")


@dataclass(frozen=True)
class Case:
    """What is learned from, what is judged, which of its steps are strange."""

    name: str
    train: list[Matrix]
    test: list[Matrix]
    labels: list[NDArray[np.bool_]]
    long: bool  #: one series, learned from and judged


# ---------------------------------------------------------------------- data


def nab(part: str) -> Iterator[Case]:
    """The series that have anomalies, by name."""
    import pandas as pd

    frame = pd.read_parquet(folder() / "nab" / "nab.parquet")
    found = {str(n): g for n, g in frame.groupby("series", observed=True) if g.in_anomaly_window.any()}
    names = sorted(found)
    chosen = np.random.default_rng(0).permutation(len(names))[: len(names) // 4]
    for i, name in enumerate(names):
        if part == "all" or (i in chosen) is (part == "quarter"):
            x, y = found[name].value.to_numpy(float)[:, None], found[name].in_anomaly_window.to_numpy(bool)
            yield Case(name, [x], [x], [y], True)


def ucr() -> Iterator[Case]:
    """The seven sets, every other test item spoiled."""
    held = np.load(folder() / "ucr_dev" / "ucr_dev.npz")
    for name in sorted({key.split("__")[0] for key in held}):
        parts = {}
        for part in ("train", "test"):
            if f"{name}__X_{part}" in held:
                parts[part] = [item.T.astype(float) for item in held[f"{name}__X_{part}"]]
            else:
                ends = np.cumsum(held[f"{name}__len_{part}"])[:-1]
                parts[part] = [item.astype(float) for item in np.split(held[f"{name}__Xflat_{part}"], ends)]
        rng = np.random.default_rng(0)
        chosen = np.sort(rng.permutation(len(parts["test"]))[:MOST])
        spread = np.concatenate(parts["train"]).std(0)
        made = [
            (item, np.zeros(len(item), bool)) if j % 2 else spoiled(item, SPOILS[j // 2 % len(SPOILS)], rng, spread)
            for j, item in enumerate(parts["test"][i] for i in chosen)
        ]
        yield Case(name, parts["train"], [x for x, _ in made], [y for _, y in made], False)


def spoiled(item: Matrix, kind: str, rng: np.random.Generator, spread: Matrix) -> tuple[Matrix, NDArray[np.bool_]]:
    """A copy with something done to a stretch of one channel, and which steps that are."""
    x, steps = item.copy(), len(item)
    c = int(rng.integers(x.shape[1]))
    wide = max(1, min(3, steps // 20)) if kind == "spike" else max(4, round(steps * rng.uniform(0.05, 0.2)))
    wide = min(wide, steps - 2)
    a = int(rng.integers(1, steps - wide))
    here, sign = slice(a, a + wide), rng.choice([-1, 1])
    if kind == "spike":
        x[here, c] += sign * spread[c] * rng.uniform(2, 4)
    elif kind == "shift":
        x[here, c] += sign * spread[c] * rng.uniform(0.75, 1.5)
    elif kind == "noise":
        x[here, c] += spread[c] * rng.uniform(0.3, 0.7) * rng.standard_normal(wide)
    elif kind == "flat":
        x[here, c] = x[a, c]
    elif kind == "reversed":
        x[here, c] = x[here, c][::-1]
    else:
        pace = np.linspace(0, 1, wide) ** rng.choice([0.4, 2.5])
        x[here, c] = np.interp(a + pace * (wide - 1), np.arange(steps), item[:, c])
    labels = np.zeros(steps, bool)
    labels[here] = True
    return x, labels


# ---------------------------------------------------------------------- methods


def ours(case: Case, setting: str) -> tuple[list[Matrix], AnomalyDetector]:
    detector = AnomalyDetector(data=Series(), setting=setting, random_state=0, verbose=False)
    detector.fit(case.train[0] if case.long else case.train)
    heat = detector.heat_map(case.test[0] if case.long else case.test)
    return [np.asarray(h, float).sum(1) for h in ([heat] if case.long else heat)], detector


def spread_out(values: Matrix, windows: Windows) -> list[Matrix]:
    """Of each step the mean of the windows around it."""
    made = [(np.zeros(n), np.zeros(n)) for n in windows.steps]
    near = 1 - np.abs(np.arange(2 * windows.length) - (2 * windows.length - 1) / 2) / (windows.length + 1)
    for value, i, start in zip(values, windows.item, windows.start, strict=True):
        first = start - windows.length // 2
        a, b = max(0, first), min(int(windows.steps[i]), first + 2 * windows.length)
        made[i][0][a:b] += value * near[a - first : b - first]
        made[i][1][a:b] += near[a - first : b - first]
    return [total / weight for total, weight in made]


def principal(train: Matrix, test: Matrix, _: int) -> Matrix:
    model = PCA(0.9, svd_solver="full").fit(train)
    return ((test - model.inverse_transform(model.transform(test))) ** 2).mean(1)


def forest(train: Matrix, test: Matrix, _: int) -> Matrix:
    return -IsolationForest(random_state=0).fit(train).score_samples(test)


class Recurrent(nn.Module):
    """The last state of one LSTM is the code, from which another makes the window, last step first."""

    def __init__(self, channels: int, units: int = 32) -> None:
        super().__init__()
        self.encoder = nn.LSTM(channels, units, batch_first=True)
        self.decoder = nn.LSTM(units, units, batch_first=True)
        self.out = nn.Linear(units, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = self.encoder(x)[1][0][0]
        return self.out(self.decoder(code[:, None].expand(-1, x.shape[1], -1))[0]).flip(1)


def recurrent(train: Matrix, test: Matrix, channels: int) -> Matrix:
    shaped = [torch.from_numpy(a.astype(np.float32)).view(len(a), channels, -1).transpose(1, 2) for a in (train, test)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Recurrent(channels)
        optimiser = torch.optim.Adam(model.parameters(), 5e-3)
        for _ in range(300):
            x = shaped[0][torch.randint(len(train), (32,))]
            loss = (model(x) - x).square().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    with torch.no_grad():
        error = [(model(x) - x).square().mean((1, 2)) for x in shaped[1].split(1024)]
    return torch.cat(error).double().numpy()


METHODS: dict[str, Callable[[Matrix, Matrix, int], Matrix]] = {"PCA": principal, "IForest": forest, "LSTM": recurrent}


def rivals(case: Case, data: Series, wanted: list[str]) -> Iterator[tuple[str, list[Matrix], float]]:
    """The methods beside ours on the same windows."""
    whole = np.concatenate(case.train)
    deviation = np.where(whole.std(0) > 0, whole.std(0), 1)
    rows = []
    for part in (case.train, case.test):
        windows = Windows.over([len(a) for a in part], data.length_, data.stride_)
        rows.append(np.nan_to_num(windows.cut([(a - whole.mean(0)) / deviation for a in part]).astype(np.float64)))
    some = rows[0][np.sort(np.random.default_rng(0).permutation(len(rows[0]))[:WINDOWS])]
    for name in wanted:
        start = time.process_time()
        yield name, spread_out(METHODS[name](some, rows[1], whole.shape[1]), windows), time.process_time() - start


def judged(scores: list[Matrix], case: Case) -> tuple[float, float]:
    """Both areas, over all items of a case."""
    least = min(s.min() for s in scores)
    gap = (np.full(APART, least), np.zeros(APART, bool))
    apart = [np.concatenate([np.r_[a, g] for a in part]) for part, g in zip((scores, case.labels), gap, strict=True)]
    return auroc(np.concatenate(scores), np.concatenate(case.labels)), range_aupr(*apart)


def main() -> None:
    """One line a case, and the means."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    words = sys.argv[1:]
    part = next((w for w in words if w in ("quarter", "rest")), "all")
    wanted = [w for w in words if w in METHODS] or ([] if "ours" in words else list(METHODS))
    for name in [w for w in words if w in ("nab", "ucr")] or ["nab", "ucr"]:
        figures: dict[str, list[tuple[float, float, float]]] = {}
        for case in nab(part) if name == "nab" else ucr():
            for setting in ("contaminated",) if case.long else ("contaminated", "clean"):
                start = time.process_time()
                scores, detector = ours(case, setting)
                spent = time.process_time() - start
                figures.setdefault(f"ours, {setting}", []).append((*judged(scores, case), spent))
            for method, scores, spent in rivals(case, detector.data_, wanted):
                figures.setdefault(method, []).append((*judged(scores, case), spent))
            told = "   ".join(f"{m} {v[-1][0] * 100:5.1f} {v[-1][1] * 100:5.1f}" for m, v in figures.items())
            print(f"{case.name[-40:]:40s} {told}", flush=True)
        for method, found in figures.items():
            a, b, s = np.mean(found, axis=0)
            print(
                f"{name} {part:8s} {method:20s} AUROC {a * 100:5.1f}   range-AUPR {b * 100:5.1f}   {s:5.2f} s CPU each"
            )


if __name__ == "__main__":
    main()
