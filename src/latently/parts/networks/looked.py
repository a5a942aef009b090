"""The first or last layer of a stack by looking up, where it meets a code of few units; the others as ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

import latently.parts.few as few
from latently.parts.networks.tapes import Layer, Looked, Walked

__all__ = ["back", "run"]


def run(stack: Any, layer: Layer, x: Tensor, low: bool) -> tuple[Tensor, Looked]:
    """`stack.run` of a sparse `x`."""
    x = x.bfloat16() if low else x
    w = few.by_column(layer.w.to(x.dtype))
    a = few.linear(x, w, layer.b.to(x.dtype), layer.relu)
    y = a if layer.relu or layer.act.name == "linear" else layer.act(a)
    first, count = (x, w, y if layer.act.from_output else a), len(stack.activations)
    y, rest = stack.part(1, count).run(y.float() if low else y, low=low) if count > 1 else (y, None)
    return y.to(layer.b.dtype), Looked(first, rest)


def back(stack: Any, layers: Sequence[Layer], tape: Any, g: Tensor, to_input: bool) -> Tensor | None:
    """`stack.back` from a sparse `g` at what came out of a last linear layer, or with the tape of a sparse input."""
    count = len(layers)
    if isinstance(tape, Looked):
        (x, w, kept), layer = tape.first, layers[0]
        if count > 1:
            g = stack.part(1, count).back(tape.rest, g)
        g = g.to(w.dtype)
        g = g if layer.act.name == "linear" else layer.act.back(g, kept)
        few.add_grads(g, x, layer.w_grad, layer.b_grad)
        return few.input_grad(g, w, x).to(layer.b.dtype) if to_input else None
    layer = layers[-1]
    (x, w, _), rest = tape.without_last(layer) if isinstance(tape, Walked) else (tape[-1], tape[:-1])
    g = g.to(w.dtype)
    few.add_grads(g, x, layer.w_grad, layer.b_grad)
    if count == 1:
        return few.input_grad(g, w, x).to(layer.b.dtype) if to_input else None
    return stack.part(0, count - 1).back(rest, few.input_grad(g, w, x), to_input)  # type: ignore[no-any-return]
