"""What a fit had already: so that what is drawn is new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["fingerprints", "fresh"]

ROUNDS = 8  # of drawing anew


def fingerprints(texts: Sequence[str]) -> NDArray[np.int64]:
    """The digest of each text, 64 bits: two of a million unlike texts share one with a chance of 3e-8."""
    digests = b"".join(hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts)
    return np.frombuffer(digests, np.int64)


def fresh(made: list[str], known: NDArray[np.int64], again: Callable[[NDArray[np.intp]], list[str]]) -> list[str]:
    """`made` with texts that are among the `known` ones drawn `again`, by their places; some may be left in the end."""
    for _ in range(ROUNDS):
        places = np.flatnonzero(np.isin(fingerprints(made), known))
        if not len(places):
            break
        for place, text in zip(places, again(places), strict=True):
            made[place] = text
    return made
