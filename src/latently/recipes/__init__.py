"""Kinds of autoencoder. This folder is the registry: a file dropped here is a kind; others come by entry point."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from dataclasses import fields
from importlib.metadata import entry_points

from latently.errors import BadParameter
from latently.recipes.base import Recipe
from latently.recipes.compose import WORDS, Compose, spelled

__all__ = ["Compose", "Recipe", "kinds", "names", "resolve"]


@functools.cache
def kinds() -> dict[str, type[Recipe]]:
    """Every kind by name: those of this folder, then those of the entry-point group `latently.recipes`."""
    found: dict[str, type[Recipe]] = {}
    for module in pkgutil.iter_modules(__path__):
        for value in vars(importlib.import_module(f"{__name__}.{module.name}")).values():
            if inspect.isclass(value) and issubclass(value, Recipe) and value is not Recipe:
                found[value.name] = value
    for point in entry_points(group="latently.recipes"):
        found.setdefault(point.name, point.load())
    return found


def names() -> list[str]:
    """The names that `kind=` takes, `compose` left out (it is spelled with plus signs)."""
    return sorted(set(kinds()) - {"compose"})


def resolve(kind: object) -> Recipe:
    """The recipe that a name, a spelling, a recipe class or a recipe stands for."""
    if isinstance(kind, Recipe):
        return kind
    if inspect.isclass(kind) and issubclass(kind, Recipe):
        return kind()
    if isinstance(kind, str) and kind in kinds() and kind != "compose":
        return kinds()[kind]()
    if isinstance(kind, str) and ("+" in kind or ":" in kind):
        name, _, value = kind.partition(":")
        return _first(kinds()[name], value) if name in kinds() and name not in WORDS else spelled(kind)
    raise BadParameter(
        f"kind={kind!r}: expected one of {', '.join(names())}, a spelling such as 'masking+topk+contractive', "
        "a recipe class, or a recipe."
    )


def _first(recipe: type[Recipe], value: str) -> Recipe:
    """A kind that is no part, such as `dictionary:32`: the number after the colon is its first option."""
    option = fields(recipe)[0]
    try:
        number = float(value)
    except ValueError:
        raise BadParameter(f"kind='{recipe.name}:{value}': {value!r} after the colon is no number.") from None
    return recipe(**{option.name: int(number) if number.is_integer() else number})


def __getattr__(name: str) -> type[Recipe]:
    for kind in kinds().values():
        if kind.__name__ == name:
            return kind
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
