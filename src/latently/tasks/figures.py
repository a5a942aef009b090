"""Figures of a fitted model on rows: errors beside plain predictors, the code, and what noise and gaps do to both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently import rng as chance
from latently.engine.infer import pieces
from latently.engine.linear import principal
from latently.parts.bottlenecks import Normal
from latently.parts.corruptions import Corruption, Gaussian, Masking
from latently.parts.quantised import Quantised
from latently.tasks.base import Task
from latently.tasks.portrait import column_errors
from latently.values import Batch, Sort

__all__ = ["Subject", "code", "columns", "costs", "divergence", "reconstruction", "robustness"]

NOISE = (0.1, 0.3, 0.5)  # standard deviations of a column
HIDDEN = (0.1, 0.3, 0.5)  # shares of the cells
FOLDS = 5
FEW = 1000  # rows for costs: an exact contraction is a Jacobian a row
FEWER = 256  # rows for the Jacobian
AT_ONCE = 32  # Jacobians in memory
ACTIVE = 0.01  # variance of a posterior mean: with less, a unit says nothing of the input (Burda 2016)
SILENT = 1e-6  # of the code's greatest magnitude: less is off

Matrix = NDArray[np.float64]
Section = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What is judged: a fitted task and rows in model units, on the CPU."""

    task: Task
    batch: Batch
    seed: int

    @property
    def numeric(self) -> bool:
        """Whether every column is a number, so that squared errors and PCA mean something."""
        return self.measured and not any(self.task.model_.door.levels)

    @property
    def measured(self) -> bool:
        """Whether a cell has an error but in nats: the number of a piece of text has none."""
        return self.task.model_.likelihood.measured

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which cells count."""
        known = self.batch.known
        return np.ones((len(self.batch), self.batch.cells), bool) if known is None else known.flatten(1).numpy()

    def cells(self, seen: Batch | None = None) -> torch.Tensor:
        """The reconstruction, model units; of rows as `seen` when given."""
        model = self.task.model_
        found = self.task._map(lambda b: model.decode(model.encode(b)).flatten(1), seen or self.batch)
        return torch.from_numpy(np.asarray(found))

    def codes(self) -> Matrix:
        """The codes of the rows."""
        return self.task._map(self.task.model_.encode, self.batch).astype(np.float64)

    @cached_property
    def guesses(self) -> dict[str, torch.Tensor]:
        """What the model says of every row, and what the mean and PCA say that learned from the rows' other folds."""
        return {"model": self.cells(), **_simple(self)}

    @cached_property
    def shares(self) -> dict[str, Matrix]:
        """Each column's error as a share of its variance in these rows: ours, and PCA's that learned from them."""
        return column_errors(self.task, self.batch)

    def names(self) -> list[str]:
        """The columns' names."""
        given = [str(n) for n in getattr(self.task, "feature_names_in_", self.task.data_.names)]
        return given if len(given) == self.batch.cells else [f"x{j}" for j in range(self.batch.cells)]


def per_cell(each: Matrix, known: NDArray[np.bool_]) -> float:
    """The mean over known cells."""
    return float((each * known).sum() / max(known.sum(), 1))


def per_column(each: Matrix, known: NDArray[np.bool_]) -> Matrix:
    """The mean over the known cells of each column; NaN where there are none."""
    count = known.sum(0)
    return np.where(count > 0, (each * known).sum(0) / np.maximum(count, 1), np.nan)


# ---------------------------------------------------------------- errors


def _simple(subject: Subject) -> dict[str, torch.Tensor]:
    """Rows as predicted by mean and PCA from the rows of the other folds, model units."""
    if len(subject.batch) < 2:
        return {}
    x, known = subject.batch.x.flatten(1), torch.from_numpy(subject.known)
    order = torch.randperm(len(x), generator=chance.child(subject.seed, "folds"))
    size = subject.task.model_.bottleneck.kept or subject.task.n_components_
    found = {"mean": torch.zeros_like(x), "pca": torch.zeros_like(x)}
    for fold in order.chunk(min(FOLDS, len(x))):
        rest = torch.ones(len(x), dtype=torch.bool).index_fill_(0, fold, False)
        count = known[rest].sum(0)
        mean = torch.where(count > 0, (x * known)[rest].sum(0) / count.clamp(min=1), 0.0)
        filled = torch.where(known, x, mean)
        linear = principal(Batch(filled[rest]), size, chance.child(subject.seed, "pca"))
        found["mean"][fold] = mean
        found["pca"][fold] = linear.reconstruct(filled[fold])
    return found


def reconstruction(subject: Subject) -> Section:
    """`error`: squared per known cell, in units of each column's variance in the fit; in a mixed table of its rows."""
    if not subject.measured:
        return {"nats": {"model": per_cell(_nats(subject, subject.batch), subject.known)}}
    if not subject.numeric:
        shares = {n: float(np.nanmean(v)) for n, v in subject.shares.items()}
        nats = {"model": per_cell(_nats(subject, subject.batch), subject.known)}
        return {"error": {"model": shares["model"], "mean": 1.0, "pca": shares["pca"]}, "nats": nats}
    x = subject.batch.x.flatten(1)
    return {"error": {n: per_cell(_squares(guess, x), subject.known) for n, guess in subject.guesses.items()}}


def columns(subject: Subject) -> Section:
    """Root mean squared error of each column in user units; in a mixed table shares of variance, and nats."""
    known, names = subject.known, subject.names()
    if not subject.numeric:
        nats = per_column(_nats(subject, subject.batch), known)
        both = subject.shares
        return {
            name: {"model": float(both["model"][j]), "mean": 1.0, "pca": float(both["pca"][j]), "nats": float(nats[j])}
            for j, name in enumerate(names)
        }
    values = subject.task.data_.values
    truth = values(subject.batch.x.flatten(1))
    roots = {n: np.sqrt(per_column((values(g) - truth) ** 2, known)) for n, g in subject.guesses.items()}
    return {name: {n: float(r[j]) for n, r in roots.items()} for j, name in enumerate(names)}


def robustness(subject: Subject) -> Section:
    """The error on all known cells when the encoder sees them with noise, or sees only some of them."""
    spoilt: list[tuple[str, Corruption]] = [(f"noise {s:g}", Gaussian(s)) for s in NOISE if subject.measured]
    spoilt += [(f"missing {p:.0%}", Masking(p)) for p in HIDDEN]
    clean = _error(subject, subject.batch)
    found: Section = {"clean": {"error": clean}}
    for name, corruption in spoilt:
        rng = chance.child(subject.seed, name)
        x, known = corruption.hide(subject.batch.x, subject.batch.known, rng)
        if subject.batch.known is not None:
            x = x.masked_fill(~subject.batch.known, 0.0)
        error = _error(subject, subject.batch.seen_as(x, known))
        times = {"times clean": error / clean} if subject.numeric and clean > 0 else {}
        found[name] = {"error": error, **times}
    return found


def _error(subject: Subject, seen: Batch) -> float:
    """Squared error per known cell, or nats, of rows as seen against the rows as they are."""
    if not subject.numeric:
        return per_cell(_nats(subject, seen), subject.known)
    return per_cell(_squares(subject.cells(seen), subject.batch.x.flatten(1)), subject.known)


def _squares(guess: torch.Tensor, x: torch.Tensor) -> Matrix:
    return np.asarray((guess.double() - x.double()).square())


def _nats(subject: Subject, seen: Batch) -> Matrix:
    """Nats of every cell of the rows as they are, from codes of the rows as seen."""
    model = subject.task.model_

    def each(both: Batch) -> torch.Tensor:
        assert both.given is not None
        code = model.encode(Batch(both.given, both.known))
        return model.likelihood.each(both.x, model.decoder.plain(code)).flatten(1)

    both = Batch(subject.batch.x, seen.known, given=seen.x)
    return subject.task._map(each, both).astype(np.float64)


# ---------------------------------------------------------------- the code


def code(subject: Subject) -> Section:
    """How many units are on, how many never move, how steep the encoder is, and what tokens of whole numbers carry."""
    z = subject.codes()
    least = SILENT * np.abs(z).max(initial=0.0)
    return {
        "l0": float((np.abs(z) > least).sum(1).mean()),
        "dead share": float((z.std(0) <= least).mean()),
        **({"jacobian norm": _steepness(subject)} if subject.measured else {}),
        **_usage(subject),
    }


def _usage(subject: Subject) -> dict[str, float]:
    """Of a quantised code: share of the values used, their perplexity, bits of a token; means over tokens."""
    model = subject.task.model_
    if not isinstance(model.bottleneck, Quantised):
        return {}
    h = subject.task._map(lambda b: model.encoder.plain(model.door(b)), subject.batch)
    return model.bottleneck.usage(torch.from_numpy(h).to(next(model.parameters()).device))


def _steepness(subject: Subject) -> float:
    """The mean of `||dz/dx||_F`, x in standard deviations of a column; the mask channel is no input here."""
    model = subject.task.model_
    width = model.door.width - (len(model.door.levels) if model.door.masked else 0)
    device = next(model.parameters()).device

    def norm(batch: Batch) -> torch.Tensor:
        return model.jacobian(batch)[:, :, :width].square().sum((1, 2)).sqrt()

    return float(pieces(norm, subject.batch.take(slice(0, FEWER)), AT_ONCE, device).double().mean())


@torch.no_grad()
def costs(subject: Subject) -> Section:
    """The mean of every raw cost of the loss, before weights."""
    model = subject.task.model_
    batch = subject.batch.take(slice(0, FEW)).to(next(model.parameters()).device)
    found = model.costs(model(batch))
    return {n: float(c.value if c.sort is Sort.STATISTIC else c.value.double().mean()) for n, c in found.items()}


def divergence(subject: Subject) -> Section:
    """Of a normal code: `KL(q(z_j|x) || N(0, 1))` of every unit in nats, and how many units carry something."""
    model = subject.task.model_
    neck = model.bottleneck
    if not isinstance(neck, Normal):
        return {}
    each = subject.task._map(lambda b: neck.each(model.encoder.plain(model.door(b))), subject.batch)
    return {
        "nats per unit": [float(v) for v in each.astype(np.float64).mean(0)],
        "active units": int((subject.codes().var(0) > ACTIVE).sum()),
    }
