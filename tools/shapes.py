"""The type checker that tests put on every function of latently: beartype, where it can.

jaxtyping's pytest plugin calls `check` (see `--jaxtyping-packages` in pyproject.toml), so that a tensor of a
wrong shape fails at the function that was handed it. Users never pay for it.
"""

from collections.abc import Callable
from typing import Any

from beartype import beartype
from beartype.roar import BeartypeDecorHintException


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the calls of `function`, unless its hints need the class around it (`Self`)."""
    try:
        return beartype(function)
    except BeartypeDecorHintException:
        return function
