"""Encoder and decoder walked as one, where nothing stands between them."""

from __future__ import annotations

import torch
from torch import Tensor

from latently import native
from latently.parts.likelihoods import Likelihood
from latently.parts.networks.base import Network
from latently.parts.networks.mlp import MLP

__all__ = ["straight"]


def straight(
    pair: tuple[Network, Network], features: Tensor, x: Tensor, how: tuple[Likelihood, Tensor | float, torch.Generator]
) -> Tensor | None:
    """A step there and back, to the bytes of the longer way: the nats of each cell.

    `how`: likelihood, coefficients of the cells, generator. None where our own kernels do not take both stacks.
    """
    likelihood, coefficient, rng = how
    both = _both(*pair, len(x))
    if both is None:
        return None
    (stack, low), features = both, features.contiguous()
    params, kept = stack.run(features, None, low)
    each, tail = likelihood.run(x, params, rng)
    stack.back((features, params, kept, low), likelihood.back(tail, coefficient), False)
    return each


def _both(first: Network, second: Network, rows: int) -> tuple[native.Stack, bool] | None:
    if type(first) is not MLP or type(second) is not MLP:
        return None
    a, b = first.here(), second.here()
    if a.stack is None or b.stack is None:
        return None
    if any(len(held.layers) == 1 and held.gemm.large(held.layers[0].w) for held in (a, b)):
        return None
    low = a.gemm.low_from is not None and first.low(rows)
    if b.gemm.low_from is not None and (second.low(rows) != low or (low and not native.low())):
        return None
    if first.chain is None or first.chain[:2] != (a.stack, b.stack):
        first.chain = (a.stack, b.stack, native.Stack([*a.stack.tensors, *b.stack.tensors]))
    return first.chain[2], low
