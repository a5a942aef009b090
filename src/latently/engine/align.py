"""Coordinates for a linear code: centred, uncorrelated, sorted by variance, distances like those in the data.

A plain code is only fixed up to an invertible linear map that the decoder undoes. Of all these equivalent codes we take
the one that reads like PCA's: a unit step in any direction moves the reconstruction, to first order, by one unit, the
components are uncorrelated, and the first varies most.

Codes of series are mixed besides: a rotation gives all components much the same variance. Whatever scales each of them
by itself, as probes and clusterings do, then leaves alone what matters much and what matters little in a series.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latently.model import Composition
from latently.parts.bottlenecks import Identity
from latently.parts.networks import MLP, Network
from latently.values import Batch

__all__ = ["align"]

ROWS = 5000  # enough to know a covariance
MIXED_FROM = 8  # numbers: a smaller code is looked at, axis by axis
LOUD = 2.0  # deviations of the numbers of shapes to those of the others, all together
FAINT = 1e-3  # of the strongest direction: a weaker one counts as this strong, so that the map stays invertible


@torch.no_grad()
def align(model: Composition, rows: Batch) -> bool:
    """Change coordinates in place; False where the code is not linear, has a price, or belongs to foreign networks.

    Nor is there anything to align where the rows are answers to something else that the encoder sees.
    """
    if rows.given is not None:
        return False
    into, out = _stacks(model.encoder), _stacks(model.decoder)
    free = isinstance(model.bottleneck, Identity) and not len(model.penalties)
    if not (free and into and out and all(n.activations[-1].name == "linear" for n in into)):
        return False
    sample = rows.take(slice(0, ROWS))
    codes = model.encode(sample)
    z, moved = codes.cpu().double(), model.decode(codes).flatten(1).cpu().double()  # not every device has float64
    mean = z.mean(0)
    tied = any(not len(n.weights) for n in out)
    change = _change(z - mean, moved, tied, model)
    if change is None:
        return False
    shift = torch.zeros_like(mean) if tied else mean
    for i, net in enumerate(into):
        net.weights[-1].copy_(change @ net.weights[-1].cpu().double())
        net.biases[-1].copy_(change @ (net.biases[-1].cpu().double() - (0 if i else shift)))
    inverse = torch.linalg.inv(change)
    for net in out if not tied else ():
        first = net.weights[0].cpu().double()
        net.biases[0].copy_(net.biases[0].cpu().double() + first @ shift)
        net.weights[0].copy_(first @ inverse)
    return True


def _stacks(network: Network) -> list[MLP]:
    heads = network.heads()
    return [h for h in heads if isinstance(h, MLP)] if all(isinstance(h, MLP) for h in heads) else []


def _change(z: Tensor, x: Tensor, orthogonal: bool, model: Composition) -> Tensor | None:
    """Principal axes of what is learned, beside numbers that are not; of series, all of them mixed."""
    k = z.shape[1]
    learned = k - model.encoder.apart
    axes = _coordinates(z[:, :learned], x, orthogonal)
    if axes is None:
        return None
    change = torch.eye(k, dtype=z.dtype)
    change[:learned, :learned] = axes
    if learned < k:
        there, told = ((z @ change.t()).square().sum(0)[part].sum() for part in (slice(learned), slice(learned, k)))
        change[learned:] *= LOUD * (there / told).sqrt() if float(told) > 0 < float(there) else 1.0
    return _mixture(k).to(change) @ change if model.door.bridged and k >= MIXED_FROM else change


def _mixture(k: int) -> Tensor:
    """Hartley's transform: a rotation, its own inverse, in which every number has a share of every other."""
    place = torch.arange(k, dtype=torch.float64)
    turn = 2 * math.pi * place[:, None] * place / k
    return (turn.cos() + turn.sin()) / math.sqrt(k)


def _coordinates(z: Tensor, x: Tensor, orthogonal: bool) -> Tensor | None:
    """The map of centred codes: to first order an isometry, then a rotation to principal axes, largest first."""
    k = z.shape[1]
    metric: Tensor = torch.eye(k, dtype=z.dtype, device=z.device)
    if not orthogonal:
        moves = torch.linalg.pinv(z) @ (x - x.mean(0))
        strength, axes = torch.linalg.eigh(moves @ moves.t())
        if not bool(strength[-1] > 0):
            return None
        sizes = strength.clamp(min=FAINT**2 * float(strength[-1])).sqrt()
        metric = (axes * sizes) @ axes.t()
    moved = z @ metric
    axes = torch.linalg.eigh(moved.t() @ moved).eigenvectors.flip(1)
    peak = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    turned: Tensor = metric @ (axes * peak.sign())
    return turned.t()
