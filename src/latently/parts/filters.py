"""A bank of fixed filters: what the surroundings of a place in an image look like, and nothing of it is learned."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Filters", "kernel"]

ORDERS = ((0, 1), (1, 0), (0, 2), (1, 1), (2, 0))  # of derivatives, down and across
REACH = 3.5  # standard deviations of a Gaussian that are summed
NARROW = 0.3  # pixels: what a window of one pixel is widened by


class Filters(nn.Module):
    """Energies of Gaussian derivatives of first and second order at several scales, on a grid (Koenderink 1987).

        e(u) = G_tau * (sigma^(a+b) d^a/dy^a d^b/dx^b G_sigma * x)^2

    averaged over a window tau of half the grid's spacing, and the image itself at the coarsest scale. Every channel but
    the first gives two features only: its value, and the energy of its gradient at the middle scale. All filters are
    separable and act as matrices from the left and from the right; beyond its border an image is mirrored.
    """

    def __init__(
        self, size: tuple[int, int], grid: tuple[int, int], scales: tuple[float, ...] = (1.0, 2.0, 4.0)
    ) -> None:
        super().__init__()
        self.size, self.grid, self.scales = size, grid, scales
        for k, sigma in enumerate(scales):
            every = max(1, int(sigma / 2))  # coarse responses are taken at every second pixel, or fourth
            for side, (n, m) in enumerate(zip(size, grid, strict=True)):
                seen = max(1, n // every)
                for order in range(3):
                    self.register_buffer(f"k{k}{side}{order}", kernel(n, seen, sigma, order), persistent=False)
                self.register_buffer(f"w{k}{side}", kernel(seen, m, seen / m / 2 + NARROW, 0), persistent=False)

    def features(self, channels: int) -> int:
        """Numbers that a place gets."""
        return len(self.names(channels))

    def names(self, channels: int) -> list[str]:
        """What each feature measures."""
        sorts = ("edges across", "edges down", "lines across", "corners", "lines down")
        first = [f"{sort} at {sigma:g} px" for sigma in self.scales for sort in sorts]
        rest = [f"{what} of channel {c}" for c in range(1, channels) for what in ("level", "edges")]
        return [*first, "level", *rest]

    def energies(self, channels: int) -> list[bool]:
        """Which features are energies, and so never negative."""
        return [True] * (len(ORDERS) * len(self.scales)) + [False] + [False, True] * (channels - 1)

    def forward(self, x: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n features down across"]:
        """Features of every place of the grid."""
        first, last, middle = x[:, 0], len(self.scales) - 1, len(self.scales) // 2
        found = [self._energy(first, k, a, b) for k in range(len(self.scales)) for a, b in ORDERS]
        found.append(self._level(first, last))
        for c in range(1, x.shape[1]):
            edges = self._energy(x[:, c], middle, 0, 1) + self._energy(x[:, c], middle, 1, 0)
            found += [self._level(x[:, c], last), edges]
        return torch.stack(found, 1)

    def _filtered(self, x: Tensor, k: int, down: int, across: int) -> Tensor:
        return self._matrix(f"k{k}0{down}") @ x @ self._matrix(f"k{k}1{across}").t()

    def _level(self, x: Tensor, k: int) -> Tensor:
        return self._pooled(self._filtered(x, k, 0, 0), k)

    def _energy(self, x: Tensor, k: int, down: int, across: int) -> Tensor:
        return self._pooled(self._filtered(x, k, down, across).square(), k).clamp(min=0)

    def _pooled(self, x: Tensor, k: int) -> Tensor:
        return self._matrix(f"w{k}0") @ x @ self._matrix(f"w{k}1").t()

    def _matrix(self, name: str) -> Tensor:
        return self.get_buffer(name)


def kernel(size: int, places: int, sigma: float, order: int) -> Float[Tensor, "places size"]:
    """Derivatives of a Gaussian as a matrix, from `size` pixels to evenly spread `places`; times `sigma^order`."""
    middle = (torch.arange(places, dtype=torch.float64)[:, None] + 0.5) * size / places - 0.5
    reach = math.ceil(REACH * sigma)
    pixel = middle.floor() + torch.arange(-reach, reach + 2)
    u = (pixel - middle) / sigma
    g = torch.exp(-u.square() / 2) * (u.abs() <= REACH)  # as far to the left as to the right
    g /= g.sum(1, keepdim=True)
    weight = g if order == 0 else u * g if order == 1 else (u.square() - 1) * g
    if order:
        weight = weight - weight.sum(1, keepdim=True) * g  # nothing in an even image
    period = max(1, 2 * size - 2)
    place = pixel.long().remainder(period)
    place = torch.where(place > size - 1, period - place, place)
    return torch.zeros(places, size, dtype=torch.float64).scatter_add_(1, place, weight).float()
