"""The file: a checksummed header, an index of blocks, and blocks that are checked before anybody decodes them.

| bytes | what |
|---|---|
| 4 | magic, not text |
| 1 | version of the format |
| 1 | codec |
| 8 | model: the first bytes of the SHA-256 of the tables and weights that decode it |
| 1, 1, 1 | dtype, layout, channels |
| 4 | step, float32, for people |
| 4 | number of blocks |
| 24 each | block: images, height, width, codec, length, CRC-32 |
| 4 | CRC-32 of everything above |
| ... | the blocks, one after the other, and nothing behind them |

Everything is little-endian. A file is whole or refused: a CRC-32 finds every change of fewer than 32 neighbouring bits.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from latently.errors import FileProblem

__all__ = ["CODECS", "DTYPES", "Block", "Container", "read", "write"]

MAGIC = b"\xf1LTY"
VERSION = 1
CODECS = ("learned", "lossless", "bounded")
DTYPES = ("uint8", "uint16")
LAYOUTS = ("array", "list")
FIXED = struct.Struct("<4sBB8sBBBfI")
ENTRY = struct.Struct("<IIIIII")
SUM = struct.Struct("<I")

MOST_PIXELS = 1 << 28  #: of one image; more is a damaged or hostile file, unless the reader says otherwise
MOST_CELLS = 1 << 33  #: of all images together


@dataclass(frozen=True)
class Block:
    """Consecutive images of one size, coded together: the unit of access."""

    images: int
    height: int
    width: int
    codec: str
    payload: bytes = field(repr=False)


@dataclass(frozen=True)
class Container:
    """All that a file tells."""

    model: bytes  #: 8 bytes that name the model
    dtype: str
    layout: str  #: "array": images of one size as one array; "list": one by one
    channels: int  #: 0: none (grey images without an axis for it)
    step: float
    blocks: tuple[Block, ...]

    @property
    def images(self) -> int:
        """How many images there are."""
        return sum(b.images for b in self.blocks)

    def find(self, image: int) -> tuple[Block, int]:
        """The block that holds an image, and its place in it."""
        for block in self.blocks:
            if image < block.images:
                return block, image
            image -= block.images
        raise FileProblem(f"the file holds {self.images} images; there is no such image in it.")


def write(container: Container) -> bytes:
    """The bytes of a file."""
    codec = CODECS.index(container.blocks[0].codec) if container.blocks else 0
    head = FIXED.pack(
        MAGIC, VERSION, codec, container.model, DTYPES.index(container.dtype), LAYOUTS.index(container.layout),
        container.channels, container.step, len(container.blocks),
    )  # fmt: skip
    entries = [
        ENTRY.pack(b.images, b.height, b.width, CODECS.index(b.codec), len(b.payload), zlib.crc32(b.payload))
        for b in container.blocks
    ]
    head = b"".join((head, *entries))
    return b"".join((head, SUM.pack(zlib.crc32(head)), *(b.payload for b in container.blocks)))


def read(data: bytes, most_pixels: int = MOST_PIXELS) -> Container:
    """The container in `data`, every checksum verified; `FileProblem` on anything that is not exactly such a file."""
    if len(data) < FIXED.size or data[:4] != MAGIC:
        raise FileProblem(f"these {len(data)} bytes are not a latently compressed file, or their beginning is damaged.")
    if data[4] != VERSION:
        raise FileProblem(f"the file has format version {data[4]}; this version of latently reads {VERSION}. Update it.")
    _, _, codec, model, dtype, layout, channels, step, count = FIXED.unpack_from(data)
    end = FIXED.size + count * ENTRY.size
    if len(data) < end + SUM.size:
        raise FileProblem(f"the file is cut short or damaged: {len(data)} bytes are fewer than its header needs.")
    if zlib.crc32(data[:end]) != SUM.unpack_from(data, end)[0]:
        raise FileProblem("the header of the file is damaged: its checksum does not match. Take another copy.")
    if dtype >= len(DTYPES) or layout >= len(LAYOUTS) or codec >= len(CODECS):
        raise FileProblem("the file was written by a newer version of latently: its header names something unknown.")
    blocks = _blocks(data, end, count)
    _sane(blocks, max(channels, 1), most_pixels)
    return Container(model, DTYPES[dtype], LAYOUTS[layout], channels, step, blocks)


def _blocks(data: bytes, end: int, count: int) -> tuple[Block, ...]:
    place, blocks = end + SUM.size, []
    for i in range(count):
        images, height, width, codec, length, checksum = ENTRY.unpack_from(data, FIXED.size + i * ENTRY.size)
        payload = data[place : place + length]
        if len(payload) < length:
            raise FileProblem(f"the file is cut short in block {i + 1} of {count}. Take another copy.")
        if zlib.crc32(payload) != checksum:
            raise FileProblem(f"block {i + 1} of {count} is damaged: its checksum does not match. Take another copy.")
        if codec >= len(CODECS):
            raise FileProblem("the file was written by a newer version of latently: a block's codec is unknown.")
        blocks.append(Block(images, height, width, CODECS[codec], payload))
        place += length
    if place != len(data):
        raise FileProblem(f"the file has {len(data) - place} bytes behind its end. Take another copy.")
    return tuple(blocks)


def _sane(blocks: tuple[Block, ...], channels: int, most_pixels: int) -> None:
    """Refuse sizes that no picture has, before anything of that size is made."""
    for block in blocks:
        pixels = block.height * block.width
        if not block.images or not pixels or pixels > most_pixels:
            raise FileProblem(
                f"the file declares {block.images} images of {block.height} x {block.width}; images have from 1 to "
                f"{most_pixels:,} pixels here. Pass most_pixels= if that is meant."
            )
    cells = sum(b.images * b.height * b.width for b in blocks) * channels
    if cells > MOST_CELLS:
        raise FileProblem(f"the file declares {cells:,} values, more than {MOST_CELLS:,}.")
