"""Blocks that need no model: without loss, or with none of the values farther off than was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.container import DTYPES, Block
from latently.codec.lossless import pack, unpack
from latently.errors import BadData

__all__ = ["block_of", "bounded", "kept", "opened", "spacing", "stacks"]

Pixels = NDArray[Any]

TOGETHER = 1 << 17  # pixels: smaller images share a block up to here


def stacks(images: Iterable[Pixels]) -> Iterator[Pixels]:
    """Consecutive images of one form as stacks, each with no more pixels than go together.

    A stack is handed on as soon as it is full, before the next image is asked for, and forgotten with that.
    """
    waiting: list[Pixels] = []
    for image in images:
        if waiting and (waiting[0].shape != image.shape or waiting[0].dtype != image.dtype):
            yield _emptied(waiting)
        waiting.append(image)
        full = (len(waiting) + 1) * image.shape[0] * image.shape[1] > TOGETHER
        del image
        if full:
            yield _emptied(waiting)
    if waiting:
        yield _emptied(waiting)


def _emptied(waiting: list[Pixels]) -> Pixels:
    """All that wait, as a stack; a single image is not copied."""
    stack = waiting[0][None] if len(waiting) == 1 else np.stack(waiting)
    waiting.clear()
    return stack


def block_of(stack: Pixels, codec: str, payload: bytes) -> Block:
    """A block for these images; `BadData` on a dtype that no file knows."""
    name = stack.dtype.newbyteorder("=").name
    if name not in DTYPES:
        raise BadData(f"images of {name} cannot be compressed; expected one of {', '.join(DTYPES)}.")
    channels = stack.shape[3] if stack.ndim == 4 else 0
    if channels > 255:
        raise BadData(f"images of {channels} channels cannot be compressed; expected 255 at most.")
    return Block(len(stack), stack.shape[1], stack.shape[2], channels, name, codec, payload)


def kept(stack: Pixels) -> Block:
    """Without loss."""
    return replace(block_of(stack, "lossless", b""), payload=pack(stack))


def spacing(max_error: float) -> int:
    """Between the values that a bounded file knows: the widest grid that leaves no whole number farther off."""
    return 2 * int(max_error) + 1


def bounded(stack: Pixels, max_error: float) -> Block:
    """Values on a grid that leaves none farther than `max_error`; the grid's numbers without loss."""
    if stack.dtype.kind not in "ui" or stack.dtype.itemsize > 4:
        raise BadData(f"max_error is kept for integers of up to 32 bits; these images are {stack.dtype}.")
    step = spacing(max_error)
    if step == 1:
        return kept(stack)
    whole = stack.astype(np.int64)
    numbers = (whole + step // 2) // step  # the nearest, exactly: the step is odd
    return replace(block_of(stack, "bounded", b""), payload=pack(numbers.astype(stack.dtype)))


def opened(block: Block, step: float) -> Pixels:
    """The images of a block that needs no model."""
    found = unpack(block.payload, block.shape, block.dtype)
    if block.codec == "lossless":
        return found
    limits = np.iinfo(block.dtype)
    return np.clip(found.astype(np.int64) * round(step), limits.min, limits.max).astype(block.dtype)
