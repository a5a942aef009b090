"""What every part shares: options that are plain data, a name, and a size to be bound to."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import nn

from latently.errors import BadParameter
from latently.values import Sizes, Weight

__all__ = ["Part", "part_named", "snake"]


def snake(name: str) -> str:
    """`SaltAndPepper` to `salt_and_pepper`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Part(nn.Module):
    """A piece of a composition. Constructor arguments are stored under their own names and are JSON values."""

    registry: ClassVar[dict[str, type[Part]]] = {}
    plan: ClassVar[Mapping[str, Any]] = {}  #: what "auto" stands for in the plan of a fit with this part

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Part not in cls.__bases__ and not cls.__name__.startswith("_"):  # the slots themselves are no choice
            Part.registry[cls.key()] = cls

    @classmethod
    def key(cls) -> str:
        """The registered name: slot and class, such as `corruption.gaussian` (a likelihood may be Gaussian too)."""
        slot = next(c for c in cls.__mro__ if Part in c.__bases__)
        return f"{snake(slot.__name__)}.{snake(cls.__name__)}"

    def options(self) -> dict[str, Any]:
        """The constructor's arguments: with the name, all it takes to make this part again."""
        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names if name not in ("args", "kwargs")}

    def check(self, sizes: Sizes) -> None:
        """Raise `BadParameter` when the options cannot work at these sizes."""

    def bind(self, sizes: Sizes) -> Self:
        """A fresh copy of this part, checked and ready for data of these sizes."""
        self.check(sizes)
        part = copy.deepcopy(self)
        part.build(sizes)
        return part

    def build(self, sizes: Sizes) -> None:
        """Make the buffers and parameters that depend on sizes (called on a fresh copy)."""

    def weights(self) -> dict[str, Weight]:
        """The factors of this part's named costs in the loss."""
        return {}

    def extra_repr(self) -> str:
        """Options as they would be typed."""
        return ", ".join(f"{k}={v!r}" for k, v in self.options().items())

    def require(self, holds: bool, name: str, expected: str) -> None:
        """Raise `BadParameter` on option `name` unless `holds`."""
        if not holds:
            got = f"{type(self).__name__}({name}={getattr(self, name)!r})"
            raise BadParameter(f"{got}: {name} must be {expected}.")


def part_named(name: str) -> type[Part]:
    """The part class registered under `name`; `BadParameter` when there is none."""
    if name not in Part.registry:
        raise BadParameter(f"unknown part {name!r}; known parts: {', '.join(sorted(Part.registry))}.")
    return Part.registry[name]
