"""The network's door: where cells become features. One-hots and the mask channel arise here and nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.values import Batch

__all__ = ["Door"]


class Door(nn.Module):
    """`levels[j]` is 0 for a number, L for a category of L levels; `masked` appends which cells are known."""

    def __init__(self, levels: tuple[int, ...], masked: bool) -> None:
        super().__init__()
        self.levels, self.masked = levels, masked
        self.width = sum(n or 1 for n in levels) + (len(levels) if masked else 0)
        self.flat = not any(levels) and not masked

    def forward(self, batch: Batch) -> Tensor:
        """The features of a batch, `(rows, width)`."""
        x = batch.x.flatten(1)
        if self.flat:
            return x
        columns = [x] if not any(self.levels) else self._columns(x)
        if self.masked:
            known = torch.ones_like(x) if batch.known is None else batch.known.flatten(1).to(x.dtype)
            columns.append(known)
        return torch.cat(columns, 1)

    def _columns(self, x: Tensor) -> list[Tensor]:
        return [
            functional.one_hot(x[:, j].long().clamp(0, n - 1), n).to(x.dtype) if n else x[:, j : j + 1]
            for j, n in enumerate(self.levels)
        ]
