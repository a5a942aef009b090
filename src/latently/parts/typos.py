"""What slips in when text is typed: a corruption of sequences of pieces."""

from __future__ import annotations

import torch
from torch import Tensor

from latently.parts.corruptions import Cells, Corruption, Known
from latently.values import Sizes

__all__ = ["Typos"]

FIRST = 2  # the first piece that is text: those before it are the end and the gap


class Typos(Corruption):
    """Each piece is spoilt with chance `level`: swapped with the next, left out, doubled or replaced, alike often.

    For rows of piece numbers that 0 ends. A row that becomes longer loses what no longer fits.
    """

    def __init__(self, level: float = 0.1) -> None:
        super().__init__()
        self.level = level

    def check(self, sizes: Sizes) -> None:
        """`0 < level < 1`, and cells that name pieces."""
        self.require(0 < self.level < 1, "level", "in (0, 1): the chance that a piece is spoilt")
        self.require(bool(sizes.levels) and min(sizes.levels) > FIRST, "level", "of text: these cells are no pieces")

    def build(self, sizes: Sizes) -> None:
        """How many pieces there are."""
        self.levels = max(sizes.levels)

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """The spoilt rows."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """The spoilt rows; what is known moves with its piece."""
        seen = torch.ones_like(x, dtype=torch.bool) if known is None else known
        text = seen & (x >= FIRST)
        u = torch.empty_like(x).uniform_(0, 4 / self.level, generator=rng)
        swap, dropped, doubled, replaced = (text & (u >= i) & (u < i + 1) for i in range(4))
        fresh = torch.randint(FIRST, self.levels, x.shape, generator=rng, device=x.device).to(x.dtype)
        order = _swapped(swap, text)
        x, seen = torch.where(replaced, fresh, x).gather(1, order), seen.gather(1, order)
        copies = 1 + doubled.long() - (dropped & (text.sum(1, keepdim=True) > 1)).long()
        ends = copies.cumsum(1)
        places = torch.arange(x.shape[1], device=x.device).expand(x.shape).contiguous()
        source = torch.searchsorted(ends, places, right=True)
        inside = source < x.shape[1]
        source = source.clamp(max=x.shape[1] - 1)
        return x.gather(1, source) * inside, None if known is None else seen.gather(1, source) & inside


def _swapped(swap: Tensor, text: Tensor) -> Tensor:
    """Where each place takes its piece from when those chosen change places with the next."""
    order = torch.arange(swap.shape[1], device=swap.device).expand(swap.shape)
    first = swap[:, :-1] & text[:, 1:]
    first = first & ~torch.nn.functional.pad(first, (1, 0))[:, :-1]  # of two neighbours that would swap, the earlier
    first = torch.nn.functional.pad(first, (0, 1))
    second = torch.nn.functional.pad(first, (1, 0))[:, :-1]
    return order + first.long() - second.long()
