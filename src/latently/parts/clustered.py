"""A code that gathers around centres: soft assignment, and a price on being between them."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latently.parts.bottlenecks import Bottleneck, Coefficients, wide
from latently.parts.quantised import VectorQuantised
from latently.values import Code, Cost, Sizes, Sort, Weight

__all__ = ["Clustered"]

TINY = 1e-12
MOST = 1000  # clusters
LOOKED_AT = 1024  # rows of the first batch, for where centres start


class Clustered(Bottleneck):
    """`z = h`, and a price with the gradient of `alpha KL(p || q)`: rows are drawn to centres (Xie 2016; Guo 2017).

    `q_j ~ 1 / (1 + ||h - m_j||^2 / r^2)` over the centres m_j, `p_j ~ q_j^2 / f_j` the sharpened target, through which
    no gradient goes. The price is `-sum_j p_j log q_j`, the divergence and the entropy of p: it falls from `log k` of
    a row between all centres to 0 of one at its centre, so that epochs can be compared. `f_j` is the share of rows
    nearest to m_j, and `r^2` the mean of their squared distances, so that the unit of the code does not matter.
    Centres, shares and r are running means over batches, as in k-means; a centre that hardly any row chooses is put on
    a code of the batch. Nothing is drawn.
    """

    reach: Tensor

    def __init__(self, clusters: int = 10, alpha: float = 1.0) -> None:
        super().__init__()
        self.clusters, self.alpha = clusters, alpha

    def check(self, sizes: Sizes) -> None:
        """From 2 to 1000 clusters, `alpha >= 0`."""
        whole = isinstance(self.clusters, int) and 2 <= self.clusters <= MOST
        self.require(whole, "clusters", f"a whole number from 2 to {MOST}")
        self.require(self.alpha >= 0, "alpha", "at least 0")

    def build(self, sizes: Sizes) -> None:
        """Centres to be: one codebook, whose tokens are whole codes."""
        self.book = VectorQuantised(self.clusters, groups=1).bind(sizes)
        self.register_buffer("reach", torch.ones(()))

    def weights(self) -> dict[str, Weight]:
        """`clustering: alpha`."""
        return {"clustering": Weight(self.alpha)}

    @property
    def centres(self) -> Float[Tensor, "clusters code"]:
        """The centres, one a row."""
        return self.book.codebook[0].detach()

    def nearest_centre(self, z: Float[Tensor, "rows code"]) -> Int[Tensor, " rows"]:
        """Which centre is nearest to each code."""
        return self.book.indices(z)[:, 0]

    def assignment(self, h: Float[Tensor, "rows code"]) -> Float[Tensor, "rows clusters"]:
        """`q`: how much of each row belongs to each cluster."""
        q = 1 / (1 + self._far(h) / self.reach)
        return q / q.sum(1, keepdim=True)

    def _far(self, h: Tensor) -> Tensor:
        return (h.unsqueeze(1) - self.centres).square().sum(2)

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """`z = h` and its price."""
        q = self.assignment(h)
        return Code(h, {"clustering": Cost(-(self._target(q) * q.clamp(min=TINY).log()).sum(1), Sort.PENALTY)})

    @torch.no_grad()
    def _target(self, q: Tensor) -> Tensor:
        p = q.square() / self.book.share[0].clamp(min=0.1 / self.clusters)
        return p / p.sum(1, keepdim=True)

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same by hand; the tape is the price's slope in every squared distance."""
        near = 1 / (1 + self._far(h) / self.reach)
        q = near / near.sum(1, keepdim=True)
        p = self._target(q)
        price = -(p * q.clamp(min=TINY).log()).sum(1)
        return Code(h, {"clustering": Cost(price, Sort.PENALTY)}), (h, (p - q) * near / self.reach)

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """`g` and `2 sum_j slope_j (h - m_j)`."""
        h: Tensor = tape[0]
        slope: Tensor = tape[1] * (2 * wide(coefficients["clustering"]))
        return torch.addcmul(g, h, slope.sum(1, keepdim=True)) - slope @ self.centres

    def _start(self, h: Tensor) -> None:
        """Centres on rows of the first batch, one after the other the row that brings all others nearest to one."""
        between = torch.cdist(h, h).square()
        away = torch.full_like(between[0], float(between.max()) + 1)
        for centre in self.book.codebook[0]:
            best = torch.minimum(away, between).sum(1).argmin()
            away = torch.minimum(away, between[best])
            centre.copy_(h[best])
        self.book.share.fill_(1 / self.clusters)

    @torch.no_grad()
    def observe(self, h: Tensor) -> None:
        """Move the centres, their shares and the reach by this batch."""
        if not bool(self.book.share.any()):
            self._start(h[:LOOKED_AT])
        self.book.observe(h)
        self.reach.lerp_(self._far(h).amin(1).mean().clamp(min=TINY), 0.1)
