"""Likelihoods of things that come in steps, and mixtures of kinds of column."""

from __future__ import annotations

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

    def run(self, x: Tensor, params: Tensor) -> tuple[Tensor, Any]:
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
    """`-log p_x` for cells that hold a level's number, 0 to `levels - 1`; the decoder gives `levels` logits a cell."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def check(self, sizes: Sizes) -> None:
        """At least two levels."""
        self.require(self.levels >= 2, "levels", "at least 2")

    def width(self, cells: int) -> int:
        """A logit for each level of each cell."""
        return cells * self.levels

    def _logits(self, params: Tensor) -> Tensor:
        return params.view(len(params), -1, self.levels)

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Cross-entropy."""
        return -self._logits(params).log_softmax(-1).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)

    def mean(self, params: Tensor) -> Tensor:
        """The most probable level."""
        return self._logits(params).argmax(-1).to(params.dtype)

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """A level."""
        logits = self._logits(params)
        drawn = torch.multinomial(logits.softmax(-1).flatten(0, 1), 1, generator=rng)
        return drawn.view(logits.shape[:2]).to(params.dtype)


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

    def logs(self, params: Tensor) -> Tensor:
        """Log-probabilities `(rows, cells, levels)`.

        `sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - e^(l - u))`, and the right side holds far out, where the
        left has no digits.
        """
        t = self.first + functional.pad(functional.softplus(self.steps).cumsum(-1), (1, 0))
        t = functional.pad(functional.pad(t, (1, 0), value=-FAR), (0, 1), value=FAR)
        at = t - params.unsqueeze(-1)
        upper, lower = at[..., 1:], at[..., :-1]
        gap = -torch.expm1(lower - upper)
        return functional.logsigmoid(upper) + functional.logsigmoid(-lower) + gap.log()

    def probabilities(self, params: Tensor) -> Tensor:
        """`(rows, cells, levels)`, each row of them summing to one."""
        return self.logs(params).exp()

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Minus the log of the level's probability."""
        return -self.logs(params).gather(-1, x.long().unsqueeze(-1)).squeeze(-1)

    def mean(self, params: Tensor) -> Tensor:
        """The most probable level."""
        return self.probabilities(params).argmax(-1).to(params.dtype)

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """A level."""
        p = self.probabilities(params)
        drawn = torch.multinomial(p.flatten(0, 1).clamp(min=0), 1, generator=rng)
        return drawn.view(p.shape[:2]).to(params.dtype)


class Mixed(Likelihood):
    """Another likelihood for each group of columns: `groups` lists pairs of column numbers and a likelihood."""

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

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Only when every group is."""
        return all(part.linear for _, part in self.groups)

    def width(self, cells: int) -> int:
        """The groups' widths, side by side."""
        return sum(self._widths())

    def _widths(self) -> list[int]:
        return [part.width(len(group)) for group, part in self.groups]

    def _gather(self, params: Tensor, cells: list[Tensor]) -> Tensor:
        order = torch.tensor([c for group, _ in self.groups for c in group], device=params.device)
        return torch.cat(cells, 1)[:, order.argsort()]

    def each(self, x: Tensor, params: Tensor) -> Tensor:
        """Nats of every cell by its own group's rule."""
        blocks = zip(self.groups, params.split(self._widths(), 1), strict=True)
        return self._gather(params, [part.each(x[:, group], block) for (group, part), block in blocks])

    def mean(self, params: Tensor) -> Tensor:
        """Each group's own."""
        blocks = zip(self.groups, params.split(self._widths(), 1), strict=True)
        return self._gather(params, [part.mean(block) for (_, part), block in blocks])

    def sample(self, params: Tensor, rng: torch.Generator) -> Tensor:
        """Each group's own."""
        blocks = zip(self.groups, params.split(self._widths(), 1), strict=True)
        return self._gather(params, [part.sample(block, rng) for (_, part), block in blocks])
