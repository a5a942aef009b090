"""What a finished fit should make its owner look at; every alarm names its cure."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from latently.engine.schedule import Outcome
from latently.values import Batch

__all__ = ["Alarm", "alarms"]

LOOK_AT = 4096  # rows
OVERFIT = 2.0  # held-out error over training error


@dataclass(frozen=True)
class Alarm:
    """`name` for programs, `message` for people: what was seen, and what to try."""

    name: str
    message: str


@torch.no_grad()
def alarms(outcome: Outcome, rows: Batch, noun: str = "column") -> list[Alarm]:
    """Every alarm that this fit raises; `noun` is what a cell of a row is called."""
    model, found = outcome.model, []
    sample = rows.take(slice(0, LOOK_AT))
    wide = model.code >= rows.cells and not model.bottleneck.priced  # directions to spare, and nothing lost by it
    if len(sample) > 1 and not wide:
        h = model.encoder.plain(model.door(sample))
        found += [Alarm(name, message) for name, message in model.bottleneck.complaints(h)]
    found += _errors(outcome, rows.cells, noun)
    history = outcome.history
    if history.rollbacks:
        found.append(Alarm("diverged", (
            f"training left the finite numbers {history.rollbacks} times; each time it went back and halved the "
            "learning rate. Try a smaller learning_rate, or look for extreme values in the data."
        )))  # fmt: skip
    if history.batch_rows:
        found.append(Alarm("short of memory", (
            f"memory ran out, and training went on with batches of {history.batch_rows} rows. Try "
            f"batch_size={history.batch_rows} to have no epoch begun twice, narrower layers, or more memory."
        )))  # fmt: skip
    return found


def _errors(outcome: Outcome, cells: int, noun: str) -> list[Alarm]:
    held, model = outcome.held_out, outcome.model
    if held is None or held.mean <= 0:
        return []
    if held.model >= 0.999 * held.mean:
        return [Alarm("no better than the mean", (
            f"held-out error {held.model:.3g} against {held.mean:.3g} for predicting each {noun}'s mean: nothing was "
            f"learned. Try more epochs or components, a weaker penalty, or check that the {noun}s have anything in "
            "common."
        ))]  # fmt: skip
    found = []
    if held.model > 1.02 * held.pca and model.code < cells:  # PCA with as many components copies
        found.append(Alarm("no better than PCA", (
            f"held-out error {held.model:.3g} against {held.pca:.3g} for PCA with {model.code} components. Try "
            "more epochs, network='auto', a weaker penalty or less corruption, or use PCA."
        )))  # fmt: skip
    if held.model > held.pca and held.model > OVERFIT * held.train + 1e-3 * held.mean and held.model > 0.1 * held.mean:
        found.append(Alarm("overfit", (
            f"held-out error {held.model:.3g} against {held.train:.3g} on the training rows. Try fewer components, "
            "narrower layers, kind='denoising', or more rows."
        )))  # fmt: skip
    return found
