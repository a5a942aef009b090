"""The file: a checksummed header, an index of blocks, and blocks that are checked before anybody decodes them.

| bytes | what |
|---|---|
| 4 | magic, not text |
| 1, 1 | version of the format, layout |
| 8 | model: the first bytes of the SHA-256 of the tables and weights that decode it |
| 8 | step, float64: of the code, or of pixels where they are bounded |
| 4, 4 | number of blocks, length of the names |
| 24 each | block: images, height, width, channels, dtype, codec, 0, length, CRC-32 |
| ... | names of the images: a list of texts as JSON, deflated; nothing where there are none |
| 4 | CRC-32 of everything above |
| ... | the blocks, one after the other, and nothing behind them |

Everything is little-endian. A file is whole or refused: a CRC-32 finds every change of fewer than 32 neighbouring bits.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

from latently.errors import BadParameter, FileProblem

__all__ = ["DTYPES", "Block", "Container", "read", "write"]

MAGIC = b"\xf1LTY"
VERSION = 1
CODECS = ("learned", "lossless", "bounded")
DTYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
)  # fmt: skip
LAYOUTS = ("array", "list")
FIXED = struct.Struct("<4sBB8sdII")
ENTRY = struct.Struct("<IIIBBBBII")
SUM = struct.Struct("<I")

MOST_PIXELS = 1 << 28  #: of one image; more is a damaged or hostile file, unless the reader says otherwise
MOST_CELLS = 1 << 33  #: of all images together
LONGEST = 1 << 12  #: bytes of a name


@dataclass(frozen=True)
class Block:
    """Consecutive images of one form, coded together: the unit of access."""

    images: int
    height: int
    width: int
    channels: int  #: 0: grey images without an axis for it
    dtype: str
    codec: str
    payload: bytes = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the block's array."""
        return (self.images, self.height, self.width) + ((self.channels,) if self.channels else ())


@dataclass(frozen=True)
class Container:
    """All that a file tells."""

    model: bytes  #: 8 bytes that name the model; zeros where none is needed
    layout: str  #: "array": images of one form as one array; "list": one by one
    step: float
    blocks: tuple[Block, ...]
    names: tuple[str, ...] = ()  #: of the images, or none

    @property
    def images(self) -> int:
        """How many images there are."""
        return sum(b.images for b in self.blocks)

    def told(self) -> dict[str, Any]:
        """What the file holds, as JSON values."""
        blocks = [
            {"images": b.images, "shape": list(b.shape[1:]), "dtype": b.dtype, "codec": b.codec,
             "bytes": len(b.payload)}
            for b in self.blocks
        ]  # fmt: skip
        names = list(self.names)
        return {"images": self.images, "names": names, "layout": self.layout, "step": self.step, "blocks": blocks}

    def find(self, image: int) -> tuple[int, int]:
        """The number of the block that holds an image, and the image's place in it."""
        place = image
        for i, block in enumerate(self.blocks):
            if 0 <= place < block.images:
                return i, place
            place -= block.images
        raise BadParameter(f"there is no image {image}; the file holds {self.images}, counted from 0.")


def write(container: Container) -> bytes:
    """The bytes of a file."""
    names = zlib.compress(json.dumps(container.names).encode(), 9) if container.names else b""
    head = [FIXED.pack(
        MAGIC, VERSION, LAYOUTS.index(container.layout), container.model, container.step, len(container.blocks),
        len(names),
    )]  # fmt: skip
    head += [
        ENTRY.pack(
            b.images, b.height, b.width, b.channels, DTYPES.index(b.dtype), CODECS.index(b.codec), 0, len(b.payload),
            zlib.crc32(b.payload),
        )
        for b in container.blocks
    ]  # fmt: skip
    top = b"".join([*head, names])
    return b"".join((top, SUM.pack(zlib.crc32(top)), *(b.payload for b in container.blocks)))


def read(data: bytes, most_pixels: int = MOST_PIXELS) -> Container:
    """The container in `data`, every checksum verified; `FileProblem` on anything that is not exactly such a file."""
    if len(data) < FIXED.size or data[:4] != MAGIC:
        raise FileProblem(f"these {len(data)} bytes are not a latently compressed file, or their beginning is damaged.")
    if data[4] != VERSION:
        raise FileProblem(
            f"the file has format version {data[4]}; this version of latently reads {VERSION}. Update it."
        )
    _, _, layout, model, step, count, named = FIXED.unpack_from(data)
    end = FIXED.size + count * ENTRY.size + named
    if len(data) < end + SUM.size:
        raise FileProblem(f"the file is cut short or damaged: {len(data)} bytes are fewer than its header needs.")
    if zlib.crc32(data[:end]) != SUM.unpack_from(data, end)[0]:
        raise FileProblem("the header of the file is damaged: its checksum does not match. Take another copy.")
    if layout >= len(LAYOUTS):
        raise FileProblem("the file was written by a newer version of latently: its layout is unknown.")
    blocks = _blocks(data, end, count)
    _sane(blocks, most_pixels)
    container = Container(model, LAYOUTS[layout], step, blocks)
    return replace(container, names=_names(data[end - named : end], container.images)) if named else container


def _names(data: bytes, images: int) -> tuple[str, ...]:
    """As many names as images."""
    try:
        found = json.loads(zlib.decompressobj().decompress(data, 2 + images * LONGEST))
    except (zlib.error, ValueError) as problem:
        raise FileProblem(f"the names in the file cannot be read ({problem}).") from None
    if not isinstance(found, list) or len(found) != images or not all(isinstance(n, str) for n in found):
        raise FileProblem("the names in the file are not those of its images.")
    return tuple(found)


def _blocks(data: bytes, end: int, count: int) -> tuple[Block, ...]:
    place, blocks = end + SUM.size, []
    for i in range(count):
        entry = ENTRY.unpack_from(data, FIXED.size + i * ENTRY.size)
        images, height, width, channels, dtype, codec, _, length, checksum = entry
        payload = data[place : place + length]
        if len(payload) < length:
            raise FileProblem(f"the file is cut short in block {i + 1} of {count}. Take another copy.")
        if zlib.crc32(payload) != checksum:
            raise FileProblem(f"block {i + 1} of {count} is damaged: its checksum does not match. Take another copy.")
        if codec >= len(CODECS) or dtype >= len(DTYPES):
            raise FileProblem("the file was written by a newer version of latently: a block's codec is unknown.")
        blocks.append(Block(images, height, width, channels, DTYPES[dtype], CODECS[codec], payload))
        place += length
    if place != len(data):
        raise FileProblem(f"the file has {len(data) - place} bytes behind its end. Take another copy.")
    return tuple(blocks)


def _sane(blocks: tuple[Block, ...], most_pixels: int) -> None:
    """Refuse sizes that no picture has, before anything of that size is made."""
    for block in blocks:
        pixels = block.height * block.width
        if not block.images or not pixels or pixels > most_pixels:
            raise FileProblem(
                f"the file declares {block.images} images of {block.height} x {block.width}; images have from 1 to "
                f"{most_pixels:,} pixels here. Pass most_pixels= if that is meant."
            )
    cells = sum(b.images * b.height * b.width * max(b.channels, 1) for b in blocks)
    if cells > MOST_CELLS:
        raise FileProblem(f"the file declares {cells:,} values, more than {MOST_CELLS:,}.")
