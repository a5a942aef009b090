"""What holds images: one array, or a shelf of files, arrays and images of Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latently.modalities.decode as decode
from latently.modalities.folders import File
from latently.modalities.pixels import Header

__all__ = ["Shelf", "Stack"]

Pixels = NDArray[Any]


class Stack:
    """One array of images."""

    def __init__(self, array: Pixels) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def read(self, i: int, name: str) -> Pixels:
        return _flat(self.array[i])

    def header(self, i: int, name: str) -> Header:
        return _header(self.array[i])

    def part(self, indexes: NDArray[np.intp]) -> Stack:
        run = len(indexes) > 0 and bool((np.diff(indexes) == 1).all())
        return Stack(self.array[indexes[0] : indexes[-1] + 1] if run else self.array[indexes])


class Shelf:
    """Files, arrays and images of Pillow."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def read(self, i: int, name: str) -> Pixels:
        item = self.items[i]
        if isinstance(item, File):
            return decode.pixels(item)
        return _flat(item) if isinstance(item, np.ndarray) else decode.of_pillow(item, name)

    def header(self, i: int, name: str) -> Header:
        item = self.items[i]
        if isinstance(item, File):
            return decode.header(item)
        return _header(item) if isinstance(item, np.ndarray) else decode.header_of_pillow(item, name)

    def part(self, indexes: NDArray[np.intp]) -> Shelf:
        return Shelf([self.items[i] for i in indexes])


def _flat(image: Pixels) -> Pixels:
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _header(image: Pixels) -> Header:
    return Header(image.shape[0], image.shape[1], image.shape[2] if image.ndim == 3 else 1, image.dtype.name)
