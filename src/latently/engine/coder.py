"""Codes to search by: the model's, beside a linear view of the rows; as numbers, or as bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.engine.bits import turn
from latently.engine.linear import principal
from latently.model import Composition
from latently.values import Batch

__all__ = ["Coder"]

ROWS = 20_000  # that a view is learned from
TINY = 1e-12

Map = Callable[[Callable[[Batch], Tensor], Batch], NDArray[np.float32]]


@dataclass(frozen=True)
class Coder:
    """`(z - centre)` and `detail ((x - mean) axes)`, each with length one (or, `plain`, a mean square of one).

    x are the row's numbers as the network sees them. The code knows the groups, the principal components the fine order
    within them. With `turn` the bits of both are signs.
    """

    plain: bool
    detail: float
    centre: Tensor
    mean: Tensor
    axes: Tensor
    sizes: Tensor  #: root mean squares of both views
    middle: Tensor
    turn: Tensor

    @classmethod
    def learn(
        cls, model: Composition, rows: Batch, map_: Map, *, plain: bool, detail: float, bits: int, rng: torch.Generator
    ) -> Self:
        """Centres, axes and rotation of these rows; `map_` applies a function of batches to all of them."""
        none = torch.empty(0)
        if bits and any(p.turned for p in model.penalties):
            return cls(plain, 0.0, torch.zeros(bits), none, none, torch.ones(1), none, none)
        some = rows.take(slice(0, ROWS))
        z = torch.from_numpy(map_(model.encode, some))
        x = torch.from_numpy(map_(lambda b: _opened(model, b), some))
        found = principal(Batch(x), z.shape[1] if detail else 0, rng)
        centre = z.double().mean(0).float()
        views = (z - centre, (x - found.mean) @ found.directions.t())
        sizes = torch.tensor([float(v.square().sum(1).mean().sqrt()) or 1.0 for v in views])
        made = cls(plain, detail, centre, found.mean, found.directions.t().contiguous(), sizes, none, none)
        if not bits:
            return made
        middle, rotation = turn(torch.from_numpy(map_(made.over(model), some)), bits, rng)
        return cls(plain, detail, centre, found.mean, made.axes, sizes, middle, rotation)

    def over(self, model: Composition) -> Callable[[Batch], Tensor]:
        """The function of batches that gives codes, or what the signs of are bits."""
        device = next(model.parameters()).device
        centre, mean, axes, sizes, middle, rotation = (
            t.to(device) for t in (self.centre, self.mean, self.axes, self.sizes, self.middle, self.turn)
        )

        def view(batch: Batch) -> Tensor:
            views = [model.encode(batch) - centre]
            if self.detail:
                views.append((_opened(model, batch) - mean) @ axes)
            lengths = sizes if self.plain else [v.norm(dim=1, keepdim=True).clamp_min(TINY) for v in views]
            shares = [1 / (1 + self.detail), self.detail / (1 + self.detail)]
            code = torch.cat([v / lengths[i] * shares[i] ** 0.5 for i, v in enumerate(views)], 1)
            return (code - middle) @ rotation if len(middle) else code

        return view

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {f"coder.{n}": v.cpu().numpy() if isinstance(v, Tensor) else v for n, v in found.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """What `state` wrote."""
        found = {f.name: state[f"coder.{f.name}"] for f in fields(cls)}
        given: dict[str, Any] = {n: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for n, v in found.items()}
        return cls(**given)


def _opened(model: Composition, batch: Batch) -> Tensor:
    """A row's numbers and one-hots, zeros where unknown."""
    return model.door(batch)[:, : model.door.features]  # type: ignore[no-any-return]
