"""Generators of chance: one per fit, made from `random_state`; the global state is never read or written."""

from __future__ import annotations

import hashlib
import secrets
from numbers import Integral
from typing import Any

import torch

from latently.errors import BadParameter

__all__ = ["child", "fit_generator", "seed_of"]


def seed_of(random_state: Any) -> int:
    """A 63-bit seed from what scikit-learn accepts: None, an int, or a numpy generator (which moves on by a draw)."""
    if random_state is None:
        return secrets.randbits(63)
    draw = getattr(random_state, "integers", None) or getattr(random_state, "randint", None)
    if draw:
        return int(draw(0, 2**31 - 1))
    if not isinstance(random_state, Integral):
        raise BadParameter(f"random_state={random_state!r}: expected a whole number, a numpy generator or None.")
    return int(random_state) % 2**63


def fit_generator(random_state: Any, device: torch.device | str = "cpu") -> torch.Generator:
    """The only source of chance in a fit."""
    return torch.Generator(device=device).manual_seed(seed_of(random_state))


def child(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one named purpose, independent of how much others have drawn."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return torch.Generator(device=device).manual_seed(int.from_bytes(digest, "big") >> 1)
