"""scikit-learn for autoencoders: every type of autoencoder, every job people use one for, behind one vocabulary."""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AnomalyDetector": "latently.tasks.anomaly",
    "Audio": "latently.modalities",
    "Autoencoder": "latently.tasks.autoencoder",
    "Compressor": "latently.tasks.compress",
    "Denoiser": "latently.tasks.denoise",
    "Generator": "latently.tasks.generate",
    "Image": "latently.modalities",
    "Imputer": "latently.tasks.imputer",
    "Map": "latently.tasks.map",
    "PretrainedClassifier": "latently.tasks.classify",
    "PretrainedRegressor": "latently.tasks.regress",
    "SearchIndex": "latently.tasks.search",
    "Series": "latently.modalities",
    "Table": "latently.modalities",
    "Text": "latently.modalities",
    "evaluate": "latently.tasks.evaluate",
    "load": "latently.tasks.file",
    "save": "latently.tasks.file",
}
_MODULES = ("errors", "parts", "recipes")

__all__ = [
    "AnomalyDetector", "Audio", "Autoencoder", "Compressor", "Denoiser", "Generator", "Image", "Imputer", "Map",
    "PretrainedClassifier", "PretrainedRegressor", "SearchIndex", "Series", "Table", "Text", "__version__", "errors",
    "evaluate", "load", "parts", "recipes", "save",
]  # fmt: skip


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
