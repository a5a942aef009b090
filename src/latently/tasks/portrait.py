"""What a report shows of a fitted estimator and a table, as plain values: errors a column, a map, strange rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.engine.linear import principal
from latently.engine.view import View
from latently.tasks.base import Task
from latently.values import Batch

__all__ = ["again", "column_errors", "plane", "retold", "strangest", "walks"]

MOST = 20_000  # rows looked at for errors
POINTS = 5000


@torch.no_grad()
def column_errors(estimator: Task, batch: Batch) -> dict[str, NDArray[np.float64]]:
    """Squared error of every learned column as a share of its variance in these rows: ours, and PCA's of these rows.

    A category counts as its one-hots, and its variance as Gini's impurity, so 1 is what the mean predictor leaves.
    """
    batch = _some(batch)
    view = View.over(estimator.model_.door, batch)
    shown = view.of(batch)
    cells = shown.x.flatten(1)
    known = torch.ones_like(cells) if shown.known is None else shown.known.flatten(1).to(cells.dtype)
    size = estimator.model_.bottleneck.kept or int(estimator.n_components_)
    linear = principal(shown, size, torch.Generator().manual_seed(0))
    guess = torch.from_numpy(estimator._map(lambda b: view.guess(estimator.model_, b), batch))
    mean = (cells * known).sum(0) / known.sum(0).clamp(min=1)
    owner = torch.arange(len(view.door.levels)).repeat_interleave(view.door.base.cpu())

    def by_column(guess: torch.Tensor) -> torch.Tensor:
        each = ((guess - cells).square() * known).sum(0)
        return torch.zeros(len(view.door.levels)).index_add_(0, owner, each)

    total = by_column(mean.expand_as(cells))
    live = total > 1e-9
    found = {"model": by_column(guess), "pca": by_column(linear.reconstruct(cells))}
    return {n: np.where(live, (v / total.clamp(min=1e-30)).numpy(), np.nan) for n, v in found.items()}


def _some(batch: Batch) -> Batch:
    if len(batch) <= MOST:
        return batch
    return batch.take(torch.from_numpy(np.linspace(0, len(batch) - 1, MOST).astype(np.int64)))


def plane(estimator: Task, X: Any) -> tuple[NDArray[np.float64], NDArray[np.int64], str]:
    """Points of the plane for at most 5,000 rows, which rows they are, and how the plane was had."""
    batch = estimator._batch(X)
    rows = np.linspace(0, len(batch) - 1, min(POINTS, len(batch))).astype(np.int64)
    codes = estimator._map(estimator.model_.encode, batch.take(torch.from_numpy(rows))).astype(np.float64)
    if codes.shape[1] == 2:
        return codes, rows, "the code itself, two numbers a row"
    if codes.shape[1] == 1:
        return np.column_stack([codes, np.zeros(len(codes))]), rows, "the code itself, one number a row"
    centred = codes - codes.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    return centred @ axes.T, rows, "first two principal components of the codes"


def strangest(estimator: Task, X: Any, top: int, reasons: int = 4) -> list[dict[str, Any]]:
    """The `top` rows that the model reconstructs worst, worst first: row, score, reasons.

    The score is in nats, of documents a word, or squared error.
    """
    batch, table = estimator._batch(X), estimator.data_
    score = estimator._map(estimator.model_.surprise, batch).astype(np.float64)
    if table.loss == "multinomial":  # a long document is not a strange one
        score = score / batch.x.flatten(1).sum(1).clamp(min=1).cpu().numpy()
    worst = np.argsort(-score, kind="stable")[:top]
    few = batch.take(torch.from_numpy(worst.copy()))
    nats = estimator._map(estimator.model_.each, few).reshape(len(few), -1).astype(np.float64)
    again = table.values(
        torch.from_numpy(estimator._map(lambda b: estimator.model_.decode(estimator.model_.encode(b)), few))
    )
    own, found = table.values(few.x), []
    for i, row in enumerate(worst):
        total = max(nats[i].sum(), 1e-30)
        order = np.argsort(-nats[i], kind="stable")[:reasons]
        told = [
            {"column": table.names[j], "observed": table.objects(int(j), own[i : i + 1, j])[0],
             "expected": table.objects(int(j), again[i : i + 1, j])[0], "share": float(nats[i, j] / total)}
            for j in order
        ]  # fmt: skip
        found.append({"row": int(row), "score": float(score[row]), "reasons": told})
    return found


def again(estimator: Task, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images as the model sees them, and as their codes tell them, `(n, height, width[, channels])`."""
    batch, model, data = estimator._batch(X), estimator.model_, estimator.data_
    cells = torch.from_numpy(estimator._map(lambda b: model.decode(model.encode(b)), batch))
    return data.shown(data.values(batch.x)), data.shown(data.values(cells))


def retold(estimator: Task, X: Any) -> Any:
    """`X` as its codes tell it, in its own form."""
    model, data = estimator.model_, estimator.data_
    cells = estimator._map(lambda b: model.decode(model.encode(b)), estimator._batch(X))
    return data.rebuilt(data.values(torch.from_numpy(cells)), X)


def walks(estimator: Task, units: int, steps: int) -> list[tuple[int, NDArray[Any]]]:
    """For the units of the code that vary most, images along each from its 2nd to its 98th percentile in the fit.

    All other units stay at their median; (unit, images), the unit that varies most first.
    """
    codes, model, data = estimator.codes_, estimator.model_, estimator.data_
    order = np.argsort(-codes.std(0), kind="stable")[:units]
    ends = np.percentile(codes, (2, 98), axis=0)
    found = []
    for unit in order:
        z = np.repeat(np.median(codes, 0)[None], steps, 0)
        z[:, unit] = np.linspace(ends[0, unit], ends[1, unit], steps)
        rows = Batch(torch.from_numpy(z.astype(np.float32)))
        cells = estimator._map(lambda b: model.decode(b.x), rows)
        found.append((int(unit), data.shown(data.values(torch.from_numpy(cells)))))
    return found
