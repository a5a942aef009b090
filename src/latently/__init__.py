"""scikit-learn for autoencoders: every type of autoencoder, every job people use one for, behind one vocabulary."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Autoencoder", "Imputer", "__version__", "errors", "load", "parts", "recipes", "save"]

_HOME = {
    "Autoencoder": "latently.tasks.autoencoder", "Imputer": "latently.tasks.imputer", "load": "latently.tasks.file",
    "save": "latently.tasks.file",
}  # fmt: skip
_MODULES = ("errors", "parts", "recipes")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("latently.version").version()
    if name in _MODULES:
        return importlib.import_module(f"latently.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'latently' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
