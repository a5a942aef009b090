"""What a stack's way there leaves for the way back, besides torch's list of a triple a layer: input, weights, output."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from latently import native

__all__ = ["Looked", "Walked", "without_last"]


class Walked(NamedTuple):
    """The tape of our own kernels."""

    x: Tensor
    y: Tensor
    kept: Tensor


class Looked(NamedTuple):
    """Of a stack whose input had few entries: the first layer, and what the layers behind it left."""

    first: tuple[Tensor, Tensor, Tensor]
    rest: Any


def without_last(tape: Any, w: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Any]:
    """The triple of the last layer, whose weights are `w`, and the tape of those before it."""
    if not isinstance(tape, Walked):
        return tape[-1], tape[:-1]
    rows, width = len(tape.x), w.shape[1]
    if not len(tape.kept):
        return (tape.x, w, tape.y), None
    start = len(tape.kept) - rows * native.padded(width)
    x = tape.kept[start:].view(rows, -1)[:, :width].contiguous()
    return (x, w, tape.y), Walked(tape.x, x, tape.kept[:start])
