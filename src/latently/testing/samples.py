"""What the checks are tried on, and how results are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

__all__ = ["TABLE", "Sample", "chance_untouched", "crowd", "finite", "same", "some"]

Matrix = NDArray[np.float64]

CROWD = 10  # copies of every row around the one that is judged


@dataclass(frozen=True, eq=False)
class Sample:
    """What a modality's data looks like: an array or a list of items, none like another, their order without meaning.

    `gaps`: the same with missing cells, None where nothing can be missing. `options`: of every fit, such as
    `{"data": Series()}` for what `data="auto"` would take for something else. `network`: of a kind's fits, small to be
    quick; tasks have their own.
    """

    rows: Any
    gaps: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    network: Any = "auto"

    @property
    def table(self) -> bool:
        """Whether this is a plain table."""
        return isinstance(self.rows, np.ndarray) and self.rows.ndim == 2


def rows(n: int = 120) -> Matrix:
    """A small table: three hidden numbers, bent and mixed into eight columns, a little noise."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(n, 3))
    mixed = np.tanh(hidden @ rng.normal(size=(3, 8))) + 0.05 * rng.normal(size=(n, 8))
    return mixed * [1, 10, 100, 1, 1, 0.01, 1, 5] + [0, 5, 0, -3, 0, 0, 1e3, 0]


def _gapped(x: Matrix) -> Matrix:
    """The same table with holes, one row without anything."""
    x[::3, 1] = np.nan
    x[5] = np.nan
    return x


TABLE = Sample(rows(), _gapped(rows()))


def some(items: Any, places: Sequence[int]) -> Any:
    """Items by their places."""
    return items[np.asarray(places)] if isinstance(items, np.ndarray) else [items[i] for i in places]


def same(a: Any, b: Any, where: str = "") -> None:
    """Equal to the last bit, item by item."""
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for one, other in zip(a, b, strict=True):
            same(one, other, where)
    else:
        assert_array_equal(a, b, err_msg=where)


def finite(result: Any) -> bool:
    """Whether every number is; texts are what they are."""
    if isinstance(result, (list, tuple)):
        return all(map(finite, result))
    return isinstance(result, str) or bool(np.isfinite(result).all())


def crowd(sample: Sample, times: int = CROWD) -> tuple[Any, int]:
    """The first item among many others, and its place there."""
    n = len(sample.rows)
    return some(sample.rows, [*range(n // 2, n), *np.repeat(np.arange(n), times), *range(n // 2)]), -(n // 2)


@contextmanager
def chance_untouched() -> Iterator[None]:
    """Neither torch's nor numpy's global generator moves within."""
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    yield
    assert torch.equal(torch.get_rng_state(), before), "torch's global generator moved"
    assert_array_equal(np.random.get_state()[1], numbers)  # type: ignore[index]  # noqa: NPY002
