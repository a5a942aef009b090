"""Densities of codes: Gaussian mixtures, as many components as held-out codes call for, one mixture for each label."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import column_or_1d

from latently.errors import BadData

__all__ = [
    "FEW",
    "MANY",
    "Mixture",
    "arc",
    "few",
    "labels_of",
    "mixture",
    "mixtures",
    "packed",
    "same_length",
    "unpacked",
]

CODES = 20_000  # of the fit's rows, that the density is fitted to

Codes = NDArray[np.float32]
Numbers = NDArray[np.float64]

FEW = (1, 2, 3, 5, 10)  # components to choose from where a fit has to be quick
MANY = (1, 3, 10, 30, 100)
JUDGE = 0.2  # share of the codes that judges how many components there are
ROUNDS = 60  # of expectation and maximisation: later ones move a held-out likelihood by less than 0.01 nats a code
FLOOR = 1e-4  # least variance of a component, of the codes' own


_INNER, _LIMITS = ("shares", "means", "roots"), ("low", "high")


@dataclass(frozen=True)
class Mixture:
    """Normal distributions and their shares; draws stay within the limits of the codes seen."""

    shares: NDArray[np.float64]  #: (components,)
    means: NDArray[np.float64]  #: (components, code)
    roots: NDArray[np.float64]  #: (components, code, code), lower Cholesky factors of the covariances
    low: NDArray[np.float64]  #: (code,)
    high: NDArray[np.float64]  #: (code,)

    def draw(self, count: int, rng: torch.Generator) -> Codes:
        """`count` codes."""
        which = torch.multinomial(torch.from_numpy(self.shares), count, replacement=True, generator=rng).numpy()
        noise = torch.empty(count, self.means.shape[1], dtype=torch.float64).normal_(generator=rng).numpy()
        z = np.empty_like(noise)
        for k in np.unique(which):
            here = which == k
            z[here] = self.means[k] + noise[here] @ self.roots[k].T
        return np.asarray(np.clip(z, self.low, self.high), np.float32)


def mixture(codes: Codes, sizes: Sequence[int], seed: int) -> Mixture:
    """The full mixture whose number of components, of `sizes`, makes held-out codes most likely, refitted on all.

    Sizes are tried in their order until one is worse than the one before it.
    """
    low, high = codes.min(0).astype(np.float64), codes.max(0).astype(np.float64)
    if len(codes) < 2:
        return Mixture(np.ones(1), codes.astype(np.float64), np.zeros((1, *codes.shape[1:] * 2)), low, high)
    spread = np.where(codes.std(0) > 0, codes.std(0), 1.0).astype(np.float64)
    units = codes.astype(np.float64) / spread
    best = _fitted(_size(units, sizes, seed), units, seed)
    roots = np.linalg.cholesky(best.covariances_) * spread[:, None]
    return Mixture(best.weights_, best.means_ * spread, roots, low, high)


def _fitted(k: int, units: Numbers, seed: int) -> Any:
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rounds that ran out are judged like any others
        return GaussianMixture(k, reg_covar=FLOOR, max_iter=ROUNDS, random_state=seed).fit(units)


def _size(units: Numbers, sizes: Sequence[int], seed: int) -> int:
    order = np.random.default_rng(seed).permutation(len(units))
    cut = max(1, round(JUDGE * len(units)))
    judging, rest = units[order[:cut]], units[order[cut:]]
    best, likelihood = 1, -np.inf
    for k in (k for k in sizes if 4 * k <= len(rest)):
        found = _fitted(k, rest, seed).score(judging)
        if found <= likelihood:
            break
        best, likelihood = k, found
    return best


def mixtures(codes: Codes, labels: NDArray[np.intp], sizes: Sequence[int], seed: int) -> list[Mixture]:
    """A mixture for each of the labels 0, 1, ..., of its codes alone where they are enough.

    A label with fewer codes than two a dimension gets one normal, its covariance drawn towards that of all codes around
    the means of their labels.
    """
    counts = np.bincount(labels)
    means = np.stack([codes[labels == j].mean(0, dtype=np.float64) for j in range(len(counts))])
    around = codes - means[labels]
    within = around.T @ around / max(len(codes) - len(counts), 1)
    few = 2 * codes.shape[1]
    return [
        _lone(codes[labels == j], within, codes) if n < few else mixture(codes[labels == j], sizes, seed)
        for j, n in enumerate(counts)
    ]


def _lone(own: Codes, within: Numbers, codes: Codes) -> Mixture:
    mean = own.mean(0, dtype=np.float64)
    k = own.shape[1]
    covariance = ((own - mean).T @ (own - mean) + k * within) / (len(own) + k)
    covariance += np.diag(FLOOR * codes.var(0, dtype=np.float64) + 1e-12)
    root = np.linalg.cholesky(covariance)[None]
    low, high = codes.min(0).astype(np.float64), codes.max(0).astype(np.float64)
    return Mixture(np.ones(1), mean[None], root, low, high)


def packed(found: Sequence[Mixture]) -> dict[str, NDArray[Any]]:
    """Mixtures as arrays for a file."""
    joined: dict[str, NDArray[Any]] = {n: np.concatenate([getattr(m, n) for m in found]) for n in _INNER}
    joined |= {n: np.stack([getattr(m, n) for m in found]) for n in _LIMITS}
    return joined | {"sizes": np.array([len(m.shares) for m in found])}


def unpacked(arrays: Mapping[str, NDArray[Any]]) -> list[Mixture]:
    """What `packed` wrote."""
    ends = np.cumsum(arrays["sizes"])[:-1]
    inner = (np.split(arrays[n], ends) for n in _INNER)
    return [Mixture(*each) for each in zip(*inner, *(arrays[n] for n in _LIMITS), strict=True)]


def labels_of(y: Any) -> NDArray[Any]:
    """Labels as an array that can be sorted and written down."""
    labels: NDArray[Any] = column_or_1d(np.asarray(y))
    if labels.dtype == object and not any(v is None or v != v for v in labels):
        labels = np.array(labels.tolist())
    missing = labels.dtype.kind == "f" and np.isnan(labels).any()
    if missing or labels.dtype.kind not in "biufU":
        raise BadData(
            f"y holds {labels.dtype} with gaps or mixed sorts; expected texts or numbers, one a row, none missing."
        )
    return labels


def same_length(labels: NDArray[Any], rows: int) -> None:
    """Raise `BadData` unless there is a label for each row."""
    if len(labels) != rows:
        raise BadData(f"y has {len(labels)} labels and X {rows} rows; each row needs one.")


def few(index: NDArray[np.intp] | None, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most `CODES` rows in the given order; as many of each label as of any other, while there are."""
    if index is None:
        return order[:CODES]
    each = max(1, CODES // (int(index.max()) + 1))
    return np.concatenate([order[index[order] == j][:each] for j in range(int(index.max()) + 1)])


def arc(start: Numbers, end: Numbers, t: Numbers) -> Numbers:
    """Shoemake's slerp (1985): the direction turns evenly, the length goes straight; a line where there is no angle."""
    a, b = (float(np.linalg.norm(v)) for v in (start, end))
    angle = float(np.arccos(np.clip(start @ end / (a * b), -1.0, 1.0))) if a and b else 0.0
    if not 1e-6 < angle < np.pi - 1e-6:
        return np.asarray(start + t * (end - start))
    turned = (np.sin((1 - t) * angle) * start / a + np.sin(t * angle) * end / b) / np.sin(angle)
    return np.asarray(turned * ((1 - t) * a + t * b))
