"""Codes of which only the largest units are kept, and how units that are never kept come back to life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor

from latently import native
from latently.parts.bottlenecks import Bottleneck, Coefficients
from latently.parts.order import ranked
from latently.values import Code, Sizes, Weight

__all__ = ["BatchTopK", "TopK"]

MOST = 32  # units kept of each row, where the user does not say
WIDE = 8192  # units: beyond, what is kept is looked up; dense work is as cheap at 8,192 and by a third at 4,096
LONGEST = 100_000  # rows after which a unit that was on for none of them is dead, however large the training set


class TopK(Bottleneck):
    """Only the `k` largest rectified units of each row stay on (Makhzani 2013; Gao 2024).

    `k="auto"` keeps a quarter of the units, at least one and at most 32. A unit that was on for none of as many
    training rows as there are is dead; the share of these is noted as `dead`. With `revival` they get a gradient
    (AuxK, Gao 2024): the largest of them, half as many as a row has cells, are asked for the error that the row is left
    with, and `revival` is the weight of what they leave of it. The paper's is 1/32; the default 0 leaves them alone.
    """

    cure = "a larger k, revival=1/32"
    kept: int
    idle: Tensor

    def __init__(self, k: int | Literal["auto"] = "auto", revival: float = 0.0) -> None:
        super().__init__()
        self.k, self.revival = k, revival

    def check(self, sizes: Sizes) -> None:
        """`1 <= k <= n_components`, `revival >= 0`."""
        fits = self.k == "auto" or (isinstance(self.k, int) and 1 <= self.k <= sizes.code)
        self.require(fits, "k", f"between 1 and n_components={sizes.code}, or 'auto'")
        self.require(self.revival >= 0, "revival", "at least 0: a share of the error's weight")

    def build(self, sizes: Sizes) -> None:
        """Fix the number of units kept, and how long one may be idle."""
        self.kept = max(1, min(MOST, sizes.code // 4)) if self.k == "auto" else int(self.k)
        self.asked, self.longest = max(1, sizes.cells // 2), min(sizes.rows, LONGEST)
        self.register_buffer("idle", torch.zeros(sizes.code), persistent=False)

    def weights(self) -> dict[str, Weight]:
        """`revival: revival`."""
        return {"revival": Weight(self.revival)} if self.revival else {}

    def keep(self, h: Tensor, training: bool) -> Tensor:
        """`z_j = relu(h_j)` for the `k` largest, else 0."""
        if native.bare(h) and h.shape[1] <= WIDE:
            return h.relu().mul_(self.largest(h))
        top = h.topk(self.kept, dim=1)
        return torch.zeros_like(h).scatter(1, top.indices, top.values.relu())

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """What is kept and, in training, the dead units that should learn."""
        z = self.keep(h, rng is not None)
        return Code(z, spare=None if rng is None or not self.revival else self._spare(h, z))

    def _spare(self, h: Tensor, z: Tensor) -> Tensor | None:
        dead = (self.idle >= self.longest).nonzero().squeeze(1)
        if not len(dead):
            return None
        top = h[:, dead].topk(min(self.asked, len(dead)), dim=1, sorted=False)
        spare = torch.zeros_like(h).scatter(1, dead[top.indices], top.values)  # rectified, it could not come back
        return spare.masked_fill(z > 0, 0.0)

    def largest(self, h: Tensor) -> Tensor:
        """Ones at the `k` largest units of each row, zeros elsewhere (by numpy, which takes a sixth of topk's time)."""
        on = torch.ge(h, ranked(h, h.shape[1] - self.kept), out=torch.empty_like(h))
        if float(on.sum()) != self.kept * len(h):  # equal values, more than there are places
            tied = (on.sum(1) != self.kept).nonzero().squeeze(1)
            few = h[tied]
            on[tied] = torch.zeros_like(few).scatter_(1, few.topk(self.kept, dim=1).indices, 1.0)
        return on

    def places(self, h: Tensor) -> Tensor | None:
        """Where the `k` largest units of each row are, when that is cheaper."""
        dense = h.device.type == "cpu" and h.shape[1] <= WIDE
        return None if dense else h.topk(self.kept, dim=1, sorted=False).indices

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same by hand; the tape is which units are on. Counts how long each was not."""
        places = self.places(h)
        if places is None:
            z = h.relu().mul_(self.largest(h))
            on = z.sign()
            often = on.sum(0)
        else:
            values = h.gather(1, places).relu_()
            z = torch.zeros_like(h).scatter_(1, places, values)
            on = values.sign_()
            often = torch.zeros_like(self.idle).scatter_add_(0, places.flatten(), on.flatten())
        spare = self._spare(h, z) if self.revival and rng is not None else None
        self.idle.add_(len(h)).masked_fill_(often > 0, 0.0)
        return Code(z, spare=spare), (places, on, spare)

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """The gradient of the units that are on, and of those that should be."""
        places, on, spare = tape
        here = g * on if places is None else torch.zeros_like(g).scatter_(1, places, g.gather(1, places).mul_(on))
        return here if spare is None else torch.where(spare != 0, g, here)

    def noted(self) -> dict[str, Tensor]:
        """`dead`: the share of the units that were on for none of as many rows as the training set has."""
        return {"dead": (self.idle >= self.longest).float().mean()}


class BatchTopK(TopK):
    """The `k` largest rectified units a row *on average* stay on: in training a batch's largest (Bussmann 2024).

    A row that is hard to say takes more than one that is easy. Once trained, a unit is on where it exceeds a threshold,
    one for all, which leaves `k` on in the mean row held out, else learned from: a row's code depends on no other row.
    """

    settles = True
    threshold: Tensor

    def __init__(self, k: int | Literal["auto"] = "auto", revival: float = 1 / 32) -> None:
        super().__init__(k, revival)

    def build(self, sizes: Sizes) -> None:
        """The threshold, too."""
        super().build(sizes)
        self.register_buffer("threshold", torch.zeros(()))

    def _least(self, h: Tensor) -> Tensor:
        """The least of the values kept of these rows together."""
        return ranked(h.flatten(), h.numel() - self.kept * len(h)).squeeze().clamp(min=0)

    def keep(self, h: Tensor, training: bool) -> Tensor:
        """The largest of the batch while training, then what exceeds the threshold."""
        return h * (h >= self._least(h.detach()) if training else h >= self.threshold) * (h > 0)

    def largest(self, h: Tensor) -> Tensor:
        """Those of the batch."""
        return torch.ge(h, self._least(h), out=torch.empty_like(h))

    def places(self, h: Tensor) -> Tensor | None:
        """Nowhere in particular: rows have as many as they need."""
        return None

    def settle(self, h: Tensor) -> None:
        """Fix the threshold."""
        self.threshold.copy_(self._least(h))

    def agree(self, others: Sequence[Bottleneck]) -> None:
        """The mean of theirs."""
        self.threshold.copy_(torch.stack([cast(BatchTopK, o).threshold for o in others]).mean())
