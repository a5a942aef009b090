"""The linear solution: what an undercomplete autoencoder starts from, and what every one is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latently.engine.bits import ROWS, rotation
from latently.model import Composition
from latently.parts.networks import MLP
from latently.values import Batch

__all__ = ["Principal", "principal", "start_linear"]

AT_ONCE = 2**22  # numbers that are centred together
EXACT_UP_TO = 1500  # features: beyond, a randomised range finder, unless nearly all directions are wanted


@dataclass(frozen=True)
class Principal:
    """The leading principal directions of a set of rows."""

    mean: Float[Tensor, " cells"]
    directions: Float[Tensor, "k cells"]
    scales: Float[Tensor, " k"]  #: standard deviation along each direction

    def reconstruct(self, x: Float[Tensor, "rows cells"]) -> Float[Tensor, "rows cells"]:
        """Rows projected onto the directions."""
        return self.mean + ((x - self.mean) @ self.directions.t()) @ self.directions

    def first(self, k: int) -> Principal:
        """The leading `k` of them."""
        return Principal(self.mean, self.directions[:k], self.scales[:k])


@torch.no_grad()
def principal(batch: Batch, k: int, rng: torch.Generator) -> Principal:
    """The `k` leading directions of the rows, signs fixed so that each one's largest entry is positive."""
    x, weight = batch.x.flatten(1), batch.weight
    mean = x.mean(0) if weight is None else (x * weight[:, None]).sum(0) / weight.sum()

    def centred(i: int, end: int) -> Tensor:
        part = x[i:end] - mean
        return part if weight is None else part * weight[i:end, None].sqrt()

    k = min(k, *x.shape)
    most, wide = 2 * k > min(x.shape), x.shape[1] > EXACT_UP_TO
    if most and wide and len(x) < x.shape[1]:
        _, spread, vectors = torch.linalg.svd(centred(0, len(x)).cpu().double(), full_matrices=False)
        directions, squares = vectors[:k], spread[:k].square() / len(x)
    elif most or not wide:
        gram = x.new_zeros(x.shape[1], x.shape[1])
        step = max(1, AT_ONCE // max(x.shape[1], 1))
        for part in (centred(i, i + step) for i in range(0, len(x), step)):
            gram += _square(part)
        values, vectors = torch.linalg.eigh(gram.cpu().double() / len(x))
        directions, squares = vectors.flip(1)[:, :k].t(), values.flip(0)[:k]
    else:
        directions, squares = _randomised(centred(0, len(x)), k, rng)
    peak = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    directions = (directions * peak.sign()).to(x.dtype).to(x.device)
    return Principal(mean, directions, squares.clamp(min=0).sqrt().to(x.dtype).to(x.device))


def _randomised(centred: Tensor, k: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Halko 2011: a random range, four power iterations, then exact within it."""
    probe = torch.empty(centred.shape[1], k + 16, device=centred.device).normal_(generator=rng)
    for _ in range(5):
        probe = torch.linalg.qr(centred.t() @ (centred @ probe))[0]
    values, vectors = torch.linalg.eigh(_gram(centred @ probe) / len(centred))
    return (probe.cpu().double() @ vectors.flip(1)[:, :k]).t(), values.flip(0)[:k]


@torch.no_grad()
def start_linear(model: Composition, rows: Batch, rng: torch.Generator) -> Principal | None:
    """Put the principal directions into the model's linear paths; None when it has none or they would not be PCA."""
    into, out = model.encoder.linear(), model.decoder.linear()
    named = any(model.door.levels)
    if model.likelihood.linear and not named:
        model.decoder.begin(rows.x.flatten(1).mean(0))
    plain = model.bottleneck.activation is None and not named
    fits = model.likelihood.linear and plain and rows.given is None
    if not (fits and isinstance(into, MLP) and isinstance(out, MLP) and model.code <= min(len(rows), rows.cells)):
        return None
    width = model.code - model.encoder.apart
    found = principal(rows, width, rng)
    tied = not len(out.weights)
    size = found.scales.clamp(min=1e-3 * float(found.scales[0]) + 1e-12)
    if not (model.bottleneck.whiten or model.decoder.even):
        size = torch.ones_like(size) if tied else size[:1].expand_as(size)
    back = (found.directions * size[:, None]).t()
    w = found.directions / size[:, None]
    if any(p.turned for p in model.penalties):  # the turn after which the signs of the code lose least
        some = (rows.x[:ROWS].flatten(1) - found.mean) @ found.directions.t()
        turn = rotation(some.cpu().double(), rng).to(w)
        w, back = turn.t() @ w, back @ turn
    into.weights[0].zero_()
    into.biases[0].zero_()
    into.weights[0][:width, : rows.cells] = w
    into.biases[0][:width] = -(w @ found.mean)
    if not tied:
        out.weights[0].zero_()
        out.weights[0][:, :width] = back
    out.biases[0].copy_(found.mean)
    return found


def _square(a: Tensor) -> Tensor:
    """`a' a`; numpy sees that it is symmetric, and does half the work."""
    if a.device.type != "cpu":
        return a.t() @ a
    rows = a.numpy()
    return torch.from_numpy(rows.T @ rows)


def _gram(a: Tensor) -> Tensor:
    return a.cpu().double().t() @ a.cpu().double()  # not every device has float64
