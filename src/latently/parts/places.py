"""Which cells of a row share a place, and so are hidden together: the channels of a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["drawn", "together"]


def together(shape: Sequence[int]) -> int:
    """How many cells of a row of this shape share a place, one in each channel: of all but images each is alone."""
    return shape[0] if len(shape) == 3 else 1


def drawn(x: Float[Tensor, "rows *cells"], shape: Sequence[int], rng: torch.Generator) -> Float[Tensor, "rows *cells"]:
    """For every cell a number drawn evenly from `[0, 1)`, the same for all cells of a place."""
    channels = together(shape)
    places = x.new_empty(len(x), x.numel() // max(len(x), 1) // channels)
    return places.uniform_(generator=rng).repeat(1, channels).view(x.shape)
