"""Points of a map, and shares of a whole, on matplotlib axes."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.errors import BadData, BadParameter, MissingExtra

__all__ = ["bars", "scatter", "thumbnails"]

#: Twelve colours that differ in hue and lightness; the thirteenth group starts over with another mark.
COLOURS = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#1b1b1b",
    "#8fd19e", "#f7b6d2",
)  # fmt: skip
MARKS = "o^sDvP"
GREY = "#b8b8b8"  # rows without a label
GROUPS = 20  # numbers with more different values are a scale
MOST_GROUPS = len(COLOURS) * len(MARKS)
INK = 30_000.0  # square points for all marks together
WORDS = 48  # characters of a line of a bar's label, which has two

ACROSS = 24  # thumbnails along a side of a map, at most

Points = NDArray[np.float32]


def scatter(points: Points, labels: Any, ax: Any, owned: bool) -> Any:
    """The first two coordinates on `ax` or new axes, coloured by `labels`; `owned`: the rows are the fit's own."""
    if points.shape[1] < 2:
        raise BadParameter("a plot needs two dimensions; this map has n_components=1. Fit one with 2.")
    if labels is not None and owned:
        raise BadParameter("labels need their rows: the fit keeps points in an order of its own. Try plot(X, labels).")
    axes = _new_axes() if ax is None else ax
    style = {"s": float(np.clip(INK / max(len(points), 1), 2.0, 36.0)), "linewidths": 0}
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], color=COLOURS[0], **style)
    else:
        _coloured(axes, points, _column(labels, len(points)), style)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_box_aspect(1)
    axes.set_xlabel("map 1")
    axes.set_ylabel("map 2")
    return axes


def thumbnails(axes: Any, points: Points, images: list[NDArray[Any]]) -> None:
    """Images at their points, one for each cell of a grid: that nearest the middle of its cell."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    low, high = points[:, :2].min(0), points[:, :2].max(0)
    place = (points[:, :2] - low) / np.maximum(high - low, 1e-12) * (ACROSS - 1e-6)
    cell = place.astype(int)
    apart = np.abs(place - cell - 0.5).max(1)
    nearest: dict[tuple[int, int], int] = {}
    for i in np.argsort(apart, kind="stable"):
        nearest.setdefault((int(cell[i, 0]), int(cell[i, 1])), int(i))
    side = axes.get_window_extent().width / ACROSS
    chosen = list(nearest.values())
    for i, image in zip(chosen, _displayed([images[i] for i in chosen]), strict=True):
        box = OffsetImage(image, zoom=0.9 * side / max(image.shape[:2]) * 72 / axes.figure.dpi)
        axes.add_artist(AnnotationBbox(box, (float(points[i, 0]), float(points[i, 1])), frameon=False, pad=0))


def bars(labels: list[str], shares: list[float], title: str, ax: Any) -> Any:
    """Shares of a whole as bars on `ax` or new axes, the first on top."""
    axes = _new_axes((8.0, 1.2 + 0.35 * max(len(shares), 1))) if ax is None else ax
    drawn = axes.barh(range(len(shares)), shares, color=COLOURS[0])
    axes.bar_label(drawn, [f"{s:.0%}" for s in shares], padding=3)
    axes.set_yticks(range(len(shares)), [textwrap.fill(label, WORDS, max_lines=2, placeholder="…") for label in labels])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max([*shares, 1e-9]))
    axes.set_xlabel("share")
    axes.set_title(title, loc="right")
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _displayed(images: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Images of one form as colours from 0 to 1, by the least and greatest value there is; bright bytes by white."""
    stack = np.stack(images).astype(np.float64)
    if stack.ndim == 4 and stack.shape[3] > 4:
        raise BadParameter(f"images of {stack.shape[3]} channels have no colours to draw; plot(X) draws their points.")
    low, high = (0.0, 255.0) if images[0].dtype == np.uint8 and stack.max() > 127 else (stack.min(), stack.max())
    stack = (stack - low) / (high - low if high > low else 1.0)
    if stack.ndim == 3 or stack.shape[3] == 2:  # grey, its alpha left out
        stack = np.repeat((stack if stack.ndim == 3 else stack[..., 0])[..., None], 3, 3)
    return stack


def _new_axes(size: tuple[float, float] | None = None) -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtra("plot needs matplotlib. Try: pip install 'latently[plot]'") from None
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def _column(labels: Any, rows: int) -> NDArray[Any]:
    values = np.asarray(labels)
    if values.shape not in ((rows,), (rows, 1)):
        raise BadData(f"labels have shape {values.shape}; expected one for each of {rows} rows.")
    return values.ravel()


def _coloured(axes: Any, points: Points, labels: NDArray[Any], style: dict[str, Any]) -> None:
    gone = _missing(labels)
    if gone.any():
        axes.scatter(points[gone, 0], points[gone, 1], color=GREY, label="no label", **style)
    points, labels = points[~gone], labels[~gone]
    groups, index = np.unique(labels.astype(str) if labels.dtype == object else labels, return_inverse=True)
    if labels.dtype.kind in "fiu" and len(groups) > GROUPS:
        drawn = axes.scatter(points[:, 0], points[:, 1], c=labels, cmap="viridis", **style)
        axes.figure.colorbar(drawn, ax=axes)
        return
    if len(groups) > MOST_GROUPS:
        raise BadParameter(
            f"labels have {len(groups)} different values, more than {MOST_GROUPS} colours and marks. Group them."
        )
    for i, group in enumerate(groups):
        rows = index == i
        mark, colour = MARKS[i // len(COLOURS)], COLOURS[i % len(COLOURS)]
        axes.scatter(points[rows, 0], points[rows, 1], color=colour, marker=mark, label=str(group), **style)
    axes.legend(
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=1 + len(groups) // 25, markerscale=2
    )


def _missing(labels: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([v is None or v != v for v in labels], dtype=bool)
