"""Likelihoods of things that come in steps, and mixtures of kinds of column."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.parts.likelihoods.base import Likelihood
from latently.values import Sizes

__all__ = ["Bernoulli", "Categorical", "Mixed", "Ordinal"]

FAR = 1e6  # a threshold that no output reaches


class Bernoulli(Likelihood):
    """`-x log p - (1 - x) log(1 - p)` for cells in [0, 1]; the decoder's output is the logit of p."""

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.softplus(params) - x * params

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand."""
        return self.each(x, params), (x, params)

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """`p - x`."""
        x, params = tape
        return torch.sigmoid(params).sub_(x).mul_(coefficient)

    def mean(self, params: Tensor) -> Tensor:
        """The probability."""
        return torch.sigmoid(params)

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """Zero or one."""
        return torch.bernoulli(torch.sigmoid(params), generator=rng)


class Categorical(Likelihood):
    """`-log p_x` for cells that hold a level's number, 0 to `levels - 1`; the decoder gives a logit for each level.

    `levels` is one number for all cells, or one for each. With `spare=True` the last level of every cell stands for
    what the fit never saw: it has a probability, and is never shown.
    """

    index: Tensor
    inside: Tensor
    places: Tensor

    def __init__(self, levels: int | list[int], spare: bool = False) -> None:
        super().__init__()
        self.levels, self.spare = levels, spare

    def check(self, sizes: Sizes) -> None:
        """At least two levels."""
        self.require(min(self._each(sizes.cells), default=2) >= 2, "levels", "at least 2, for each cell")
        self.require(len(self._each(sizes.cells)) == sizes.cells, "levels", "one number for each cell")

    def _each(self, cells: int) -> list[int]:
        return [self.levels] * cells if isinstance(self.levels, int) else list(self.levels)

    def build(self, sizes: Sizes) -> None:
        """Where each cell's logits stand, padded to the most levels."""
        each = torch.tensor(self._each(sizes.cells))
        inside = torch.arange(int(each.max())) < each[:, None]
        first = each.cumsum(0) - each
        index = (first[:, None] + torch.arange(inside.shape[1])).clamp(max=int(each.sum()) - 1)
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("inside", inside, persistent=False)
        self.register_buffer("places", inside.flatten().nonzero().squeeze(1), persistent=False)

    def width(self, cells: int) -> int:
        """A logit for each level of each cell."""
        return sum(self._each(cells))

    def _logits(self, params: Tensor) -> Tensor:
        """`(rows, cells, most levels)`, far below all others where a cell has fewer."""
        logits = params.index_select(1, self.index.flatten()).view(-1, *self.index.shape)
        return logits.masked_fill(~self.inside, -FAR)

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Cross-entropy."""
        return -self._logits(params).log_softmax(-1).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand."""
        logs, place = self._logits(params).log_softmax(-1), x.long().unsqueeze(-1)
        return -logs.gather(-1, place).squeeze(-1), (logs, place)

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """The probability of each level, less one at the cell's own."""
        logs, place = tape
        grad = logs.exp_()
        grad.scatter_add_(-1, place, torch.full_like(place, -1, dtype=grad.dtype))
        grad *= coefficient.unsqueeze(-1) if isinstance(coefficient, Tensor) else coefficient
        return grad.flatten(1).index_select(1, self.places)  # type: ignore[no-any-return]

    def probabilities(self, params: Tensor) -> Tensor:
        """`(rows, cells, most levels)`; with a spare level, of the others alone."""
        logits = self._logits(params)
        return (logits.masked_fill(self._last(), -FAR) if self.spare else logits).softmax(-1)

    def _last(self) -> Tensor:
        return self.inside & ~torch.nn.functional.pad(self.inside, (0, 1))[:, 1:]

    def mean(self, params: Tensor) -> Tensor:
        """The most probable level."""
        return self.probabilities(params).argmax(-1).to(params.dtype)

    def expected(self, params: Tensor) -> Tensor:
        """The probability of every level but the spare one, cell by cell."""
        shown = self.inside & ~self._last() if self.spare else self.inside
        return self.probabilities(params)[:, shown]

    def features(self, cells: int) -> list[int]:
        """Levels but the spare one."""
        return [n - self.spare for n in self._each(cells)]

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """A level."""
        p = self.probabilities(params)
        drawn = torch.multinomial(p.flatten(0, 1), 1, generator=rng)
        return drawn.view(p.shape[:2]).to(params.dtype)


class Ordinal(Likelihood):
    """Cumulative logits (McCullagh 1980): `P(x <= k) = sigmoid(t_k - s)`, s from the decoder, t learned per column."""

    first: Tensor
    steps: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def check(self, sizes: Sizes) -> None:
        """At least two levels."""
        self.require(self.levels >= 2, "levels", "at least 2")

    def build(self, sizes: Sizes) -> None:
        """Thresholds one apart, centred at zero; positive steps keep them in order."""
        self.first = nn.Parameter(torch.full((sizes.cells, 1), -(self.levels - 2) / 2))
        self.steps = nn.Parameter(torch.full((sizes.cells, self.levels - 2), 0.5413))  # softplus(.5413) = 1

    def thresholds(self) -> Tensor:
        """`(cells, levels + 1)`, the first and the last out of reach."""
        t = self.first + functional.pad(functional.softplus(self.steps).cumsum(-1), (1, 0))
        ends = torch.full_like(self.first, FAR)
        return torch.cat((-ends, t, ends), 1)

    def logs(self, params: Tensor) -> Tensor:
        """Log-probabilities `(rows, cells, levels)`.

        `sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - e^(l - u))`, and the right side holds far out, where the
        left has no digits.
        """
        at = self.thresholds() - params.unsqueeze(-1)
        upper, lower = at[..., 1:], at[..., :-1]
        gap = -torch.expm1(lower - upper)
        return functional.logsigmoid(upper) + functional.logsigmoid(-lower) + gap.log()

    def probabilities(self, params: Tensor) -> Tensor:
        """`(rows, cells, levels)`, each row of them summing to one."""
        return self.logs(params).exp()

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Minus the log of the level's probability."""
        return -self.logs(params).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same by hand, of the level that is there alone."""
        place, t = x.long().t(), self.thresholds().detach()
        lower, upper = t.gather(1, place).t(), t.gather(1, place + 1).t()
        gap = upper - lower
        lower, upper = lower - params, upper - params
        each = functional.softplus(-upper) + functional.softplus(lower) - (-torch.expm1(-gap)).log()
        return each, (place, lower, upper, gap)

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """`sigmoid(-u) - sigmoid(l)`, and what that and the gap make of the thresholds on both sides."""
        place, lower, upper, gap = tape
        below, above = lower.sigmoid().mul_(coefficient), upper.neg().sigmoid_().mul_(coefficient)
        near = gap.expm1().reciprocal_().mul_(coefficient)
        pull = torch.zeros(len(place), self.levels + 1, dtype=gap.dtype, device=gap.device)
        pull.scatter_add_(1, place, (below + near).t()).scatter_add_(1, place + 1, (above + near).neg_().t())
        onward = pull[:, 1:-1].flip(1).cumsum(1).flip(1)  # a step moves all that follow
        for own, g in ((self.first, onward[:, :1]), (self.steps, onward[:, 1:] * torch.sigmoid(self.steps))):
            own.grad = g.clone() if own.grad is None else own.grad.add_(g)
        return above - below  # type: ignore[no-any-return]

    def mean(self, params: Tensor) -> Tensor:
        """The most probable level."""
        return self.probabilities(params).argmax(-1).to(params.dtype)

    def expected(self, params: Tensor) -> Tensor:
        """The probability of every level, cell by cell."""
        return self.probabilities(params).flatten(1)

    def features(self, cells: int) -> list[int]:
        """Levels."""
        return [self.levels] * cells

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """A level."""
        p = self.probabilities(params)
        drawn = torch.multinomial(p.flatten(0, 1).clamp(min=0), 1, generator=rng)
        return drawn.view(p.shape[:2]).to(params.dtype)


class Mixed(Likelihood):
    """Another likelihood for each group of columns: `groups` lists pairs of column numbers and a likelihood."""

    order: Tensor
    spread: Tensor

    def __init__(self, groups: list[tuple[list[int], Likelihood]]) -> None:
        super().__init__()
        self.groups = groups
        self._bound = nn.ModuleList([part for _, part in groups])

    def check(self, sizes: Sizes) -> None:
        """Each column in exactly one group, and each group's own check."""
        columns = sorted(c for group, _ in self.groups for c in group)
        self.require(columns == list(range(sizes.cells)), "groups", f"each of {sizes.cells} columns once")
        for group, part in self.groups:
            part.check(Sizes(len(group), sizes.code, sizes.rows))

    def build(self, sizes: Sizes) -> None:
        """Each group is built for its own number of columns."""
        for group, part in self.groups:
            part.build(Sizes(len(group), sizes.code, sizes.rows))
        columns = [c for group, _ in self.groups for c in group]
        self.register_buffer("order", torch.tensor(columns).argsort(), persistent=False)
        widths = {c: n for group, part in self.groups for c, n in zip(group, part.features(len(group)), strict=True)}
        starts = dict(zip(columns, itertools.accumulate((widths[c] for c in columns), initial=0), strict=False))
        places = [starts[c] + k for c in sorted(columns) for k in range(widths[c])]
        self.register_buffer("spread", torch.tensor(places), persistent=False)

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Only when every group is."""
        return all(part.linear for _, part in self.groups)

    def width(self, cells: int) -> int:
        """The groups' widths, side by side."""
        return sum(self._widths())

    def _widths(self) -> list[int]:
        return [part.width(len(group)) for group, part in self.groups]

    def _blocks(self, params: Tensor) -> Iterator[tuple[list[int], Likelihood, Tensor]]:
        for (group, part), block in zip(self.groups, params.split(self._widths(), 1), strict=True):
            yield group, part, block

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Nats of every cell by its own group's rule."""
        found = [part.each(x[:, group], block) for group, part, block in self._blocks(params)]
        return torch.cat(found, 1)[:, self.order]

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """Each group by its own hand."""
        found = [part.run(x[:, group], block.contiguous(), rng) for group, part, block in self._blocks(params)]
        return torch.cat([each for each, _ in found], 1)[:, self.order], [tape for _, tape in found]

    def back(self, tape: Any, coefficient: Tensor | float) -> Tensor:
        """Each group's own, side by side."""
        grads = []
        for (group, part), own in zip(self.groups, tape, strict=True):
            wide = isinstance(coefficient, Tensor) and coefficient.ndim > 1 and coefficient.shape[1] > 1
            grads.append(part.back(own, coefficient[:, group] if wide else coefficient))  # type: ignore[index]
        return torch.cat(grads, 1)

    def mean(self, params: Tensor) -> Tensor:
        """Each group's own."""
        return torch.cat([part.mean(block) for _, part, block in self._blocks(params)], 1)[:, self.order]

    def expected(self, params: Tensor) -> Tensor:
        """Each group's own, by columns."""
        return torch.cat([part.expected(block) for _, part, block in self._blocks(params)], 1)[:, self.spread]

    def features(self, cells: int) -> list[int]:
        """Each group's own, by columns."""
        widths = [n for group, part in self.groups for n in part.features(len(group))]
        return [widths[int(j)] for j in self.order]

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """Each group's own."""
        return torch.cat([part.sample(block, rng) for _, part, block in self._blocks(params)], 1)[:, self.order]
