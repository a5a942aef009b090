"""What judges documents, and why one is strange: its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latently.engine.infer import pieces
from latently.modalities import Modality
from latently.model import Composition
from latently.tasks.judges import Learned, Reason
from latently.tasks.nearness import AT_ONCE
from latently.tasks.sides import weights
from latently.tasks.strangeness import REFERENCES, Map, Tails
from latently.values import Batch

__all__ = ["Directions"]

MATES = 10  # documents that are looked at, of one topic as a rule (news: AUROC .80, the nearest alone .78)
FEW = 16  # documents whose words are left out one by one, together
SAME = 1e-9  # one less the cosine, under which two documents are one


@dataclass(frozen=True)
class Directions:
    """Judges documents by their codes: one less the cosine to the nearest of the documents learned from, in the mean.

    The loss of a document says how long it is and how rare its words are, whatever it is about (news: AUROC .51); the
    direction of its code says what it is about, and a document about something else has none of its neighbours'.
    """

    model: Composition
    references: Tensor  #: (documents, code), float64, of length one
    mates: int
    alone: bool  #: a document is no neighbour of itself
    tails: Tails
    data: Any
    run: Map

    @classmethod
    def of(cls, learned: Learned, data: Modality) -> tuple[Self, NDArray[np.float64], NDArray[np.float64]]:
        """The judge, the strangeness of the documents held out, and how much each of them counts."""
        judged, model, clean = learned.judged, learned.outcome.model, learned.clean
        nothing = Tails(np.zeros((1, 1)), np.ones(1))

        def made(model: Composition, rows: Batch) -> Directions:
            some = _directions(model, rows.take(slice(0, REFERENCES)))
            mates = MATES if clean else max(MATES, len(some) // 50)  # a few strange ones must not vouch for each other
            return cls(model, some, min(mates, max(1, len(some) - 1)), not clean, nothing, data, learned.run)

        judges = [made(j.model, j.train) for j in judged]
        judge = judges[0] if judged[0].model is model else made(model, learned.rows)
        far = np.concatenate([v.distance(j.valid) for v, j in zip(judges, judged, strict=True)])
        weight = np.concatenate([weights(j.valid) for j in judged])
        tails = Tails.of(far[:, None], weight)
        return cls(**(vars(judge) | {"tails": tails})), tails.nats(far[:, None])[:, 0], weight

    def distance(self, batch: Batch) -> NDArray[np.float64]:
        """One less the mean cosine to the nearest documents learned from; one, where no word is known."""
        far = []
        for some in _directions(self.model, batch).split(AT_ONCE):
            gaps = 1 - some @ self.references.t()
            gaps = gaps.masked_fill(gaps < SAME, torch.inf) if self.alone else gaps
            nearest = gaps.topk(self.mates, largest=False).values
            far.append(torch.where(nearest.isinf(), 1.0, nearest).mean(1))
        return torch.cat(far).numpy()

    def strange(self, X: Any, batches: Iterator[Batch]) -> NDArray[np.float64]:
        """The same as `-log p` beside documents held out."""
        return np.concatenate([self.tails.nats(self.distance(batch)[:, None])[:, 0] for batch in batches])

    def features(self, X: Any, batches: Iterator[Batch]) -> NDArray[np.float64]:
        """What the encoder sees of each document."""
        door = self.model.door
        return np.concatenate([self.run(lambda b: door(b)[:, : door.features], b) for b in batches]).astype(np.float64)

    def explain(self, X: Any, batches: Iterator[Batch], top: int) -> list[list[Reason]]:
        """The `top` words of each document that its other words speak against most."""
        found = []
        for batch in batches:
            for start in range(0, len(batch), FEW):
                found += self._reasons(batch.take(slice(start, start + FEW)), top)
        return found

    def _reasons(self, batch: Batch, top: int) -> list[list[Reason]]:
        """Words less likely beside the document's others than anywhere: `x_j max(0, log usual_j - log p_j(others))`."""
        x = batch.x.flatten(1)
        document, word = x.nonzero(as_tuple=True)
        others, row = x[document], torch.arange(len(word))
        others[row, word] = 0.0
        chance, against = torch.zeros_like(x), torch.zeros_like(x)
        if len(word):
            logs = pieces(self._logs, Batch(others), AT_ONCE, next(self.model.parameters()).device)[row, word]
            chance[document, word] = logs.exp()
            usual: Any = self.model.likelihood.base
            against[document, word] = (usual.cpu()[word] - logs).clamp(min=0)
        shares = (x * against).numpy()
        shares = shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)
        expected = (chance * x.sum(1, keepdim=True)).numpy()
        order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
        names, held = self.data.names, self.data.held
        return [
            [Reason(names[j], float(x[i, j]), float(expected[i, j]), float(shares[i, j]), float(held[j]))
             for j in row if shares[i, j] > 0]
            for i, row in enumerate(order)
        ]  # fmt: skip

    def _logs(self, batch: Batch) -> Tensor:
        words: Any = self.model.likelihood
        logs: Tensor = words.logs(self.model(batch).params)
        return logs

    def state(self) -> dict[str, Any]:
        """Arrays and JSON values, without the model."""
        return {
            "references": self.references.numpy().astype(np.float32), "mates": self.mates, "alone": self.alone,
            "grid": self.tails.grid, "scale": self.tails.scale,
        }  # fmt: skip

    @classmethod
    def from_state(cls, model: Composition, state: dict[str, Any], run: Map, data: Modality) -> Self:
        """The judge that `state` described."""
        tails = Tails(state["grid"], state["scale"])
        references = torch.from_numpy(state["references"]).double()
        return cls(model, references, state["mates"], state["alone"], tails, data, run)


def _directions(model: Composition, batch: Batch) -> Tensor:
    """Codes at length one, float64; nothing of a document without a known word."""
    device = next(model.parameters()).device
    codes = pieces(model.encode, batch, AT_ONCE, device).flatten(1).double()
    codes = codes * (batch.x.flatten(1).sum(1, keepdim=True) > 0).cpu()
    unit: Tensor = codes / codes.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return unit.float().double()  # as a file holds them
