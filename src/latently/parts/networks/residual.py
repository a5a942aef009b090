"""A pair of networks that corrects what it reads: the code carries the input past them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from latently.errors import BadParameter
from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.dense import Dense

__all__ = ["Residual"]


class Carrying(Network):
    """`z = (f(x), x)`: what the inner encoder makes of the features, and the cells as they were read."""

    def __init__(self, inner: Network, inputs: int, places: list[int]) -> None:
        super().__init__()
        self.inner, self.inputs, self.places, self.cells = inner, inputs, places, len(places)
        self.outputs = inner.outputs + self.cells

    def plain(self, x: Tensor) -> Tensor:
        """The code and the cells."""
        return torch.cat([self.inner.plain(x), x[:, self.places]], 1)

    def stack(self) -> list[str]:
        """The inner layers, and what passes them."""
        return [*self.inner.stack(), f"beside it: {self.cells} cells as they are"]


class Correcting(Network):
    """`x + s g(h)`, s zero at the start (Bachlechner 2020), so that training starts at the input."""

    def __init__(self, inner: Network, places: list[int]) -> None:
        super().__init__()
        self.inner, self.places, self.cells = inner, torch.tensor(places), len(places)
        self.inputs, self.outputs = inner.inputs + self.cells, inner.outputs
        self.gain = nn.Parameter(torch.zeros(1))

    def plain(self, x: Tensor) -> Tensor:
        """The cells and a correction."""
        h, cells = x.split([self.inner.inputs, self.cells], 1)
        return (self.gain * self.inner.plain(h)).index_add(1, self.places.to(cells.device), cells)

    def stack(self) -> list[str]:
        """The inner layers, and what they are added to."""
        return [*self.inner.stack(), "a correction of the cells"]


@dataclass
class Residual(Design):
    """Another design's networks, whose output corrects the input: for filling gaps, where the input is a first guess.

    `inner` is that design. The code is `width` numbers and every cell, so nothing keeps this pair from copying: it is
    for kinds that hide cells or disturb them. `reads`: the features that are corrected, all cells if empty; `writes`:
    the outputs that they are added to, where other outputs stand between.
    """

    inner: Design = field(default_factory=Dense)
    width: int = 64
    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)

    def code(self, cells: int) -> int:
        """Numbers of the whole code, for rows of so many cells."""
        return self.width + (len(self.reads) or cells)

    def _within(self, ends: Ends) -> tuple[Ends, int]:
        """The ends of the inner pair, and the cells that pass it; `BadParameter` where they cannot."""
        cells = ends.code - self.width
        if (
            (not self.reads and ends.outputs != cells)
            or ends.delivered != ends.code
            or ends.last
            or cells > ends.inputs
        ):
            raise BadParameter(
                f"network=Residual(...) has a code of {self.width} numbers and one for each cell, and gives one number "
                f"a cell; here they are {ends.code} and {ends.outputs}. Leave n_components, kind and loss at 'auto'."
            )
        return replace(ends, delivered=self.width, code=self.width), cells

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        return self.inner.count(self._within(ends)[0]) + 1

    def work(self, ends: Ends) -> int:
        """Multiplications a row."""
        return self.inner.work(replace(ends, delivered=self.width, code=self.width))

    def plan(self, ends: Ends) -> dict[str, Any]:
        """What the inner design asks for."""
        return self.inner.plan(replace(ends, delivered=self.width, code=self.width))

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Both networks around those of the inner design."""
        within, cells = self._within(ends)
        encoder, decoder = self.inner.build(within, rng)
        reads, writes = (places or list(range(cells)) for places in (self.reads, self.writes))
        return Carrying(encoder, ends.inputs, reads), Correcting(decoder, writes)
