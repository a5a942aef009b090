"""What a report is drawn from: one JSON-able dict, in which everything is optional.

A section whose key is absent is left out. Absent, None and NaN mean the same everywhere; in a list that runs parallel
to another one (`x` and `y`, `epochs` and `validation`) None keeps the place. Shares and errors as a share run from 0
to 1. Names and other text may hold anything: they are escaped, clipped and wrapped when drawn. Dates are ISO text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypedDict, cast

__all__ = [
    "Alarm", "Codes", "Column", "Error", "Facts", "Fold", "Gallery", "Head", "HeldOut", "Histogram", "Level", "Line",
    "Made", "New", "Reason", "Reconstruction", "Row", "Sizes", "Strange", "Training", "tidy",
]  # fmt: skip

HUGE = 10**300  # a larger integer has no float to draw it by
Cell = str | float | int | bool | None
Numbers = Sequence[float | None]


class HeldOut(TypedDict, total=False):
    """Squared error on rows not learned from, in one unit: ours, the mean predictor's, PCA's of the same size."""

    model: float
    mean: float
    pca: float
    rows: int


class Head(TypedDict, total=False):
    """What was fitted, and how well in one sentence."""

    title: str  #: name of the table
    task: str  #: such as "Autoencoder"
    kind: str  #: such as "denoising"
    rows: int
    items: str  #: what the rows are, where they are none: "images"
    columns: int
    learned: int  #: columns the model learned, where that is not all of them
    components: int  #: code size
    fitted: str  #: ISO date or time
    verdict: str  #: one plain sentence; without it, it is made from `held_out` and `components`
    held_out: HeldOut


class Alarm(TypedDict, total=False):
    """What its owner should look at. An empty list of alarms says "none"; no list leaves the section out."""

    name: str
    message: str


class Histogram(TypedDict, total=False):
    """`counts` between `edges`; edges may be left out where the picture is small and has no axis."""

    edges: Numbers  #: one more than counts
    counts: Numbers


class Level(TypedDict, total=False):
    """One level of a column that has levels."""

    name: str
    share: float


class Column(TypedDict, total=False):
    """One column of the table, in the table's order."""

    name: str
    sort: str  #: number, integer, boolean, category, ordered, time
    role: str  #: learned, label, id, time, left out
    missing: float  #: share of the cells
    low: Cell  #: least value, a number or ISO text
    high: Cell
    levels: Sequence[Level | str]  #: commonest first, or in their order; a few are enough
    level_count: int  #: how many there are
    histogram: Histogram
    scaling: str  #: how it is scaled, in a few words
    why: str  #: why it was left out


class Fold(TypedDict, total=False):
    """Validation loss of one fold."""

    epochs: Numbers  #: without them the looks are numbered
    validation: Numbers


class Training(TypedDict, total=False):
    """What happened in the fit, one entry a look."""

    epochs: Numbers
    validation: Numbers  #: loss on held-out rows
    best: int  #: index of the best look
    folds: Sequence[Fold]
    terms: Mapping[str, Numbers]  #: the loss by its terms on the training rows, weighted so that they add up to it
    loss: str  #: what the loss is, such as "squared error a row"
    stopped: str  #: schedule, patience, time, diverged
    seconds: float
    note: str


class Error(TypedDict, total=False):
    """Held-out error of one column as a share of its variance: 0 is perfect, 1 is as bad as its mean."""

    name: str
    model: float
    pca: float
    mean: float  #: 1 if not given
    note: str  #: such as "misclassified share"


class Reconstruction(TypedDict, total=False):
    """Every learned column beside the mean predictor and PCA."""

    columns: Sequence[Error]
    rows: int  #: rows it was measured on
    note: str


class Codes(TypedDict, total=False):
    """A map of the codes: at most 5,000 points are drawn."""

    x: Numbers
    y: Numbers
    axes: Sequence[str]  #: two names
    method: str  #: how two dimensions were had, such as "first two principal components of the codes"
    rows: Sequence[int]  #: row number of each point, for the tooltip
    label: Sequence[Cell]  #: colours the points
    label_name: str
    label_sort: str  #: "category" or "number"; found out if not given
    item: str  #: what a point is, where it is no row: "window"
    total: int  #: rows there are, where not all are points
    note: str


class Reason(TypedDict, total=False):
    """Why a row is strange."""

    column: str
    observed: Cell
    expected: Cell
    share: float  #: of the row's score


class Beside(TypedDict, total=False):
    """A cell of a strange row, and of the normal row nearest to it."""

    column: str
    observed: Cell
    normal: Cell


class Row(TypedDict, total=False):
    """A strange row."""

    row: int
    keys: Mapping[str, Cell]  #: id, label and time columns
    score: float
    p: float
    flag: bool
    reasons: Sequence[Reason]
    normal: Sequence[Beside]


class Strange(TypedDict, total=False):
    """The strangest rows, worst first."""

    rows: Sequence[Row]
    score_name: str  #: such as "surprise (nats)"
    scores: Histogram  #: of all rows
    threshold: float  #: from which a row is flagged
    flagged: int
    total: int
    item: str  #: what has a score, where it is no row: "step"
    note: str


class Sizes(TypedDict, total=False):
    """Held-out error by code size; shown as a share of `mean` where that is given."""

    components: Numbers
    error: Numbers
    pca: Numbers
    mean: float
    chosen: int
    note: str


class Made(TypedDict, total=False):
    """What it takes to make the model again."""

    command: str
    seed: int
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    network: Mapping[str, Any]  #: encoder, decoder, parameters ...
    note: str


class Line(TypedDict, total=False):
    """Images of one source, beside each other."""

    name: str
    images: Sequence[str]  #: as sources of `img`: data URIs


class Gallery(TypedDict, total=False):
    """Lines of images under a heading; `heads` over their columns."""

    title: str
    heads: Sequence[str]
    wide: bool  #: whether its images are wider than high
    lines: Sequence[Line]
    note: str


class Listing(TypedDict, total=False):
    """Texts in lines under a heading; `heads` over their columns."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


class New(TypedDict, total=False):
    """Rows of a table that a generator drew."""

    columns: Sequence[Mapping[str, Any]]  #: name, apart, and counts `real` and `new`; of levels their names
    figures: Mapping[str, Mapping[str, float]]  #: of whom, by what is measured
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class Track(TypedDict, total=False):
    """A line of a chart."""

    name: str
    values: Numbers  #: None is a gap
    look: str  #: its class in the style sheet


class Stretch(TypedDict, total=False):
    """A stretch of a series."""

    title: str
    x: str  #: what is counted to the right
    places: Numbers
    lines: Sequence[Track]
    spans: Sequence[Sequence[float]]  #: marked: from, to


class Facts(TypedDict, total=False):
    """A report, section by section."""

    head: Head
    titles: Mapping[str, str]  #: of sections, by their keys, where they are not as usual
    stretches: Sequence[Stretch]
    listings: Sequence[Listing]
    alarms: Sequence[Alarm]
    columns: Sequence[Column]
    training: Training
    reconstruction: Reconstruction
    new: New
    galleries: Sequence[Gallery]
    codes: Codes
    strange: Strange
    sizes: Sizes
    made: Made


def tidy(facts: Mapping[str, Any]) -> Facts:
    """The same facts without None and NaN but for the places they keep in lists; numbers become Python's own."""
    found = _tidy(facts)
    return cast(Facts, found if isinstance(found, dict) else {})


def _tidy(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value) if abs(int(value)) < HUGE else str(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        pairs = ((str(k), _tidy(v)) for k, v in value.items())
        return {k: v for k, v in pairs if v is not None}
    if isinstance(value, list | tuple):
        return [_tidy(v) for v in value]
    return str(value)
