"""Charts as figures of HTML and SVG that stretch with the page while their text keeps its size.

Paths live in a nested SVG of 1000 by 1000 units that is stretched without widening its strokes; dots, axes and words
are placed in per cent. Whatever a chart shows is also said by its description or by a table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from latently.faces.report.axes import Axis, axis, finite, thin
from latently.faces.report.markup import Html, clip, join, raw, tag
from latently.faces.report.words import is_number, number

__all__ = ["Frame", "Series", "area_chart", "histogram", "line_chart", "percent", "sparkline"]

MOST_PLACES = 400  # points of a line: more than pixels of a phone, fewer than anyone sees
LEAST_HITS = 2
LOWEST = 0.015  # of a bar: a single row stays visible beside thousands

Values = Sequence[float | None]


@dataclass(frozen=True)
class Series:
    """A line: `look` is its class in the style sheet."""

    name: str
    x: Values
    y: Values
    look: str
    dots: bool = False
    group: str = ""  #: its name in the legend, where that stands for several lines


@dataclass(frozen=True)
class Frame:
    """What a chart says around its lines."""

    key: str  #: unique on the page
    title: str
    about: str  #: what is seen, for those who do not see it
    x: str = ""
    y: str = ""
    mark: float | None = None  #: an x to draw a line at ...
    mark_text: str = ""  #: ... and what to call it
    x_ticks: Sequence[float] = field(default_factory=tuple)
    kind: str = ""  #: of plot, in the style sheet
    ticks: bool = True  #: whether the axes have units

    def draw(self, across: Axis, up: Axis, marks: Html, legend: Html | None = None, hits: Html | None = None) -> Html:
        """The whole figure."""
        rows = [(up.at(t), number(t, 3)) for t in up.ticks(4)] if self.y and self.ticks else []
        columns = (
            [(across.at(t), number(t, 4)) for t in (self.x_ticks or across.ticks(6))] if self.x and self.ticks else []
        )
        lines = (
            tag("line", x1="0", x2="100%", y1=percent(1 - at), y2=percent(1 - at), class_="grid") for at, _ in rows
        )
        here = None if self.mark is None else percent(across.at(self.mark))
        line = here and tag("line", x1=here, x2=here, y1="0", y2="100%", class_="markline")
        picture = tag(
            "svg", tag("title", self.title, id=f"{self.key}-t"), tag("desc", self.about, id=f"{self.key}-d"),
            *lines, line, marks, hits, role="img", aria_labelledby=f"{self.key}-t {self.key}-d",
        )  # fmt: skip
        width = max((len(text) for _, text in rows), default=0)
        plot = tag(
            "div", self.y and tag("div", self.y, class_="yname"),
            tag("div", *(_tick("top", 1 - at, t) for at, t in rows), class_="ys", **HIDDEN),
            tag("div", picture, self._marked(across), class_="area"),
            tag("div", *(_tick("left", at, t) for at, t in columns), class_="xs", **HIDDEN),
            self.x and tag("div", self.x, class_="xname"), class_=f"plot {self.kind}".strip(), style=f"--w:{width}ch",
        )  # fmt: skip
        return tag("figure", tag("figcaption", self.title), plot, legend, id=self.key)

    def _marked(self, across: Axis) -> Html | None:
        if self.mark is None or not self.mark_text:
            return None
        at = across.at(self.mark)
        side = f"right:{percent(1 - at)}" if at > 0.6 else f"left:{percent(at)}"
        return tag("span", self.mark_text, class_="marktext", style=side)


def _tick(side: str, at: float, text: str) -> Html:
    return tag("span", text, style=f"{side}:{percent(at)}")


HIDDEN = {"aria_hidden": "true"}


def percent(part: float) -> str:
    """A place in per cent, short."""
    return f"{100 * part:.2f}".rstrip("0").rstrip(".") + "%"


def line_chart(
    frame: Frame,
    series: Sequence[Series],
    zero: bool = False,
    log: bool = False,
    spans: Sequence[tuple[float, float]] = (),
) -> Html | None:
    """Lines over a common axis, before `spans` of it that are marked; None where there is nothing to draw."""
    drawn = [s for s in series if any(is_number(x) and is_number(y) for x, y in zip(s.x, s.y, strict=False))]
    if not drawn:
        return None
    across = axis((x for s in drawn for x in s.x), margin=0.02 if any(s.dots for s in drawn) else 0.0)
    up = axis((y for s in drawn for y in s.y), zero=zero, log=log, margin=0.06)
    lines = stretched(*(_line(s, across, up) for s in drawn))
    dots = join(_dots(s, across, up) for s in drawn if s.dots)
    frame = frame if not up.log else _said(frame, " (logarithmic)")
    marks = join((*(_span(across.at(a), across.at(b)) for a, b in spans), lines, dots))
    return frame.draw(across, up, marks, legend(drawn), _hits(drawn, across, frame.x))


def _span(left: float, right: float) -> Html:
    return tag("rect", x=percent(left), width=percent(max(right - left, 0.004)), y="0", height="100%", class_="marked")


def _said(frame: Frame, more: str) -> Frame:
    return Frame(**{**frame.__dict__, "y": frame.y + more})


def stretched(*shapes: Html) -> Html:
    """Shapes in units of a thousandth of the area."""
    return tag("svg", *shapes, viewBox="0 0 1000 1000", preserveAspectRatio="none", width="100%", height="100%")


def _place(x: float, y: float, across: Axis, up: Axis) -> str:
    return f"{1000 * across.at(x):.4g} {1000 * (1 - up.at(y)):.4g}"


def _line(series: Series, across: Axis, up: Axis) -> Html:
    path, pen = [], "M"
    for i in thin(min(len(series.x), len(series.y)), MOST_PLACES):
        x, y = series.x[i], series.y[i]
        if is_number(x) and is_number(y):
            path.append(f"{pen}{_place(x, y, across, up)}")
            pen = "L"
        else:
            pen = "M"  # a gap stays one
    return tag("path", d="".join(path), class_=f"line {series.look}")


def _dots(series: Series, across: Axis, up: Axis) -> Html:
    places = [(x, y) for x, y in zip(series.x, series.y, strict=False) if is_number(x) and is_number(y)]
    return join(
        tag("circle", cx=percent(across.at(x)), cy=percent(1 - up.at(y)), r="3.5", class_=f"dot {series.look}")
        for x, y in places[:MOST_PLACES]
    )


def _hits(series: Sequence[Series], across: Axis, x_name: str) -> Html | None:
    """Invisible strips, one a place of the longest line, that carry the tooltips."""
    longest = max(series, key=lambda s: len(s.x))
    if len(longest.x) < LEAST_HITS:
        return None
    at = [{x: y for x, y in zip(s.x, s.y, strict=False) if is_number(x)} for s in series]
    places = sorted({x for x in longest.x if is_number(x)})
    places = [places[i] for i in thin(len(places), MOST_PLACES)]
    spots = [across.at(x) for x in places]
    strips = []
    for i, x in enumerate(places):
        left = (spots[i - 1] + spots[i]) / 2 if i else 0.0
        right = (spots[i] + spots[i + 1]) / 2 if i + 1 < len(spots) else 1.0
        values = (f"{clip(s.name, 30)} {number(v.get(x))}" for s, v in zip(series, at, strict=True) if x in v)
        text = "\n".join((f"{x_name} {number(x)}", *values))
        strips.append(tag("rect", x=percent(left), width=percent(right - left), height="100%", data_t=text))
    return tag("g", *strips, class_="hits")


def legend(series: Sequence[Series]) -> Html | None:
    """The names of the lines, where there is more than one."""
    named = {s.group or s.name: s for s in series}
    if len(named) < 2:
        return None
    swatches = (
        tag("svg", tag("line", x1="0", x2="100%", y1="50%", y2="50%", class_=f"line {s.look}"), class_="key", **HIDDEN)
        for s in named.values()
    )
    items = (tag("li", swatch, tag("bdi", clip(n, 40))) for swatch, n in zip(swatches, named, strict=True))
    return tag("ul", *items, class_="legend")


def area_chart(frame: Frame, x: Values, terms: Sequence[tuple[str, Values]]) -> Html | None:
    """Terms that add up, stacked; those that go below zero are drawn as lines, for they do not stack."""
    series = [Series(name, x, values, f"c{i % 10}") for i, (name, values) in enumerate(terms)]
    if len(series) < 2 or min(finite(v for s in series for v in s.y), default=0.0) < 0:
        return line_chart(frame, series, log=True)
    rows = [i for i in range(len(x)) if is_number(x[i]) and any(i < len(s.y) and is_number(s.y[i]) for s in series)]
    if len(rows) < LEAST_HITS:
        return line_chart(frame, series)
    rows = [rows[i] for i in thin(len(rows), MOST_PLACES)]
    places = finite(x[i] for i in rows)
    levels, floor = [], [0.0] * len(rows)
    for s in series:
        floor = [f + sum(finite(s.y[i : i + 1])) for f, i in zip(floor, rows, strict=True)]
        levels.append(floor)
    across, up = axis(places), axis(floor, zero=True)
    beds = [[0.0] * len(rows), *levels]
    shapes = stretched(*(
        _band(places, beds[i], beds[i + 1], across, up, s.look) for i, s in enumerate(series)
    ))  # fmt: skip
    kept = [Series(s.name, places, [s.y[i] if i < len(s.y) else None for i in rows], s.look) for s in series]
    return frame.draw(across, up, shapes, legend(kept), _hits(kept, across, frame.x))


def _band(x: list[float], low: list[float], high: list[float], across: Axis, up: Axis, look: str) -> Html:
    there = "L".join(_place(a, b, across, up) for a, b in zip(x, high, strict=True))
    back = "L".join(_place(a, b, across, up) for a, b in zip(x[::-1], low[::-1], strict=True))
    return tag("path", d=f"M{there}L{back}Z", class_=f"band {look}")


def histogram(frame: Frame, edges: Values, counts: Values, above: float | None = None) -> Html | None:
    """Counts between edges; bins from `above` on are drawn as marked."""
    places, heights = finite(edges), [v if is_number(v) and v > 0 else 0.0 for v in counts]
    if len(places) != len(edges) or len(places) != len(heights) + 1 or places != sorted(set(places)):
        return None
    across, up = Axis(places[0], places[-1]), axis(heights, zero=True, margin=0.06)
    bars = (
        _bar(
            across.at(a),
            across.at(b),
            max(LOWEST, up.at(h)),
            _over(a, b, above),
            f"{number(a)} to {number(b)}\n{number(h)}",
        )
        for a, b, h in zip(places[:-1], places[1:], heights, strict=True)
        if h
    )
    return frame.draw(across, up, join(bars))


def _bar(left: float, right: float, height: float, over: bool, text: str) -> Html:
    return tag(
        "rect", x=percent(left), width=percent(right - left), y=percent(1 - height), height=percent(height),
        class_="bar over" if over else "bar", data_t=text,
    )  # fmt: skip


def _over(low: float, high: float, above: float | None) -> bool:
    return above is not None and (low + high) / 2 >= above


def sparkline(counts: Values) -> Html:
    """A small histogram without axes, for a cell of a table."""
    heights = [v if is_number(v) and v > 0 else 0.0 for v in counts]
    top = max(heights, default=0.0)
    if not top:
        return raw("")
    width = 1000 / len(heights)
    steps = "".join(f"V{1000 - 1000 * h / top:.3g}h{width:.4g}" for h in heights)
    return tag("div", stretched(tag("path", d=f"M0 1000{steps}V1000Z", class_="bar")), class_="spark", **HIDDEN)
