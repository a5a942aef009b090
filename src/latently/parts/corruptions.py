"""What spoils the input of a denoising autoencoder. A corruption touches cells and `known`, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from latently.parts.part import Part
from latently.parts.places import drawn
from latently.values import Sizes

__all__ = [
    "Chain",
    "Corruption",
    "Gaussian",
    "GaussianRange",
    "Masking",
    "Remasking",
    "SaltAndPepper",
    "Swap",
    "Uniform",
    "in_runs",
]

Cells = Float[Tensor, "rows *cells"]
Known = Bool[Tensor, "rows *cells"]


class Corruption(Part):
    """`x~ = corrupt(x)`, drawn from the generator it is given."""

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """The corrupted cells."""
        raise NotImplementedError

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """Corrupted cells and what is then still known; most corruptions leave `known` alone."""
        return self(x, rng), known


class _Noise(Corruption):
    """Noise on numbers. Cells that name a category stay as they are: a level and a half is none."""

    numbers: Tensor

    def build(self, sizes: Sizes) -> None:
        """One for a number, zero for a category."""
        self.named = any(sizes.levels)
        ones = [float(not n) for n in sizes.levels] if self.named else [1.0]
        self.register_buffer("numbers", torch.tensor(ones), persistent=False)

    def _add(self, x: Cells, noise: Tensor) -> Cells:
        return x + (noise * self.numbers if getattr(self, "named", False) else noise)


def _chosen(x: Tensor, level: float, rng: torch.Generator) -> Tensor:
    return torch.empty_like(x).uniform_(generator=rng) < level


class _Share(Corruption):
    def __init__(self, level: float = 0.3) -> None:
        super().__init__()
        self.level = level

    def check(self, sizes: Sizes) -> None:
        """`0 < level < 1`."""
        self.require(0 < self.level < 1, "level", "in (0, 1): the share of cells that is corrupted")


class Gaussian(_Noise):
    """White noise of standard deviation `sigma`, in model units (standard deviations of a column), or one for each."""

    sigma: Any

    def __init__(self, sigma: float | list[float] = 0.3) -> None:
        super().__init__()
        self.sigma = sigma

    def check(self, sizes: Sizes) -> None:
        """`sigma > 0`; of several, none is less than 0 and one is more."""
        each = self.sigma if isinstance(self.sigma, list) else [self.sigma]
        self.require(max(each) > 0 <= min(each), "sigma", "positive")

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """`x + sigma eps`."""
        sigma = x.new_tensor(self.sigma) if isinstance(self.sigma, list) else self.sigma
        return self._add(x, sigma * torch.empty_like(x).normal_(generator=rng))


class GaussianRange(_Noise):
    """White noise of a standard deviation drawn for each row from `[low, high]`: one model for every strength."""

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__()
        self.low = low
        self.high = high

    def check(self, sizes: Sizes) -> None:
        """`0 <= low <= high`, and some noise."""
        self.require(0 <= self.low <= self.high, "low", f"in [0, high], and high is {self.high!r}")
        self.require(self.high > 0, "high", "positive")

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """`x + sigma eps`, a sigma a row."""
        sigma = x.new_empty(len(x), *[1] * (x.ndim - 1)).uniform_(self.low, self.high, generator=rng)
        return self._add(x, sigma * torch.empty_like(x).normal_(generator=rng))


class Uniform(_Noise):
    """Noise drawn evenly from `[-width, width]`, in model units."""

    def __init__(self, width: float = 0.5) -> None:
        super().__init__()
        self.width = width

    def check(self, sizes: Sizes) -> None:
        """`width > 0`."""
        self.require(self.width > 0, "width", "positive")

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """`x + u`."""
        return self._add(x, torch.empty_like(x).uniform_(-self.width, self.width, generator=rng))


class Masking(_Share):
    """A share `level` of the cells is put to zero, the filler, and counts as unknown (Vincent 2008)."""

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Zero where chosen."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """The chosen cells leave `known` too, so that a mask channel tells the encoder."""
        return _left(x, known, torch.empty_like(x).uniform_(generator=rng).ge_(self.level))


def _left(x: Tensor, known: Tensor | None, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Cells times `kept`, ones and zeros (a fill by chance costs eight times as much), and what is then known."""
    left = kept.bool()
    return x * kept, left if known is None else known & left


class Remasking(Corruption):
    """As `Masking`, at a share drawn for each row from `[low, high]`: every pattern of gaps is met, few and many.

    Rows that are series, (channels, length), lose runs: a row is cut at random into runs of one length, from a single
    step to the whole of it, and each run of each channel goes or stays (half of the rows lose all channels together).
    Of images whole pixels are hidden, in all channels, as holes are.
    """

    shape: tuple[int, ...] = ()

    def __init__(self, low: float = 0.1, high: float = 0.9) -> None:
        super().__init__()
        self.low = low
        self.high = high

    def build(self, sizes: Sizes) -> None:
        """What a row is: which cells share a pixel, which follow each other."""
        self.shape = tuple(sizes.shape)

    def check(self, sizes: Sizes) -> None:
        """`0 <= low <= high <= 1`, and something is hidden."""
        self.require(0 <= self.low <= self.high, "low", f"in [0, high], and high is {self.high!r}")
        self.require(0 < self.high <= 1, "high", "in (0, 1]: the greatest share of a row's cells that is hidden")

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Zero where chosen."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """The chosen cells leave `known` too."""
        share = x.new_empty(len(x), *[1] * (x.ndim - 1)).uniform_(self.low, self.high, generator=rng)
        if len(self.shape) == 2:
            chance = in_runs(torch.empty_like(x).uniform_(generator=rng), self.shape, rng)
        else:
            chance = drawn(x, self.shape, rng)
        return _left(x, known, chance.ge_(share))


def in_runs(chance: Cells, shape: tuple[int, ...], rng: torch.Generator) -> Cells:
    """Numbers drawn a cell, `(rows, channels * length)`, made alike over runs of a channel, as `Remasking` says."""
    channels, length = shape
    each = chance.view(-1, channels, length)
    longest = math.log(length * (1.0 if channels > 1 else 0.5) + 1)
    size = each.new_empty(len(each), 1, 1).uniform_(0.0, longest, generator=rng).exp()
    offset = size * torch.empty_like(size).uniform_(generator=rng)
    run = ((torch.arange(length, device=chance.device) + offset) / size).long().clamp(max=length - 1)
    alike = torch.empty_like(size).uniform_(generator=rng) < 0.5
    each = torch.where(alike, each[:, :1], each)
    return each.gather(2, run.expand_as(each)).view_as(chance)


class SaltAndPepper(_Share):
    """A share `level` of the cells takes the least or the greatest value of its column, a coin's toss each."""

    low: Tensor
    high: Tensor

    def build(self, sizes: Sizes) -> None:
        """The limits of each cell."""
        self.register_buffer("low", torch.zeros(()) if sizes.low is None else sizes.low.clone())
        self.register_buffer("high", torch.ones(()) if sizes.high is None else sizes.high.clone())

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Low below half the level, high up to the level, else unchanged."""
        u = torch.empty_like(x).uniform_(generator=rng)
        return torch.where(u < self.level / 2, self.low, torch.where(u < self.level, self.high, x))


class Swap(_Share):
    """A share `level` of the cells takes the value of the same column in another row of the batch."""

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Each chosen cell from a row of its own."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """The same among known cells: one whose source is unknown stays as it is."""
        rows = torch.randint(len(x), x.shape, generator=rng, device=x.device)
        chosen = _chosen(x, self.level, rng)
        chosen = chosen if known is None else chosen & known.gather(0, rows)
        return torch.where(chosen, x.gather(0, rows), x), known


class Chain(Corruption):
    """Corruptions one after the other."""

    def __init__(self, steps: list[Corruption]) -> None:
        super().__init__()
        self.steps = steps
        self._bound = torch.nn.ModuleList(steps)

    def check(self, sizes: Sizes) -> None:
        """Each step's own check."""
        for step in self.steps:
            step.check(sizes)

    def build(self, sizes: Sizes) -> None:
        """Each step is built."""
        for step in self.steps:
            step.build(sizes)

    def forward(self, x: Cells, rng: torch.Generator) -> Cells:
        """Every step in turn."""
        return self.hide(x, None, rng)[0]

    def hide(self, x: Cells, known: Known | None, rng: torch.Generator) -> tuple[Cells, Known | None]:
        """Every step in turn."""
        for step in self.steps:
            x, known = step.hide(x, known, rng)
        return x, known
