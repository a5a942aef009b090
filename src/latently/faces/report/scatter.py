"""Points in two dimensions, coloured by a category, by a number, or by nothing but how dense they lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from latently.faces.report.axes import Axis, axis, finite, quantile, thin
from latently.faces.report.charts import Frame, percent
from latently.faces.report.markup import Html, clip, join, raw, tag
from latently.faces.report.words import cell, is_number, number

__all__ = ["MOST_POINTS", "Colours", "colours", "scatter"]

MOST_POINTS = 5000
HUES = 10  # classes c0..c9 of the style sheet; five are dots, five are squares
STEPS = 9  # classes s0..s8, from least to greatest
ASPECT = 1.5  # of the area, so that a unit is as wide as high
FEW_NUMBERS = 10  # a number with so few values is a category


@dataclass(frozen=True)
class Colours:
    """The class of each point, the legend, and what each point is called."""

    looks: Sequence[str]
    names: Sequence[str]
    legend: Html | None = None


def colours(label: Sequence[object], sort: str | None, title: str) -> Colours:
    """How a label colours the points; without one they are all alike."""
    numbers = finite(label)
    if not any(v is not None for v in label):
        return Colours([], [])
    if sort is None:
        sort = "number" if len(set(numbers)) > FEW_NUMBERS and len(numbers) > len(label) / 2 else "category"
    names = [f"{title}: {clip(cell(v), 40)}".removeprefix(": ") for v in label]
    if sort == "number" and numbers:
        return Colours(*_by_number(label, numbers, names, title))
    return Colours(*_by_category(label, names, title))


def _by_number(
    label: Sequence[object], numbers: list[float], names: list[str], title: str
) -> tuple[list[str], list[str], Html]:
    """Steps between the 2nd and the 98th hundredth, so that one wild value does not take all the colours."""
    low, high = quantile(numbers, 0.02), quantile(numbers, 0.98)
    span = (high - low) or 1.0
    steps = [int(min(0.999, max(0.0, (v - low) / span)) * STEPS) if is_number(v) else None for v in label]
    looks = ["none" if s is None else f"s{s}" for s in steps]
    ends = ("≤ " if min(numbers) < low else "") + number(low), ("≥ " if max(numbers) > high else "") + number(high)
    ramp = tag("span", *(tag("i", class_=f"s{s}") for s in range(STEPS)), class_="ramp", aria_hidden="true")
    items = [tag("li", title, class_="legend-title"), tag("li", tag("span", ends[0]), ramp, tag("span", ends[1]))]
    if "none" in looks:
        items.append(_key("none", "missing", looks.count("none")))
    return looks, names, tag("ul", *items, class_="legend")


def _by_category(label: Sequence[object], names: list[str], title: str) -> tuple[list[str], list[str], Html]:
    counts = Counter(cell(v) for v in label if v is not None)
    common = [text for text, _ in counts.most_common(HUES)]
    hue = {text: f"c{i}" for i, text in enumerate(_in_order(common))}
    looks = ["none" if v is None else hue.get(cell(v), "other") for v in label]
    items = [tag("li", title, class_="legend-title"), *(_key(look, text, counts[text]) for text, look in hue.items())]
    rest = looks.count("other")
    if rest:
        items.append(_key("other", f"{len(counts) - len(hue)} others", rest))
    if "none" in looks:
        items.append(_key("none", "missing", looks.count("none")))
    return looks, names, tag("ul", *items, class_="legend")


def _in_order(texts: list[str]) -> list[str]:
    """Numbers by size, words by the alphabet."""
    try:
        return sorted(texts, key=float)
    except ValueError:
        return sorted(texts)


def _key(look: str, text: str, count: int) -> Html:
    sample = tag("svg", _point(0.5, 0.5, look, 5), class_="key dotkey", aria_hidden="true")
    shown = tag("bdi", clip(text, 40), title=clip(text, 400) if len(text) > 40 else None)
    return tag("li", sample, shown, " ", tag("span", number(count), class_="quiet"), data_look=look)


def _point(across: float, down: float, look: str, size: float = 3.2, text: str = "") -> Html:
    """A dot, or a square for the second five hues: colour is never the only thing that tells labels apart."""
    if look in ("c5", "c6", "c7", "c8", "c9"):
        half = size * 0.9
        return tag(
            "rect", x=percent(across), y=percent(down), width=f"{2 * half:.3g}", height=f"{2 * half:.3g}",
            transform=f"translate(-{half:.3g} -{half:.3g})", class_=look, data_t=text,
        )  # fmt: skip
    return tag("circle", cx=percent(across), cy=percent(down), r=f"{size:.3g}", class_=look, data_t=text)


def scatter(frame: Frame, x: Sequence[object], y: Sequence[object], told: Sequence[str], by: Colours) -> Html | None:
    """At most `MOST_POINTS` points; `told` names each in its tooltip."""
    known = [i for i in range(min(len(x), len(y))) if len(finite((x[i], y[i]))) == 2]
    if not known:
        return None
    known = [known[i] for i in thin(len(known), MOST_POINTS)]
    across, up = _same_unit(axis((x[i] for i in known), margin=0.03), axis((y[i] for i in known), margin=0.03))
    points = []
    for i in known:
        (a,), (b,) = finite((x[i],)), finite((y[i],))
        look = by.looks[i] if i < len(by.looks) else "c0" if not by.looks else "none"
        words = "\n".join((*told[i : i + 1], *by.names[i : i + 1]))
        points.append(_point(across.at(a), 1 - up.at(b), look, text=words))
    alike = "points" if by.looks else f"points alike {'many' if len(points) > 1000 else ''}".strip()
    return frame.draw(across, up, tag("g", join(points), class_=alike), by.legend or raw(""))


def _same_unit(across: Axis, up: Axis) -> tuple[Axis, Axis]:
    """Both axes in one scale, unless one spread is so small that its points would fall into a line."""
    wide, high = across.high - across.low, up.high - up.low
    if not 0.25 < wide / (high * ASPECT) < 4:
        return across, up
    more_x, more_y = max(0.0, high * ASPECT - wide) / 2, max(0.0, wide / ASPECT - high) / 2
    return Axis(across.low - more_x, across.high + more_x), Axis(up.low - more_y, up.high + more_y)
