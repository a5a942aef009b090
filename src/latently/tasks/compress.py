"""Images to checked files and back: learned where that is shorter, without loss where it is asked for."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from latently.codec import Block, Container, read, write
from latently.codec.coder import need
from latently.codec.container import MOST_PIXELS
from latently.codec.exact import bounded, kept, opened, spacing, stacks
from latently.codec.planes import PlaneCoder
from latently.engine.schedule import Outcome
from latently.errors import BadData, BadParameter, FileProblem
from latently.modalities import Image
from latently.modalities.blocks import Blocks, colours
from latently.modalities.pictures import Pictures
from latently.parts.rounded import Rounded
from latently.recipes.compressive import Compressive
from latently.tasks import repair as second
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task, modality_of
from latently.tasks.learned import Learned, figures_of, step_of
from latently.values import Batch

__all__ = ["Compressor"]

Pixels = NDArray[Any]

TABLED = 1 << 25  # pixels of training images whose symbols are counted
REPAIR = 1500  # steps
HOPELESS = 6  # times a learned block's length: where zlib's quickest is longer, nothing lossless gets below the block
SPREAD = 20_000  # blocks that tell how active each unit is
NO_MODEL = bytes(8)


@dataclass(kw_only=True, eq=False, repr=False)
class Compressor(Task):
    """Images as files: learned from images like them, lossless where that is shorter, checked to the last bit.

    Blocks of an image go through a linear autoencoder, by default the principal directions of the blocks; the code is
    rounded to whole steps and written by an entropy coder whose tables follow from symbols that are known already. A
    second decoder, convolutional, takes out what rounding did. Images, sizes and dtypes come back as they were.

    Parameters
    ----------
    quality : int, 1 to 100, or "lossless"
        The scale of JPEG's: at the same number the error is about the same. "lossless" needs no fit.
    max_error : number or None
        No value comes back farther than this from what it was, in the unit of the pixels; 0 is lossless. It needs no
        fit, and `quality` then says nothing.
    repair : int or "auto"
        Steps of training of the second decoder; 0 does without it. "auto": 1,500.
    epochs : int or "auto"
        Of the transform, after its linear start. "auto": none (on photographs they gain nothing).

    Attributes
    ----------
    model_ : torch module
        The transform.
    learned_ : record
        Everything that codes: tables, contexts, weights.
    step_ : float
        Of the code, in the unit of the pixels.

    Notes
    -----
    Symbols follow from a file's bytes by whole numbers and are the same on every machine; pixels follow from symbols by
    floats, so that another machine may round one in many thousands to the next value. Lossless and bounded files are
    exact everywhere. A file names the model that it needs, and no other decodes it.

    Examples
    --------
    >>> import numpy as np
    >>> from latently import Compressor
    >>> images = np.random.default_rng(0).integers(0, 255, (2, 24, 24), dtype=np.uint8)
    >>> file = Compressor(quality="lossless").compress(images)
    >>> bool((Compressor().decompress(file) == images).all())
    True
    """

    job = "compress"
    quiet = ("no better than PCA", "overfit", "no better than the mean", "dead units")

    kind: Any = "compressive"
    quality: int | Literal["lossless"] = 50
    max_error: float | None = None
    repair: int | Literal["auto"] = "auto"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from images `X` (uint8, grey or colours, any sizes); `y` is ignored."""
        need()
        self._check()
        if self._exact:
            raise BadParameter("quality='lossless' and max_error need no fit; call compress at once.")
        self._images = self._pictures(X)
        try:
            self._fit(self._images, None)
        finally:
            del self._images
        return self

    def _check(self) -> None:
        whole = isinstance(self.quality, Integral) and not isinstance(self.quality, bool) and 1 <= self.quality <= 100
        if not (whole or self.quality == "lossless"):
            raise BadParameter(f"quality={self.quality!r}: expected a whole number from 1 to 100, or 'lossless'.")
        e = self.max_error
        if e is not None and not (isinstance(e, Real) and not isinstance(e, bool) and 0 <= e < math.inf):
            raise BadParameter(f"max_error={e!r}: expected a number, at least 0, in the unit of the pixels.")
        if not (self.repair == "auto" or (isinstance(self.repair, Integral) and self.repair >= 0)):
            raise BadParameter(f"repair={self.repair!r}: expected a whole number of steps, 0 for none, or 'auto'.")

    @property
    def _exact(self) -> bool:
        return self.quality == "lossless" or self.max_error is not None

    @property
    def _blocks(self) -> Blocks:
        return cast(Blocks, self.data_)

    def _pictures(self, data: Any) -> Pictures:
        found = modality_of(self.data, data)
        if not isinstance(found, Image):
            raise BadData(
                "these are no images: expected a stack (n, height, width[, channels]), a list of arrays, or paths."
            )
        return found.pictures(data)

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        """Steps in the unit of the model; every unit is kept, for what rounds to zero costs next to nothing."""
        if not isinstance(plan.recipe, Compressive):
            raise BadParameter(f"kind={self.kind!r}: images are coded by 'compressive' codes alone.")
        recipe = Compressive(step_of(self.quality) / float(cast(Blocks, plan.data).scale_.mean()), plan.recipe.beta)
        own = {"validation": None, "epochs": 0, "n_components": plan.data.cells}
        return replace(plan, recipe=recipe), own | {n: v for n, v in given.items() if v != "auto"}

    def _keep(self, plan: Blueprint, outcome: Outcome, rows: Batch, curve: Any) -> None:
        super()._keep(plan, outcome, rows, curve)
        self.step_ = step_of(self.quality)
        self.codes_ = self.codes_[:1]  # nobody draws from them, and they would be most of a model's file

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        """Tables from the symbols of the training images, then the second decoder from what the first one gives."""
        neck = cast(Rounded, self.model_.bottleneck)
        with torch.no_grad():
            h = self.model_.encoder.plain(self.model_.door(rows.take(slice(0, SPREAD))))
            neck.observe(h)
        activity = neck.symbols(h).abs().mean(0).cpu().numpy()
        learned = Learned(self.model_, self._blocks, np.argsort(-activity, kind="stable"))
        images = list(stacks(self._training()))
        symbols = learned.learn(images)
        steps = REPAIR if self.repair == "auto" else int(self.repair)
        if steps:
            seen = [learned.pixels(learned.drawn(s, i.shape[:3])) for s, i in zip(symbols, images, strict=True)]
            learned.repair = second.trained(self, self._blocks, _each(seen), _each(images), steps)
        self.learned_ = learned

    def _training(self) -> Iterator[NDArray[np.uint8]]:
        """Evenly spaced training images, `(height, width, channels)`, as many as tables need."""
        headers = self._images.headers()
        every = max(1, int((headers.heights * headers.widths).sum()) // TABLED)
        for i in range(0, len(self._images), every):
            yield np.ascontiguousarray(colours(self._images[i], self._blocks.channels_))

    # ------------------------------------------------------------------ files

    def compress(self, X: Any, names: Sequence[str] | None = None) -> bytes:
        """One file of all images of `X`: `(n, height, width[, channels])`, a list of arrays, or paths.

        `names` of the images are kept in it. A list's grey images come back without an axis for their one channel.
        Each image of more than 2^16 pixels is coded before the next file is read; smaller ones share a block.
        """
        self._check()
        if not self._exact:
            self._as_fitted()
        source = self._pictures(X)
        if names is not None and len(names) != len(source):
            raise BadData(f"got {len(names)} names for {len(source)} images.")
        layout = "array" if source.array is not None else "list"
        thin = source.array is not None and source.array.ndim == 4 and source.array.shape[3] == 1
        images = source.each(lambda image: image[..., None] if thin and image.ndim == 2 else image)
        blocks = tuple(map(self._block, stacks(images)))  # map drops a stack before it takes another
        learned = any(b.codec == "learned" for b in blocks)
        step = self.step_ if learned else float(spacing(float(self.max_error or 0)))
        name = self.learned_.name if learned else NO_MODEL
        return write(Container(name, layout, step, blocks, tuple(names or ())))

    def _as_fitted(self) -> None:
        need()
        check_is_fitted(self, "learned_")
        if step_of(self.quality) != self.step_:
            raise BadParameter(
                f"quality={self.quality!r}: this model was fitted for steps of {self.step_:.1f}, another quality needs "
                "a fit of its own. Only quality='lossless' and max_error can be changed afterwards."
            )

    def _block(self, stack: Pixels) -> Block:
        if self.max_error is not None:
            return bounded(stack, float(self.max_error)) if self.max_error >= 1 else kept(stack)
        if self.quality == "lossless" or not self.learned_.takes(stack):
            return kept(stack)
        block = self.learned_.block(stack)
        if len(zlib.compress(stack.tobytes(), 1)) > HOPELESS * len(block.payload):
            return block
        exact = kept(stack)
        return exact if len(exact.payload) <= len(block.payload) else block

    def decompress(self, data: bytes, only: Sequence[int] | None = None, most_pixels: int = MOST_PIXELS) -> Any:
        """The images of a file, as a stack where one was given, else as a list; of `only` some, by their numbers.

        Raises `FileProblem` on a damaged or foreign file, on one of another model, and on one that declares images of
        more than `most_pixels`.
        """
        container = self._container(data, most_pixels)
        images = list(self._each(container, only))
        return np.stack(images) if container.layout == "array" and images else images

    def images(self, data: bytes, only: Sequence[int] | None = None, most_pixels: int = MOST_PIXELS) -> Iterator[Any]:
        """The images that `decompress` gives, each block decoded at its turn; the whole file is checked at once."""
        return self._each(self._container(data, most_pixels), only)

    def _container(self, data: bytes, most_pixels: int) -> Container:
        container = read(data, most_pixels)
        self._same_model(container)
        return container

    def _each(self, container: Container, only: Sequence[int] | None) -> Iterator[Pixels]:
        places = [container.find(int(i)) for i in (range(container.images) if only is None else only)]
        left, found = Counter(b for b, _ in places), dict[int, Pixels]()
        for b, i in places:
            if b not in found:
                found[b] = self._opened(container, container.blocks[b])
            left[b] -= 1
            yield found[b][i] if left[b] else found.pop(b)[i]

    def verify(self, data: bytes) -> dict[str, Any]:
        """What a whole file holds, as JSON values; `FileProblem` on any damage, and on a file of another model.

        Without a fit it checks everything but that the model is at hand.
        """
        container = read(data)
        if hasattr(self, "learned_"):
            self._same_model(container)
        model = container.model.hex() if container.model != NO_MODEL else None
        return container.told() | {"bytes": len(data), "model": model}

    def _same_model(self, container: Container) -> None:
        if container.model == NO_MODEL:
            if any(b.codec == "learned" for b in container.blocks):
                raise FileProblem("the file names no model, but has learned blocks: it was not written by latently.")
            return
        check_is_fitted(self, "learned_")
        if container.model != self.learned_.name:
            raise FileProblem(
                f"the file was written by model {container.model.hex()}, this is {self.learned_.name.hex()}. "
                "Load the model that wrote it."
            )

    def _opened(self, container: Container, block: Block) -> Pixels:
        return self.learned_.opened(block) if block.codec == "learned" else opened(block, container.step)

    def _figures(self, X: Any, y: Any) -> dict[str, dict[str, Any]]:
        source = self._pictures(X)
        data = self.compress(source)
        return {"file": figures_of(data, source, self.images(data))}

    # ------------------------------------------------------------------ on disk

    def _extra(self) -> dict[str, Any]:
        assert self.learned_.coder is not None
        coder = {f"coder.{n}": v for n, v in self.learned_.coder.arrays().items()}
        return coder | {"order": self.learned_.order, "step": self.step_} | second.arrays(self.learned_.repair)

    def _adopt(self, extra: dict[str, Any]) -> None:
        coder = PlaneCoder.of({n[6:]: v for n, v in extra.items() if n.startswith("coder.")})
        self.step_ = extra["step"]
        repair = second.restored(self, self._blocks, extra)
        self.learned_ = Learned(self.model_, self._blocks, extra["order"], coder, repair)


def _each(found: list[NDArray[np.uint8]]) -> list[Pixels]:
    return [image for stack in found for image in stack]
