"""Codes of news beside TF-IDF and a truncated SVD: `python bench/documents.py [choose] [strange] [SEED ...]`.

7,600 news, title and text, of four topics (AG), split 60/40 once. Features: codes of 32 learned from the 60 %, labels
unseen; accuracy of a logistic regression on standardised codes on the 40 %. Search: 500 of the 40 % ask, all other news
are learned from and indexed; how many of the ten nearest are of the topic asked for. The SVD's neighbours are by
cosine; "tuned" has logarithms of counts and scikit-learn's English stop words. A seed is one of the fit. `choose`: the
same within the 60 % alone (a quarter of it judges), which is where defaults were chosen.

`strange`: news of a topic not learned from. Of three topics the 60 % are learned from; the others of these, and
all of the fourth topic among the 40 %, are judged, each topic in turn the strange one. A line a method: area under the
ROC curve and average precision, means over topics; seconds of fit and scores.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sets import folder
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from latently import AnomalyDetector, Autoencoder, SearchIndex

WIDTH, FOUND = 32, 10
TUNED = {"sublinear_tf": True, "stop_words": "english"}

Labels = NDArray[np.int64]
Texts = NDArray[np.object_]


def svd(width: int, **options: object) -> Pipeline:
    """The baseline."""
    return make_pipeline(TfidfVectorizer(**options), TruncatedSVD(width, random_state=0))


def split(y: Labels, held: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which documents are learned from, and which judge; the same ones for every seed."""
    a, b = train_test_split(np.arange(len(y)), test_size=held, random_state=0, stratify=y)
    return a, b


def probes(texts: Texts, y: Labels, seed: int, held: float) -> Iterator[tuple[str, float]]:
    """Accuracy of a probe on each encoder's codes."""
    a, b = split(y, held)
    encoders = {
        "ours": Autoencoder(WIDTH, random_state=seed),
        "TF-IDF + SVD": svd(WIDTH),
        "TF-IDF + SVD, tuned": svd(WIDTH, **TUNED),
    }
    for name, encoder in encoders.items():
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        probe.fit(encoder.fit(texts[a]).transform(texts[a]), y[a])
        yield f"probe accuracy, {WIDTH}: {name}", probe.score(encoder.transform(texts[b]), y[b])


def searches(texts: Texts, y: Labels, seed: int, held: float) -> Iterator[tuple[str, float]]:
    """Precision at ten of the neighbours of 500 queries."""
    asked = split(y, held)[1][:500]
    kept = np.setdiff1d(np.arange(len(y)), asked)
    index = SearchIndex(random_state=seed).fit(texts[kept])
    found = index.query(texts[asked], FOUND)[1]
    yield "precision at 10: ours, 64", float((y[kept][found] == y[asked][:, None]).mean())
    for width, name, options in ((64, "", {}), (128, "", {}), (64, ", tuned", TUNED)):
        encoder = svd(width, **options)
        shelf = normalize(encoder.fit_transform(texts[kept]))
        found = np.argsort(-normalize(encoder.transform(texts[asked])) @ shelf.T, axis=1, kind="stable")[:, :FOUND]
        yield f"precision at 10: TF-IDF + SVD{name}, {width}", float((y[kept][found] == y[asked][:, None]).mean())


def oddities(learned: Texts, judged: Texts, seed: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """How strange each of the judged documents is, by each method."""
    yield "ours", -AnomalyDetector(setting="clean", random_state=seed).fit(learned).score_samples(judged)
    for name, options in (("", {}), (", tuned", TUNED)):
        weights = TfidfVectorizer(**options)
        a, b = weights.fit_transform(learned), weights.transform(judged)
        codes = TruncatedSVD(2 * WIDTH, random_state=0).fit(a)
        # Rows of length one: the residual's square is one less that of what is left.
        yield f"TF-IDF + SVD, residual{name}", 1 - np.square(codes.transform(b)).sum(1)
        yield f"TF-IDF, nearest by cosine{name}", 1 - (b @ a.T).max(1).toarray().ravel()
        forest = IsolationForest(random_state=seed).fit(codes.transform(a))
        yield f"TF-IDF + SVD, isolation forest{name}", -forest.score_samples(codes.transform(b))


def strange(texts: Texts, y: Labels, seed: int, held: float) -> Iterator[tuple[str, float]]:
    """Figures of each method with each topic as the strange one."""
    a, b = split(y, held)
    for topic in np.unique(y):
        start = time.process_time()
        for name, score in oddities(texts[a[y[a] != topic]], texts[b], seed):
            yield f"AUROC {name}", float(roc_auc_score(y[b] == topic, score))
            yield f"AP    {name}", float(average_precision_score(y[b] == topic, score))
            yield f"secs  {name}", time.process_time() - start
            start = time.process_time()


def main() -> None:
    """A line a figure: the mean, each seed (and topic), processor seconds of all."""
    warnings.simplefilter("ignore")
    table = pd.read_csv(folder() / "ag_news_test" / "ag_news_7600.csv.gz")
    texts, y = (table.title + " " + table.text).to_numpy(object), table.label.to_numpy()
    choose, odd = "choose" in sys.argv, "strange" in sys.argv
    if choose:
        inside, _ = split(y, 0.4)
        texts, y = texts[inside], y[inside]
    figures: dict[str, list[float]] = {}
    start = time.process_time()
    held = 0.25 if choose else 0.4
    parts = [strange] if odd else [probes, searches]
    for seed in [int(a) for a in sys.argv[1:] if a.isdigit()] or [0, 1, 2]:
        for name, value in chain.from_iterable(part(texts, y, seed, held) for part in parts):
            figures.setdefault(name, []).append(value)
            print(f"seed {seed} {name} {value:.4f}   {time.process_time() - start:.0f} s", flush=True)
    for name, values in figures.items():
        print(f"{name:45s} {np.mean(values):.4f}   per seed {np.round(values, 4).tolist()}")
    print(f"{time.process_time() - start:.0f} s")


if __name__ == "__main__":
    main()
