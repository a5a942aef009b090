"""Image files opened by Pillow within bounds of our own, and what goes wrong with them said in one way."""

from __future__ import annotations

import contextlib
import importlib
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from latently.errors import FileProblem, LatentlyError, MissingExtra
from latently.modalities.tiff import Stream

__all__ = ["DAMAGE", "LIMIT", "named", "opened"]

LIMIT = 1_000_000_000  # pixels; a gigapixel in colour takes 4 GB while it is decoded
FORMATS = {  # no plugin that starts other programs, none without a magic number
    "PNG": "PngImagePlugin",
    "JPEG": "JpegImagePlugin",
    "WEBP": "WebPImagePlugin",
    "AVIF": "AvifImagePlugin",
    "TIFF": "TiffImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "PPM": "PpmImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
}
# What decoders raise on damaged bytes. Warning: where the user has made warnings errors.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)


@contextlib.contextmanager
def named(name: str, what: str = "an image") -> Iterator[None]:
    """Whatever a decoder raises, as one error that names the file."""
    try:
        yield
    except MissingExtra as problem:
        raise MissingExtra(f"{name}: {problem}") from None
    except LatentlyError:
        raise
    except DAMAGE as problem:
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        raise FileProblem(
            f"{name} cannot be read as {what}: {reason.rstrip('.')}. Restore it from a copy, remove it, or leave such "
            "files out with skip=True."
        ) from None


@cache
def _plugins() -> tuple[tuple[Any, Any], ...]:
    from PIL import Image

    for module in FORMATS.values():
        importlib.import_module(f"PIL.{module}")
    return tuple(Image.OPEN[name] for name in FORMATS)


def opened(file: Stream) -> Any:
    """The image with its header read.

    Not by `Image.open`, whose limit on sizes warns at 89 megapixels, raises at 179, and belongs to the whole process.
    """
    prefix = file.read(16)
    if not prefix:
        raise ValueError("it is empty (0 bytes)")
    for factory, accept in _plugins():
        verdict = accept(prefix)
        if isinstance(verdict, str):
            raise ValueError(verdict)
        if verdict:
            file.seek(0)
            image = factory(file, "")
            _check_size(*image.size)
            return image
    raise ValueError(f"it is none of {', '.join(FORMATS)}")


def _check_size(width: int, height: int) -> None:
    if width * height > LIMIT:
        raise ValueError(f"it has {width} x {height} pixels, more than {LIMIT:,}; cut it into tiles first")
    if width < 1 or height < 1:
        raise ValueError(f"it has {width} x {height} pixels")
