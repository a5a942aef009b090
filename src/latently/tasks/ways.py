"""How a denoiser learns from, and cleans, one sort of data: the contract, and rows of a table or a series."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, ClassVar

import torch

from latently.engine.schedule import Outcome
from latently.modalities import Modality
from latently.parts.networks import Pyramid
from latently.parts.networks.pyramid import Descent
from latently.recipes import Compose
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.noise import Noise, noise_named
from latently.values import Batch

__all__ = ["Rows", "Way", "paced", "settled", "unasked"]

STEPS = 6000
MOST = 400  # epochs
# Measured on photographs: 82k pixels 30.6 dB after 190 steps, 32.5 after 510; 1.8M pixels 28.54 after 2,600, 28.48
# after 6,500.
PATIENCE = 2.5
RATE = 4e-3
ASKED = ("n_components", "kind", "network", "loss")

Suited = tuple[Blueprint, dict[str, Any], dict[str, Any]]


class Way:
    """One sort of data and a task that cleans it. `registry` holds them by what a row is cut from."""

    registry: ClassVar[dict[str, type[Way]]] = {}
    sort: ClassVar[str]  #: a modality's `cut_from`
    what: ClassVar[str]  #: in words

    def __init__(self, task: Task, data: Modality) -> None:
        self.task, self.data = task, data
        self.noise: Any = vars(task)["noise"]

    @property
    def noise_(self) -> dict[str, Any]:
        """What was taken for the noise."""
        return vars(self.task)["noise_"]  # type: ignore[no-any-return]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Way.registry[cls.sort] = cls

    @classmethod
    def of(cls, task: Task, data: Modality) -> Way:
        """What suits this data."""
        return cls.registry[data.cut_from](task, data)

    def check(self) -> None:
        """Refuse a noise that cannot be named so, before any data is read."""
        raise NotImplementedError

    def paired(self, seen: Any, wanted: Any) -> Any:
        """What `fit(seen, wanted)` learns from."""
        raise NotImplementedError

    def suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> Suited:
        """Plan and numbers for these rows, and what was taken for the noise."""
        raise NotImplementedError

    def kept(self, rows: Batch) -> dict[str, Any]:
        """Finish the fitted task; facts of the fit that cleaning needs, JSON values."""
        return {}

    def judged(self, outcome: Outcome) -> dict[str, Any]:
        """More such facts, from rows held out."""
        return {}

    def cleaned(self, data: Any, passes: int | None) -> Any:
        """The data without noise, in its own form."""
        raise NotImplementedError


def unasked(task: Task) -> bool:
    """Whether nobody asked for a code, a kind, networks or a loss, so that what suits the noise may be taken."""
    return all(isinstance(v := getattr(task, n), str) and v in ("auto", "undercomplete") for n in ASKED)


class Rows(Way):
    """Rows are taken whole and seen through a code: a narrow one, or that of the kind that was chosen."""

    sort = ""
    what = "a table"

    def check(self) -> None:
        """As images are."""
        noise_named(self.noise)

    def paired(self, seen: Any, wanted: Any) -> Any:
        """`wanted` is ignored, as scikit-learn's `y` is."""
        return seen

    def suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> Suited:
        """The kind, and noise of 0.3 deviations where nobody says otherwise."""
        parts = plan.recipe.parts(1)
        told = noise_named(self.noise) or noise_named(self.data.noise) or Noise("gaussian", 0.3, 0.3)
        corruption = parts.corruption or told.corruption(1.0, 1.0)
        kind = Compose(corruption, parts.bottleneck, parts.penalties, parts.bound, parts.emphasis, parts.loss)
        return replace(plan, recipe=kind), given, asdict(told) | {"clean": True, "measured": None}

    def cleaned(self, data: Any, passes: int | None) -> Any:
        """Every row as the code tells it; missing cells stay missing."""
        task, model = self.task, self.task.model_
        cells = task._map(lambda b: model.decode(model.encode(b)), task._batch(data))
        return self.data.rebuilt(self.data.values(torch.from_numpy(cells)), data, ~self.data.gaps(task, data))


def settled(task: Task) -> None:
    """From now on corrections count in full, whatever factor they had in training; of the codes one is kept.

    A code is as large as many images.
    """
    network, decoder = task.network_, task.model_.decoder
    assert isinstance(network, Pyramid)
    assert isinstance(decoder, Descent)
    task.codes_, task.network_, decoder.gain = task.codes_[:1], replace(network, gain=1.0), 1.0


def paced(rows: Batch, at_once: int, noisy: int | None, most: int = STEPS) -> dict[str, Any]:
    """The numbers of a plan for convolutions over pieces, `at_once` a step, at `most` so many steps.

    `noisy`: numbers whose noise never changes. It is learned by heart in the end: steps for the root of how many.
    """
    batch = min(len(rows), max(16, min(256, at_once, len(rows) // 40)))
    steps = most if noisy is None else min(most, PATIENCE * noisy**0.5)
    epochs = min(MOST, max(1, round(steps * batch / len(rows))))
    return {"learning_rate": RATE, "batch_rows": batch, "epochs": epochs}
