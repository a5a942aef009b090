"""Prediction in pieces of one fixed, padded shape, so that a row's result does not depend on the rows beside it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from latently.engine.room import halving, spoken
from latently.values import Batch

__all__ = ["pieces", "resident"]


def resident(batch: Batch, device: torch.device) -> Batch:
    """All rows on the device, for a fit; `OutOfMemory` where they do not fit."""
    with spoken():
        return batch.to(device)


@torch.no_grad()
def pieces(function: Callable[[Batch], Tensor], batch: Batch, rows: int, device: torch.device) -> Tensor:
    """`function` over `batch`, `rows` at a time, the last piece padded with its own first row; back on the CPU.

    Where memory runs out all is done again with half as many, so that the pieces of a call have one shape.
    """

    def every(rows: int) -> list[Tensor]:
        done = []
        for i in range(0, len(batch), rows):
            piece = batch.take(slice(i, i + rows))
            count = len(piece)
            if count < rows:
                piece = piece.take(torch.arange(rows, device=piece.x.device).remainder(count))
            done.append(function(piece.to(device))[:count].cpu())
        return done

    return torch.cat(halving(every, rows, "computing")[0])
