"""Rows as sums of few atoms of length one: the networks of sparse dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import latently.parts.few as few
from latently.parts.networks.activations import Activation
from latently.parts.networks.base import Design, Ends, Network, grad

__all__ = ["Dictionary"]

BATCH, STEPS = 256, 400  # with 3,200 rows, 30 epochs: the best look of 100 came after as many


@dataclass
class Dictionary(Design):
    """`h = W (x - b) + c`, `x^ = b + sum_j z_j d_j`, every `d_j` of length one (Bricken 2023, Gao 2024).

    Lengths cannot be traded against activations, so that prices and largest units mean the same for all. `b` starts at
    the mean of the rows, W at the atoms themselves.
    """

    def count(self, ends: Ends) -> int:
        """Parameters of both networks."""
        return (ends.inputs + 1) * ends.delivered + (ends.code + 1) * ends.outputs

    def plan(self, ends: Ends) -> dict[str, Any]:
        """Larger batches, so that every unit is on in some row; fewer steps, for wide codes learn quickly."""
        return {"batch_rows": BATCH, "steps": STEPS}

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder; the atoms point anywhere."""
        out = Synthesis(ends.code, ends.outputs)
        nn.init.normal_(out.atoms, generator=rng)
        out.atoms.data = functional.normalize(out.atoms.data, dim=1)
        into = Analysis(ends.inputs, ends.delivered, ends.last or "linear", out)
        if into.weight.shape == out.atoms.shape:
            into.weight.data.copy_(out.atoms.data)
        else:  # a mask beside the cells, or other ends that do not mirror each other
            nn.init.xavier_uniform_(into.weight, generator=rng)
        return into, out


class Synthesis(Network):
    """The decoder: atoms, of any length inside, of length one in use."""

    looks_up = True

    def __init__(self, code: int, outputs: int) -> None:
        super().__init__()
        self.inputs, self.outputs = code, outputs
        self.atoms = nn.Parameter(torch.zeros(code, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def _units(self) -> tuple[Tensor, Tensor]:
        size = self.atoms.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return self.atoms / size, size

    def plain(self, x: Tensor) -> Tensor:
        """The sum of the atoms."""
        return x @ self._units()[0] + self.bias

    @torch.no_grad()
    def begin(self, mean: Tensor) -> None:
        """The bias is the mean."""
        self.bias.copy_(mean)

    def run(self, x: Tensor) -> tuple[Tensor, Any]:
        """The same; few atoms are looked up."""
        with torch.no_grad():
            if x.is_sparse:
                size = self.atoms.norm(dim=1).clamp_(min=1e-12)
                x = few.like(x, x.values() / size[x.indices()[1]])
                return few.times(x, self.atoms).add_(self.bias), (x, size)
            atoms, size = self._units()
            return x @ atoms + self.bias, (x, atoms, size)

    @torch.no_grad()
    def back(self, tape: Any, g: Tensor, to_input: bool = True) -> Tensor | None:
        """By hand; what would only change an atom's length is left out."""
        grad(self.bias).add_(g.sum(0))
        if tape[0].is_sparse:
            x, size = tape
            return self._back_few(x, size, g)
        x, atoms, size = tape
        found = x.t() @ g
        found -= atoms * (atoms * found).sum(1, keepdim=True)
        grad(self.atoms).add_(found.div_(size))
        if not to_input:
            return None
        if self.gemm.low([atoms], len(g)):
            g, atoms = g.bfloat16(), atoms.bfloat16()
        return self.gemm.input_grad(g, atoms.t()).to(x.dtype)

    def _back_few(self, x: Tensor, size: Tensor, g: Tensor) -> Tensor:
        """The same where few are on; an atom's part along itself is known from the gradients of the code."""
        if not x.values().numel():
            return x
        own, units = few.dots(x, g, self.atoms), x.indices()[1]
        along = torch.zeros_like(size).index_add_(0, units, own * x.values()).div_(size.square())
        few.add_transposed(grad(self.atoms), x, g)
        grad(self.atoms).addcmul_(self.atoms, along.unsqueeze(1), value=-1)
        return few.like(x, own / size[units])

    def stack(self) -> list[str]:
        """One line."""
        return [f"{self.inputs} -> {self.outputs} atoms of length one"]


class Analysis(Network):
    """The encoder: one layer, of rows from which the decoder's bias is taken where rows are what comes out there."""

    looks_up = True

    def __init__(self, inputs: int, outputs: int, last: str, source: Synthesis) -> None:
        super().__init__()
        self.inputs, self.outputs, self.last = inputs, outputs, Activation(last)
        self.weight = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._centre = [source] if inputs == source.outputs else []  # in a list: not a submodule, copied with its owner

    def _centred(self, x: Tensor) -> Tensor:
        return x - self._centre[0].bias if self._centre else x

    def plain(self, x: Tensor) -> Tensor:
        """`g(W (x - b) + c)`."""
        return self.last(functional.linear(self._centred(x), self.weight, self.bias))

    def run(self, x: Tensor) -> tuple[Tensor, Any]:
        """The same, wide layers in bfloat16 where the machine has it."""
        with torch.no_grad():
            x = self._centred(x)
            low = self.gemm.low([self.weight], len(x))
            kind = torch.bfloat16 if low else x.dtype
            a = self.gemm.linear(x.to(kind), self.weight.to(kind), self.bias.to(kind), relu=False).to(x.dtype)
            y = self.last(a)
        return y, (x, y if self.last.from_output else a)

    @torch.no_grad()
    def back(self, tape: Any, g: Tensor, to_input: bool = True) -> Tensor | None:
        """By hand; of units that are off there is nothing to add."""
        x, kept = tape
        if self.last.name != "linear":
            g = self.last.back(few.dense(g), kept)
        total = torch.zeros_like(self.bias)
        how = few if g.is_sparse else self.gemm
        how.add_grads(g, x, grad(self.weight), total)
        grad(self.bias).add_(total)
        if self._centre:
            grad(self._centre[0].bias).sub_(total @ self.weight)
        return few.dense(g) @ self.weight if to_input else None

    def stack(self) -> list[str]:
        """One line."""
        return [f"{self.inputs} -> {self.outputs} {self.last.name}{', centred' if self._centre else ''}"]
