"""Images and tables to checked files and back: learned where that is shorter, without loss where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Tags

from latently.codec.coder import need
from latently.codec.container import MOST_PIXELS
from latently.codec.exact import stacks
from latently.codec.planes import PlaneCoder
from latently.engine.schedule import Outcome
from latently.errors import BadData, BadParameter
from latently.modalities.blocks import Blocks, colours
from latently.parts.rounded import Rounded
from latently.recipes.compressive import Compressive
from latently.tasks import repair as second
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.learned import Learned, step_of
from latently.tasks.packed import Only, Packing, checked_error
from latently.tasks.packed_images import Images
from latently.values import Batch

__all__ = ["Compressor"]

Pixels = NDArray[Any]

TABLED = 1 << 25  # pixels of training images whose symbols are counted
REPAIR = 1500  # steps
SPREAD = 20_000  # blocks that tell how active each unit is


@dataclass(kw_only=True, eq=False, repr=False)
class Compressor(Task):
    """Images and tables as files: learned where that is shorter, exact where it is asked for, checked to the last bit.

    Blocks of an image go through a linear autoencoder, by default the principal directions of the blocks; the code is
    rounded to whole steps and written by an entropy coder whose tables follow from symbols that are known already. A
    second decoder, convolutional, takes out what rounding did. Images, sizes and dtypes come back as they were.

    Arrays of one or two dimensions and frames need no fit. Cells become whole numbers, each told from the columns
    before it and from the rows around it by a mix of counts (docs/decisions/0022). They come back to the last bit, with
    names, index, dtypes, levels and missing cells, in the container they came in.

    Parameters
    ----------
    quality : int, 1 to 100, or "lossless"
        Of images, the scale of JPEG's: at the same number the error is about the same. "lossless" needs no fit.
    max_error : number, mapping or None
        No value comes back farther than this from what it was, in the unit of the data; 0 is lossless. It needs no
        fit, and `quality` then says nothing. For tables it holds for each column of numbers, or a mapping tells it of
        some columns: the others, and texts, categories and dates always, are exact.
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
    >>> from sklearn.datasets import load_iris
    >>> flowers = load_iris(as_frame=True).frame
    >>> file = Compressor(max_error={"petal length (cm)": 0.05}).compress(flowers)
    >>> Compressor().decompress(file, only=[149])["target"].item()
    2
    """

    job = "compress"
    quiet = ("no better than PCA", "overfit", "no better than the mean", "dead units")

    kind: Any = "compressive"
    quality: int | Literal["lossless"] = 50
    max_error: float | Mapping[Any, float] | None = None
    repair: int | Literal["auto"] = "auto"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from images `X` (uint8, grey or colours, any sizes); `y` is ignored. Tables need no fit."""
        need()
        self._check()
        way = Packing.of_data(self, X)
        if not isinstance(way, Images):
            raise BadData("there are no images to learn from: arrays and tables need no fit. Call compress at once.")
        if way.exact:
            raise BadParameter("quality='lossless' and max_error need no fit; call compress at once.")
        self._images = way.pictures(X)
        try:
            self._fit(self._images, None)
        finally:
            del self._images
        return self

    def _check(self) -> None:
        whole = isinstance(self.quality, Integral) and not isinstance(self.quality, bool) and 1 <= self.quality <= 100
        if not (whole or self.quality == "lossless"):
            raise BadParameter(f"quality={self.quality!r}: expected a whole number from 1 to 100, or 'lossless'.")
        if self.max_error is not None:
            checked_error(self.max_error)
        if not (self.repair == "auto" or (isinstance(self.repair, Integral) and self.repair >= 0)):
            raise BadParameter(f"repair={self.repair!r}: expected a whole number of steps, 0 for none, or 'auto'.")

    @property
    def _blocks(self) -> Blocks:
        return cast(Blocks, self.data_)

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
        """One file of all of `X`: images as an array `(n, height, width[, channels])`, a list or paths; or a table.

        `names` of the images are kept in it. A list's grey images come back without an axis for their one channel.
        Each image of more than 2^16 pixels is coded before the next file is read; smaller ones share a block.
        """
        self._check()
        return Packing.of_data(self, X).packed(X, names)

    def decompress(self, data: bytes, only: Only = None, most_pixels: int = MOST_PIXELS) -> Any:
        """What a file holds, in the form it had: images as a stack or a list; an array or a frame, its index and all.

        Of `only` some images or rows, by their numbers; of a table no more is decoded than the groups of 65,536 rows
        that hold them, and the first. Raises `FileProblem` on a damaged or foreign file, on one of another model, and
        on one that declares images of more than `most_pixels`.
        """
        return Packing.of_file(self, data).unpacked(data, only, most_pixels)

    def images(self, data: bytes, only: Sequence[int] | None = None, most_pixels: int = MOST_PIXELS) -> Iterator[Any]:
        """The images that `decompress` gives, each block decoded at its turn; the whole file is checked at once."""
        return Images(self).each(data, only, most_pixels)

    def verify(self, data: bytes) -> dict[str, Any]:
        """What a whole file holds, as JSON values; `FileProblem` on any damage, and on a file of another model.

        Without a fit it checks everything but that the model is at hand.
        """
        return Packing.of_file(self, data).told(data)

    def _figures(self, X: Any, y: Any) -> dict[str, dict[str, Any]]:
        return {"file": Packing.of_data(self, X).figures(X)}

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
