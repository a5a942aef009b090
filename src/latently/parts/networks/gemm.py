"""The three matrix products of a linear layer, by the back end that a machine runs fastest.

`torch.ops.mkldnn._linear_pointwise` gives no gradient and takes no float64 in silence: these functions are called under
no_grad and on float32 only; everything else goes through `torch.nn.functional.linear`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gemm"]


@dataclass(frozen=True)
class Gemm:
    """Which products run where. The default is the portable one; `device.gemm` chooses by hardware."""

    onednn_from: int | None = None  #: layers of at least this many weights go through oneDNN
    low_from: int | None = None  #: stacks whose largest layer has at least this many weights compute in bfloat16
    low_rows: int = 128  #: on batches of at least this many rows: it gains at 256 and loses at 32 (measured)

    def low(self, weights: list[Tensor], rows: int) -> bool:
        """Whether a stack of these weights computes in bfloat16 while it is trained on batches of `rows`."""
        return self.low_from is not None and rows >= self.low_rows and max(w.numel() for w in weights) >= self.low_from

    def _onednn(self, x: Tensor, numel: int) -> bool:
        if x.dtype == torch.bfloat16:
            return True
        return self.onednn_from is not None and numel >= self.onednn_from and x.dtype == torch.float32

    def linear(self, x: Tensor, w: Tensor, b: Tensor, relu: bool) -> Tensor:
        """`x w' + b`, cut off at zero when `relu`."""
        if self._onednn(x, w.numel()):
            return torch.ops.mkldnn._linear_pointwise(x, w, b, "relu" if relu else "none", [], "")  # type: ignore[no-any-return]
        y = torch.addmm(b, x, w.t())
        return y.relu_() if relu else y

    def input_grad(self, g: Tensor, w: Tensor) -> Tensor:
        """`g w`: the gradient that a layer passes down."""
        if g.dtype == torch.float32 and self._onednn(g, w.numel()):
            return torch.ops.mkldnn._linear_pointwise(g, w.t(), None, "none", [], "")  # type: ignore[no-any-return]
        return g @ w

    def weight_grad(self, g: Tensor, x: Tensor, total: Tensor) -> None:
        """Add `g' x`, the gradient of the weights, to `total`."""
        if g.dtype == total.dtype:
            total.addmm_(g.t(), x)
        else:
            total.add_(g.t() @ x)

    def bias_grad(self, g: Tensor, total: Tensor) -> None:
        """Add the column sums of `g`, the gradient of the biases, to `total`."""
        if g.dtype == total.dtype:
            total.addmv_(g.t(), g.new_ones(1).expand(len(g)))
        else:
            total.add_(g.sum(0, dtype=total.dtype))
