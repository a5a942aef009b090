"""Images to rows of square blocks and back."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["cut", "grid_of", "join"]


def grid_of(height: int, width: int, side: int) -> tuple[int, int]:
    """How many blocks an image of this size has, down and across."""
    return -(-height // side), -(-width // side)


def cut(images: Float[Tensor, "n channels height width"], side: int) -> Float[Tensor, "rows cells"]:
    """The blocks of images, row by row, each flattened channels first; edges are repeated to fill the last ones."""
    n, channels, height, width = images.shape
    down, across = grid_of(height, width, side)
    rest = (0, across * side - width, 0, down * side - height)
    full = functional.pad(images, rest, mode="replicate") if any(rest) else images
    blocks = full.reshape(n, channels, down, side, across, side).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(-1, channels * side * side)


def join(
    rows: Float[Tensor, "rows cells"], size: tuple[int, int, int, int], side: int
) -> Float[Tensor, "n channels height width"]:
    """Images of `size` (n, channels, height, width) from their blocks."""
    n, channels, height, width = size
    down, across = grid_of(height, width, side)
    full = rows.view(n, down, across, channels, side, side).permute(0, 3, 1, 4, 2, 5)
    return full.reshape(n, channels, down * side, across * side)[:, :, :height, :width].contiguous()
