"""The three matrix products of a linear layer, by the back end that a machine runs fastest.

`torch.ops.mkldnn._linear_pointwise` gives no gradient and takes no float64 in silence: these functions are called under
no_grad and on float32 only; everything else goes through `torch.nn.functional.linear`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gemm"]

LARGE = 2**21  # weights: from here oneDNN is 10 to 20 % faster than our own kernels on the way there (measured)


@dataclass(frozen=True)
class Gemm:
    """Which products run where. The default is the portable one; `device.gemm` chooses by hardware."""

    onednn_from: int | None = None  #: layers of at least this many weights go through oneDNN
    low_from: int | None = None  #: stacks whose largest layer has at least this many weights compute in bfloat16
    low_rows: int = 128  #: on batches of at least this many rows: it gains at 256 and loses at 32 (measured)
    native: bool = False  #: whether stacks of linear and rectified float32 layers run in kernels of our own
    own_low_from: int | None = None  #: as `low_from`, of stacks that those kernels take

    def low(self, weights: list[Tensor], rows: int, own: bool = False) -> bool:
        """Whether a stack of these weights computes in bfloat16 while it is trained on batches of `rows`."""
        least = self.own_low_from if own else self.low_from
        return least is not None and rows >= self.low_rows and max(w.numel() for w in weights) >= least

    def large(self, w: Tensor) -> bool:
        """Whether a layer alone, of our own kernels otherwise, goes there by oneDNN."""
        return self.onednn_from is not None and w.numel() >= LARGE and w.shape[0] >= w.shape[1]  # threads share no sum

    def direct(self, w: Tensor) -> bool:
        """Whether the products of a layer go to oneDNN: of bfloat16 all, of float32 those of layers large enough."""
        if w.dtype == torch.bfloat16:
            return True
        return self.onednn_from is not None and w.numel() >= self.onednn_from and w.dtype == torch.float32

    def linear(self, x: Tensor, w: Tensor, b: Tensor, relu: bool, direct: bool | None = None) -> Tensor:
        """`x w' + b`, cut off at zero when `relu`. `direct` is found out if not given."""
        if (self.direct(w) if direct is None else direct) and x.is_cpu:
            return torch.ops.mkldnn._linear_pointwise(x, w, b, "relu" if relu else "none", [], "")  # type: ignore[no-any-return]
        y = torch.addmm(b, x, w.t())
        return y.relu_() if relu else y

    def input_grad(self, g: Tensor, w: Tensor, direct: bool | None = None) -> Tensor:
        """`g w`: the gradient that a layer passes down."""
        if (self.direct(w) if direct is None else direct) and g.dtype == torch.float32 and g.is_cpu:
            return torch.ops.mkldnn._linear_pointwise(g, w.t(), None, "none", [], "")  # type: ignore[no-any-return]
        return torch.mm(g, w)

    @staticmethod
    def add_grads(g: Tensor, x: Tensor, weights: Tensor, biases: Tensor) -> None:
        """Add `g' x`, the gradient of the weights, and the column sums of `g`, that of the biases."""
        up = g.t()
        if g.dtype == weights.dtype:
            weights.addmm_(up, x)
            biases.addmv_(up, _ones(g.shape[0], g.dtype, g.device))
        else:
            weights.add_(up @ x)
            biases.add_(g.sum(0, dtype=biases.dtype))


@functools.lru_cache(maxsize=8)
def _ones(rows: int, kind: torch.dtype, device: torch.device) -> Tensor:
    return torch.ones(1, dtype=kind, device=device).expand(rows)
