"""Numbers to bits: a rotation after which signs lose least (iterative quantisation, Gong 2011)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["ROWS", "rotation", "turn"]

ROUNDS = 50
ROWS = 20_000  # that the rotation is learned from


def turn(z: Float[Tensor, "rows code"], bits: int, rng: torch.Generator) -> tuple[Tensor, Float[Tensor, "code bits"]]:
    """`(mean, R)`: bit j of a row is whether `((z - mean) R)_j` is at least 0.

    With fewer bits than numbers the `bits` directions of greatest variance are turned, and with more a row has several
    turns, each found from another start. `R` minimises `||B - V R||` in turns with `B = sign(V R)`.
    """
    z = z[:ROWS].cpu().double()
    mean = z.mean(0)
    centred = z - mean
    width = centred.shape[1]
    axes = torch.linalg.eigh(centred.t() @ centred).eigenvectors.flip(1)
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    found = []
    for start in range(0, bits, width):
        some = axes[:, : min(width, bits - start)]
        found.append(some @ rotation(centred @ some, rng))
    return mean.float(), torch.cat(found, 1).float()


def rotation(v: Tensor, rng: torch.Generator) -> Tensor:
    """`R` from a start of chance, of numbers with mean 0."""
    width = v.shape[1]
    start = torch.randn(width, width, generator=rng, dtype=torch.float64, device=rng.device)
    r: Tensor = torch.linalg.qr(start.to(v)).Q
    for _ in range(ROUNDS):
        b = torch.where(v @ r >= 0, 1.0, -1.0).to(v.dtype)
        u, _, w = torch.linalg.svd(b.t() @ v)
        r = (u @ w).t()
    return r
