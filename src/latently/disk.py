"""Files that are replaced in one stroke."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from latently.errors import FileProblem, LatentlyError

__all__ = ["replace", "replacing"]


def replace(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`; whatever happens, the old file or the new one is whole."""
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` once the block has ended without an error."""
    path = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as problem:
        raise FileProblem(
            f"cannot write {path}: {problem.strerror}. Choose a folder that exists and is yours."
        ) from None
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())  # noqa: PTH101
        os.replace(name, path)  # noqa: PTH105
    except LatentlyError:
        raise
    except OSError as problem:
        raise FileProblem(f"cannot write {path}: {problem.strerror}. The file that was there is unchanged.") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
