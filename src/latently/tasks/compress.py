"""Images to checked files and back: learned where that is shorter, without loss where it is asked for."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from latently import device as machine
from latently import rng as chance
from latently.codec import Block, Container, read, write
from latently.codec.coder import need
from latently.codec.container import DTYPES, MOST_PIXELS
from latently.codec.lossless import pack, unpack
from latently.codec.planes import PlaneCoder
from latently.engine.schedule import Outcome, Schedule, train
from latently.engine.store import Checkpoint
from latently.engine.watch import watcher_for
from latently.errors import BadData, BadParameter, FileProblem
from latently.modalities import Image, Modality
from latently.modalities.blocks import Blocks, colours
from latently.modalities.crops import Crops, Pair
from latently.modalities.pictures import Pictures
from latently.parts.networks import Pyramid
from latently.recipes.base import Recipe
from latently.recipes.compose import Compose
from latently.recipes.compressive import Compressive
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task, modality_of
from latently.tasks.learned import Learned
from latently.values import Batch

__all__ = ["Compressor"]

Pixels = NDArray[Any]

STEP = 55.0  # of the code in pixels' units at quality 50, where the error is that of a JPEG of quality 50
BEND = 0.65  # its power of JPEG's own factor: both errors then agree from quality 20 to 90 (measured, BSDS)
TOGETHER = 1 << 17  # pixels: smaller images share a block up to here
TABLED = 1 << 25  # pixels of training images whose symbols are counted
REPAIR = 1500  # steps
REPAIRED = 16  # crops a step
RATE = 2e-3
DEAR = 2.5  # bits a value: a learned block that takes more may be longer than a lossless one
NO_MODEL = bytes(8)


@dataclass(kw_only=True, eq=False, repr=False)
class Compressor(Task):
    """Images as files: learned from images like them, checked to the last bit, never longer than lossless.

    Blocks of an image go through a linear autoencoder that starts at its principal directions; the code is rounded to
    whole steps and written by an entropy coder whose tables follow from symbols that are known already. A second
    decoder, convolutional, takes out what rounding did. Images, sizes and dtypes come back as they were.

    Parameters
    ----------
    quality : int, 1 to 100, or "lossless"
        The scale of JPEG's: at the same number the error is about the same. "lossless" needs no fit.
    max_error : number or None
        No value comes back farther than this from what it was, in the unit of the pixels; 0 is lossless. It needs no
        fit, and `quality` then says nothing.
    repair : int or "auto"
        Steps of training of the second decoder; 0 does without it. "auto": 1,500.

    Attributes
    ----------
    model_ : the transform; learned_ : everything that codes; step_ : of the code, in the unit of the pixels

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

    def _pictures(self, data: Any) -> Pictures:
        found = modality_of(self.data, data)
        if not isinstance(found, Image):
            raise BadData(
                "these are no images: expected a stack (n, height, width[, channels]), a list of arrays, or paths."
            )
        return found.pictures(data)

    def _modality(self, data: Any) -> Modality:
        found = modality_of(self.data, data)
        return Blocks(**found.options())

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        """Steps in the unit of the model; every unit is kept, for what rounds to zero costs next to nothing."""
        if not isinstance(plan.recipe, Compressive):
            raise BadParameter(f"kind={self.kind!r}: images are coded by 'compressive' codes alone.")
        self.step_ = _step(int(self.quality))  # type: ignore[arg-type]
        recipe: Recipe = Compressive(self.step_ / float(plan.data.scale_.mean()), plan.recipe.beta)
        own = {"validation": None, "epochs": 0, "n_components": plan.data.cells}
        return replace(plan, recipe=recipe), own | {n: v for n, v in given.items() if v != "auto"}

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        """Tables from the symbols of the training images, then the second decoder from what the first one gives."""
        assert isinstance(self.data_, Blocks)
        with torch.no_grad():
            few = rows.take(slice(0, 20_000))
            h = self.model_.encoder.plain(self.model_.door(few))
            self.model_.bottleneck.observe(h)
        active = self.model_.bottleneck.symbols(h).abs().mean(0).cpu().numpy()
        learned = Learned(self.model_, self.data_, np.argsort(-active, kind="stable"))
        images = list(self._training())
        symbols = learned.learn(images)
        steps = REPAIR if self.repair == "auto" else int(self.repair)
        if steps:
            seen = [
                learned.pixels(learned.drawn(s, image.shape[:3])) for s, image in zip(symbols, images, strict=True)
            ]
            learned.repair = self._second(seen, images, steps)
        self.learned_ = learned

    def _keep(self, plan: Blueprint, outcome: Outcome, rows: Batch, curve: Any) -> None:
        super()._keep(plan, outcome, rows, curve)
        self.codes_ = self.codes_[:1]  # nobody draws from them, and they would be most of a model's file

    def _training(self) -> Iterator[NDArray[np.uint8]]:
        """Evenly spaced training images, `(1, height, width, channels)`, as many as tables need."""
        headers = self._images.headers()
        every = max(1, int((headers.heights * headers.widths).sum()) // TABLED)
        for i in range(0, len(self._images), every):
            yield np.ascontiguousarray(colours(self._images[i], self.data_.channels_))[None]

    def _second(self, seen: list[Pixels], wanted: list[Pixels], steps: int) -> Any:
        """The convolutional decoder, trained to give the image back from what the transform decodes."""
        crops, data = Crops(), self.data_
        rows, _ = crops.learn(self, Pair([s[0] for s in seen], [w[0] for w in wanted]), None, False)
        a, b = float((crops.scale_ / data.scale_).mean()), float(((crops.shift_ - data.shift_) / data.scale_).mean())
        target = machine.resolve(self.device)
        assert rows.given is not None
        rows = Batch(rows.x * a + b, given=rows.given * a + b).to(target)
        plan = self._repairing(crops, len(rows))
        batch = min(REPAIRED, len(rows))
        given = {"batch_rows": batch, "epochs": max(1, round(steps * batch / len(rows))), "learning_rate": RATE}
        schedule = Schedule(
            given, None, chance.seed_of(self.random_state), watcher_for(self.verbose), Checkpoint(None, ""), plan.work()
        )
        return train(plan.build, rows, schedule, "repair").model.eval()

    def _repairing(self, crops: Image, rows: int) -> Blueprint:
        network = Pyramid()
        return Blueprint(
            Compose(), network, crops, "squared_error", network.code(crops.shape), rows,
            machine.resolve(self.device), self.precision,
        )  # fmt: skip

    # ------------------------------------------------------------------ files

    def compress(self, X: Any, names: Sequence[str] | None = None) -> bytes:
        """One file of all images of `X`: `(n, height, width[, channels])`, a list of arrays, or paths.

        `names` of the images are kept in it.
        """
        need()
        self._check()
        if not self._exact:
            self._as_fitted()
        source = self._pictures(X)
        if names is not None and len(names) != len(source):
            raise BadData(f"got {len(names)} names for {len(source)} images.")
        layout = "array" if source.array is not None else "list"
        blocks = [self._block(stack) for stack in _stacks(source)]
        learned = any(b.codec == "learned" for b in blocks)
        step = self._spacing if self.max_error else self.step_ if learned else 0.0
        return write(Container(self.learned_.name if learned else NO_MODEL, layout, step, tuple(blocks), tuple(names or ())))

    def _as_fitted(self) -> None:
        check_is_fitted(self, "learned_")
        if _step(int(self.quality)) != self.step_:
            raise BadParameter(
                f"quality={self.quality!r}: this model was fitted for steps of {self.step_:.1f}, another quality needs "
                "a fit of its own. Only quality='lossless' and max_error can be changed afterwards."
            )

    @property
    def _spacing(self) -> float:
        """Between the values that a bounded file knows."""
        return 2 * float(self.max_error or 0) + 1

    def _block(self, stack: Pixels) -> Block:
        if stack.dtype.newbyteorder("=").name not in DTYPES:
            raise BadData(f"images of {stack.dtype} cannot be compressed; expected one of {', '.join(DTYPES)}.")
        if self.max_error:
            return self._bounded(stack)
        if self.quality == "lossless" or self.max_error == 0 or not self._lossy(stack):
            return _kept(stack)
        payload = self._shortened(stack)
        if len(payload) * 8 > DEAR * stack.size or stack[0].size < 4096:
            kept = _kept(stack)
            if len(kept.payload) <= len(payload):
                return kept
        return _as_block(stack, "learned", payload)

    def _lossy(self, stack: Pixels) -> bool:
        channels = stack.shape[3] if stack.ndim == 4 else 1
        return stack.dtype == np.uint8 and channels <= 4 and not (channels > 2 and self.data_.channels_ == 1)

    def _shortened(self, stack: Pixels) -> bytes:
        """Colours learned; an alpha channel behind them, without loss."""
        images = np.concatenate([colours(image, self.data_.channels_)[None] for image in stack])
        payload = self.learned_.encode(images)
        if stack.ndim == 4 and stack.shape[3] in (2, 4):
            return struct.pack("<I", len(payload)) + payload + pack(np.ascontiguousarray(stack[..., -1]))
        return payload

    def _bounded(self, stack: Pixels) -> Block:
        """Values on a grid that leaves none farther than `max_error`, the grid's numbers without loss."""
        if stack.dtype.kind not in "ui" or stack.dtype.itemsize > 4:
            raise BadData(f"max_error is kept for integers of up to 32 bits; these images are {stack.dtype}.")
        numbers = np.rint(stack.astype(np.int64) / int(self._spacing)).astype(np.int64)
        block = _as_block(stack, "bounded", b"")
        if numbers.min() < np.iinfo(stack.dtype).min or numbers.max() > np.iinfo(stack.dtype).max:
            return _kept(stack)
        return replace(block, payload=pack(numbers.astype(stack.dtype)))

    def decompress(self, data: bytes, only: Sequence[int] | None = None, most_pixels: int = MOST_PIXELS) -> Any:
        """The images of a file, as a stack where one was given, else as a list; of `only` some, by their numbers.

        Raises `FileProblem` on a damaged or foreign file, on one of another model, and on one that declares images of
        more than `most_pixels`.
        """
        container = read(data, most_pixels)
        self._same_model(container)
        if only is None:
            stacks = [self._opened(container, block) for block in container.blocks]
            return np.concatenate(stacks) if container.layout == "array" else [i for s in stacks for i in s]
        places = [container.find(int(i)) for i in only]
        stacks_at = {b: self._opened(container, container.blocks[b]) for b in dict.fromkeys(b for b, _ in places)}
        found = [stacks_at[b][i] for b, i in places]
        return np.stack(found) if container.layout == "array" and found else found

    def verify(self, data: bytes) -> dict[str, Any]:
        """What a whole file holds, as JSON values; `FileProblem` on any damage, and on a file of another model.

        Without a fit it checks everything but that the model is at hand.
        """
        container = read(data)
        if hasattr(self, "learned_"):
            self._same_model(container)
        return {
            "images": container.images, "layout": container.layout, "bytes": len(data), "step": container.step,
            "names": list(container.names), "model": container.model.hex() if container.model != NO_MODEL else None,
            "blocks": [
                {"images": b.images, "shape": list(b.shape[1:]), "dtype": b.dtype, "codec": b.codec,
                 "bytes": len(b.payload)} for b in container.blocks
            ],
        }  # fmt: skip

    def _same_model(self, container: Container) -> None:
        if container.model == NO_MODEL:
            return
        check_is_fitted(self, "learned_")
        if container.model != self.learned_.name:
            raise FileProblem(
                f"the file was written by model {container.model.hex()}, this is {self.learned_.name.hex()}. "
                "Load the model that wrote it."
            )

    def _opened(self, container: Container, block: Block) -> Pixels:
        if block.codec == "lossless":
            return unpack(block.payload, block.shape, block.dtype)
        if block.codec == "bounded":
            numbers = unpack(block.payload, block.shape, block.dtype).astype(np.int64) * round(container.step)
            limits = np.iinfo(block.dtype)
            return np.clip(numbers, limits.min, limits.max).astype(block.dtype)
        return self._lengthened(block)

    def _lengthened(self, block: Block) -> Pixels:
        payload, alpha = block.payload, block.channels in (2, 4)
        if alpha:
            length = struct.unpack_from("<I", payload)[0]
            payload, rest = payload[4 : 4 + length], payload[4 + length :]
        images = self.learned_.decode(payload, block.shape[:3])
        if block.channels <= 2 and images.shape[3] == 3:  # grey, by a model of colours
            images = np.rint(images.mean(3, keepdims=True)).astype(np.uint8)
        if alpha:
            images = np.concatenate([images, unpack(rest, block.shape[:3], "uint8")[..., None]], 3)
        return images.reshape(block.shape)

    # ------------------------------------------------------------------ on disk

    def _extra(self) -> dict[str, Any]:
        learned = self.learned_
        assert learned.coder is not None
        found: dict[str, Any] = {f"coder.{n}": v for n, v in learned.coder.arrays().items()}
        found |= {"order": learned.order, "step": self.step_, "repair": learned.repair is not None}
        if learned.repair is not None:
            found |= {f"repair.{n}": t.cpu().numpy() for n, t in learned.repair.state_dict().items()}
            found["crop"] = [learned.repair.encoder.steps.shape[1], learned.repair.encoder.steps.shape[2]]  # type: ignore[union-attr]
        return found

    def _adopt(self, extra: dict[str, Any]) -> None:
        assert isinstance(self.data_, Blocks)
        coder = PlaneCoder.of({n[6:]: v for n, v in extra.items() if n.startswith("coder.")})
        self.step_ = extra["step"]
        self.learned_ = Learned(self.model_, self.data_, extra["order"], coder)
        if extra["repair"]:
            crops = Crops().restore(self.data_.state() | dict(zip(("height", "width"), extra["crop"], strict=True)))
            repair = self._repairing(crops, 1).build(chance.child(0, "load")).eval()
            repair.load_state_dict(
                {n[7:]: torch.from_numpy(v) for n, v in extra.items() if n.startswith("repair.")}
            )
            self.learned_.repair = repair


def _step(quality: int) -> float:
    """The step of the code, in the unit of the pixels."""
    factor = (200 - 2 * quality) / 100 if quality >= 50 else 50 / quality
    return STEP * max(factor, 0.01) ** BEND


def _stacks(source: Pictures) -> Iterator[Pixels]:
    """Consecutive images of one form as stacks, each with no more pixels than go together."""
    kept: list[Pixels] = []
    for image in source.each(lambda image: image):
        same = kept and kept[0].shape == image.shape and kept[0].dtype == image.dtype
        if kept and not (same and (len(kept) + 1) * image.shape[0] * image.shape[1] <= TOGETHER):
            yield np.stack(kept)
            kept = []
        kept.append(image)
    yield np.stack(kept)


def _as_block(stack: Pixels, codec: str, payload: bytes) -> Block:
    channels = stack.shape[3] if stack.ndim == 4 else 0
    name = stack.dtype.newbyteorder("=").name
    return Block(len(stack), stack.shape[1], stack.shape[2], channels, name, codec, payload)


def _kept(stack: Pixels) -> Block:
    return _as_block(stack, "lossless", pack(stack))
