"""Images of a report: originals beside reconstructions, samples, walks through the code; kept within the page."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.faces.report.facts import Facts, Gallery
from latently.faces.report.markup import Html, clip, join, tag
from latently.faces.report.status import note, records

__all__ = ["gallery", "source_of"]

SIDE = 96  # pixels: larger images are shrunk, smaller ones enlarged by whole numbers


def gallery(facts: Facts) -> Html | None:
    """Every gallery under its own heading."""
    drawn = [_drawn(found) for found in records(facts.get("galleries"))]
    return join(drawn) if drawn else None


def _drawn(given: Gallery) -> Html:
    heads = given.get("heads", [])
    top = tag("tr", *(tag("th", head, scope="col") for head in ("", *heads))) if heads else None
    lines = []
    for line in given.get("lines", []):
        name, images = line.get("name", ""), line.get("images", [])
        cells = [
            tag("td", tag("img", src=image, alt=_told(name, heads, j), loading="lazy"))
            for j, image in enumerate(images)
        ]
        lines.append(tag("tr", tag("th", clip(name, 40), scope="row"), *cells))
    body = tag(
        "table",
        tag("thead", top) if top else None,
        tag("tbody", *lines),
        class_="gallery wide" if given.get("wide") else "gallery",
    )
    return join((tag("h3", given.get("title", "")), tag("div", body, class_="scroll"), note(given.get("note"))))


def _told(name: str, heads: Any, j: int) -> str:
    return f"{name}, {heads[j]}" if j < len(heads) else f"{name}, {j + 1}"


def source_of(image: NDArray[Any], low: float | None = None, high: float | None = None, side: int = SIDE) -> str:
    """An image as the source of an `img`: a PNG within the text."""
    from PIL import Image

    from latently.faces.sheets import visible
    from latently.modalities.pixels import resized

    shown = visible(image, low, high)
    longest = max(shown.shape[:2])
    if longest > side:
        shown = resized(shown, *(max(1, round(s * side / longest)) for s in shown.shape[:2]))
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
