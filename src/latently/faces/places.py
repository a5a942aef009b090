"""Where data lies: which names say what a file holds, what may be read, what may be written and how."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latently.errors import FileProblem

__all__ = [
    "check_files",
    "check_folder",
    "check_input",
    "check_output",
    "check_place",
    "replacing",
    "suffix_of",
]

WRITTEN = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".arrow", ".feather")
SUFFIXES = (*WRITTEN, ".txt", ".txt.gz")  # what is read
AUDIO = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
IMAGES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp", ".ppm", ".pgm", ".pbm",
    ".pnm", ".pfm", ".jp2", ".j2k", ".jpx", ".zip",
)  # fmt: skip


def check_folder(path: Path) -> None:
    """Raise `FileProblem` unless files can be put into a folder `path` that is not there yet, or is empty."""
    if path.exists() and not path.is_dir():
        raise FileProblem(f"{path} is a file; expected the name of a new folder.")
    if path.is_dir() and any(path.iterdir()):
        raise FileProblem(f"the folder {path} holds files already, and they would mix. Choose a new one.")
    if not path.is_dir() and not path.parent.is_dir():
        raise FileProblem(f"cannot make {path}: the folder {path.parent} does not exist. Make it first.")
    if not os.access(path if path.is_dir() else path.parent, os.W_OK):
        raise FileProblem(f"cannot write into {path}: that place is not yours to write. Choose another.")


def suffix_of(path: Path, known: tuple[str, ...] = SUFFIXES) -> str:
    """The ending that says what table a file holds."""
    for suffix in known:
        if path.name.lower().endswith(suffix):
            return suffix
    raise FileProblem(f"{path}: its name does not say what table it is; expected {', '.join(known)}.")


def check_input(path: Path) -> None:
    """Raise `FileProblem` unless `path` is a file with the name of a table."""
    if path.is_dir():
        raise FileProblem(f"{path} is a folder; expected a table: {', '.join(SUFFIXES)}.")
    _check_there(path)
    suffix_of(path)


def check_files(path: Path) -> None:
    """Raise `FileProblem` unless `path` is there, or a pattern."""
    if not glob.has_magic(str(path)):
        _check_there(path)


def _check_there(path: Path) -> None:
    if not path.exists():
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, beside, 1, 0.75)
        hint = f"Did you mean {path.with_name(near[0])}?" if near else f"The current folder is {Path.cwd()}."
        raise FileProblem(f"{path} does not exist; expected a table, text, images or sounds. {hint}")


def check_output(path: Path, *inputs: Path) -> None:
    """Raise `FileProblem` unless a table can be written to `path` without harm to an input."""
    suffix_of(path, WRITTEN)
    check_place(path, *inputs)


def check_place(path: Path, *inputs: Path) -> None:
    """Raise `FileProblem` unless a file can be put at `path` without harm to an input."""
    folder = path.parent
    if path.is_dir():
        raise FileProblem(f"{path} is a folder; expected the name of a file. Try -o {path / 'NAME'}.")
    if not folder.is_dir():
        raise FileProblem(f"cannot write {path}: the folder {folder} does not exist. Make it first.")
    if not os.access(folder, os.W_OK):
        raise FileProblem(f"cannot write {path}: the folder {folder} is not yours to write. Choose another.")
    if any(path == other or (path.exists() and other.exists() and path.samefile(other)) for other in inputs):
        raise FileProblem(f"-o {path} is a file that this command reads, and would be lost. Choose another name.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; the file becomes `path` when the block ends well, and is gone when it does not."""
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as problem:
        what = problem.strerror or problem
        raise FileProblem(f"cannot write {path}: {what}. What was there is unchanged.") from None
    finally:
        part.unlink(missing_ok=True)
