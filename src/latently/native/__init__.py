"""Kernels of our own for what small steps are made of: fully connected stacks there and back, and AdamW.

`native.c` is compiled when the library is installed, where there is a C compiler; without it, or with
LATENTLY_NATIVE=0, everything runs by torch alone, to the same results within rounding.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Adam", "Stack", "Weights", "bare", "between", "fast", "least", "level", "low", "padded", "there"]

PAD = 16  # floats, as in native.c: rows of what is kept between layers begin on a cache line
ADD, LOW, THREADS = 2, 8, 16  # as there
BEST = 2  # AVX-512, AVX2, the compiler's base


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("w", "b", "w_grad", "b_grad")),
        *((name, ctypes.c_long) for name in ("in_", "out", "cut")),
    )


class _Adam(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("flat", "grad", "first", "second", "steps")),
        *((name, ctypes.c_long) for name in ("count", "decayed")),
        *((name, ctypes.c_double) for name in ("decay", "clip", "beta1", "beta2", "eps", "rate")),
    )


@functools.cache
def _library() -> ctypes.CDLL | None:
    path = Path(__file__).with_name("native.so")
    if os.environ.get("LATENTLY_NATIVE") == "0" or not path.exists():
        return None
    try:
        found = ctypes.CDLL(str(path))
        some, many, place = ctypes.c_int, ctypes.c_long, ctypes.c_void_p
        found.latently_choose.argtypes, found.latently_choose.restype = [some], some
        found.latently_low.argtypes = []
        found.latently_run.argtypes = [place, many, place, many, many, place, place, some]
        found.latently_infer.argtypes = [place, many, place, many, many, place, some]
        found.latently_back.argtypes = [place, many, place, many, many, place, place, place, place, some]
        found.latently_run.restype = None
        found.latently_units.argtypes = [place, some, many, many, many, place, place, place]
        found.latently_least.argtypes = [place, many, many, many, some, place, place, some]
        found.latently_least.restype = None
        found.latently_adam.argtypes, found.latently_adam.restype = [place], ctypes.c_double
    except (OSError, AttributeError):  # of another machine, or of another version
        return None
    found.latently_choose(BEST)
    return found


def there() -> bool:
    """Whether the kernels can be used here."""
    return _library() is not None


def level(wanted: int = BEST) -> int:
    """Choose among the kernels (2 AVX-512, 1 AVX2, 0 neither) and say which are in use: the best at most `wanted`."""
    library = _library()
    return -1 if library is None else int(library.latently_choose(wanted))


def fast() -> bool:
    """Whether they keep up with torch: on x86 they need AVX2."""
    return level() > 0 or (there() and platform.machine() not in ("x86_64", "AMD64"))


def low() -> bool:
    """Whether there are products in bfloat16, their sums in float32."""
    library = _library()
    return library is not None and bool(library.latently_low())


class Weights(NamedTuple):
    """A layer's weights `(out, in)` and biases, where gradients are added (None: nowhere), whether it is rectified."""

    w: Tensor
    b: Tensor
    w_grad: Tensor | None
    b_grad: Tensor | None
    relu: bool


class Stack:
    """Fully connected float32 layers on the CPU, each linear or rectified, whose tensors stay in their place."""

    def __init__(self, layers: Sequence[Weights]) -> None:
        library = _library()
        assert library is not None, "ask there() first"
        self._run, self._infer, self._back = library.latently_run, library.latently_infer, library.latently_back
        self.depth = len(layers)
        self.layers = (_Layer * self.depth)(
            *(
                _Layer(
                    w.data_ptr(), b.data_ptr(), None if wg is None else wg.data_ptr(),
                    None if bg is None else bg.data_ptr(), w.shape[1], w.shape[0], relu,
                )
                for w, b, wg, bg, relu in layers
            )
        )  # fmt: skip
        self.tensors = list(layers)  # alive for as long as their places are known here
        self.place, self.outputs = ctypes.addressof(self.layers), layers[-1].w.shape[0]
        self.between = sum(padded(layer.w.shape[0]) for layer in layers[:-1])

    @staticmethod
    def takes(layers: Sequence[Weights]) -> bool:
        """Whether these layers can be run here."""
        tensors = [t for w, b, wg, bg, _ in layers for t in (w, b, wg, bg) if t is not None]
        return there() and all(
            t.dtype == torch.float32 and t.device.type == "cpu" and t.is_contiguous() for t in tensors
        )

    def run(self, x: Tensor, into: Tensor | None = None, low: bool = False) -> tuple[Tensor, Tensor]:
        """The rows that come out, added to `into` if given, and what the way back needs; `low`: by bfloat16."""
        rows, stride = x.shape[0], _stride(x)
        y = torch.empty(rows, self.outputs) if into is None else into
        kept = torch.empty(rows * self.between)
        how = (into is not None) * ADD + low * LOW + torch.get_num_threads() * THREADS
        self._run(self.place, self.depth, x.data_ptr(), rows, stride, kept.data_ptr(), y.data_ptr(), how)
        return y, kept

    def infer(self, x: Tensor, into: Tensor | None = None) -> Tensor:
        """The rows that come out, with nothing kept for a way back."""
        rows, stride = x.shape[0], _stride(x)
        y = torch.empty(rows, self.outputs) if into is None else into
        how = (into is not None) * ADD + torch.get_num_threads() * THREADS
        _sure(self._infer(self.place, self.depth, x.data_ptr(), rows, stride, y.data_ptr(), how))
        return y

    def back(
        self, tape: tuple[Tensor, Tensor, Tensor, bool], g: Tensor, asked: bool = True, into: Tensor | None = None
    ) -> Tensor | None:
        """Add the parameters' gradients, given `g` at the output; that of the input if `asked`, added to `into`.

        `tape`: input, output, what `run` kept, and whether in bfloat16.
        """
        x, y, kept, low = tape
        g, rows = g.contiguous(), x.shape[0]
        how = (into is not None) * ADD + low * LOW + torch.get_num_threads() * THREADS
        found = (torch.empty(x.shape) if into is None else into) if asked else None
        down = None if found is None else found.data_ptr()
        places = (kept.data_ptr(), y.data_ptr(), g.data_ptr(), down)
        _sure(self._back(self.place, self.depth, x.data_ptr(), rows, _stride(x), *places, how))
        return found


def between(kept: Tensor, rows: int, widths: Sequence[int]) -> list[Tensor]:
    """The rows between layers of these widths, of what `Stack.run` kept."""
    wide = [padded(width) for width in widths]
    each = kept.split([rows * width for width in wide])
    return [rows_.view(rows, -1)[:, :width] for rows_, width in zip(each, widths, strict=True)]


class Adam:
    """AdamW over flat float32 vectors on the CPU that stay in their place, clipping and clearing with it."""

    def __init__(self, vectors: Sequence[Tensor], decayed: int, **constants: float) -> None:
        """`vectors`: weights, gradients, both moments, and the count of steps taken; the first `decayed` decay."""
        library = _library()
        assert library is not None, "ask there() first"
        self.vectors, self.library = list(vectors), library
        self.facts = _Adam(*(v.data_ptr() for v in vectors), vectors[0].numel(), decayed)
        for name, value in constants.items():
            setattr(self.facts, name, value)
        self.place = ctypes.addressof(self.facts)

    def step(self, rate: float) -> float:
        """One step; gradients are zero afterwards. The norm they had: where it is not finite, nothing was stepped."""
        self.facts.rate = rate
        return float(self.library.latently_adam(self.place))


def units(x: NDArray[Any], mean: NDArray[np.float64], scale: NDArray[np.float64], out: Tensor) -> bool | None:
    """`(x - mean) / scale`, worked out in float64, into `out`: whether all of it is finite; None if it cannot be done.

    It is for rows of float32 or float64, each without a gap, on a CPU.
    """
    library, size = _library(), x.itemsize
    rows = x.dtype in (np.float32, np.float64) and x.strides[1] == size and x.strides[0] % size == 0
    if library is None or not rows or not out.is_contiguous():
        return None
    places = mean.ctypes.data, scale.ctypes.data, out.data_ptr()
    return bool(library.latently_units(x.ctypes.data, size == 8, *x.shape, x.strides[0] // size, *places))


def least(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Of each row of float32 numbers the `k` least, least first, and their places; of equal ones the first."""
    library = _library()
    if library is None or not x.is_contiguous() or x.device.type != "cpu":
        found = x.topk(k, largest=False)
        return found.values, found.indices
    values, places = torch.empty(len(x), k), torch.empty(len(x), k, dtype=torch.int32)
    where = x.data_ptr(), *x.shape, x.shape[1], k, values.data_ptr(), places.data_ptr()
    library.latently_least(*where, torch.get_num_threads())
    return values, places.long()


def bare(x: Tensor) -> bool:
    """Whether `x` is float32 numbers of the CPU and no more: nothing to be differentiated, traced or batched over."""
    return (
        type(x) is Tensor
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.ndim == 2
        and x.stride(1) == 1
        and not torch.is_grad_enabled()
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        and torch._C._get_tracing_state() is None
        and torch._C._len_torch_dispatch_stack() == 0
    )


def padded(width: int) -> int:
    """How far apart rows of this width lie in what is kept between layers."""
    return -(-width // PAD) * PAD


def _stride(x: Tensor) -> int:
    """From row to row; the numbers of a row lie side by side, or else nothing here can read them."""
    if x.is_contiguous():
        return x.shape[1]
    if x.stride(1) != 1:
        raise ValueError(f"rows whose numbers lie {x.stride(1)} apart; expected x.contiguous()")
    return x.stride(0)


def _sure(code: int) -> None:
    if code:
        raise MemoryError("no memory for the numbers between two layers; try a smaller batch_size")
