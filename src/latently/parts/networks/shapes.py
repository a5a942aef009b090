"""Numbers of a code that tell which shapes occur in a series, wherever they lie."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.parts.networks.base import Ends, Network
from latently.parts.networks.mlp import MLP

__all__ = ["Shaped"]

FILTERS = 32  # of each width; 16 were worth .03 less to a probe
TAPS = 9  # of a filter, so many steps apart as a width has: 1, 2, 4, ...
SOFT = 0.3  # deviations of a filter's output over which it turns from off to on: codes move as a series does
AT_ONCE = 256  # rows


class Shaped(Network):
    """`y = T (f(x), P s(x))`: what `inner` tells of a row, and `many` numbers that know no places.

    `s_j` is the share of steps at which the output of a random filter exceeds a threshold (Dempster 2020), `P` the
    principal directions of these shares. Filters, thresholds and `P` are what `settle` makes them and are not trained;
    `T`, at first the identity, is for a change of coordinates.
    """

    filters: Tensor
    quantile: Tensor
    edge: Tensor
    slope: Tensor
    project: Tensor
    shift: Tensor

    def __init__(self, inner: Network, ends: Ends, many: int) -> None:
        super().__init__()
        self.inner, self.shape, self.even = inner, ends.shape, inner.even
        self.inputs, self.outputs, self.apart = inner.inputs, inner.outputs + many, many
        widths = max(1, (ends.shape[1] // (2 * (TAPS - 1))).bit_length())
        self.steps = [1 << i for i in range(widths)]
        count = FILTERS * widths
        self.register_buffer("filters", torch.zeros(count, ends.shape[0], TAPS))
        for name in ("quantile", "edge", "slope"):
            self.register_buffer(name, torch.zeros(count))
        self.register_buffer("project", torch.zeros(many, count))
        self.register_buffer("shift", torch.zeros(many))
        self.turn = MLP((self.outputs, self.outputs))
        self.turn.requires_grad_(False)
        nn.init.eye_(self.turn.weights[0])

    def start(self, rng: torch.Generator) -> Self:
        """Draw filters, each of one channel or several, and where among its outputs a threshold lies."""
        count, channels, _ = self.filters.shape
        self.filters.normal_(generator=rng)
        most = channels ** torch.empty(count, 1).uniform_(generator=rng)
        self.filters *= (torch.rand(count, channels, generator=rng).argsort(1) < most)[:, :, None]
        self.filters -= self.filters.mean(2, keepdim=True)
        self.quantile.uniform_(0.1, 0.9, generator=rng)
        return self

    @torch.no_grad()
    def settle(self, features: Tensor) -> None:
        """Thresholds, and the principal directions of the shares, of these rows; once: later layers build on them."""
        if bool(self.project.any()):
            return
        x, seen = self._series(features)
        for part, step in zip(torch.arange(len(self.edge)).split(FILTERS), self.steps, strict=True):
            found = self._filtered(x, part[0], step).permute(1, 0, 2).flatten(1).cpu()
            there = self._there(seen, step, found.shape[1] // len(x)).flatten().cpu() > 0
            found = (found[:, there] if bool(there.any()) else found).sort(1).values
            place = (self.quantile[part].cpu() * (found.shape[1] - 1)).long()
            self.edge[part] = found.gather(1, place[:, None])[:, 0].to(x.device)
            self.slope[part] = 1 / (SOFT * found.std(1, correction=0)).clamp(min=1e-6).to(x.device)
        shares = self._shares(features).cpu().double()
        mean, spread = shares.mean(0), shares.std(0, correction=0)
        unit = torch.where(spread > 1e-6, 1 / spread.clamp(min=1e-6), 0.0)
        one = (shares - mean) * unit
        axes = torch.linalg.eigh(one.t() @ one).eigenvectors.flip(1)[:, : self.apart]
        axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign() / len(unit) ** 0.5
        self.project.copy_((axes * unit[:, None]).t())
        self.shift.copy_(-(mean * unit) @ axes)

    def _series(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """`(rows, channels, length)`, and which steps are known, `(rows, length)`."""
        cells = self.shape[0] * self.shape[1]
        x = features[:, :cells].reshape(-1, *self.shape)
        if features.shape[1] < 2 * cells:
            return x, torch.ones_like(x[:, 0])
        return x, features[:, cells : 2 * cells].reshape(-1, *self.shape).amax(1)

    def _filtered(self, x: Tensor, first: Tensor | int, step: int) -> Tensor:
        around = (TAPS - 1) * step // 2
        few = self.filters[int(first) : int(first) + FILTERS]
        padded = functional.pad(x, (around, around), mode="replicate")
        return functional.conv1d(padded, few, stride=max(1, step // 2), dilation=step)

    def _there(self, seen: Tensor, step: int, places: int) -> Tensor:
        return seen[:, :: max(1, step // 2)][:, :places]

    def _shares(self, features: Tensor) -> Tensor:
        x, seen = self._series(features)
        found = []
        for i, step in enumerate(self.steps):
            few = slice(i * FILTERS, (i + 1) * FILTERS)
            on = ((self._filtered(x, few.start, step) - self.edge[few, None]) * self.slope[few, None]).sigmoid()
            there = self._there(seen, step, on.shape[2])[:, None]
            found.append((on * there).sum(2) / there.sum(2).clamp(min=1))
        return torch.cat(found, 1)

    def told(self, features: Tensor) -> Tensor:
        """The numbers that know no places, `(rows, many)`."""
        return torch.cat([
            functional.linear(self._shares(part), self.project, self.shift) for part in features.split(AT_ONCE)
        ])  # fmt: skip

    def plain(self, x: Tensor) -> Tensor:
        """Both parts, in the coordinates of `T`."""
        return self.turn.plain(torch.cat([self.inner.plain(x), self.told(x)], 1))

    @torch.no_grad()
    def run(self, x: Tensor) -> tuple[Tensor, Any]:
        """As `plain`, by the inner network's own way."""
        y, tape = self.inner.run(x)
        return self.turn.plain(torch.cat([y, self.told(x)], 1)), tape

    def back(self, tape: Any, g: Tensor, to_input: bool = True) -> Tensor | None:
        """Through the inner network: nothing else learns, and nobody asks for the gradient at a series."""
        return self.inner.back(tape, (g @ self.turn.weights[0])[:, : self.inner.outputs], to_input)

    def linear(self) -> Network | None:
        """The inner network's path."""
        return self.inner.linear()

    def heads(self) -> list[Network]:
        """`T`."""
        return [self.turn]

    def stack(self) -> list[str]:
        """The inner layers, and the filters beside them."""
        return [*self.inner.stack(), f"beside it: {len(self.edge)} filters, their shares of time -> {self.apart}"]
