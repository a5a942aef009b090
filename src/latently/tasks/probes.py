"""What codes are worth to others: neighbours kept, and scores of simple models on codes, PCA and the raw columns."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData

__all__ = ["detection", "labels_of", "neighbourhood", "probes"]

NEIGHBOURS = 5
MOST = 2000  # rows for trustworthiness: it sorts all distances
FOLDS = 5
CLASSES = 30  # whole numbers with more different values are numbers, not classes

Matrix = NDArray[np.float64]
Section = dict[str, Any]


def neighbourhood(features: Matrix, codes: Matrix, size: int, seed: int) -> Section:
    """Trustworthiness (Venna 2001) of codes and of `size` principal components of the same rows."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import trustworthiness

    features, codes = features[:MOST], codes[:MOST]
    count = min(NEIGHBOURS, (len(codes) - 1) // 2)
    if count < 1:
        return {}
    k = min(size, *features.shape)
    found = {"model": codes, "pca": PCA(k, random_state=seed).fit_transform(features)}
    scores = {name: float(trustworthiness(features, z, n_neighbors=count)) for name, z in found.items()}
    return {f"trustworthiness, {count} neighbours": scores}


def detection(features: Matrix, strange: Matrix, labels: NDArray[Any], seed: int) -> Section:
    """How anomalies (1, the other rows 0) rank: beside an isolation forest and PCA's residual, fitted on these rows.

    Area under the ROC curve, and average precision. Empty unless the labels are zeros and ones, with some of each.
    """
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import average_precision_score, roc_auc_score

    if not set(np.unique(labels.astype(str))) <= {"0", "1", "0.0", "1.0", "False", "True"}:
        return {}
    truth = labels.astype(float) > 0
    if truth.all() or not truth.any():
        return {}
    spread = np.where(features.std(0) > 0, features.std(0), 1.0)
    units = (features - features.mean(0)) / spread
    pca = PCA(0.9, svd_solver="full").fit(units)
    residual = ((units - pca.inverse_transform(pca.transform(units))) ** 2).sum(1)
    forest = -IsolationForest(random_state=seed).fit(units).score_samples(units)
    scores = {"model": strange, "isolation forest": forest, "pca residual": residual}
    return {
        "auroc": {n: float(roc_auc_score(truth, v)) for n, v in scores.items()},
        "average precision": {n: float(average_precision_score(truth, v)) for n, v in scores.items()},
    }


def labels_of(y: Any, rows: int) -> NDArray[Any]:
    """One label a row; `BadData` when there are more or fewer."""
    labels = np.asarray(y)
    if labels.shape not in ((rows,), (rows, 1)):
        raise BadData(f"y has shape {labels.shape}; expected one value for each of {rows} rows of X.")
    return labels.ravel()


def probes(features: Matrix, codes: Matrix, labels: NDArray[Any], seed: int) -> Section:
    """Five-fold scores of a linear model, and for classes the clusters' agreement with them; unlabelled rows left out.

    Classes are text, booleans, and whole numbers of at most 30 different values; anything else is a number.
    """
    kept = np.array([v is not None and v == v for v in labels], dtype=bool)
    features, codes, labels = features[kept], codes[kept], labels[kept]
    if len(set(labels.tolist())) < 2 or len(labels) < 2 * FOLDS:
        return {}
    if _numbers(labels):
        return {"r2, ridge": _scores(features, codes, labels.astype(np.float64), seed, classes=False)}
    labels = np.unique(labels.astype(str), return_inverse=True)[1]
    return {
        "accuracy, logistic": _scores(features, codes, labels, seed, classes=True),
        **_clusters(features, codes, labels, seed),
    }


def _numbers(labels: NDArray[Any]) -> bool:
    if labels.dtype.kind not in "fiu":
        return False
    return len(np.unique(labels)) > CLASSES or bool((labels != np.round(labels)).any())


def _scores(features: Matrix, codes: Matrix, y: NDArray[Any], seed: int, classes: bool) -> Section:
    """Mean score of the folds: of codes, of principal components found in the training folds, of all columns."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    least = int(np.bincount(y).min()) if classes else 0
    split = StratifiedKFold if least >= FOLDS else KFold
    folds = split(FOLDS, shuffle=True, random_state=seed)
    head = LogisticRegression(max_iter=2000) if classes else RidgeCV(np.logspace(-3, 3, 7))
    k = min(codes.shape[1], features.shape[1], len(features) * (FOLDS - 1) // FOLDS - 1)
    tried = {
        "model": (codes, make_pipeline(StandardScaler(), head)),
        "pca": (features, make_pipeline(PCA(k, random_state=seed), StandardScaler(), head)),
        "raw": (features, make_pipeline(StandardScaler(), head)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fold without a rare class, a solver at its limit: the score says it
        return {name: float(cross_val_score(m, x, y, cv=folds).mean()) for name, (x, m) in tried.items()}


def _clusters(features: Matrix, codes: Matrix, y: NDArray[Any], seed: int) -> Section:
    """Normalised mutual information and adjusted Rand index of k-means clusters, as many as classes, with them."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    k = min(codes.shape[1], *features.shape)
    tried = {"model": codes, "pca": PCA(k, random_state=seed).fit_transform(features), "raw": features}
    count = int(y.max()) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer different codes than classes: the score says it
        found = {name: KMeans(count, n_init=10, random_state=seed).fit_predict(x) for name, x in tried.items()}
    agreed = {"nmi, k-means": normalized_mutual_info_score, "ari, k-means": adjusted_rand_score}
    return {figure: {name: float(score(y, c)) for name, c in found.items()} for figure, score in agreed.items()}
