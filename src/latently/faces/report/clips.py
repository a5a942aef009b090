"""What a report shows of a model of sounds, as spectrograms: what becomes of them, what is strange, new ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from latently.faces.clips import Clips
from latently.faces.report.gallery import source_of
from latently.faces.report.units import drawn
from latently.faces.spectrogram import overlaid, spectrogram

__all__ = ["heard"]

SHOWN = 8
UNITS = 4
STEPS = 5
DRAWN = 8
WIDE = 192  # pixels of a spectrogram's longer side


def heard(given: Clips) -> dict[str, Any]:
    """Galleries."""
    units = drawn(given, lambda i: _seen(given.rows[i], int(given.rows.rates[i])))
    made = [_beside(given), _strangest(given), units or _walks(given), _samples(given)]
    return {
        "galleries": [gallery | {"wide": True} for gallery in made if gallery is not None],
        "titles": {"galleries": "Sounds"},
    }


def _seen(samples: Any, rate: int) -> str:
    return source_of(spectrogram(samples, rate), side=WIDE)


def _beside(given: Clips) -> dict[str, Any] | None:
    estimator = given.estimator
    if hasattr(estimator, "heat_map"):
        return None
    from latently.tasks.portrait import retold

    cleaned = type(estimator).__name__ == "Denoiser"
    if not cleaned and estimator.data_.cropped:
        return None
    chosen = np.linspace(0, given.count - 1, min(SHOWN, given.count)).astype(int)
    some = given.rows.take(chosen)
    made = estimator.transform(some) if cleaned else retold(estimator, some)
    lines = [
        {
            "name": given.rows.names[i],
            "images": [_seen(some[k], int(some.rates[k])), _seen(made[k], int(some.rates[k]))],
        }
        for k, i in enumerate(chosen)
    ]
    title, after = ("Before and after", "cleaned") if cleaned else ("Reconstructions", "as its code tells it")
    note = "Time to the right, low to high upwards, loud is bright: 70 dB from black to white."
    return {"title": title, "heads": ["sound", after], "lines": lines, "note": note}


def _strangest(given: Clips) -> dict[str, Any] | None:
    detector = given.estimator
    if not hasattr(detector, "heat_map"):
        return None
    score = -detector.score_samples(given.rows)
    lines = []
    for i in np.argsort(-score, kind="stable")[:SHOWN]:
        one, rate = given.rows.take([i]), int(given.rows.rates[i])
        seen, over = overlaid(one[0], rate, detector.heat_map(one)[0], detector)
        flag = ", flagged" if score[i] > detector.threshold_ else ""
        images = [source_of(seen, side=WIDE), source_of(over, side=WIDE)]
        lines.append({"name": f"{given.rows.names[i]} ({score[i]:.3g}{flag})", "images": images})
    note = "Strangest first, with the score in nats. `latently detect` writes the map of heat of every clip."
    return {"title": "Strangest sounds", "heads": ["sound", "where"], "lines": lines, "note": note}


def _walks(given: Clips) -> dict[str, Any] | None:
    from latently.tasks.portrait import walks

    estimator = given.estimator
    if estimator.data_.cropped or hasattr(estimator, "heat_map") or not len(estimator.codes_):
        return None
    rate = int(estimator.data_.rate_)
    found = walks(estimator, UNITS, STEPS)
    lines = [{"name": f"unit {unit}", "images": [_seen(clip, rate) for clip in made]} for unit, made in found]
    note = "Each unit from its 2nd to its 98th percentile in the fit, all others at their median."
    return {"title": "What the code means", "lines": lines, "note": note}


def _samples(given: Clips) -> dict[str, Any] | None:
    estimator = given.estimator
    if not hasattr(estimator, "sample") or type(estimator).__name__ == "Imputer":
        return None
    rate, made = int(estimator.data_.rate_), estimator.sample(DRAWN, random_state=0)
    half = DRAWN // 2
    lines = [{"name": "", "images": [_seen(clip, rate) for clip in made[i : i + half]]} for i in (0, half)]
    return {"title": "Samples", "lines": lines, "note": "New sounds, drawn from the model."}
