"""One tree of errors and warnings: each message says what, got, expected, try."""

from __future__ import annotations

import sys
import warnings

__all__ = [
    "BadData",
    "BadParameter",
    "CheckpointMismatch",
    "FileProblem",
    "FitAlarm",
    "LatentlyError",
    "MissingExtra",
    "OutOfMemory",
    "UnsupportedInput",
    "warn",
]

OURS = {__name__.partition(".")[0], "contextlib"}  # a method under a context manager is called from contextlib


class LatentlyError(Exception):
    """Root of every error that latently raises on purpose."""


class BadParameter(LatentlyError, ValueError):
    """An option has a value that cannot work."""


class BadData(LatentlyError, ValueError):
    """The data holds something that no fit or prediction can take: infinity, text, no rows."""


class UnsupportedInput(LatentlyError, TypeError):
    """No modality takes this kind of object."""


class FileProblem(LatentlyError, OSError):
    """A file is missing, foreign, damaged, or cannot be written."""


class CheckpointMismatch(LatentlyError, ValueError):
    """A checkpoint belongs to another fit: other options or other data."""


class MissingExtra(LatentlyError, ImportError):
    """An optional package is needed and not installed."""


class OutOfMemory(LatentlyError, MemoryError):
    """Not even one row at a time fits in memory."""


class FitAlarm(UserWarning):
    """A fit ended, but something about it deserves a look; the message names the cure."""


def warn(message: str) -> None:
    """Raise a `FitAlarm` at the line that called latently, however many of our own frames lie between."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, FitAlarm, stacklevel=level)
