"""Work that is done with half as many rows at a time where memory does not suffice."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from latently.errors import LatentlyError, OutOfMemory

__all__ = ["fewer", "halving", "spoken", "tried"]

Result = TypeVar("Result")

SIGNS = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")  # of CUDA and MPS; the CPU; cuBLAS


def _ran_out(problem: BaseException) -> bool:
    if isinstance(problem, LatentlyError):
        return False
    return isinstance(problem, MemoryError) or any(sign in str(problem) for sign in SIGNS)


def tried(work: Callable[[], Result]) -> Result | None:
    """What `work` gives; None where memory ran out, everything that it held given back by then."""
    try:
        return work()
    except (RuntimeError, MemoryError) as problem:
        if not _ran_out(problem):
            raise
    gc.collect()  # the error is gone only now, and with it the frames that held tensors
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    return None


def fewer(rows: int, what: str) -> int:
    """Half of `rows`; `OutOfMemory` where there is one only."""
    if rows == 1:
        raise OutOfMemory(
            f"memory ran out while {what} a single row at a time. Try narrower layers (network=(64,), say) or fewer "
            "components, close other programs, or take a machine with more memory (device='cpu' if this was a card's)."
        )
    return -(-rows // 2)


def halving(work: Callable[[int], Result], rows: int, what: str) -> tuple[Result, int]:
    """`work(rows)` and the number of rows that memory had room for: `rows`, or a half, a quarter..."""
    while (found := tried(functools.partial(work, rows))) is None:
        rows = fewer(rows, what)
    return found, rows


@contextmanager
def spoken() -> Iterator[None]:
    """Memory that runs out where fewer rows at a time are no help is an error that says so."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if not _ran_out(problem):
            raise
        raise OutOfMemory(
            f"memory ran out for parameters or data themselves ({problem}). Try narrower layers (network=(64,), say), "
            "fewer rows, device='cpu' if this was a card's, or a machine with more memory."
        ) from None
