"""Which drawn texts to keep: those that the fit did not have, and among them as many of each sort as it had."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["Sieve", "fingerprints", "fresh"]

ROUNDS = 24  # of drawing anew: where one draw of four is kept, one text of a thousand is left in the end
ORDERS = 3  # letters in a row that are counted, at most
PRIOR = 0.3  # variance of a weight, in nats: of .03 to 1, nearest to names kept out of a fit (of the training part)
STEPS = 60  # of L-BFGS; 258 came no nearer
# Shares of the draws that are kept less surely than the likest of them; the first under which enough are kept.
CAPS = (0.99, 0.95, 0.9, 0.8, 0.5)
ENOUGH = 0.25

Digests = NDArray[np.int64]
Numbers = NDArray[np.float64]


def fingerprints(texts: Sequence[str]) -> Digests:
    """The digest of each text, 64 bits: two of a million unlike texts share one with a chance of 3e-8."""
    digests = b"".join(hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts)
    return np.frombuffer(digests, np.int64)


@dataclass(frozen=True)
class Sieve:
    """Keeps new texts with a chance of `exp(score - cap)`, the score being the sum of the weights of their n-grams.

    What is drawn until it is new leaves out what is common. Draws are weighed so that the 1-, 2- and 3-grams of
    letters and the lengths of new ones come as often as in the fit's texts: the least change of their distribution
    that does so is log-linear. Rejection makes of it a draw (discriminator rejection, Azadi 2019).
    """

    known: Digests  #: of the fit's texts, ascending
    keys: NDArray[np.int64]  #: of n-grams, ascending
    weights: NDArray[np.float32]  #: nats
    cap: float

    @classmethod
    def fit(cls, known: Digests, texts: Sequence[str], draws: Sequence[str]) -> Sieve:
        """The sieve that makes the new ones of `draws` like `texts`."""
        new = [d for d, is_known in zip(draws, np.isin(fingerprints(draws), known), strict=True) if not is_known]
        if not new:
            return cls(known, np.empty(0, np.int64), np.empty(0, np.float32), 0.0)
        rows, grams = _grams([*texts, *new])
        keys, columns = np.unique(grams, return_inverse=True)
        own = rows < len(texts)
        target = np.bincount(columns[own], minlength=len(keys)) / len(texts)
        weights, scores = _tilted(target, rows[~own] - len(texts), columns[~own], 1 / (PRIOR * len(texts)))
        caps = np.quantile(scores, CAPS).tolist()
        enough = (cap for cap in caps if np.exp(np.minimum(scores - cap, 0.0)).mean() >= ENOUGH)
        return cls(known, keys, weights.astype(np.float32), next(enough, caps[-1]))

    def keeps(self, texts: Sequence[str], rng: torch.Generator) -> NDArray[np.bool_]:
        """Which of the texts to keep, by chance."""
        new = ~np.isin(fingerprints(texts), self.known)
        if not len(self.keys):
            return new
        rows, grams = _grams(texts)
        places = np.searchsorted(self.keys, grams).clip(max=len(self.keys) - 1)
        weights = self.weights[places] * (self.keys[places] == grams)
        scores = np.bincount(rows, weights, minlength=len(texts))
        chance = torch.empty(len(texts), dtype=torch.float64).uniform_(generator=rng).numpy()
        return np.asarray(new & (chance < np.exp(np.minimum(scores - self.cap, 0.0))))

    def arrays(self) -> dict[str, Any]:
        """What `restored` takes."""
        return {"known": self.known, "grams": self.keys, "weights": self.weights, "cap": self.cap}

    @classmethod
    def restored(cls, found: Mapping[str, Any]) -> Sieve:
        """The sieve of these arrays."""
        return cls(found["known"], found["grams"], found["weights"], float(found["cap"]))


def _grams(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The text and the key of every n-gram, marks for the beginning and the end among the letters, and every length."""
    cells = np.array([f"\x02{t}\x03" for t in texts])
    letters = cells.view(np.uint32).reshape(len(texts), -1).astype(np.int64)  # of 21 bits
    rows, keys = [np.arange(len(texts))], [-np.count_nonzero(letters, 1)]
    for n in range(1, ORDERS + 1):
        count = letters.shape[1] - n + 1
        whole = letters[:, n - 1 :] > 0
        key = sum(letters[:, i : i + count] << 21 * i for i in range(n))
        rows.append(np.nonzero(whole)[0])
        keys.append(np.asarray(key)[whole])
    return np.concatenate(rows), np.concatenate(keys)


def _tilted(
    target: Numbers, rows: NDArray[np.int64], columns: NDArray[np.int64], pull: float
) -> tuple[Numbers, Numbers]:
    """Weights under which the mean counts of the rows are `target`, but for a pull towards zero; the rows' scores."""
    from scipy.optimize import minimize
    from scipy.sparse import csr_array

    counts = csr_array((np.ones(len(rows)), (rows, columns)), shape=(int(rows.max()) + 1, len(target)))

    def cost(w: Numbers) -> tuple[float, Numbers]:
        scores = counts @ w
        top = float(scores.max())
        share = np.exp(scores - top)
        mass = float(share.sum())
        slope = counts.T @ (share / mass) - target + pull * w
        return np.log(mass / len(share)) + top - target @ w + pull / 2 * (w @ w), slope

    w = minimize(cost, np.zeros(len(target)), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    return w, counts @ w


def fresh(
    made: list[str], keeps: Callable[[list[str]], NDArray[np.bool_]], again: Callable[[NDArray[np.intp]], list[str]]
) -> list[str]:
    """`made` with texts that are not kept drawn `again`, by their places; some may be left in the end."""
    places = np.arange(len(made))
    for _ in range(ROUNDS):
        places = places[~keeps([made[i] for i in places])]
        if not len(places):
            break
        for place, text in zip(places, again(places), strict=True):
            made[place] = text
    return made
