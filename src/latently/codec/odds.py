"""Logarithms of odds by whole numbers: what they are is the same on every machine, to the last bit."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINE", "ODDS", "PARTS", "chance", "logs"]

FINE = 8  #: bits behind the point of a logarithm to base two
ODDS = 12 << FINE  #: logarithms of odds end here
PARTS = 1 << 16  #: of a probability


@functools.cache
def logs(count: int) -> NDArray[np.int32]:
    """Logarithms of 0 (taken as 1), 1, 2 ... `count - 1`, rounded: by squaring, one bit after the other."""
    numbers = np.maximum(np.arange(count, dtype=np.uint64), np.uint64(1))
    whole = np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 1  # exact below 2^53
    rest = numbers << (30 - whole).astype(np.uint64)
    found = whole
    for _ in range(FINE + 1):
        rest = rest * rest >> np.uint64(30)
        over = rest >> np.uint64(31)
        rest >>= over
        found = 2 * found + over.astype(np.int64)
    return np.asarray((found + 1) >> 1, np.int32)


@functools.cache
def chance() -> NDArray[np.int32]:
    """Probabilities, in parts, for logarithms of odds from `-ODDS` to `ODDS`."""
    one, root, roots = 1 << 60, 2 << 60, []
    for _ in range(FINE):
        root = math.isqrt(root * one)
        roots.append(root)
    powers = []
    for fraction in range(1 << FINE):
        power = one
        for bit, factor in enumerate(roots):
            if fraction >> (FINE - 1 - bit) & 1:
                power = power * factor >> 60
        powers.append(power)

    def odds(z: int) -> int:
        power: Any = powers[z & ((1 << FINE) - 1)]
        return int(power << (z >> FINE) if z >= 0 else power >> -(z >> FINE))

    return np.array([PARTS * odds(z) // (one + odds(z)) for z in range(-ODDS, ODDS + 1)], np.int32).clip(1, PARTS - 1)
