"""Rows drawn cell after cell: each from its probabilities given those that are known by then."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.errors import BadParameter
from latently.parts.likelihoods import Categorical
from latently.tasks.base import Task
from latently.values import Batch

__all__ = ["drawn_rows", "drawn_values", "walk"]

BLOCK = 2**23  # numbers in the probabilities held at once

Matrix = NDArray[np.float64]


def walk(task: Task, batch: Batch, rng: torch.Generator, gaps: torch.Tensor | None = None) -> torch.Tensor:
    """The rows of `batch` with every unknown cell drawn, in an order of its own for each row.

    A draw of one column given all that is known is what the fit has learned, whatever is known: so no draw is ever
    thrown away. `gaps`: in which columns a drawn cell may be missing, as often as in rows of that sort.
    """
    width = task.model_.likelihood.width(batch.cells)
    draw, size = _drawer(task, rng, gaps), max(1, BLOCK // width)
    return torch.cat([_walked(task, batch.take(slice(i, i + size)), draw, rng) for i in range(0, len(batch), size)])


def _drawer(task: Task, rng: torch.Generator, gaps: torch.Tensor | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """Every cell from its probabilities: the level after the last, of what is missing, only where there are gaps."""
    likelihood = copy.deepcopy(task.model_.likelihood).cpu()
    if gaps is None or not bool(gaps.any()):
        return lambda params: likelihood.sample(params, rng)
    wide = copy.deepcopy(likelihood)
    for part in wide.modules():
        if isinstance(part, Categorical):
            part.spare = False
    return lambda params: torch.where(gaps, wide.sample(params, rng), likelihood.sample(params, rng))


def _walked(
    task: Task, batch: Batch, draw: Callable[[torch.Tensor], torch.Tensor], rng: torch.Generator
) -> torch.Tensor:
    model = task.model_
    x = batch.x.clone()
    known = torch.ones_like(x, dtype=torch.bool) if batch.known is None else batch.known.clone()
    order = torch.rand(x.shape, generator=rng).masked_fill(known, 2.0).argsort(1)
    left = (~known).sum(1)
    for step in range(int(left.max())):
        rows = (left > step).nonzero()[:, 0]
        column = order[rows, step]
        params = task._map(lambda b: model.decoder.plain(model.encode(b)), Batch(x[rows], known[rows]))
        x[rows, column] = draw(torch.from_numpy(params)).gather(1, column[:, None])[:, 0]
        known[rows, column] = True
    return x


def drawn_rows(task: Task, count: int, given: Any, missing: bool, rng: torch.Generator) -> Any:
    """New rows, or those of `given` completed, in the container of the fit or of `given`."""
    data: Any = task.data_
    framed = given is not None and not isinstance(given, Mapping)
    if framed and np.ndim(given) < 2:
        raise BadParameter(
            f"given={given!r}: this fit had no labels. Say which column: given={{'column': value}}, or give rows with "
            "gaps; or fit with labels: fit(X, y)."
        )
    asked: Matrix = np.full((count, data.cells), np.nan) if given is None else data.asked(given, count)
    if framed and count not in (1, len(asked)):
        raise BadParameter(f"n_samples={count} for {len(asked)} given rows: leave it out, each is completed once.")
    values = drawn_values(task, asked, missing, rng)
    return data.rebuilt(values, given, np.isnan(asked)) if framed and data.fits(given) else data.framed(values)


def drawn_values(task: Task, asked: Matrix, missing: bool, rng: torch.Generator) -> Matrix:
    """Rows in user units with their NaN drawn; everything else as it is."""
    data: Any = task.data_
    known = torch.from_numpy(~np.isnan(asked))
    rows = Batch(data.batch(asked).x.masked_fill(~known, 0.0), known)
    cells = walk(task, rows, rng, torch.from_numpy(data.scales_.gaps > 0) if missing else None)
    return np.where(known.numpy(), asked, data.drawn(cells, rng))
