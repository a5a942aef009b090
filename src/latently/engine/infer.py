"""Prediction in pieces of one fixed, padded shape, so that a row's result does not depend on the rows beside it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latently.values import Batch

__all__ = ["pieces"]


@torch.no_grad()
def pieces(function: Callable[[Batch], Tensor], batch: Batch, rows: int, device: torch.device) -> Tensor:
    """`function` over `batch`, `rows` at a time, the last piece padded with its own first row; back on the CPU."""
    done = []
    for i in range(0, len(batch), rows):
        piece = batch.take(slice(i, i + rows))
        count = len(piece)
        if count < rows:
            piece = piece.take(torch.arange(rows).remainder(count))
        done.append(function(piece.to(device))[:count].cpu())
    return torch.cat(done)
