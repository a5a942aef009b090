"""Files of images: learned blocks, lossless and bounded ones."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from latently.codec import Block, Container, read, write
from latently.codec.coder import need
from latently.codec.container import MAGIC, MOST_PIXELS
from latently.codec.exact import bounded, kept, opened, spacing, stacks
from latently.errors import BadData, BadParameter, FileProblem
from latently.modalities import Image
from latently.modalities.pictures import Pictures
from latently.tasks.base import Task, modality_of
from latently.tasks.learned import figures_of, step_of
from latently.tasks.packed import Only, Packing

__all__ = ["Images"]

Pixels = NDArray[Any]

HOPELESS = 6  # times a learned block's length: where zlib's quickest is longer, nothing lossless gets below the block
NO_MODEL = bytes(8)


class Images(Packing):
    """Stacks, lists and paths of images."""

    magic = MAGIC

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.quality: Any = vars(task)["quality"]
        self.learned: Any = vars(task).get("learned_")

    def pictures(self, data: Any) -> Pictures:
        """The images of `data`; `BadData` where there are none."""
        found = modality_of(self.task.data, data)
        if not isinstance(found, Image):
            raise BadData(
                "these are no images: expected a stack (n, height, width[, channels]), a list of arrays, or paths."
            )
        return found.pictures(data)

    @property
    def exact(self) -> bool:
        """Whether files need no model."""
        return self.quality == "lossless" or self.max_error is not None

    # ------------------------------------------------------------------ there

    def packed(self, data: Any, names: Sequence[str] | None) -> bytes:
        """One file of all images; each large one is coded before the next is read."""
        if isinstance(self.max_error, dict):
            raise BadParameter("max_error of images is one number, in the unit of the pixels.")
        if not self.exact:
            self._as_fitted()
        source = self.pictures(data)
        if names is not None and len(names) != len(source):
            raise BadData(f"got {len(names)} names for {len(source)} images.")
        layout = "array" if source.array is not None else "list"
        thin = source.array is not None and source.array.ndim == 4 and source.array.shape[3] == 1
        images = source.each(lambda image: image[..., None] if thin and image.ndim == 2 else image)
        blocks = tuple(map(self._block, stacks(images)))  # map drops a stack before it takes another
        learned = any(b.codec == "learned" for b in blocks)
        step = vars(self.task)["step_"] if learned else float(spacing(float(self.max_error or 0)))
        name = self.learned.name if learned else NO_MODEL
        return write(Container(name, layout, step, blocks, tuple(names or ())))

    def _as_fitted(self) -> None:
        need()
        check_is_fitted(self.task, "learned_")
        if step_of(self.quality) != (step := vars(self.task)["step_"]):
            raise BadParameter(
                f"quality={self.quality!r}: this model was fitted for steps of {step:.1f}, another quality needs "
                "a fit of its own. Only quality='lossless' and max_error can be changed afterwards."
            )

    def _block(self, stack: Pixels) -> Block:
        if self.max_error is not None:
            return bounded(stack, float(self.max_error)) if self.max_error >= 1 else kept(stack)
        if self.quality == "lossless" or not self.learned.takes(stack):
            return kept(stack)
        block: Block = self.learned.block(stack)
        if len(zlib.compress(stack.tobytes(), 1)) > HOPELESS * len(block.payload):
            return block
        exact = kept(stack)
        return exact if len(exact.payload) <= len(block.payload) else block

    # ------------------------------------------------------------------ and back

    def unpacked(self, data: bytes, only: Only, most_pixels: int) -> Any:
        """A stack where one was given, else a list."""
        container = self._container(data, most_pixels)
        images = list(self._each(container, only))
        return np.stack(images) if container.layout == "array" and images else images

    def each(self, data: bytes, only: Only, most_pixels: int) -> Iterator[Pixels]:
        """The images one by one, each block decoded at its turn; the whole file is checked at once."""
        return self._each(self._container(data, most_pixels), only)

    def _container(self, data: bytes, most_pixels: int) -> Container:
        container = read(data, most_pixels)
        self._same_model(container)
        return container

    def _each(self, container: Container, only: Only) -> Iterator[Pixels]:
        places = [container.find(int(i)) for i in _numbers(only, container.images)]
        left, found = Counter(b for b, _ in places), dict[int, Pixels]()
        for b, i in places:
            if b not in found:
                found[b] = self.opened(container, container.blocks[b])
            left[b] -= 1
            yield found[b][i] if left[b] else found.pop(b)[i]

    def told(self, data: bytes) -> dict[str, Any]:
        """Without a fit everything is checked but that the model is at hand."""
        container = read(data)
        if self.learned is not None:
            self._same_model(container)
        model = container.model.hex() if container.model != NO_MODEL else None
        return container.told() | {"bytes": len(data), "model": model}

    def _same_model(self, container: Container) -> None:
        if container.model == NO_MODEL:
            if any(b.codec == "learned" for b in container.blocks):
                raise FileProblem("the file names no model, but has learned blocks: it was not written by latently.")
            return
        check_is_fitted(self.task, "learned_")
        if container.model != self.learned.name:
            raise FileProblem(
                f"the file was written by model {container.model.hex()}, this is {self.learned.name.hex()}. "
                "Load the model that wrote it."
            )

    def opened(self, container: Container, block: Block) -> Pixels:
        """The images of a block."""
        return self.learned.opened(block) if block.codec == "learned" else opened(block, container.step)

    def figures(self, data: Any) -> dict[str, Any]:
        """Bits of a pixel, and how far the images of the file are off."""
        source = self.pictures(data)
        file = self.packed(source, None)
        return figures_of(file, source, self.each(file, None, MOST_PIXELS))


def _numbers(only: Only, count: int) -> Sequence[int]:
    if only is None or isinstance(only, slice):
        return range(count)[only or slice(None)]
    return only
