"""TIFF beyond Pillow: where the pages are, and pixels of many channels, floats and planes (by `tifffile`)."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import MissingExtra
from latently.modalities.pixels import Header

__all__ = ["Page", "Stream", "described", "encoded", "is_tiff", "pages", "read"]

Stream = io.BufferedReader | io.BytesIO
SUBFILE, ORIENTATION = 254, 274
SMALLER_OR_MASK = 1 | 4  # a page that is a small copy of another, or its mask
AS_THEY_ARE = (0, 1, 2)  # white is zero, black is zero, colours


def is_tiff(prefix: bytes) -> bool:
    """Whether a file begins as a TIFF does."""
    return prefix[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def pages(file: Stream) -> list[int]:
    """Where each page begins that is an image of its own; small copies and masks are none."""
    prefix = file.read(16)
    if not is_tiff(prefix):
        return []
    order, big = ("<" if prefix[:2] == b"II" else ">"), 43 in prefix[2:4]
    word, size = ("Q", 20) if big else ("I", 12)
    (offset,) = struct.unpack_from(order + word, prefix, 8 if big else 4)
    found: list[int] = []
    seen: set[int] = set()
    while offset and offset not in seen:
        seen.add(offset)
        file.seek(offset)
        width = 8 if big else 2
        (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(width))
        entries = file.read(min(count, 4096) * size + (8 if big else 4))
        if not found or not _subfile(entries, count, size, order) & SMALLER_OR_MASK:
            found.append(offset)
        (offset,) = struct.unpack_from(order + word, entries, count * size)
    return found


def _subfile(entries: bytes, count: int, size: int, order: str) -> int:
    for at in range(0, count * size, size):
        if struct.unpack_from(order + "H", entries, at) == (SUBFILE,):
            return int(struct.unpack_from(order + "I", entries, at + size - (8 if size == 20 else 4))[0])
    return 0


class Page(io.BufferedReader):
    """A TIFF whose first page is the one at `offset`: page 900 is as near as page 1."""

    def __init__(self, file: Any, offset: int) -> None:
        super().__init__(file)
        self.head = _pointing(super().read(16), offset)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data = super().read(size)
        head = self.head[start : start + len(data)]
        return head + data[len(head) :]


def _pointing(head: bytes, offset: int) -> bytes:
    """The beginning of a TIFF, with the place of another first page in it."""
    order = "<" if head[:2] == b"II" else ">"
    if 43 in head[2:4]:
        return head[:8] + struct.pack(order + "Q", offset)
    return head[:4] + struct.pack(order + "I", offset)


# ---------------------------------------------------------------------- by tifffile


def described(file: Stream, limit: int) -> tuple[Header, int]:
    """The header of the first page as it is stored, and its orientation."""
    with _opened(file) as opened:
        page = _page(opened, limit)
        shape = (*page.shape[1:], page.shape[0]) if page.axes == "SYX" else page.shape
        header = Header(shape[0], shape[1], shape[2] if len(shape) > 2 else 1, page.dtype.name)
        return header, _orientation(page)


def read(file: Stream, limit: int) -> tuple[NDArray[Any], int]:
    """The pixels of the first page as they are stored, channels last, and its orientation."""
    with _opened(file) as opened:
        page = _page(opened, limit)
        array = np.asarray(page.asarray(maxworkers=1))
        if array.shape != page.shape:
            raise ValueError("its pixels are not all there")
        if page.axes == "SYX":
            array = np.moveaxis(array, 0, -1)
        if int(page.photometric) == 0 and array.dtype.kind == "u":
            array = np.iinfo(array.dtype).max - array
        return array, _orientation(page)


def encoded(array: NDArray[Any]) -> bytes:
    """A TIFF of any dtype and any number of channels, losslessly compressed."""
    colour = array.ndim == 3 and array.shape[2] in (3, 4)
    out = io.BytesIO()
    _tifffile("writing this TIFF").imwrite(
        out,
        array,
        photometric="rgb" if colour else "minisblack",
        planarconfig="contig" if array.ndim == 3 else None,
        extrasamples=["unassalpha"] if array.ndim == 3 and array.shape[2] in (2, 4) else None,
        compression="zlib",
        metadata=None,
    )
    return out.getvalue()


def _tifffile(doing: str) -> Any:
    try:
        import tifffile
    except ImportError:
        raise MissingExtra(f"{doing} needs tifffile. Try: pip install 'latently[tiff]'") from None
    return tifffile


def _opened(file: Stream) -> Any:
    file.seek(0)
    return _tifffile("reading this TIFF (many channels, floats or planes)").TiffFile(file)


def _page(opened: Any, limit: int) -> Any:
    page = opened.pages[0]
    if page.size > limit:
        raise ValueError(f"it has {page.size:,} values, more than {limit:,}; cut it into tiles first")
    if page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"axes {page.axes} are no image; expected height, width and channels.")
    if int(page.photometric) not in AS_THEY_ARE:
        raise ValueError(f"{page.photometric.name} of {page.dtype} is not read. Convert it to RGB.")
    return page


def _orientation(page: Any) -> int:
    tag = page.tags.get(ORIENTATION)
    return 1 if tag is None else int(tag.value)
