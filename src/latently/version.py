"""The version of this package, from its metadata."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _version

__all__ = ["version"]


def version() -> str:
    """Such as "0.1.0"; "0" in a checkout that was never installed."""
    try:
        return _version("latently")
    except PackageNotFoundError:
        return "0"
