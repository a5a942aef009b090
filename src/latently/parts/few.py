"""Codes of which few units are on, as sparse tensors: which those are, and a layer's products with them by looking up.

Within a training step on a CPU only. A sparse tensor here has its entries by row, and may have entries that are zero.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from latently import native

__all__ = [
    "add_grads", "add_transposed", "at", "by_column", "dense", "dots", "fits", "input_grad", "join", "largest",
    "largest_of_all", "like", "linear", "of_rows", "sparse", "times",
]  # fmt: skip

WIDE, MANY = 512, 2**17  # units, and units of all rows: below, looking up is no faster than multiplying (measured)
FEW = 1 / 32  # of the units on: up to here it is; at 1/20 it may be slower, in bfloat16 (likewise)
GROUP = 16  # units of a batch of which first only the largest is looked at
BLOCK = 1024  # units whose gradients are summed before they are added: they stay in cache


def fits(h: Tensor, kept: int) -> bool:
    """Whether `kept` units of a row are so few, of so many, that they should be looked up."""
    return h.is_cpu and h.numel() >= MANY and h.shape[1] >= WIDE and kept <= FEW * h.shape[1]


def sparse(rows: Tensor, units: Tensor, values: Tensor, shape: torch.Size) -> Tensor:
    """The tensor of these entries, which come by row."""
    places = torch.stack([rows, units])
    return torch.sparse_coo_tensor(places, values, shape, is_coalesced=True, check_invariants=False)


def of_rows(units: Tensor, values: Tensor, shape: torch.Size) -> Tensor:
    """The tensor that has these entries in its rows."""
    rows = torch.arange(len(units), device=units.device).repeat_interleave(units.shape[1])
    return sparse(rows, units.flatten(), values.flatten(), shape)


def like(z: Tensor, values: Tensor) -> Tensor:
    """Other values in the same places."""
    return torch.sparse_coo_tensor(z.indices(), values, z.shape, is_coalesced=True, check_invariants=False)


def dense(z: Tensor, unless: bool = False) -> Tensor:
    """The same with its zeros, unless it may stay as it is."""
    return z.to_dense() if z.is_sparse and not unless else z


def at(z: Tensor, g: Tensor) -> Tensor:
    """The values of `g` in the places of `z`; a sparse `g` has them in the same."""
    rows, units = z.indices()
    return g.values() if g.is_sparse else g[rows, units]


def join(z: Tensor, more: Tensor) -> Tensor:
    """The entries of both."""
    places, values = torch.cat([z.indices(), more.indices()], 1), torch.cat([z.values(), more.values()])
    order = places[0].argsort(stable=True)
    return sparse(places[0, order], places[1, order], values[order], z.shape)


def largest(h: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Units and values of the `k` largest of each row, in no order: they are in the fours of the largest maxima."""
    width = h.shape[1]
    if width < max(WIDE, 16 * k):
        return _top(h, k)
    count, places = width // 4, torch.arange(width, device=h.device)
    fours, _ = largest(h.detach()[:, : 4 * count].unflatten(1, (4, count)).amax(1), k)
    units = (fours.unsqueeze(2) + places[: 4 * count : count]).flatten(1)
    units = torch.cat([units, places[4 * count :].expand(len(h), -1)], 1)  # and those left over
    which, values = _top(h.gather(1, units), k)
    return units.gather(1, which), values


def _top(h: Tensor, k: int) -> tuple[Tensor, Tensor]:
    if not native.bare(h):
        top = h.topk(k, dim=1, sorted=False)
        return top.indices, top.values
    which = torch.from_numpy(np.argpartition(h.numpy(), -k, 1)[:, -k:].copy())  # in a third of the time
    return which, h.gather(1, which)


def largest_of_all(h: Tensor, n: int) -> Tensor:
    """The `n` largest of all rows together, and zeros where they are not positive."""
    some = h.flatten()[: h.numel() // GROUP * GROUP].view(GROUP, -1).amax(0)  # the n-th largest is no less than theirs
    rows, units = (h >= some.topk(n, sorted=False).values.min()).nonzero().unbind(1)
    values = h[rows, units]
    on = values >= values.topk(n, sorted=False).values.min()
    return sparse(rows[on], units[on], values[on].relu(), h.shape)


def _starts(into: Tensor, count: int) -> Tensor:
    sizes = torch.bincount(into, minlength=count)
    return sizes.cumsum(0) - sizes


def times(z: Tensor, table: Tensor) -> Tensor:
    """`z table`."""
    rows, units = z.indices()
    starts = _starts(rows, z.shape[0])
    return functional.embedding_bag(units, table, starts, mode="sum", per_sample_weights=z.values())


def add_transposed(into: Tensor, z: Tensor, table: Tensor) -> None:
    """Add `z' table`; into columns, too."""
    rows, units = z.indices()
    if not len(rows):
        return
    order = units.argsort(stable=True)
    rows, values, starts = rows[order], z.values()[order], _starts(units, z.shape[1])
    bounds = [*starts[::BLOCK].tolist(), len(rows)]
    for i, (part, first) in enumerate(zip(into.split(BLOCK), starts.split(BLOCK), strict=True)):
        a, b = bounds[i], bounds[i + 1]
        found = functional.embedding_bag(
            rows[a:b], table, first - a, mode="sum", per_sample_weights=values[a:b]
        ).to(into.dtype)  # fmt: skip
        part.add_(found if into.is_contiguous() else by_column(found))


def dots(z: Tensor, g: Tensor, table: Tensor) -> Tensor:
    """`g table'` in the places of `z`: its gradient, if `g` is that of `z table`."""
    rows, units = z.indices()
    starts = _starts(rows, z.shape[0])
    return torch.ops.aten._embedding_bag_per_sample_weights_backward(g, table, units, starts, rows, 0, -1)  # type: ignore[no-any-return]


def by_column(w: Tensor) -> Tensor:
    """The same matrix, each column in one piece."""
    return w.t().contiguous().t()


def linear(x: Tensor, w: Tensor, b: Tensor, relu: bool) -> Tensor:
    """`x w' + b` of a sparse `x`, cut off at zero when `relu`."""
    y = times(x, w.t()).add_(b)
    return y.relu_() if relu else y


def input_grad(g: Tensor, w: Tensor, x: Tensor) -> Tensor:
    """`g w`; of a sparse `x` where its entries are."""
    return like(x, dots(x, dense(g), w.t())) if x.is_sparse else times(g, w)


def add_grads(g: Tensor, x: Tensor, weights: Tensor, biases: Tensor) -> None:
    """Add `g' x`, and the column sums of `g`, where one of them is sparse."""
    if g.is_sparse:
        add_transposed(weights, g, dense(x))
        biases.index_add_(0, g.indices()[1], g.values().to(biases.dtype))
    else:
        add_transposed(weights.t(), x, g)
        biases.add_(g.sum(0, dtype=biases.dtype))
