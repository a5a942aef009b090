"""White noise in the numbers of a table: numbers that were measured badly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latently.engine.schedule import Outcome
from latently.errors import BadParameter
from latently.modalities.table import Table
from latently.model import Composition
from latently.parts.corruptions import Gaussian
from latently.parts.likelihoods import Likelihood, Mixed
from latently.parts.networks import Residual
from latently.recipes import Compose
from latently.tasks.assemble import Blueprint
from latently.tasks.noise import Noise, noise_named
from latently.tasks.ways import Rows, Suited, unasked
from latently.tasks.wrong_cells import ColumnCleaned
from latently.values import Batch

__all__ = ["Numbers"]

Matrix = NDArray[np.float64]

ALPHA = 0.5  # noise that is added to noisy rows, as a share of theirs
BATCH, RATE = 256, 3e-3  # noise makes gradients noisier than rows do; Stein's error of wine_red .263 to .261
PROBES = 4  # directions in which a slope is measured
FAR = 3.0  # deviations of the noise, that a cell is corrected by at most: beyond all rows of the fit networks go astray
STEP = 0.1  # deviations of the noise, in such a direction
BLIND = 0.3  # deviations of a column where nobody says, at most: what is measured is a limit, and may be far too high


class Numbers(Rows):
    """White noise in columns of numbers: what undoes a little more noise tells what undoes all of it.

    `f` learns rows `y` from `y + alpha n` (Noisier2Noise, Moran 2020), as a correction of its input, and
    `y + t (1 + 1 / alpha^2) (f(y) - y)` is the answer, with the one `t` in [0, 1] that makes Stein's unbiased estimate
    of the error on held-out rows least. From clean rows `f` learns `x` from `x + n`.
    """

    sort = "row"
    data: Table

    def check(self) -> None:
        """A noise with a name, or deviations by column."""
        if not isinstance(self.noise, Mapping):
            super().check()
        elif not self.noise or not all(isinstance(v, (int, float)) and 0 < v < np.inf for v in self.noise.values()):
            raise BadParameter(f"noise={self.noise!r}: expected {{column: standard deviation above 0}}.")

    def suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> Suited:
        """Corrections of the input; a kind, a code or a network that was asked for is taken as it is."""
        named = Noise("gaussian") if isinstance(self.noise, Mapping) else noise_named(self.noise)
        if not unasked(self.task):
            if isinstance(self.noise, Mapping):
                raise BadParameter("noise by columns: leave n_components, kind, network and loss, or name one noise.")
            return super().suited(plan, given, rows)
        if named is None or named.sort != "gaussian" or named.low != named.high:
            return super().suited(plan, given, rows)
        clean = vars(self.task)["clean"] is True
        sigma, measured = self._deviations(named, rows, clean)
        noisy, door, starts = np.flatnonzero(sigma), self.data.door(False), _starts(plan.likelihood(plan.parts()), rows)
        network = Residual(reads=[int(door.lookup[j]) for j in noisy], writes=[starts[j] for j in noisy])
        kind = Compose(Gaussian([float(s) * (1.0 if clean else ALPHA) for s in sigma]), emphasis=1.0)
        told = Noise("gaussian", float(sigma[noisy].min()), float(sigma[noisy].max()))
        own = {"batch_rows": min(BATCH, len(rows)), "learning_rate": RATE}
        given = given | {n: v for n, v in own.items() if given.get(n, "auto") == "auto"}
        given |= {"n_components": network.code(rows.cells)}
        return replace(plan, recipe=kind, network=network), given, asdict(told) | {"clean": clean, "measured": measured}

    def _deviations(self, named: Noise, rows: Batch, clean: bool) -> tuple[Matrix, float | None]:
        """Of each column in model units, 0 where there is none; and what was measured."""
        scale, learned = self.data.scales_.scale, self.data.learned
        if isinstance(self.noise, Mapping):
            places = {c.name: j for j, c in enumerate(learned) if not c.width}
            if strange := [str(n) for n in self.noise if str(n) not in places]:
                raise BadParameter(f"noise: {strange[0]!r} is no column of numbers; those are {', '.join(places)}.")
            sigma = np.zeros(len(learned))
            for name, value in self.noise.items():
                sigma[places[str(name)]] = value / scale[places[str(name)]]
            return sigma, None
        noisy = np.array([c.sort in ("number", "integer") for c in learned]) & (self.data.scales_.spread > 0)
        if not noisy.any():
            raise BadParameter(f"noise={self.noise!r}: white noise is of numbers, and no column holds any. Try 'swap'.")
        measured = None if named.low is not None or clean else _least(rows, noisy)
        return np.asarray(noisy * (named.low or min(measured or BLIND, BLIND)), np.float64), measured

    def judged(self, outcome: Outcome) -> dict[str, Any]:
        """How far to go, and the error that is left."""
        if not isinstance(self.task.network_, Residual):
            return {}
        clean, sigma = self.noise_["clean"], self._sigma()
        rng = torch.Generator().manual_seed(0)  # which directions are looked at is no part of the fit's chance
        push, pull, count = (np.zeros(len(sigma)) for _ in range(3))
        for one in outcome.judged:
            valid = one.valid.to(torch.device("cpu"))
            known = np.ones(valid.x.shape, bool) if valid.known is None else valid.known.numpy()
            noise = torch.from_numpy(sigma).float() * torch.empty_like(valid.x).normal_(generator=rng)
            seen = _moved(valid, noise) if clean else valid
            far = self._corrections(one.model, seen)
            gained = -noise.numpy() * far if clean else -self._slopes(one.model, seen, far, sigma, rng)
            push, pull, count = push + (gained * known).sum(0), pull + (far**2 * known).sum(0), count + known.sum(0)
        gain = float(np.clip(push.sum() / max(pull.sum(), 1e-300), 0, 1)) if outcome.judged else 1.0
        left = sigma**2 + (gain**2 * pull - 2 * gain * push) / np.maximum(count, 1)
        left, unit = np.sqrt(np.maximum(left, 0)), self.data.scales_.scale
        report = [
            ColumnCleaned(c.name, float(sigma[j] * unit[j]), float(left[j] * unit[j]) if count[j] else None)
            for j, c in enumerate(self.data.learned) if sigma[j]
        ]  # fmt: skip
        return {"gain": gain, "report": [asdict(r) for r in report]}

    def _sigma(self) -> Matrix:
        """Deviations of the noise in model units."""
        return np.array(vars(self.task.model_.corruption)["sigma"]) / (1.0 if self.noise_["clean"] else ALPHA)

    def _corrections(self, model: Composition, batch: Batch) -> Matrix:
        """What is to be added to each cell, in model units, of columns without noise nothing."""
        far = self.task._map(lambda b: model.decode(model.encode(b)) - b.x, batch).astype(np.float64)
        far *= 1.0 if self.noise_["clean"] else 1 + ALPHA**-2
        return np.asarray(np.clip(far, -FAR * self._sigma(), FAR * self._sigma()))

    def _slopes(self, model: Composition, batch: Batch, far: Matrix, sigma: Matrix, rng: torch.Generator) -> Matrix:
        """`sigma^2` times the derivative of each correction by its own cell, from random directions (Ramani 2008)."""
        found = np.zeros_like(far)
        for _ in range(PROBES):
            way = torch.empty_like(batch.x).normal_(generator=rng).sign() * torch.from_numpy(sigma).float()
            found += (self._corrections(model, _moved(batch, STEP * way)) - far) * way.numpy() / (STEP * PROBES)
        return found

    def cleaned(self, data: Any, passes: int | None) -> Any:
        """Numbers within the limits of their columns, whole where they were; all else as it is."""
        task = self.task
        if not isinstance(task.network_, Residual):
            return super().cleaned(data, passes)
        batch = task._batch(data)
        far = self._corrections(task.model_, batch)
        values = self.data.values(batch.x + torch.from_numpy(vars(task)["_facts"]["gain"] * far).float())
        whole = np.array([c.sort == "integer" for c in self.data.learned])
        return self.data.rebuilt(
            np.where(whole, np.rint(values), values), data, ~self.data.gaps(task, data) & (self._sigma() > 0)
        )


def _moved(batch: Batch, by: torch.Tensor) -> Batch:
    """Other numbers in known cells."""
    x = batch.x + by
    return Batch(x if batch.known is None else x.masked_fill(~batch.known, 0.0), batch.known)


def _starts(likelihood: Likelihood, rows: Batch) -> list[int]:
    """Where the decoder's outputs for each cell begin, of a number its one."""
    if not isinstance(likelihood, Mixed):
        return list(range(rows.cells))
    found: dict[int, int] = {}
    first = 0
    for group, part in likelihood.groups:
        width = part.width(len(group))
        found |= {j: first + i for i, j in enumerate(group)}  # right for numbers, which alone are asked for
        first += width
    return [found[j] for j in range(rows.cells)]


def _least(rows: Batch, noisy: NDArray[np.bool_]) -> float:
    """The deviation of these columns in the direction where it is least: white noise is at most that."""
    x, weight = rows.x.cpu().double().numpy()[:, noisy], None if rows.weight is None else rows.weight.cpu().numpy()
    whole = slice(None) if rows.known is None else rows.known.cpu().numpy()[:, noisy].all(1)
    if len(x[whole]) <= 2 * x.shape[1]:
        raise BadParameter(
            f"noise='gaussian': {len(x[whole])} rows without gaps are too few to measure it in {x.shape[1]} columns. "
            "Say how strong it is: noise='gaussian:.3', in standard deviations, or {column: deviation}."
        )
    spread = np.cov(x[whole].T, aweights=None if weight is None else weight[whole])
    return float(np.sqrt(max(np.linalg.eigvalsh(np.atleast_2d(spread))[0], 1e-6)))
