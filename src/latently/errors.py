"""One tree of errors and warnings: each message says what, got, expected, try."""

from __future__ import annotations

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
]


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
