"""Sequences of pieces, each by its probability after all before it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from latently.parts.likelihoods.base import Likelihood
from latently.parts.networks.steps import CELLS, Attention, Cells, Memory, matrix, whole_heads
from latently.rng import child
from latently.values import Sizes

__all__ = ["END", "GAP", "LETTERS", "Autoregressive"]

END = 0  #: the piece that ends a row; nothing follows it
GAP = 1  #: the piece that stands for one that is not known; never drawn
BARRED = 1e4  # nats
LETTERS = 256  # pieces: with fewer, a row is spelled letter by letter
ROWS = 512  # drawn at once
POSITIONS = 8192  # scored at once outside of training

Pieces = Float[Tensor, "rows length"]
Choice = Callable[[int, Tensor], Tensor]


class Autoregressive(Likelihood):
    """`-log p(x_t | x_<t, params)` by a recurrent network, or by attention to what came before (Bowman 2016).

    A cell holds the number of a piece: 0 ends the row, and is certain ever after; 1 is a gap. The decoder's output
    conditions every step: it makes the first memory and is added to the embedding of each piece.

    Parameters
    ----------
    cell : {"lstm", "gru", "transformer"}
        LSTM cells are the fastest on a processor; attention has two layers.
    size, embed : int or "auto"
        Numbers in the memory and in an embedding: 128 and 48 under 256 pieces, which are letters, else 192 and 128.
    dropped : float
        Share of the pieces of the history that is a gap while training, so that the code has something to tell (word
        dropout, Bowman 2016). None by default: a floor under the KL (`Variational(pooled=True)`) makes the code speak
        as well, and what is learned with gaps is used without them. Held-out sentences: a bound of 95.8 nats with 0,
        KL 3.9; names: n-gram distance .116 with 0.2, .095 with 0.
    temperature : float
        What logits are divided by in a draw: under 1 draws are more alike and more likely.
    """

    measured = False
    barred: Tensor

    def __init__(
        self, cell: str = "lstm", size: int | Literal["auto"] = "auto", embed: int | Literal["auto"] = "auto",
        dropped: float = 0.0, temperature: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.cell, self.size, self.embed, self.dropped, self.temperature = cell, size, embed, dropped, temperature

    def check(self, sizes: Sizes) -> None:
        """A known cell, widths of at least 1, a share below 1, a temperature above 0, pieces of one vocabulary."""
        self.require(self.cell in CELLS, "cell", f"one of {', '.join(CELLS)}")
        self.require(self.size == "auto" or self.size >= 1, "size", "at least 1, or 'auto'")
        self.require(self.embed == "auto" or self.embed >= 1, "embed", "at least 1, or 'auto'")
        self.require(0 <= self.dropped < 1, "dropped", "in [0, 1), a share of the history")
        self.require(self.temperature > 0, "temperature", "positive")

    def build(self, sizes: Sizes) -> None:
        """Embeddings, cells and the way from their output to logits, drawn the same at every fit."""
        rng, levels = child(0, "autoregressive"), max(sizes.levels)
        self.length, self.levels = sizes.cells, levels
        few = levels < LETTERS
        self.share = float(self.dropped)
        self.memory = (128 if few else 192) if self.size == "auto" else int(self.size)
        embed = (48 if few else 128) if self.embed == "auto" else int(self.embed)
        self.embedding = nn.Parameter(torch.empty(levels, embed).normal_(0.0, 0.1, generator=rng))
        self.bias = nn.Parameter(torch.zeros(levels))
        if self.cell == "transformer":
            self.memory = whole_heads(self.memory)
            self.cells: Cells | Attention = Attention(self.memory, sizes.cells, rng, ahead=False)
            self.into = matrix(rng, self.memory, embed)
        else:
            self.cells = Cells(self.cell, embed, self.memory, rng)
            self.begin = matrix(rng, self.cells.memories * self.memory, self.memory)
        self.beside = matrix(rng, self.memory if self.cell == "transformer" else embed, self.memory)
        self.out = matrix(rng, embed, self.memory)
        self.register_buffer("barred", torch.zeros(levels).index_fill_(0, torch.tensor([GAP]), -BARRED), False)

    def width(self, cells: int) -> int:
        """The vector that conditions a row, as wide as the memory."""
        return self.memory

    # ------------------------------------------------------------------ one step, many steps

    def _start(self, params: Tensor) -> Memory:
        """The memory before the first step."""
        if self.cell == "transformer":
            return ()
        told = torch.tanh(functional.linear(params, self.begin))
        return tuple(m[None].contiguous() for m in told.chunk(len(self.begin) // self.memory, 1))

    def _go(self, pieces: Tensor, params: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """What is known after each of the pieces `(rows, steps)`: `(rows, steps, memory)`."""
        x = functional.embedding(pieces, self.embedding)
        if self.cell == "transformer":
            x = functional.linear(x, self.into)
        return self.cells(x + functional.linear(params, self.beside)[:, None], memory)  # type: ignore[no-any-return]

    def _logits(self, known: Tensor) -> Tensor:
        return functional.linear(functional.linear(known, self.out), self.embedding, self.bias + self.barred)

    # ------------------------------------------------------------------ nats

    def _each(self, x: Pieces, params: Tensor, rng: torch.Generator | None) -> Pieces:
        pieces = x.long().clamp(0, self.levels - 1)
        ended = pieces == END
        alive = ended.cumsum(1) - ended.long() == 0
        history = functional.pad(pieces[:, :-1], (1, 0), value=END)
        if rng is not None and self.share:
            gone = torch.empty_like(x).uniform_(generator=rng) < self.share
            gone[:, 0] = False
            history = history.masked_fill(gone, GAP)
        known, _ = self._go(history, params, self._start(params))
        known, wanted = known[alive], pieces[alive]
        size = max(len(known), 1) if torch.is_grad_enabled() else POSITIONS
        nats = [
            functional.cross_entropy(self._logits(part), own, reduction="none")
            for part, own in zip(known.split(size), wanted.split(size), strict=True)
        ]
        return torch.zeros_like(x, dtype=known.dtype).masked_scatter(alive, torch.cat(nats))

    def each(self, x: Pieces, params: Tensor) -> Pieces:
        """Cross-entropy of every piece after those before it; zero beyond the end."""
        return self._each(x, params, None)

    def run(self, x: Tensor, params: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Any]:
        """The same with gaps in the history, which `rng` draws."""
        with torch.enable_grad():
            leaf = params.detach().requires_grad_()
            each = self._each(x, leaf, rng)
        return each.detach(), (leaf, each)

    # ------------------------------------------------------------------ rows

    @torch.no_grad()
    def _walk(self, params: Tensor, choose: Choice) -> Pieces:
        """Piece after piece until every row has ended."""
        found = params.new_zeros(len(params), self.length)
        last = torch.zeros(len(params), 1, dtype=torch.long, device=params.device)
        alive = torch.ones_like(last, dtype=torch.bool)
        memory = self._start(params)
        for t in range(self.length):
            known, memory = self._go(last, params, memory)
            last = choose(t, self._logits(known[:, 0]))[:, None].masked_fill(~alive, END)
            found[:, t : t + 1] = last.to(found.dtype)
            alive &= last != END
            if not bool(alive.any()):
                break
        return found

    def mean(self, params: Tensor) -> Pieces:
        """The most probable piece after those chosen, at every step."""
        return self._walk(params, lambda _, logits: logits.argmax(1))

    def sample(self, params: Tensor, rng: torch.Generator, temperature: float | None = None) -> Pieces:
        """Piece after piece, each drawn after those before it; `temperature` by default the part's."""
        divisor = self.temperature if temperature is None else temperature
        u = torch.empty(len(params), self.length, device=rng.device).uniform_(generator=rng).to(params.device)
        made = []
        for rows, chance in zip(params.split(ROWS), u.split(ROWS), strict=True):
            made.append(self._walk(rows, partial(_drawn, chance, divisor)))
        return torch.cat(made)


def _drawn(u: Tensor, divisor: float, t: int, logits: Tensor) -> Tensor:
    """The pieces under which the even numbers of step `t` fall."""
    total = (logits.double() / divisor).softmax(1).cumsum(1)
    return (total <= (u[:, t].double() * total[:, -1])[:, None]).sum(1).clamp(max=logits.shape[1] - 1)
