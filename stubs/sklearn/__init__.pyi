"""Types for the few scikit-learn names that latently subclasses or calls; every other name is Any."""

from typing import Any

__version__: str

def __getattr__(name: str) -> Any: ...
