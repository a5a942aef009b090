"""Encoders of sequences of pieces, described as data."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently.errors import BadParameter
from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.mlp import MLP
from latently.parts.networks.steps import CELLS, Attention, Cells, matrix, whole_heads

__all__ = ["Reader"]

FEW = 256  # pieces: with fewer, rows are spelled letter by letter
GAP = 1  # the piece that stands for one that is not known


class Reading(Network):
    """The numbers of pieces, then which are known, to a code: embedded, read both ways, averaged over the text.

    A gap within the text is read as the piece for a gap; what lies beyond the last known piece counts nowhere.
    """

    def __init__(self, ends: Ends, cell: str, width: int, embed: int, rng: torch.Generator) -> None:
        super().__init__()
        self.inputs, self.outputs, self.levels = ends.inputs, ends.delivered, max(ends.levels)
        self.length = len(ends.levels)
        self.embedding = nn.Parameter(torch.empty(self.levels, embed).normal_(0.0, 0.1, generator=rng))
        if cell == "transformer":
            self.into: nn.Parameter | None = matrix(rng, width, embed)
            self.cells: Cells | Attention = Attention(width, self.length, rng, ahead=True)
        else:
            self.into, self.cells = None, Cells(cell, embed, width, rng, both=True)
        wide = 2 * width * (1 if self.into is not None else 2)
        self.head = MLP((wide, ends.delivered), last=ends.last or "linear").start(rng)

    def plain(self, x: Tensor) -> Tensor:
        """Mean and maximum over the text of what is read at each piece, through a linear layer."""
        known = x[:, self.length :] > 0
        pieces = x[:, : self.length].long().clamp(0, self.levels - 1).masked_fill(~known, GAP)
        inside = known.flip(1).cumsum(1).flip(1) > 0
        inside[:, 0] = True
        read = functional.embedding(pieces, self.embedding) * inside[..., None]
        if isinstance(self.cells, Attention):
            assert self.into is not None
            read, _ = self.cells(functional.linear(read, self.into), known=inside)
        else:
            read, _ = self.cells(read)
        share = inside.to(read.dtype)[..., None]
        mean = (read * share).sum(1) / share.sum(1)
        return self.head.plain(torch.cat([mean, read.masked_fill(~inside[..., None], -1e4).amax(1)], 1))

    def tangent(self, x: Tensor, v: Tensor) -> Tensor:
        """Refused: the number of a piece is a name, and longer vectors of pieces make any derivative by them small."""
        raise BadParameter(
            "a contractive kind asks for the derivative of a code, and pieces of text are names, by which there is "
            "none. Try kind='denoising', whose codes are to bear typos, or Autoencoder on texts, which counts words."
        )

    def jacobian(self, x: Tensor) -> Tensor:
        """Refused: the number of a piece is a name."""
        return self.tangent(x, x)

    def stack(self) -> list[str]:
        """The embedding, the cells, the layer to the code."""
        name = "transformer" if self.into is not None else f"{getattr(self.cells, 'cell', '')}, both ways"
        lines = [f"{self.length} pieces of {self.levels} -> {self.embedding.shape[1]} each"]
        return [*lines, f"{self.embedding.shape[1]} -> {self.head.inputs // 2} {name}", *self.head.stack()]


@dataclass
class Reader(Design):
    """An encoder that reads pieces of text one after the other, and a linear map from the code to what spells them.

    `cell`: "lstm" or "gru", read both ways, or "transformer", two layers of attention. `width`, `embed`: numbers in
    the memory and in an embedding; "auto" is 96 and 48 under 256 pieces, which are letters, else 128 and 96. `hidden`:
    widths between the code and the likelihood, which is the decoder proper.
    """

    cell: str = "lstm"
    width: Any = "auto"
    embed: Any = "auto"
    hidden: tuple[int, ...] = ()

    def sizes(self, ends: Ends) -> tuple[int, int]:
        """Width and embedding, "auto" resolved; `BadParameter` on what cannot be."""
        if self.cell not in CELLS:
            raise BadParameter(f"cell={self.cell!r}: expected one of {', '.join(CELLS)}.")
        for name in ("width", "embed"):
            value = getattr(self, name)
            if value != "auto" and not (isinstance(value, int) and value >= 1):
                raise BadParameter(f"{name}={value!r}: expected a whole number, at least 1, or 'auto'.")
        if not ends.levels or min(ends.levels) < 2:
            raise BadParameter("a Reader is for pieces of text; leave network='auto' with other data.")
        few = max(ends.levels) < FEW
        width = (96 if few else 128) if self.width == "auto" else self.width
        embed = (48 if few else 96) if self.embed == "auto" else self.embed
        return whole_heads(width) if self.cell == "transformer" else width, embed

    def count(self, ends: Ends) -> int:
        """Parameters of both networks; the likelihood has its own."""
        width, embed = self.sizes(ends)
        gates = {"lstm": 8, "gru": 6}.get(self.cell, 0)
        cells = gates * width * (embed + width + 2) or 24 * width**2 + width * (embed + len(ends.levels) + 5)
        wide = 2 * width * (2 if gates else 1)
        layers = (ends.code, *self.hidden, ends.outputs)
        out = sum((a + 1) * b for a, b in itertools.pairwise(layers))
        return max(ends.levels) * embed + cells + (wide + 1) * ends.delivered + out

    def work(self, ends: Ends) -> int:
        """Multiplications a row: the cells and as many again in the likelihood, at every piece."""
        width, embed = self.sizes(ends)
        return len(ends.levels) * (20 * width * (embed + width) + 4 * max(ends.levels) * embed)

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder with fresh weights; the decoder says nothing at first, for a code is noise then.

        What spells texts has to learn to do without the code before it can learn to use it.
        """
        encoder = Reading(ends, self.cell, *self.sizes(ends), rng)
        return encoder, MLP((ends.code, *self.hidden, ends.outputs)).start(rng, zero_last=True)
