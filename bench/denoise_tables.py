"""Noise in tables: `python bench/denoise_tables.py [set ...]` (california_housing, default_credit, adult, letter).

6,000 rows of each drawn by chance (seed 1), four fifths to learn from and one to judge by; both are noisy. First white
noise of .3 standard deviations in every number: root mean squared error of the cells of the judged rows, in standard
deviations. Beside leaving them as they are: principal components (their number chosen with the truth), the best line
(shrunken components, the noise known), the mean of the nearest rows (their number chosen with the truth), a forest that
tells each column from the others, and that forest and the cell weighed by how far off they are. Then 5 % of cells from
other rows, numbers and categories: the share of wrong cells that come back right, numbers with half of the error at
most, and of right cells that change; beside the forest, which replaces what it finds unlikely, its two limits chosen
with the truth. CPU-seconds of the fit, one thread.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sets import folder
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.neighbors import KNeighborsRegressor

from latently import Denoiser

FILES = {"california_housing": "california_housing", "default_credit": "tables", "adult": "tables", "letter": "tables"}
ROWS, SIGMA, SHARE = 6000, 0.3, 0.05
FEW = 15  # values of a number, and fewer are levels
Matrix = NDArray[np.float64]


def read(name: str) -> pd.DataFrame:
    """Rows drawn by chance; numbers of few values, which are codes, are categories."""
    place = folder() / FILES[name]
    path = sorted(place.glob(f"{name}*train*.csv.gz" if name == "adult" else f"*{name.split('_h')[0]}*.csv*"))[0]
    frame = pd.read_csv(path)
    if name == "letter":
        frame["letter"] = frame["letter"].astype(str)
    for c in frame if name == "default_credit" else ():
        if frame[c].nunique() <= FEW:
            frame[c] = "level " + frame[c].astype(str)
    return frame.sample(min(ROWS, len(frame)), random_state=1).reset_index(drop=True)


def numbers(frame: pd.DataFrame) -> list[str]:
    """The columns of numbers."""
    return [c for c in frame if frame[c].dtype.kind in "iuf"]


def coded(frame: pd.DataFrame, like: pd.DataFrame) -> Matrix:
    """Numbers, levels by their number, gaps by the median."""
    found = {}
    for c in frame:
        x = (
            frame[c]
            if c in numbers(like)
            else frame[c].map({v: i for i, v in enumerate(sorted(like[c].dropna().unique()))})
        )
        found[c] = x.astype(float).fillna(x.median())
    return pd.DataFrame(found).to_numpy().copy()


def fitted(rows: pd.DataFrame, **options: Any) -> tuple[Denoiser, float]:
    """A denoiser, and CPU-seconds."""
    start = time.process_time()
    return Denoiser(random_state=0, verbose=False, **options).fit(rows), time.process_time() - start


# ---------------------------------------------------------------------- white noise


def others(x: Matrix, j: int) -> Matrix:
    return np.delete(x, j, axis=1)


def forest(train: Matrix, test: Matrix, columns: list[int]) -> tuple[Matrix, Matrix]:
    """Each column told from the others, and that and the cell itself by how far off they are."""
    alone, both = np.empty((len(test), len(columns))), np.empty((len(test), len(columns)))
    for k, j in enumerate(columns):
        trees = RandomForestRegressor(20, min_samples_leaf=5, max_features=0.5, oob_score=True, random_state=0)
        trees.fit(others(train, j), train[:, j])
        off = np.mean((trees.oob_prediction_ - train[:, j]) ** 2)
        weight = max(off - SIGMA**2, 0) / off  # of the cell: what the forest misses beyond its noise
        alone[:, k] = trees.predict(others(test, j))
        both[:, k] = alone[:, k] + weight * (test[:, j] - alone[:, k])
    return alone, both


def white(frame: pd.DataFrame) -> None:
    draw, named, cut = np.random.default_rng(2), numbers(frame), len(frame) * 4 // 5
    spread, gaps = frame[named].std(), frame[named].isna().to_numpy()
    noisy = frame.copy()
    noisy[named] = frame[named] + SIGMA * spread.to_numpy() * draw.standard_normal((len(frame), len(named)))
    mean = noisy[named].iloc[:cut].mean()
    y, x = (((f[named] - mean) / spread).to_numpy() for f in (noisy, frame))
    filled, wide = np.nan_to_num(y), coded(noisy, frame)
    places = [list(frame).index(c) for c in named]
    wide[:, places] = filled
    (a, b), truth, known = (filled[:cut], filled[cut:]), x[cut:], ~gaps[cut:]

    def error(made: Matrix) -> float:
        return float(np.sqrt(np.mean(np.square(made - truth)[known])))

    values, axes = np.linalg.eigh(np.cov(a.T))
    told = {"as they are": error(b)}
    told["principal components"] = min(error(b @ axes[:, -k:] @ axes[:, -k:].T) for k in range(1, len(named) + 1))
    told["best line"] = error(b @ (axes * (np.maximum(values - SIGMA**2, 0) / values)) @ axes.T)
    told["nearest rows"] = min(
        error(KNeighborsRegressor(k, algorithm="brute").fit(a, a).predict(b)) for k in (5, 20, 60)
    )
    told["forest"], told["forest and cell"] = map(error, forest(wide[:cut], wide[cut:], places))
    noise = dict(SIGMA * spread)
    for name, rows, options in (
        ("Denoiser", noisy, {"noise": noise}),
        ("Denoiser, not told how much", noisy, {"noise": "gaussian"}),
        ("Denoiser, from clean rows", frame, {"noise": noise, "clean": True}),
    ):
        model, spent = fitted(rows.iloc[:cut], **options)
        made = ((model.transform(noisy.iloc[cut:])[named] - mean) / spread).to_numpy()
        told[name] = error(np.nan_to_num(made))
        measured = model.noise_["measured"]
        if measured is not None:
            true = SIGMA / np.sqrt(1 + SIGMA**2)
            print(f"  measured: {measured:.3f} deviations of the noisy columns; {true:.3f} is true")
        print(f"  {name}: {spent:.0f} s; said to leave {said(model, spread):.3f}", flush=True)
    print("  " + ", ".join(f"{name} {value:.3f}" for name, value in told.items()), flush=True)


def said(model: Denoiser, spread: pd.Series) -> float:
    """The error that the fit itself expects, in standard deviations."""
    return float(np.sqrt(np.mean([(r.left / spread[r.column]) ** 2 for r in model.report_ if r.left is not None])))


# ---------------------------------------------------------------------- wrong cells


def unlikely(train: Matrix, test: Matrix, categories: list[int]) -> tuple[Matrix, Matrix]:
    """How unlikely a forest finds each cell, and what it would have there."""
    score, guess = np.empty(test.shape), np.empty(test.shape)
    for j in range(train.shape[1]):
        options = {"n_estimators": 20, "min_samples_leaf": 5, "random_state": 0}
        if j in categories:
            trees = RandomForestClassifier(**options).fit(others(train, j), train[:, j])
            p = trees.predict_proba(others(test, j))
            place = np.searchsorted(trees.classes_, test[:, j]).clip(0, len(trees.classes_) - 1)
            own = np.where(trees.classes_[place] == test[:, j], p[np.arange(len(p)), place], 0)
            score[:, j], guess[:, j] = 1 - own, trees.classes_[p.argmax(1)]
        else:
            trees = RandomForestRegressor(max_features=0.5, **options).fit(others(train, j), train[:, j])
            guess[:, j] = trees.predict(others(test, j))
            off = np.abs(guess[:, j] - test[:, j])
            score[:, j] = off / max(np.median(off), 1e-9 * max(np.std(train[:, j]), 1e-300))
    return score, guess


def counts(made: Matrix, shown: Matrix, truth: Matrix, known: Matrix, categories: list[int]) -> Matrix:
    """Wrong cells, of them mended; right cells, of them changed; by column."""
    wrong, changed = known & (shown != truth), known & (made != shown)
    near = 2 * np.abs(made - truth) <= np.abs(shown - truth)
    near[:, categories] = (made == truth)[:, categories]
    return np.array([wrong.sum(0), (wrong & near).sum(0), (known & ~wrong).sum(0), (changed & ~wrong).sum(0)], float)


def swapped(frame: pd.DataFrame) -> None:
    draw, named, cut = np.random.default_rng(3), numbers(frame), len(frame) * 4 // 5
    dirty = frame.copy()
    for c in frame:
        other = frame[c].to_numpy()[draw.integers(len(frame), size=len(frame))]
        dirty[c] = frame[c].where((draw.random(len(frame)) >= SHARE) | pd.isna(other) | frame[c].isna(), other)
    categories = [j for j, c in enumerate(frame) if c not in named]
    shown, truth = coded(dirty, frame), coded(frame, frame)
    known = frame.notna().to_numpy()[cut:]
    a, b, t = shown[:cut], shown[cut:], truth[cut:]
    score, guess = unlikely(a, b, categories)
    found = {}
    sorts = {"numbers": [j for j in range(b.shape[1]) if j not in categories], "categories": categories}
    for sort, columns in sorts.items():  # the limit that mends most beyond what it breaks
        cuts = np.quantile(score[:, columns], np.linspace(0.8, 1, 41)) if columns else []
        tried = [counts(np.where(score > c, guess, b), b, t, known, categories)[:, columns].sum(1) for c in cuts]
        found["forest", sort] = max(tried, key=lambda c: c[1] - c[3], default=np.zeros(4))
    for name, rows, options in (
        ("Denoiser", dirty, {}),
        ("Denoiser, from clean rows", frame, {"noise": f"swap:{SHARE}", "clean": True}),
    ):
        model, spent = fitted(rows.iloc[:cut], **options)
        made = coded(model.transform(dirty.iloc[cut:]), frame)
        each = counts(made, b, t, known, categories)
        found |= {(name, sort): each[:, columns].sum(1) for sort, columns in sorts.items()}
        if not options:  # the rows of the fit themselves
            made = coded(model.transform(dirty.iloc[:cut]), frame)
            each = counts(made, a, truth[:cut], frame.notna().to_numpy()[:cut], categories)
            found |= {("rows of the fit", sort): each[:, columns].sum(1) for sort, columns in sorts.items()}
        print(f"  {name}: {spent:.0f} s; measured {model.noise_['measured']}", flush=True)
    for (name, sort), (wrong, mended, right, changed) in found.items():
        if wrong:
            shares = f"mended {mended / wrong:.3f}, right ones changed {changed / right:.4f}"
            print(
                f"  {name}, {sort}: {shares} ({mended:.0f} and {changed:.0f} of {wrong:.0f} and {right:.0f})",
                flush=True,
            )


def main() -> None:
    """Both sorts of noise, set by set."""
    for name in sys.argv[1:] or list(FILES):
        frame = read(name)
        print(f"{name}: {len(frame):,} rows, {len(numbers(frame))} of {frame.shape[1]} columns are numbers", flush=True)
        white(frame)
        swapped(frame)


if __name__ == "__main__":
    main()
