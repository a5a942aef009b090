"""The composition: every autoencoder is this module, and differs only in its parts.

x~ = corruption(x)        h = encoder(x~)        z = bottleneck(h)        x^ = decoder(z)
loss = bound(-log p(x | x^) + weighted nats) + weighted penalties + weighted statistics
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latently.parts.bottlenecks import Bottleneck, Identity
from latently.parts.bounds import Bound, Single
from latently.parts.corruptions import Corruption
from latently.parts.doors import Door
from latently.parts.likelihoods import Likelihood
from latently.parts.networks import Network
from latently.parts.networks.chain import straight
from latently.parts.penalties import Penalty
from latently.values import Batch, Code, Cost, Pass, Sizes, Sort, Weight

__all__ = ["Composition", "Parts"]


@dataclass
class Parts:
    """What a recipe chooses; the networks and, unless named here, the likelihood come from elsewhere."""

    bottleneck: Bottleneck = field(default_factory=Identity)
    corruption: Corruption | None = None
    penalties: list[Penalty] = field(default_factory=list)
    bound: Bound = field(default_factory=Single)
    emphasis: float = 0.5  #: share of a corrupted cell's weight; 0.5 weighs corrupted and clean cells alike
    loss: str = "squared_error"  #: what `loss="auto"` stands for with these parts

    def all(self) -> list[Bottleneck | Corruption | Penalty | Bound]:
        """Every part, those that are None left out."""
        return [p for p in (self.bottleneck, self.corruption, *self.penalties, self.bound) if p is not None]

    def bind(self, sizes: Sizes) -> Parts:
        """Fresh parts, checked and built for these sizes."""
        corruption = None if self.corruption is None else self.corruption.bind(sizes)
        penalties = [p.bind(sizes) for p in self.penalties]
        bound = self.bound.bind(sizes)
        return Parts(self.bottleneck.bind(sizes), corruption, penalties, bound, self.emphasis, self.loss)

    def plan(self) -> dict[str, Any]:
        """What "auto" stands for in a plan of training, where one of the parts asks for something."""
        return {name: value for part in self.all() for name, value in part.plan.items()}


@final
class Composition(nn.Module):
    """Encoder, bottleneck, decoder, likelihood, and what else the parts bring. No kind subclasses it."""

    def __init__(
        self, door: Door, encoder: Network, decoder: Network, likelihood: Likelihood, parts: Parts, code: int
    ) -> None:
        super().__init__()
        self.door, self.encoder, self.decoder, self.likelihood = door, encoder, decoder, likelihood
        self.bottleneck, self.corruption, self.bound = parts.bottleneck, parts.corruption, parts.bound
        self.penalties = nn.ModuleList(parts.penalties)
        self.emphasis, self.code = parts.emphasis, code
        self.weights: dict[str, Weight] = {}
        for part in parts.all():
            self.weights |= part.weights()

    # ------------------------------------------------------------------ the way through

    def see(self, batch: Batch, rng: torch.Generator | None) -> Batch:
        """What the encoder sees: a supplied input or the batch itself; with `rng`, a corrupted copy of that."""
        if batch.given is not None:
            batch = batch.seen_as(batch.given, batch.known if batch.shown is None else batch.shown)
        if self.corruption is None or rng is None:
            return batch
        x, known = self.corruption.hide(batch.x, batch.known, rng)
        return batch.seen_as(x if batch.known is None else x * batch.known, known)

    def forward(self, batch: Batch, rng: torch.Generator | None = None) -> Pass:
        """Once through, differentiable. Without `rng`: no corruption, one draw, the posterior mean."""
        seen = self.see(batch, rng)
        h = self.encoder.plain(self.door(seen))
        draws = self.bound.draws if rng is not None else 1
        code = self.bottleneck(h.repeat(draws, 1) if draws > 1 else h, rng)
        return Pass(batch, seen, code, self.decoder.plain(code.z))

    def encode(self, batch: Batch) -> Float[Tensor, "rows code"]:
        """The code of every row (the posterior mean)."""
        return self.bottleneck(self.encoder.plain(self.door(batch))).z  # type: ignore[no-any-return]

    def decode(self, z: Float[Tensor, "rows code"]) -> Float[Tensor, "rows *cells"]:
        """The mean of every cell."""
        return self.likelihood.mean(self.decoder.plain(z))

    def expect(self, z: Float[Tensor, "rows code"]) -> Float[Tensor, "rows features"]:
        """The mean of every number and the probability of every level."""
        return self.likelihood.expected(self.decoder.plain(z))

    @torch.no_grad()
    def settle(self, batch: Batch) -> None:
        """Let the bottleneck fix what inference needs of a finished encoder, if it can from rows not learned from."""
        if self.bottleneck.settles:
            self.bottleneck.settle(self.encoder.plain(self.door(self.see(batch, None))))

    # ------------------------------------------------------------------ what it costs

    def _cell_weights(self, batch: Batch, seen: Batch) -> Tensor | None:
        """How much each cell's nats count: unknown cells not at all, corrupted ones by `emphasis`."""
        weight = None if batch.known is None else batch.known.to(batch.x.dtype)
        if self.emphasis != 0.5 and seen is not batch:
            hit = seen.x != batch.x
            if seen.known is not None and seen.known is not batch.known:
                hit = hit | ~seen.known
            share = torch.full_like(batch.x, 2 - 2 * self.emphasis).masked_fill_(hit, 2 * self.emphasis)
            weight = share if weight is None else weight * share
        return weight

    def costs(self, done: Pass, rng: torch.Generator | None = None) -> dict[str, Cost]:
        """Raw costs of a pass by name: `reconstruction` (nats a row), the bottleneck's, the penalties'."""
        batch = done.batch
        draws = len(done.code.z) // max(len(batch), 1)
        wide = batch.repeat(draws) if draws > 1 else batch
        each = self.likelihood.each(wide.x, done.params)
        weight = self._cell_weights(batch, done.seen)
        if weight is not None and draws > 1:
            weight = weight.repeat(draws, *[1] * (weight.ndim - 1))
        nats = _by_row(each, weight)
        costs = {"reconstruction": Cost(nats, Sort.NATS), **done.code.costs}
        if "revival" in self.weights:
            costs["revival"] = Cost(self._revival(wide.x, done, weight, nats.detach()), Sort.PENALTY)
        features = self.door(done.seen) if len(self.penalties) else None
        for penalty in self._priced():
            value = penalty(self.encoder, features, self.code, rng)
            costs[penalty.name] = Cost(value, Sort.PENALTY)
        return costs

    def _revival(self, x: Tensor, done: Pass, weight: Tensor | None, nats: Tensor) -> Tensor:
        """What a row would cost, its own code held fixed, if the spare units had their say, less what it costs.

        At squared errors the gradient is AuxK's (Gao 2024), `||e - D s||^2` with `e` the error that is left.
        """
        spare = done.code.spare
        if spare is None:
            return torch.zeros_like(nats)
        said = self.decoder.plain(spare) - self.decoder.plain(torch.zeros_like(spare[:1]))
        each = self.likelihood.each(x, done.params.detach() + said)
        return _by_row(each, weight) - nats

    def loss(self, batch: Batch, rng: torch.Generator | None = None, progress: float = 1.0) -> Tensor:
        """The mean loss of a row by autograd: what `gradients` must agree with, and what validation reports."""
        done = self(batch, rng)
        costs = self.costs(done, rng)
        nats = torch.zeros_like(costs["reconstruction"].value)
        for name, cost in costs.items():
            if cost.sort is Sort.NATS:
                nats = nats + self._weight(name, progress) * cost.value
        rows = self.bound(nats)[0] if rng is not None else nats
        total = torch.zeros((), dtype=rows.dtype, device=rows.device)
        for name, cost in costs.items():
            if cost.sort is Sort.PENALTY:
                value = cost.value.view(-1, len(batch)).mean(0)
                rows = rows + self._weight(name, progress) * value
            elif cost.sort is Sort.STATISTIC:
                total = total + self._weight(name, progress) * cost.value
        return total + (rows if batch.weight is None else rows * batch.weight).mean()

    def _priced(self) -> list[Penalty]:
        return cast(list[Penalty], list(self.penalties))

    def _weight(self, name: str, progress: float) -> float:
        weight = self.weights.get(name)
        return 1.0 if weight is None else weight.at(progress)

    @torch.no_grad()
    def gradients(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Add the gradient of the loss *per cell* to every parameter's `.grad`; return detached mean costs by name.

        The walk of the training step: networks and closed parts run and go back by hand, the rest is differentiated
        on leaves around one part at a time.
        """
        own: dict[str, Any] = self._modules  # attributes of a module take half a microsecond each
        encoder, bottleneck, decoder, likelihood = own["encoder"], own["bottleneck"], own["decoder"], own["likelihood"]
        rows, draws = len(batch), own["bound"].draws
        scale = 1.0 / batch.x.numel()
        per_row: Tensor | float = scale if batch.weight is None else scale * batch.weight
        seen = self.see(batch, rng)
        features = own["door"](seen)
        weight = self._cell_weights(batch, seen)
        if type(bottleneck) is Identity and draws == 1 and not own["penalties"]._modules:
            how = (likelihood, _on_cells(per_row, weight, batch.x.ndim), rng)
            each = straight((encoder, decoder), features, batch.x, how)
            if each is not None:
                return {"reconstruction": _by_row(each, weight)}
        h, up = encoder.run(features)
        wide = batch
        if draws > 1:
            h, wide = h.repeat(draws, 1), batch.repeat(draws)
            per_row = per_row.repeat(draws) if isinstance(per_row, Tensor) else per_row
            weight = None if weight is None else weight.repeat(draws, *[1] * (weight.ndim - 1))
        code, neck = bottleneck.run(h, rng)
        params, down = decoder.run(code.z)
        each, tail = likelihood.run(wide.x, params, rng)
        nats = _by_row(each, weight)
        seen_costs = {"reconstruction": nats, **{name: c.value for name, c in code.costs.items()}}
        share = per_row
        if draws > 1:  # one draw's loss is its nats
            priced = [self._weight(name, progress) * c.value for name, c in code.costs.items() if c.sort is Sort.NATS]
            share = own["bound"](sum(priced, nats))[1] * per_row
        z_grad = decoder.back(down, likelihood.back(tail, _on_cells(share, weight, each.ndim)))
        if code.spare is not None:
            factor = self._weight("revival", progress) * per_row / draws
            said, z_grad = self._revive(wide.x, params, code.spare, (weight, factor, rng), z_grad)
            seen_costs["revival"] = said - nats
        elif "revival" in self.weights:
            seen_costs["revival"] = torch.zeros_like(nats)
        h_grad = bottleneck.back(neck, z_grad, self._factors(code, progress, share, per_row, scale * rows))
        if draws > 1:
            h_grad = h_grad.view(draws, rows, -1).sum(0)
        for penalty in own["penalties"]._modules.values():
            factor = (per_row[:rows] if isinstance(per_row, Tensor) else per_row) * self._weight(penalty.name, progress)
            value, more = penalty.gradients(encoder, features, up, self.code, rng, factor)
            seen_costs[penalty.name], h_grad = value, h_grad if more is None else h_grad + more
        encoder.back(up, h_grad, to_input=False)
        bottleneck.observe(h)
        return seen_costs

    def _revive(
        self, x: Tensor, params: Tensor, spare: Tensor, how: tuple[Tensor | None, Tensor | float, torch.Generator],
        z_grad: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The step's side of `_revival`: what rows would cost, and `z_grad` with the gradient of the spare units."""
        weight, factor, rng = how
        (own, down), (nothing, floor) = self.decoder.run(spare), self.decoder.run(torch.zeros_like(spare[:1]))
        each, tail = self.likelihood.run(x, params + own - nothing, rng)
        g = self.likelihood.back(tail, _on_cells(factor, weight, each.ndim))
        self.decoder.back(floor, -g.sum(0, keepdim=True), to_input=False)
        mine = cast(Tensor, self.decoder.back(down, g))
        return _by_row(each, weight), torch.where(spare != 0, mine, z_grad)

    def _factors(
        self, code: Code, progress: float, share: Tensor | float, per_row: Tensor | float, whole: float
    ) -> Mapping[str, Tensor | float]:
        """What one unit of each of the bottleneck's costs adds to the loss per cell."""
        if not code.costs:
            return {}
        by_sort: dict[Sort, Tensor | float] = {
            Sort.NATS: share, Sort.PENALTY: per_row / self.bound.draws, Sort.STATISTIC: whole
        }  # fmt: skip
        return {name: by_sort[c.sort] * self._weight(name, progress) for name, c in code.costs.items()}

    # ------------------------------------------------------------------ reading a fitted model

    def each(self, batch: Batch) -> Float[Tensor, "rows *cells"]:
        """Deterministic nats of every known cell, zero where unknown: a heat map, an explanation."""
        nats = self.likelihood.each(batch.x, self.decoder.plain(self.encode(batch)))
        return nats if batch.known is None else nats * batch.known

    def surprise(self, batch: Batch) -> Float[Tensor, " rows"]:
        """Unweighted nats of every row, on the scale of a row without unknown cells."""
        done = self(batch)
        nats = self.likelihood.each(batch.x, done.params).flatten(1)
        if batch.known is None:
            total = nats.sum(1)
        else:
            known = batch.known.flatten(1).to(nats.dtype)
            total = (nats * known).sum(1) * (batch.cells / known.sum(1).clamp(min=1))
        for cost in done.code.costs.values():
            total = total + cost.value if cost.sort is Sort.NATS else total
        return total

    def jacobian(self, batch: Batch) -> Float[Tensor, "rows code in_"]:
        """`dz/dx` at every row, with respect to the encoder's features."""

        def code(row: Tensor) -> Tensor:
            return self.bottleneck(self.encoder.plain(row[None])).z[0]  # type: ignore[no-any-return]

        features = self.door(batch)
        way = torch.func.jacfwd if self.code > features.shape[1] else torch.func.jacrev  # 4,096 of 384: 86 s or 12
        return torch.func.vmap(way(code))(features)  # type: ignore[no-any-return]


def _by_row(each: Tensor, weight: Tensor | None) -> Tensor:
    """Nats of rows, from those of cells."""
    weighed = each if weight is None else each * weight
    return (weighed if weighed.ndim == 2 else weighed.flatten(1)).sum(1)


def _on_cells(share: Tensor | float, weight: Tensor | None, ndim: int) -> Tensor | float:
    if isinstance(share, Tensor):
        share = share.view(-1, *[1] * (ndim - 1))
    return share if weight is None else weight * share
