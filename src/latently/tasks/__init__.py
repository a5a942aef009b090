"""Jobs: scikit-learn estimators over one fitted composition. This folder is the registry: a file a job."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from typing import Any

import latently.modalities  # noqa: F401 - loads scikit-learn the short way

__all__ = ["tasks"]


@functools.cache
def tasks() -> dict[str, Any]:
    """Every task class of this folder by its name; what is abstract is for others to share."""
    from latently.tasks.base import Task

    found = {}
    for module in pkgutil.iter_modules(__path__):
        for name, value in vars(importlib.import_module(f"{__name__}.{module.name}")).items():
            if inspect.isclass(value) and issubclass(value, Task) and not inspect.isabstract(value):
                found[name] = value
    del found["Task"]
    return found
