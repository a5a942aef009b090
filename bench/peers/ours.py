"""latently: training at given widths, whole fits at the defaults, scoring, compositions.

The clock is on the training loop (`latently.engine.fit.fit`), as it is with the peers; the whole call adds reading,
scaling, taking stock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from worker import Clock, Job, mean_square, unscored

from latently import Autoencoder
from latently.engine import schedule
from latently.parts import Dense

__all__ = ["ENGINES"]

torch.set_num_threads(1)
whole_loop = schedule.fit


def _fitted(job: Job, clock: Clock, more: dict[str, Any], **options: Any) -> Autoencoder:
    def timed(*arguments: Any) -> Any:
        with clock:
            return whole_loop(*arguments)

    schedule.fit = timed
    try:
        model = Autoencoder(verbose=False, random_state=job.seed, **options)
        return model.set_params(**more).fit(job.rows)
    finally:
        schedule.fit = whole_loop


def train(job: Job, clock: Clock) -> float:
    """A fit of the kind, layers and precision that the job names; nothing is held out."""
    options, layers = {"precision": "float32", **job.options}, {"line": False}
    layers |= options.pop("layers", {})
    if not options.pop("own_layers", False):
        options["network"] = Dense(hidden=tuple(job.widths[1:-1]), **layers)
    more = options.pop("more", {})
    model = _fitted(
        job, clock, more, n_components=job.widths[-1], epochs=job.epochs, batch_size=job.batch, learning_rate=job.rate,
        validation_fraction=None, **options,
    )  # fmt: skip
    return mean_square(job.rows, model.reconstruct)


def defaults(job: Job, clock: Clock) -> float:
    """A whole fit with the options that the job names and no others; the error is that on rows held out."""
    model = Autoencoder(verbose=False, random_state=job.seed, **job.options)
    with clock:
        model.fit(job.rows)
    return mean_square(job.held, model.reconstruct)


_models: dict[str, Autoencoder] = {}


def score(job: Job, clock: Clock) -> float:
    """`score_samples` of a model fitted before."""
    if not _models:
        network = Dense(hidden=tuple(job.widths[1:-1]), line=False)
        _models["here"] = Autoencoder(job.widths[-1], network=network, epochs=1, verbose=False).fit(job.held)
    with clock:
        scores = _models["here"].score_samples(job.rows)
    return unscored(scores, job)


ENGINES: dict[str, Callable[[Job, Clock], float]] = {"train": train, "defaults": defaults, "score": score}
