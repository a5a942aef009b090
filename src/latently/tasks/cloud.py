"""How far a row lies from the middle of the others, in the deviations that they have in its direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latently.model import Composition
from latently.tasks.nearness import features, spread, trusted
from latently.values import Batch

__all__ = ["Cloud"]

TOLD_BY = 8192  # rows
WIDEST = 512  # features: a covariance of more would weigh as much as the model
RIDGE = 1e-3  # of the mean variance, added to every one: columns may say the same


@dataclass(frozen=True)
class Cloud:
    """Mahalanobis distance from a mean and a covariance, of the features that the encoder sees.

    Where anomalies may hide among the rows, those far from their neighbours count little.
    """

    mean: Tensor  #: (features,), float64
    root: Tensor  #: (features, features), whose product with its transpose is the inverse covariance

    @classmethod
    def of(cls, model: Composition, rows: Batch, clean: bool) -> Cloud | None:
        """From rows that are normal, or not all; None where there are too many features."""
        if model.door.features > WIDEST:
            return None
        some = spread(rows, TOLD_BY)
        return cls._at(*_moments(model, some if clean else trusted(model, some, None)[0]))

    def moved(self, model: Composition, fresh: Batch, share: float) -> Cloud:
        """The cloud of these rows, each counting its weight, and those before; `share` is what the new ones count."""
        mean, covariance = _moments(model, fresh)
        inverse, gap = torch.linalg.inv(self.root), mean - self.mean
        covariance = share * covariance + (1 - share) * inverse.t() @ inverse + share * (1 - share) * gap.outer(gap)
        return self._at(self.mean + share * gap, covariance)

    @classmethod
    def _at(cls, mean: Tensor, covariance: Tensor) -> Cloud:
        values, vectors = np.linalg.eigh(covariance.numpy())
        root = torch.from_numpy(vectors / np.sqrt(np.maximum(values, RIDGE / 2 * float(values.mean()))))
        return cls(mean.float().double(), root.float().double())  # as a file holds them

    def distance(self, x: Tensor, known: Tensor | None) -> Tensor:
        """Of rows of features; unknown ones lie in the middle, and the known make up for them."""
        return self._each(x, known).sum(1).clamp(min=0).sqrt()

    def parts(self, x: Tensor, known: Tensor | None) -> Tensor:
        """Of every feature, what it adds to the square of the distance; nothing where it takes away."""
        return self._each(x, known).clamp(min=0)

    def _each(self, x: Tensor, known: Tensor | None) -> Tensor:
        apart = x - self.mean
        apart = apart if known is None else apart * known
        squares = apart * ((apart @ self.root) @ self.root.t())
        if known is not None:
            squares = squares * (x.shape[1] / known.sum(1, keepdim=True).clamp(min=1))
        return squares

    def state(self) -> dict[str, Any]:
        """Arrays by name."""
        return {"cloud_mean": self.mean.numpy().astype(np.float32), "cloud_root": self.root.numpy().astype(np.float32)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Cloud | None:
        """What `state` described; None where there was none."""
        if "cloud_mean" not in state:
            return None
        return cls(*(torch.from_numpy(state[f"cloud_{n}"]).double() for n in ("mean", "root")))


def _moments(model: Composition, rows: Batch) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the features of rows, each counting its weight; a little is added to every variance."""
    x, known = features(model, rows)
    weight = (torch.ones(len(x)) if rows.weight is None else rows.weight.cpu()).double()[:, None]
    seen = weight if known is None else weight * known
    mean = (x * seen).sum(0) / seen.sum(0).clamp(min=1e-300)
    apart = (x - mean) if known is None else (x - mean) * known
    covariance = apart.t() @ (apart * weight) / weight.sum()
    ridge = RIDGE * max(float(covariance.diagonal().mean()), 1e-12)
    return mean, covariance + ridge * torch.eye(x.shape[1], dtype=x.dtype)
