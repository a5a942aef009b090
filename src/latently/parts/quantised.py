"""Codes of whole numbers: what compression stores, and what a model of codes can count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from latently.parts.bottlenecks import Bottleneck, Coefficients, wide
from latently.parts.order import least
from latently.values import Code, Cost, Sizes, Sort, Weight

__all__ = ["FSQ", "Quantised", "VectorQuantised"]

AUTO_LEVELS = 512
PER_LEVEL = 4  # training rows a codebook vector, at least
TOKEN = 2  # numbers a token: on digits one or four made reconstructions worse, at codes of 8 and of 16
MEMORY = 32.0  # codes that a codebook vector is the mean of
DEAD = 0.1  # of an even share of the rows: a vector chosen by fewer, and not in this batch, moves elsewhere
IDLE = 0.5  # of the bits that there is room for: a code that carries less uses its alphabet badly
AT_ONCE = 2**24  # distances in memory
FEW = 4  # numbers of a token


class Quantised:
    """A bottleneck whose code is a row of tokens, each one of a finite alphabet. Gradients pass straight through.

    `alphabet` is known after binding: how many values each token takes. A code that the model made survives the way
    through whole numbers to the bit: `values(indices(z)) == z`.
    """

    alphabet: tuple[int, ...] = ()

    def indices(self, z: Float[Tensor, "rows code"]) -> Int[Tensor, "rows tokens"]:
        """The tokens nearest to `z`, token t in `range(alphabet[t])`."""
        raise NotImplementedError

    def values(self, indices: Int[Tensor, "rows tokens"]) -> Float[Tensor, "rows code"]:
        """The code that these tokens stand for."""
        raise NotImplementedError

    def nearest(self, z: Float[Tensor, "rows code"]) -> Float[Tensor, "rows code"]:
        """The code nearest to `z` among those that tokens stand for."""
        return self.values(self.indices(z))

    def usage(self, h: Float[Tensor, "rows in_"]) -> dict[str, float]:
        """How much of the alphabet these rows use, means over tokens.

        `used`: share of the values met at all; `perplexity`: to how many equally frequent values the frequencies
        amount; `bits` of a token, and `room`, the bits that so many rows could have shown of this alphabet.
        """
        tokens = self.indices(cast(Bottleneck, self)(h).z)
        n = max(len(tokens), 1)
        used, nats, room = [], [], []
        for column, levels in zip(tokens.unbind(1), self.alphabet, strict=True):
            share = torch.bincount(column, minlength=levels).double() / n
            used.append(float((share > 0).sum()) / levels)
            nats.append(float(torch.special.entr(share).sum()))
            room.append(math.log(min(levels, n)))
        count, bit = len(self.alphabet), math.log(2)
        perplexity = sum(map(math.exp, nats)) / count
        return {
            "used": sum(used) / count, "perplexity": perplexity,
            "bits": sum(nats) / count / bit, "room": sum(room) / count / bit,
        }  # fmt: skip

    def complaints(self, h: Tensor) -> list[tuple[str, str]]:
        """Values that nobody uses: the code carries less than half of what it could; perplexity and usage are told."""
        told = self.usage(h)
        found: list[tuple[str, str]] = super().complaints(h)  # type: ignore[misc]
        if told["bits"] >= IDLE * told["room"]:
            return found
        levels = sum(self.alphabet) / len(self.alphabet)
        return [*found, (
            "unused codes",
            f"a token carries {told['bits']:.2g} of {told['room']:.2g} bits: {told['used']:.0%} of its {levels:.4g} "
            f"values are used, perplexity {told['perplexity']:.3g}. Try fewer levels, or fewer components.",
        )]  # fmt: skip


class VectorQuantised(Quantised, Bottleneck):
    """Tokens from a learned codebook (van den Oord 2017): each part of `h` becomes the nearest of its `levels` vectors.

    `z_t = e_k, k = argmin_j ||h_t - e_j||`, the gradient at z is passed on to h, and the price
    `beta ||h - sg(z)||^2` (`commitment`) keeps h near. The `n_components` numbers are cut into `groups` tokens, each
    with a codebook of its own. Codebooks follow no gradient: each vector is the running mean of the codes nearest to it
    (Razavi 2019). A vector that hardly any row chooses is put on a code of the batch, rather on one that is far from
    its vector; so do all of them start, on codes of the first batch.

    `levels="auto"` is a power of two, at most 512, that leaves four training rows a vector; `groups="auto"` makes
    tokens of two numbers.
    """

    codebook: nn.Parameter
    share: Tensor
    spot: Tensor
    place: Tensor

    def __init__(
        self, levels: int | Literal["auto"] = "auto", groups: int | Literal["auto"] = "auto", beta: float = 0.25
    ) -> None:
        super().__init__()
        self.levels, self.groups, self.beta = levels, groups, beta

    def check(self, sizes: Sizes) -> None:
        """At least 2 levels, between one group and one a component, `beta >= 0`."""
        whole = isinstance(self.levels, int) and 2 <= self.levels <= 2**16
        self.require(self.levels == "auto" or whole, "levels", "a whole number from 2 to 65536, or 'auto'")
        fits = isinstance(self.groups, int) and 1 <= self.groups <= sizes.code
        self.require(self.groups == "auto" or fits, "groups", f"between 1 and n_components={sizes.code}, or 'auto'")
        self.require(self.beta >= 0, "beta", "at least 0")

    def build(self, sizes: Sizes) -> None:
        """Empty codebooks. A code whose width is no multiple of the groups ends in narrower tokens."""
        most = 1 << max(1, (sizes.rows // PER_LEVEL).bit_length() - 1)
        levels = min(AUTO_LEVELS, most) if isinstance(self.levels, str) else self.levels
        groups = -(-sizes.code // TOKEN) if isinstance(self.groups, str) else self.groups
        width = -(-sizes.code // groups)
        chunks = torch.arange(sizes.code).tensor_split(groups)
        place = torch.cat([i * width + torch.arange(len(c)) for i, c in enumerate(chunks)])
        self.alphabet = (levels,) * groups
        spot = torch.full((groups * width,), sizes.code).index_copy(0, place, torch.arange(sizes.code))
        # a parameter, so that the weights of the best look keep the codebook that belongs to them
        self.codebook = nn.Parameter(torch.zeros(groups, levels, width))
        self.register_buffer("share", torch.zeros(groups, levels))
        self._latest: tuple[Tensor, Tensor] | None = None  # what `run` saw and chose, which `observe` asks again
        self.register_buffer("spot", spot, persistent=False)  # which number stands at each place of the tokens
        self.register_buffer("place", place, persistent=False)  # and where each number stands

    def weights(self) -> dict[str, Weight]:
        """`commitment: beta`."""
        return {"commitment": Weight(self.beta)}

    def _tokens(self, z: Tensor) -> Float[Tensor, "groups rows width"]:
        groups, _, width = self.codebook.shape
        return nn.functional.pad(z, (0, 1))[:, self.spot].view(len(z), groups, width).transpose(0, 1)

    def indices(self, z: Tensor) -> Tensor:
        """By differences, not by products: products round, and would not find a vector among its near twins."""
        return self._nearest(self._tokens(z)).t()

    @torch.no_grad()
    def _nearest(self, tokens: Tensor) -> Int[Tensor, "groups rows"]:
        groups, levels, _ = self.codebook.shape
        step = max(1, AT_ONCE // (groups * levels))
        parts = [least(_far(t, self.codebook)) for t in tokens.detach().split(step, 1)]
        return torch.cat(parts, 1) if len(parts) != 1 else parts[0]

    def values(self, indices: Tensor) -> Tensor:
        """Vectors of the codebooks, side by side."""
        return self._vectors(indices.t()).transpose(0, 1).flatten(1)[:, self.place]

    def _vectors(self, chosen: Tensor) -> Tensor:
        book = self.codebook.detach()
        return book.gather(1, chosen.unsqueeze(2).expand(-1, -1, book.shape[2]))

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """The nearest vectors, and how far away they are."""
        z = self.nearest(h.detach())
        return Code(z + (h - h.detach()), {"commitment": Cost((h - z).square().sum(1), Sort.PENALTY)})

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same; the tape is the way from the code back to `h`."""
        chosen = self._nearest(self._tokens(h))
        self._latest, z = (h, chosen), self.values(chosen.t())
        away = h - z
        return Code(z, {"commitment": Cost(away.square().sum(1), Sort.PENALTY)}), away

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """`g + 2 coefficient (h - z)`."""
        return g + cast(Tensor, tape) * (2 * wide(coefficients["commitment"]))

    @torch.no_grad()
    def observe(self, h: Tensor) -> None:
        """Move each vector towards the mean of the codes nearest to it; put those that nobody wants on codes."""
        tokens = self._tokens(h)
        chosen = self._latest[1] if self._latest and self._latest[0] is h else self._nearest(tokens)
        self._latest = None
        _, levels, width = self.codebook.shape
        memory = len(h) / (len(h) + MEMORY * levels)
        one = torch.zeros_like(self.share).scatter_add_(1, chosen, torch.ones_like(chosen, dtype=h.dtype))
        total = torch.zeros_like(self.codebook).scatter_add_(1, chosen.unsqueeze(2).expand(-1, -1, width), tokens)
        self.share.lerp_(one / len(h), memory)
        pull = memory * one / (len(h) * self.share.clamp(min=1e-12))
        mean = total / one.clamp(min=1).unsqueeze(2)
        self.codebook.lerp_(mean, pull.unsqueeze(2))
        dead = (self.share * levels < DEAD) & (one == 0)
        # a card is not waited for: where none is dead none moves. (On MPS some would: it has no float64.)
        if dead.device.type not in ("cpu", "mps") or bool(dead.any()):
            self._revive(dead, tokens, (tokens - self._vectors(chosen)).square().sum(2))

    def _revive(self, dead: Tensor, tokens: Tensor, far: Tensor) -> None:
        """Dead vectors onto rows of the batch, spread evenly over the sum of their squared distances: no chance."""
        rank = dead.cumsum(1) - 0.5
        reach = far.double().cumsum(1)
        at = torch.searchsorted(reach, rank / dead.sum(1, keepdim=True).clamp(min=1) * reach[:, -1:])
        rows = at.clamp(0, tokens.shape[1] - 1).unsqueeze(2).expand(-1, -1, tokens.shape[2])
        self.codebook.copy_(torch.where(dead.unsqueeze(2), tokens.gather(1, rows), self.codebook))
        self.share.masked_fill_(dead, 1 / self.share.shape[1])


def _far(tokens: Tensor, book: Tensor) -> Float[Tensor, "groups rows levels"]:
    """How far each token is from each vector: squared where a token has few numbers, which is faster by far."""
    if tokens.shape[2] > FEW:
        return torch.cdist(tokens, book, compute_mode="donot_use_mm_for_euclid_dist")
    total = (tokens[:, :, :1] - book[:, None, :, 0]).square_()
    for i in range(1, tokens.shape[2]):
        total += (tokens[:, :, i : i + 1] - book[:, None, :, i]).square_()
    return total


class FSQ(Quantised, Bottleneck):
    """A grid instead of a codebook (finite scalar quantisation, Mentzer 2024): no price, nothing to learn or lose.

    Component j is `tanh(h_j)`, put to the middle of the nearest of `levels` equal parts of (-1, 1); the gradient is
    tanh's. `levels` are those of each component in turn, from the beginning again when the code is wider; "auto" is
    the paper's (8, 5, 5, 5), some ten bits for four components.
    """

    whiten = True
    count: Tensor

    def __init__(self, levels: Sequence[int] | int | Literal["auto"] = "auto") -> None:
        super().__init__()
        self.levels = levels

    def _each(self) -> tuple[int, ...]:
        if isinstance(self.levels, str):
            return (8, 5, 5, 5)
        return (self.levels,) if isinstance(self.levels, int) else tuple(self.levels)

    def check(self, sizes: Sizes) -> None:
        """Whole numbers, at least 2, for no more components than there are."""
        known = not isinstance(self.levels, str) or self.levels == "auto"
        each = self._each()
        whole = len(each) > 0 and all(isinstance(n, int) and 2 <= n <= 2**16 for n in each)
        self.require(known and whole, "levels", "whole numbers from 2 to 65536 such as (8, 5, 5, 5), or 'auto'")
        fits = isinstance(self.levels, str) or len(each) <= sizes.code
        self.require(fits, "levels", f"of at most n_components={sizes.code} numbers")

    def build(self, sizes: Sizes) -> None:
        """The levels of every component."""
        each = self._each()
        self.alphabet = tuple(each[j % len(each)] for j in range(sizes.code))
        self.register_buffer("count", torch.tensor(self.alphabet, dtype=torch.float32), persistent=False)

    def indices(self, z: Tensor) -> Tensor:
        """The part of (-1, 1) that each component lies in."""
        part = ((z + 1) * (self.count / 2)).floor()
        return torch.minimum(part.clamp(min=0), self.count - 1).long()

    def values(self, indices: Tensor) -> Tensor:
        """The middle of each part."""
        return (2 * indices.to(self.count.dtype) + 1) / self.count - 1

    def forward(self, h: Tensor, rng: torch.Generator | None = None) -> Code:
        """`tanh(h)` on the grid."""
        soft = h.tanh()
        return Code(self.nearest(soft.detach()) + (soft - soft.detach()))

    def run(self, h: Tensor, rng: torch.Generator | None) -> tuple[Code, Any]:
        """The same; the tape is `tanh(h)`."""
        soft = h.tanh()
        return Code(self.nearest(soft)), soft

    def back(self, tape: Any, g: Tensor, coefficients: Coefficients) -> Tensor:
        """`g (1 - tanh(h)^2)`."""
        return g * (1 - cast(Tensor, tape).square())
