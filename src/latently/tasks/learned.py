"""The learned half of an image codec: blocks to codes of whole steps, to bytes, and back through two decoders."""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.codec.blocks import cut, grid_of, join
from latently.codec.container import Block
from latently.codec.exact import block_of
from latently.codec.lossless import pack, unpack
from latently.codec.planes import PlaneCoder, rounded
from latently.engine.infer import pieces
from latently.modalities.blocks import Blocks, colours
from latently.model import Composition
from latently.parts.rounded import Rounded
from latently.values import Batch

__all__ = ["Learned", "figures_of", "step_of"]

Pixels = NDArray[np.uint8]

STEP = 55.0  # of the code in pixels' units at quality 50, where the error is about that of a JPEG of quality 50
BEND = 0.65  # its power of JPEG's own factor
PRICE = 0.1  # squared steps a bit: -4.0 % bits for the same error against plain rounding, 0.16 -3.5 % (BSDS, step 36)
ROWS = 256  # blocks decoded together


@dataclass
class Learned:
    """Images of one size to bytes and back. Symbols follow from bytes by whole numbers; pixels from symbols by floats.

    `model`: the transform, an autoencoder of blocks. `order`: its units, most active first. `repair`: a composition
    that takes out what rounding did, or None.
    """

    model: Composition
    data: Blocks
    order: NDArray[np.int64]
    coder: PlaneCoder | None = None
    repair: Composition | None = None

    @property
    def side(self) -> int:
        """Pixels along a block."""
        return self.data.height_

    @property
    def step(self) -> float:
        """Of the code, in model units."""
        assert isinstance(self.model.bottleneck, Rounded)
        return float(self.model.bottleneck.step)

    @property
    def name(self) -> bytes:
        """Eight bytes that only this model's files carry."""
        assert self.coder is not None
        digest = hashlib.sha256(repr((self.side, self.data.channels_, self.step)).encode())
        arrays = self.coder.arrays() | {"order": self.order, "shift": self.data.shift_, "scale": self.data.scale_}
        nets = {"model": self.model} | ({} if self.repair is None else {"repair": self.repair})
        for part, net in nets.items():
            arrays |= {f"{part}.{n}": t.cpu().numpy() for n, t in net.state_dict().items()}
        for key in sorted(arrays):
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(arrays[key]).tobytes())
        return digest.digest()[:8]

    # ------------------------------------------------------------------ blocks of a file

    def takes(self, stack: Pixels) -> bool:
        """Whether such images can be coded at all: bytes, grey or colours."""
        return stack.dtype == np.uint8 and (stack.ndim == 3 or stack.shape[3] <= 4)

    def block(self, stack: Pixels) -> Block:
        """Colours learned; an alpha channel behind them, without loss."""
        payload = self.encode(np.stack([colours(image, self.data.channels_) for image in stack]))
        if stack.ndim == 4 and stack.shape[3] in (2, 4):
            payload = struct.pack("<I", len(payload)) + payload + pack(np.ascontiguousarray(stack[..., -1]))
        return block_of(stack, "learned", payload)

    def opened(self, block: Block) -> Pixels:
        """The images of a block, in the form that they had."""
        payload, alpha = block.payload, block.channels in (2, 4)
        if alpha:
            length = int.from_bytes(payload[:4], "little")
            payload, rest = payload[4 : 4 + length], payload[4 + length :]
        form = (block.images, block.height, block.width)
        images = self.decode(payload, form)
        if block.channels <= 2 and images.shape[3] == 3:  # grey, by a model of colours
            images = np.rint(images.mean(3, keepdims=True)).astype(np.uint8)
        if alpha:
            images = np.concatenate([images, unpack(rest, form, "uint8")[..., None]], 3)
        return images.reshape(block.shape)

    # ------------------------------------------------------------------ there

    def units(self, images: Pixels) -> Tensor:
        """`(n, height, width, channels)` in model units, channels first."""
        planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, 3, 1))).float()
        return (planes - self._shift) / self._scale

    def values(self, images: Pixels) -> NDArray[np.float32]:
        """The code in steps, not rounded, `(n, rows, columns of blocks, units)`, units in their order."""
        n, height, width, _ = images.shape
        rows = cut(self.units(images), self.side)
        h = pieces(lambda b: self.model.encoder.plain(self.model.door(b)), Batch(rows), ROWS, self._device)
        steps = (h / self.step).numpy()[:, self.order]
        return steps.reshape(n, *grid_of(height, width, self.side), -1)

    def learn(self, images: list[Pixels]) -> list[NDArray[np.int32]]:
        """Learn tables from training images; returns the symbols that they are written as.

        Tables of rounded codes tell what a bit buys; the symbols chosen by that have tables of their own.
        """
        values = [self.values(image).astype(np.float16) for image in images]
        first = PlaneCoder.fit([rounded(v) for v in values])
        symbols = [first.chosen(v.astype(np.float32), PRICE) for v in values]
        self.coder = PlaneCoder.fit(symbols)
        return symbols

    def encode(self, images: Pixels) -> bytes:
        """The bytes of images of one size."""
        assert self.coder is not None
        return self.coder.encode(self.coder.chosen(self.values(images), PRICE))

    # ------------------------------------------------------------------ and back

    def decode(self, data: bytes, shape: tuple[int, int, int]) -> Pixels:
        """`(n, height, width, channels)` from the bytes of `shape` (n, height, width)."""
        assert self.coder is not None
        symbols = self.coder.decode(data, (shape[0], *grid_of(shape[1], shape[2], self.side)))
        return self.pixels(self.repaired(self.drawn(symbols, shape)))

    def drawn(self, symbols: NDArray[np.int32], shape: tuple[int, int, int]) -> Tensor:
        """Images in model units as the transform alone decodes them."""
        z = np.empty(symbols.shape, np.float32)
        z[..., self.order] = symbols
        rows = torch.from_numpy(z.reshape(-1, len(self.order))) * self.step
        cells = pieces(lambda b: self.model.decode(b.x), Batch(rows), ROWS, self._device)
        return join(cells, (shape[0], self.data.channels_, *shape[1:]), self.side)

    @torch.no_grad()
    def repaired(self, images: Tensor) -> Tensor:
        """What the second decoder makes of decoded images, each computed alone: none depends on those beside it."""
        if self.repair is None:
            return images
        height, width = images.shape[2:]
        up: Any = self.repair.encoder
        down: Any = self.repair.decoder
        up, down = up.at(height, width), down.at(height, width)
        flat = images.reshape(len(images), -1).to(self._device)
        return torch.cat([down.plain(up.plain(row[None])) for row in flat]).view_as(images)

    def pixels(self, images: Tensor) -> Pixels:
        """Model units as bytes, channels last."""
        values = (images.cpu() * self._scale + self._shift).round().clamp(0, 255).byte()
        return np.ascontiguousarray(np.moveaxis(values.numpy(), 1, 3))

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def _shift(self) -> Tensor:
        return torch.from_numpy(self.data.shift_[:, None, None]).float()

    @property
    def _scale(self) -> Tensor:
        return torch.from_numpy(self.data.scale_[:, None, None]).float()


def step_of(quality: int | str) -> float:
    """The step of the code, in the unit of the pixels: JPEG's own factor, to a power."""
    q = int(quality)
    return float(STEP * max((200 - 2 * q) / 100 if q >= 50 else 50 / q, 0.01) ** BEND)


def figures_of(data: bytes, images: Any, again: Any) -> dict[str, Any]:
    """What a file takes, and how far its images are off: PSNR in dB, the mean of those that are not exact."""
    pixels, ratios = 0, []
    for a, b in zip(images, again, strict=True):
        pixels += a.shape[0] * a.shape[1]
        ratios.append(_psnr(a, b))
    finite = [r for r in ratios if r < math.inf]
    told = {"bits a pixel": 8 * len(data) / pixels, "bytes": len(data), "exact images": len(ratios) - len(finite)}
    return told | ({"psnr of the others": float(np.mean(finite))} if finite else {})


def _psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    error = float(np.square(a.astype(np.float64) - b).mean())
    peak = float(np.iinfo(a.dtype).max) if a.dtype.kind in "iu" else float(np.ptp(a))
    return 10 * math.log10(peak**2 / error) if error and peak else math.inf
