"""Noise taken out of images: which kind learns to, at which pace, and how whole images go through it."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from latently.errors import BadData, BadParameter
from latently.modalities.crops import Crops, Pair
from latently.modalities.pictures import accepts
from latently.parts.bottlenecks import Identity
from latently.parts.corruptions import Gaussian
from latently.parts.networks import Pyramid
from latently.parts.spatial import BlindSpot
from latently.recipes import Compose
from latently.tasks.assemble import Blueprint
from latently.tasks.clean import Cleaner
from latently.tasks.noise import Noise, deviation, noise_named
from latently.tasks.ways import Suited, Way, paced, settled
from latently.values import Batch

__all__ = ["Images"]

CLEAN = 0.02  # of the range: noise that is weaker is taken for the grain of clean images (5 of 255)
ALPHA = 0.5  # noise added to noisy images, in units of their own
DRAWS = 8  # of that noise, averaged in prediction
TURNS = 4  # of images, averaged in prediction: on Set12 29.87, 29.95, 29.99 dB with 1, 2, 4 of them
HELD_OUT = 0.1  # of images taken whole: tells when a network learns the noise of its images by heart
HIDDEN = 0.1  # of the pixels, for a blind spot: .02 and .1 gave 21.7 and 22.0 dB after the same 320 steps
AT_ONCE = 2**16  # pixels a training step


class Images(Way):
    """Images of any size, learned from as crops, cleaned in tiles."""

    sort = "image"
    what = "images"
    data: Crops

    def check(self) -> None:
        """A noise with a name."""
        noise_named(self.noise)

    def paired(self, seen: Any, wanted: Any) -> Any:
        """Noisy and clean images."""
        if not accepts(wanted):
            raise BadData("y is no images; expected the images of X without noise, or nothing.")
        return Pair(seen, wanted)

    def suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> Suited:
        """The kind that undoes this noise, and the pace that suits it."""
        parts, network = plan.recipe.parts(1), plan.network
        if not isinstance(network, Pyramid) or not isinstance(parts.bottleneck, Identity) or parts.penalties:
            raise BadParameter("images are cleaned by convolutions alone: leave kind, and network (or a Pyramid(...)).")
        if rows.given is not None:
            told: dict[str, Any] = {"sort": "pairs", "low": None, "high": None, "clean": False, "measured": None}
            kind = Compose(loss="l1")
        else:
            kind, network, told = self._noised(network, rows)
        own = {"n_components": network.code(self.data.shape)} | self._pace(rows, told)
        given = own | {n: v for n, v in given.items() if v != "auto"}
        return replace(plan, recipe=kind, network=network), given, told

    def _pace(self, rows: Batch, told: dict[str, Any]) -> dict[str, Any]:
        """The numbers of the plan that suit images."""
        judged = HELD_OUT if self.data.whole_ and len(rows) >= 10 / HELD_OUT else None  # crops overlap
        patient = told["clean"] or told["sort"] == "unknown"
        return {"validation": judged} | paced(rows, AT_ONCE // rows.cells, None if patient else self.data.pixels_)

    def _noised(self, network: Pyramid, rows: Batch) -> tuple[Compose, Pyramid, dict[str, Any]]:
        """The kind and network for images alone, clean or noisy."""
        data, noise, clean = self.data, noise_named(self.noise), vars(self.task)["clean"]
        unit, spread = float(data.scale_.mean()), float((data.high_ - data.low_).max())
        measured = deviation(rows.x.view(-1, *data.shape)) * unit
        clean = measured < CLEAN * spread if clean == "auto" else bool(clean)
        named = noise or (Noise("gaussian") if clean else Noise("gaussian", measured, measured))
        told = asdict(named) | {"clean": clean, "measured": measured}
        if clean:
            return Compose(named.corruption(unit, spread), loss="l1"), network, told
        if named.sort == "unknown":
            return Compose(BlindSpot(HIDDEN), emphasis=1.0), replace(network, residual=False), told
        if named.sort != "gaussian":
            raise BadParameter(
                f"noise={self.noise!r}: from noisy images alone only 'gaussian' noise can be learned, or noise of "
                "which no more is known than that pixels do not share it, 'unknown'. Give pairs, fit(noisy, clean), "
                "or say clean=True if these images are clean."
            )
        sigma = measured if named.low is None or named.low != named.high else named.low
        gain = ALPHA**2 / (1 + ALPHA**2)
        kind = Compose(Gaussian(max(ALPHA * sigma / unit, 1e-6)))
        return kind, replace(network, gain=gain), told | {"low": sigma, "high": sigma}

    def kept(self, rows: Batch) -> dict[str, Any]:
        """Whether images of every orientation were learned from."""
        settled(self.task)
        return {"turns": not self.data.whole_}

    def cleaned(self, data: Any, passes: int | None) -> Any:
        """The images of `data`, each in its own dtype and size: a stack for a stack, else a list."""
        done = list(self._cleaner(passes).each(self.data.whole(data)))
        return np.stack(done).reshape(data.shape) if isinstance(data, np.ndarray) else done

    def _cleaner(self, passes: int | None) -> Cleaner:
        told = vars(self.task)["noise_"]
        alone = not told["clean"] and told["sort"] == "gaussian"
        sigma = ALPHA * float(told["high"]) / float(self.data.scale_.mean()) if alone else 0.0
        most = passes or (DRAWS if alone else TURNS)
        return Cleaner(
            self.task.model_, self.data, most, sigma, vars(self.task)["_facts"]["turns"], sparing=passes is None
        )
