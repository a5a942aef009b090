"""Fully connected encoder and decoder, described as data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from latently.errors import BadParameter
from latently.parts.networks.activations import ACTIVATIONS
from latently.parts.networks.base import Design, Ends, Network
from latently.parts.networks.mlp import MLP, Skip

__all__ = ["Dense"]


@dataclass
class Dense(Design):
    """An encoder of hidden layers `hidden` and a decoder of the same in reverse: `h = g(Wx + b)`, `x^ = f(W*h + c)`.

    `hidden`: widths from input to code; () is the one-layer autoencoder; "auto" follows from the data's size.
    `activation`: between layers. `code_activation`: g of the code; None leaves it to the kind (linear unless the kind
    needs another). `tied`: the decoder's weights are the encoder's, transposed. `line`: a linear path beside the
    hidden layers, from input to code and from code to output, so that training starts at PCA; "auto" has one where
    the code is linear and narrower than the input, and there are hidden layers to be beside.
    """

    hidden: Sequence[int] | int | Literal["auto"] = "auto"
    activation: str = "relu"
    code_activation: str | None = None
    tied: bool = False
    line: bool | Literal["auto"] = "auto"

    def check(self) -> None:
        """Raise `BadParameter` on widths that are no whole positive numbers and on unknown activations."""
        if isinstance(self.hidden, str):
            widths: Sequence[int] = () if self.hidden == "auto" else (0,)
        else:
            widths = (self.hidden,) if isinstance(self.hidden, int) else self.hidden
        if not all(isinstance(w, int) and w > 0 for w in widths):
            raise BadParameter(f"hidden={self.hidden!r}: expected whole positive widths, such as (64, 32), or 'auto'.")
        for name in (self.activation, self.code_activation or "linear"):
            if name not in ACTIVATIONS:
                raise BadParameter(f"unknown activation {name!r}; known: {', '.join(sorted(ACTIVATIONS))}.")

    def widths(self, inputs: int, code: int, rows: int) -> tuple[int, ...]:
        """The hidden widths, "auto" resolved: two layers, wider with more columns, narrower with few rows."""
        if isinstance(self.hidden, int):
            return (self.hidden,)
        if not isinstance(self.hidden, str):
            return tuple(self.hidden)
        room = 128 if rows < 2000 else 256 if rows < 50_000 else 512
        width = min(room, max(32, 1 << (max(4 * inputs, 2 * code) - 1).bit_length()))
        return (width, width)

    def has_line(self, inputs: int, code: int, last: str, hidden: tuple[int, ...]) -> bool:
        """Whether there is a linear path."""
        return bool(hidden) and (code < inputs and last == "linear" if self.line == "auto" else bool(self.line))

    def count(self, ends: Ends) -> int:
        """Parameters of both networks, before they are made."""
        self.check()
        hidden = self.widths(ends.inputs, ends.code, ends.rows)
        into = list(itertools.pairwise((ends.inputs, *hidden, ends.delivered)))
        out = list(itertools.pairwise((ends.code, *reversed(hidden), ends.outputs)))
        if self.has_line(ends.inputs, ends.code, ends.last or self.code_activation or "linear", hidden):
            into, out = [*into, (ends.inputs, ends.delivered)], [*out, (ends.code, ends.outputs)]
        own = sum(b if self.tied else (a + 1) * b for a, b in out)
        return own + sum((a + 1) * b for a, b in into)

    def build(self, ends: Ends, rng: torch.Generator) -> tuple[Network, Network]:
        """Encoder and decoder with fresh weights; `BadParameter` on options that cannot join these ends."""
        self.check()
        inputs, delivered, code, outputs, last = ends.inputs, ends.delivered, ends.code, ends.outputs, ends.last
        hidden = self.widths(inputs, code, ends.rows)
        g = last or self.code_activation or "linear"
        if last and self.code_activation not in (None, last):
            raise BadParameter(
                f"code_activation={self.code_activation!r}: this kind's code is {last} whatever the rest is; "
                "leave code_activation at None."
            )
        if self.tied and (delivered != code or inputs != outputs):
            raise BadParameter(
                f"tied=True needs a decoder that mirrors the encoder; here they are {inputs} -> {delivered} and "
                f"{code} -> {outputs}. Use tied=False with this kind or loss."
            )
        line = self.has_line(inputs, code, g, hidden)
        into = MLP((inputs, *hidden, delivered), self.activation, g).start(rng, zero_last=line)
        mirror = into if self.tied else None
        out = MLP((code, *reversed(hidden), outputs), self.activation, "linear", mirror).start(rng, zero_last=line)
        if not line:
            return into, out
        straight = MLP((inputs, delivered)).start(rng)
        back = MLP((code, outputs), source=straight if self.tied else None).start(rng)
        return Skip(straight, into), Skip(back, out)
