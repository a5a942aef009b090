"""The network's door: where cells become features. One-hots and the mask channel arise here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latently.values import Batch

__all__ = ["Bag", "Door"]

FAINT = 1e-6  # length of a row of counts that has none


class Door(nn.Module):
    """`levels[j]` is 0 for a number, L for a category of L levels; `masked` appends which cells are known.

    A category becomes L features, all zero where the level is unknown or was never seen. Each of `cycles`, (column,
    period, phase), adds the sine and cosine of a number's place in its period; each of `bends`, (column, middle, unit,
    size), adds `asinh((x - middle) / unit) / size`. `common`: all cells are in one unit, as pixels are, so that their
    errors compare as they stand. `bridged`, (channels, length): where rows are series, a cell that is not known lies on
    the straight line between the known ones beside it in its channel.
    """

    lookup: Tensor
    base: Tensor
    plain: Tensor
    opened: Tensor
    names: Tensor
    first: Tensor
    last: Tensor
    turned: Tensor
    turned_by: Tensor
    bent: Tensor
    bent_by: Tensor

    def __init__(
        self,
        levels: tuple[int, ...],
        masked: bool,
        cycles: Sequence[tuple[int, float, float]] = (),
        bends: Sequence[tuple[int, float, float, float]] = (),
        common: bool = False,
        bridged: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.levels, self.masked, self.cycles, self.bends = levels, masked, tuple(cycles), tuple(bends)
        self.common, self.bridged = common, bridged
        widths = [n or 1 for n in levels]
        self.features = sum(widths)
        self.width = self.features + 2 * len(self.cycles) + len(self.bends) + (len(levels) if masked else 0)
        self.flat = not any(levels) and not masked and not self.cycles and not self.bends
        self.named = [j for j, n in enumerate(levels) if n]
        starts = torch.tensor([0, *widths]).cumsum(0)[:-1]
        self.register_buffer("lookup", starts, persistent=False)
        self.register_buffer("base", torch.tensor(widths), persistent=False)
        numbers = [j for j, n in enumerate(levels) if not n]
        plain, named = (torch.tensor(j, dtype=torch.long) for j in (numbers, self.named))
        for name, place in {
            "plain": plain, "opened": starts[plain], "names": named, "first": starts[named],
            "last": self.base[named] - 1,
        }.items():  # fmt: skip
            self.register_buffer(name, place, persistent=False)  # there before a step asks a device for it
        for name, rows in {"turned": self.cycles, "bent": self.bends}.items():
            self.register_buffer(name, torch.tensor([j for j, *_ in rows], dtype=torch.long), persistent=False)
            by = torch.tensor([by for _, *by in rows], dtype=torch.float32).t()
            self.register_buffer(f"{name}_by", by, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """The features of a batch, `(rows, width)`."""
        x = self.filled(batch).flatten(1)
        if self.flat:
            return x
        known = None if batch.known is None else batch.known.flatten(1)
        columns = [self.open(x, known), *self._turns(x, known), *self._bent(x, known)]
        if self.masked:
            columns.append(torch.ones_like(x) if known is None else known.to(x.dtype))
        return torch.cat(columns, 1)

    def filled(self, batch: Batch) -> Tensor:
        """The cells of a batch, bridged where they are to be; beyond the last known cell its value, 0 without any."""
        if not self.bridged or batch.known is None:
            return batch.x
        x, known = (cells.reshape(-1, *self.bridged) for cells in (batch.x, batch.known))
        end = x.shape[2]
        place = torch.arange(end, device=x.device).expand_as(x)
        left = place.masked_fill(~known, -1).cummax(2).values
        right = place.masked_fill(~known, end).flip(2).cummin(2).values.flip(2)
        a, b = x.gather(2, left.clamp(min=0)), x.gather(2, right.clamp(max=end - 1))
        a, b = torch.where(left < 0, b, a), torch.where(right == end, a, b)
        share = (place - left) / (right - left).clamp(min=1)
        bridged: Tensor = a + (b - a) * share
        return bridged.view_as(batch.x)

    def open(self, x: Tensor, known: Tensor | None) -> Tensor:
        """Numbers as they are, categories as one-hots, in the order of the columns: `(rows, features)`."""
        if not self.named:
            return x
        found = x.new_zeros(len(x), self.features)
        found.index_copy_(1, self.opened, x.index_select(1, self.plain))
        place = x.index_select(1, self.names).long()
        here = (place >= 0) & (place <= self.last)
        if known is not None:
            here = here & known.index_select(1, self.names)
        place = self.first + torch.minimum(place.clamp(min=0), self.last)
        return found.scatter_add_(1, place, here.to(x.dtype))

    def _turns(self, x: Tensor, known: Tensor | None) -> list[Tensor]:
        if not self.cycles:
            return []
        periods, phases = self.turned_by
        turn = 2 * math.pi * (x.index_select(1, self.turned) / periods + phases)
        both = torch.cat([turn.sin(), turn.cos()], 1)
        return [both if known is None else both * known.index_select(1, self.turned).to(x.dtype).repeat(1, 2)]

    def _bent(self, x: Tensor, known: Tensor | None) -> list[Tensor]:
        if not self.bends:
            return []
        middle, unit, size = self.bent_by
        bent = ((x.index_select(1, self.bent) - middle) / unit).asinh() / size
        return [bent if known is None else bent * known.index_select(1, self.bent).to(x.dtype)]

    def targets(self, batch: Batch) -> Batch:
        """The rows as numbers that a squared error can be taken of: one-hots for categories, without masks."""
        if not self.named:
            return batch
        x, known = batch.x.flatten(1), None if batch.known is None else batch.known.flatten(1)
        wide = None if known is None else known.repeat_interleave(self.base, 1)
        return Batch(self.open(x, known), wide, weight=batch.weight)


class Bag(Door):
    """Counts as a network likes them: `worth_j log(1 + x_j)`, then every row of one length, its mean square one.

    `worth`: of each word, more of rare ones. `usual`: its share of all words; `length`: words in a mean document. For
    comparisons a row is its shares, each `(share_j / usual_j) sqrt(usual_j length)`, so that what chance alone does to
    a document of mean length has variance one in every word, and correspondence analysis is the PCA.
    """

    worth: Tensor
    unit: Tensor

    def __init__(self, worth: Tensor, usual: Tensor, length: float, masked: bool) -> None:
        super().__init__((0,) * len(worth), masked)
        self.flat = False
        self.register_buffer("worth", worth.clone(), persistent=False)
        self.register_buffer("unit", (length / usual).sqrt(), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """`(rows, width)`."""
        known = None if batch.known is None else batch.known.flatten(1).to(batch.x.dtype)
        x = batch.x.flatten(1).clamp(min=0)
        x = (x if known is None else x * known).log1p() * self.worth
        x = x * (x.shape[1] ** 0.5 / x.norm(dim=1, keepdim=True).clamp(min=FAINT))
        return torch.cat([x, torch.ones_like(x) if known is None else known], 1) if self.masked else x

    def targets(self, batch: Batch) -> Batch:
        """Shares in their units."""
        x = batch.x.flatten(1)
        return Batch(x / x.sum(1, keepdim=True).clamp(min=1) * self.unit, batch.known, weight=batch.weight)
