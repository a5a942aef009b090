"""What a report shows of a model of images: what becomes of them, what it draws, what its code means."""

from __future__ import annotations

from typing import Any

import numpy as np

from latently.faces.album import Album
from latently.faces.report.gallery import source_of
from latently.faces.report.units import drawn

__all__ = ["pictured"]

SHOWN = 8  # images beside their reconstruction
UNITS = 6
STEPS = 7
DRAWN = 16  # samples
STRANGE = 8


def pictured(given: Album) -> dict[str, Any]:
    """Galleries: reconstructions with residuals, the strangest images, walks through the code, samples."""
    units = drawn(given, lambda i: source_of(given.rows[i]))
    made = [_reconstructions(given), _strangest(given), units or _walks(given), _samples(given)]
    return {"galleries": [gallery for gallery in made if gallery is not None]}


def _reconstructions(given: Album) -> dict[str, Any] | None:
    from latently.tasks.portrait import again

    estimator, pieces = given.estimator, given.estimator.data_.cropped
    if pieces and hasattr(estimator, "heat_map"):  # it gives no images back
        return None
    chosen = np.linspace(0, given.count - 1, min(SHOWN, given.count)).astype(int)
    some = given.rows.take(chosen)
    seen, told = (some, _whole(estimator, some)) if pieces else again(estimator, some)
    residual = [np.abs(a.astype(np.float64) - b) for a, b in zip(told, seen, strict=True)]
    residual = [r.mean(2) if r.ndim == 3 else r for r in residual]
    top = max(float(max(r.max() for r in residual)), 1e-12)
    lines = [
        {
            "name": given.rows.names[i],
            "images": [source_of(seen[k]), source_of(told[k]), source_of(residual[k], 0, top)],
        }
        for k, i in enumerate(chosen)
    ]
    schema = estimator.data_.schema()[0]
    how = "" if pieces else f"As the model sees them, {schema['height']} x {schema['width']} pixels. "
    heads = ["image", "what becomes of it" if pieces else "as its code tells it", "difference"]
    title = "Before and after" if pieces else "Reconstructions"
    return {"title": title, "heads": heads, "lines": lines, "note": f"{how}Difference: white is {top:.3g}."}


def _whole(estimator: Any, images: Any) -> Any:
    """What the task makes of images at their own size."""
    return (
        estimator.decompress(estimator.compress(images))
        if hasattr(estimator, "compress")
        else estimator.transform(images)
    )


def _strangest(given: Album) -> dict[str, Any] | None:
    detector = given.estimator
    if not hasattr(detector, "heat_map"):
        return None
    from latently.faces.sheets import heated

    score = -detector.score_samples(given.rows)
    low, high = detector.heat_range_
    lines = []
    for i in np.argsort(-score, kind="stable")[:STRANGE]:
        one, image = given.rows.take([i]), given.rows[int(i)]
        flag = ", flagged" if score[i] > detector.threshold_ else ""
        over = heated(image, detector.heat_map(one)[0], low, high)
        lines.append(
            {"name": f"{given.rows.names[i]} ({score[i]:.3g}{flag})", "images": [source_of(image), source_of(over)]}
        )
    note = "Strangest first, with the score in nats. `latently detect` writes the map of heat of every image."
    return {"title": "Strangest images", "heads": ["image", "where"], "lines": lines, "note": note}


def _walks(given: Album) -> dict[str, Any] | None:
    from latently.tasks.portrait import walks

    if given.estimator.data_.cropped or not len(given.estimator.codes_):
        return None
    found = walks(given.estimator, UNITS, STEPS)
    lines = [{"name": f"unit {unit}", "images": [source_of(image) for image in images]} for unit, images in found]
    note = "Each unit from its 2nd to its 98th percentile in the fit, all others at their median."
    return {"title": "What the code means", "lines": lines, "note": note}


def _samples(given: Album) -> dict[str, Any] | None:
    if not hasattr(given.estimator, "sample") or type(given.estimator).__name__ == "Imputer":  # it draws rows anew
        return None
    images = given.estimator.sample(DRAWN, random_state=0)
    half = DRAWN // 2
    lines = [{"name": "", "images": [source_of(image) for image in images[i : i + half]]} for i in (0, half)]
    return {"title": "Samples", "lines": lines, "note": "New images, drawn from the model."}
