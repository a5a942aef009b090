"""Files that are replaced in one stroke."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from latently.errors import FileProblem

__all__ = ["replace"]


def replace(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`; whatever happens, the old file or the new one is whole."""
    path = Path(os.path.realpath(path))
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as problem:
        raise FileProblem(
            f"cannot write {path}: {problem.strerror}. Choose a folder that exists and is yours."
        ) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())  # noqa: PTH101
        os.replace(name, path)  # noqa: PTH105
    except OSError as problem:
        raise FileProblem(f"cannot write {path}: {problem.strerror}. The file that was there is unchanged.") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
