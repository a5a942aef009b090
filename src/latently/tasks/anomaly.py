"""Rows unlike the others: fraud, faults, novelties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from latently import device as machine
from latently.engine.schedule import Outcome
from latently.errors import BadParameter, UnsupportedInput
from latently.tasks.alerting import AUTO
from latently.tasks.directions import Directions
from latently.tasks.explaining import Explaining
from latently.tasks.intervals import Interval
from latently.tasks.judges import Columns, Learned, Reason
from latently.tasks.moments import Moments
from latently.tasks.probes import detection, labels_of
from latently.tasks.region import Region
from latently.tasks.regions import MARKED, Regions
from latently.tasks.strangeness import cut
from latently.tasks.streaming import Streaming
from latently.tasks.taught import Known, Taught, judge_from
from latently.tasks.thresholds import share
from latently.tasks.twice import Twice
from latently.values import Batch

__all__ = ["AnomalyDetector", "Interval", "Reason", "Region"]

Rows = NDArray[np.float64]
Judge = Columns | Directions | Regions | Moments

JUDGES: dict[str, type[Columns] | type[Directions] | type[Regions] | type[Moments]] = {
    "columns": Columns, "directions": Directions, "regions": Regions, "moments": Moments,
}  # fmt: skip


@dataclass(kw_only=True, eq=False, repr=False)
class AnomalyDetector(OutlierMixin, Explaining, Twice, Streaming):
    """Finds rows, images or stretches of series unlike those it learned from, and says what makes them so.

    A row is looked at twice, as it is and with its numbers bent (`asinh`, so that long tails do not make all other rows
    look alike), each time by an autoencoder of its own. Half of its strangeness is the surprise of its cells when a
    denoising autoencoder reconstructs it, what lies beyond the range seen growing with the square; the other half is
    the mean of two distances, to its neighbours among the training rows and to the middle of them all, in the
    deviations they have in its direction. Each is `-log p` beside rows that the model did not learn from, on the look
    that finds more; `score_samples` is minus their sum. In a table with categories each cell counts by its own
    `-log p`, and cells count three quarters.

    Where `fit` is told of known anomalies of a table, they teach the autoencoders nothing. What tells them from other
    rows is learned from all that is said above of each, and counts the more, the more of them there are (`Lessons`).

    Images are looked at place by place: what fixed filters make of the logarithm of the image, shrunk where a side has
    more than 256 pixels, at up to 32 x 32 places. Cells and neighbours judge every place. The strangest places are one
    view of the image; the other is its distance, as a whole, to the nearest training image.

    Series are looked at through overlapping windows, told by their principal components, each in its own deviations. A
    window counts less in the fit the further out it lies. Cells and neighbours judge every window, and a step has the
    mean of the windows around it. With "contaminated" two more count half: the distance of a window to the mean window,
    and, of one long series, that of the level around a step to the mean level. One long series has a score a step; each
    of a collection that of its strangest step.

    Of documents the directions of their codes are looked at: one less the cosine to the ten nearest training documents.

    Parameters
    ----------
    n_components : int or "auto"
        Width of the code. The default kind is kept from copying by noise, so a wide code is the default.
    setting : {"contaminated", "clean"}
        "clean": every training row is normal, and the rows to judge are others (novelty detection): the nearest
        neighbour counts. "contaminated": anomalies hide among the training rows, which may themselves be judged: rows
        teach less the further their neighbours are, so that anomalies are not learned; the neighbour that counts is the
        fiftieth part of the references away (the fifth at least), so that a small group of anomalies does not vouch for
        itself; and no row is its own neighbour.
    contamination : "auto" or float in (0, 0.5]
        Which rows `predict` flags. "auto": those of conformal p at most .01 (with fewer than 99 held-out rows, those
        stranger than all of them); with setting="contaminated" also those like the strangest hundredth of the training
        rows, which look less strange to a model that learned from them. A number: that share of the training rows; with
        "clean" of the held-out rows, and 0 is allowed: rows stranger than all of them. `set_threshold` changes it at
        any time.
    kind : "auto" or as in `Autoencoder`
        "auto": "gaussian:.5", and of a table with categories "swap:.2", cells of other rows, since no smaller step
        leads from one category to another. Noise is drawn at scoring, too, where it is Gaussian.
    network, loss, epochs, ... :
        As in `Autoencoder`. A table gets some 600 steps of training by default, which takes a second or two. Ten
        times as many, by `epochs`, rank a little better (AUROC 91.8 instead of 90.9 on twelve sets).

    Attributes
    ----------
    offset_ : float
        `score_samples` below it is an anomaly.
    calibration_ : array
        Strangeness of the held-out rows, least first.
    model_, history_, held_out_, alarms_ : as in `Autoencoder`

    Notes
    -----
    p-values are conformal: `(1 + held-out rows at least as strange) / (held-out rows + 1)`. For a row from where
    the training rows came from, `p <= alpha` then has a chance of at most about alpha. No p is below
    `1 / (held-out rows + 1)`. With fewer than 2,500 rows, each fold of a cross-validation is judged by a model that did
    not see it. Anomalies among held-out rows make p larger than need be, never smaller. Equal rows count once.
    With `validation_fraction=None` only rows that were learned from are there to compare with, and p comes out too
    small. Missing cells leave the score, which is scaled to those known.

    Steps of a series that are near each other are strange together. So blocks of four windows are held out as wholes,
    without their ends, which share steps with the training windows (in a series of fewer than some 48 windows some of
    what is shared remains, and p comes out too small), and what is left counts by how many windows it holds, one after
    the other: of a series of n steps about `n / (2 window)`, and no p is below one in that many. p holds for a step
    taken at random; an alarm lasts about as long as a window. A trend or a new season is strange, too. Of a collection,
    whole items are held out (of ragged ones, as many windows as an item has on average).

    Examples
    --------
    >>> import numpy as np
    >>> from latently import AnomalyDetector
    >>> rows = np.random.default_rng(0).normal(size=(200, 3))
    >>> detector = AnomalyDetector(setting="clean", epochs=5, random_state=0).fit(rows)
    >>> detector.predict([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    array([ 1, -1])
    >>> detector.explain([[0.0, 9.0, 0.0]], top=1)[0][0].column
    'x1'
    """

    job = "detect"
    judged: ClassVar[str] = "labels, 1 of anomalies and 0 of the others (of files, the names of their folders)"
    quiet: ClassVar[tuple[str, ...]] = ("dead units", "no better than PCA")  # a wide code has units to spare

    n_components: int | Literal["auto"] = field(default=64, kw_only=False)
    kind: Any = "auto"
    setting: str = "contaminated"
    contamination: float | Literal["auto"] = "auto"

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn what rows `X` (n, columns) are like.

        `y`, of a table: 1 (True) for a known anomaly, 0 (False) for a known normal row, -1, NaN or None for the others.
        A `y` with other values in it is ignored, with a `FitAlarm`, and so is one of other data than a table. Raises
        `BadData` where it has another length than `X`, or calls every row an anomaly.
        """
        share = self._share()
        told = y is not None and self._modality(X).judge == "columns"
        self._known, sample_weight = Known.of(X, y, sample_weight) if told else (None, sample_weight)
        try:
            self._begin(self._fit(X, sample_weight))
        finally:
            del self._known
        self._meant = ("alpha", AUTO) if share is None else ("rate", share)
        self._redraw()
        if self.setting == "clean":  # rows that were learned from look less strange than others: held-out ones tell
            return self
        strange = -self.score_samples(X)
        weight = np.ones(len(strange)) if sample_weight is None else _check_sample_weight(sample_weight, strange)
        line = -cut(strange, weight, share or AUTO)
        self.offset_ = line if share is not None else max(line, self.offset_)
        return self

    def _share(self) -> float | None:
        """The share of rows to flag, None for "auto"; the options of this task are checked."""
        if self.setting not in ("contaminated", "clean"):
            raise BadParameter(f"setting={self.setting!r}: expected 'contaminated' or 'clean'.")
        value = self.contamination
        if isinstance(value, str) and value == "auto":
            return None
        least = 0.0 if self.setting == "clean" else np.nextafter(0, 1)
        if not isinstance(value, Real) or isinstance(value, bool) or not least <= value <= 0.5:
            raise BadParameter(
                f"contamination={value!r} must lie in (0, 0.5], or be 0 with setting='clean': it is the share of "
                "rows to flag. If you do not know it, leave 'auto' and rank rows by score_samples."
            )
        return float(value)

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        learned = Learned(outcome, rows, self.setting == "clean", self._map)
        self._judge: Judge
        self._judge, strange, weight = JUDGES[self.data_.judge].of(learned, self.data_)
        looked_at = getattr(self, "_known", None)  # there while `fit` lasts
        if looked_at is not None and isinstance(self._judge, Columns):
            known = looked_at.read(lambda some: self.data_.take(self, some))
            self._judge, taught = Taught.by(self._judge, learned, known)
            strange = strange if taught is None else taught
        order = np.argsort(strange, kind="stable")
        self.calibration_, self._counts = strange[order], weight[order]

    def _extra(self) -> dict[str, Any]:
        return self._judge.state() | super()._extra()

    def _adopt(self, extra: dict[str, Any]) -> None:
        kind = JUDGES[self.data_.judge]
        if kind is Columns:
            self._judge = judge_from(self.model_, extra, self._map, self.data_, self._again)
        else:
            self._judge = kind.from_state(self.model_, extra, self._map, self.data_)
        super()._adopt(extra)

    # ------------------------------------------------------------------ judge

    def score_samples(self, X: Any) -> Rows:
        """Minus the strangeness of every row or image, in nats: higher is more normal."""
        batches = self._batches(X)  # refuses what is not fitted
        return -self._judge.strange(X, batches)

    def _batches(self, X: Any) -> Iterator[Batch]:
        check_is_fitted(self, "model_")
        machine.fork_safe()
        return self.data_.portions(self, X)

    def decision_function(self, X: Any) -> Rows:
        """`score_samples` less `offset_`: negative is an anomaly."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for rows like those learned from, -1 for anomalies."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def explain(self, X: Any, top: int = 3) -> list[list[Reason]] | list[list[Region]] | list[list[Interval]]:
        """For every row the `top` known cells that contribute most to its strangeness, most first.

        For every image the regions that do: boxes in its own pixels. For every series, one long one being a list of
        one, the intervals that do, with the channels' shares and what the steps around an interval call for.
        """
        if not isinstance(top, Integral) or top < 1:
            raise BadParameter(f"top={top!r}: expected how many reasons to name, a whole number from 1.")
        batches = self._batches(X)
        return self._judge.explain(X, batches, int(top))

    def heat_map(self, X: Any) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """How strange every pixel is, at each image's own size: `-log p` beside places of ordinary images, in nats.

        A stack for a stack of images, a list for anything else. Of series, arrays `(time, channels)`: the strangeness
        of every step, divided among the channels; one array for one series that is an array, or a frame without `id`.
        """
        maps = list(self._placed("heat_map").heat_maps(X, self._batches(X)))
        if isinstance(self._judge, Moments) and len(maps) == 1 and not isinstance(X, (list, tuple)):
            return maps[0] if self.data_.stepwise(X) else np.stack(maps)
        return np.stack(maps) if isinstance(X, np.ndarray) else maps

    def mask(self, X: Any, alpha: float = MARKED) -> NDArray[np.bool_] | list[NDArray[np.bool_]]:
        """The pixels stranger than any in a share `1 - alpha` of ordinary images; sizes as in `heat_map`."""
        judge = self._placed("mask")
        if not isinstance(judge, Regions):
            raise UnsupportedInput("mask is for images; this detector learned from series. Try explain(X).")
        line = judge.line(share("alpha", alpha))
        maps = [heat > line for heat in judge.heat_maps(X, self._batches(X))]
        return np.stack(maps) if isinstance(X, np.ndarray) else maps

    @property
    def heat_range_(self) -> tuple[float, float]:
        """Nats between which heat is worth colours: beyond a tenth of ordinary places; twice the line of `mask`."""
        return float(np.log(10)), 2 * self._placed("heat_range_").line(MARKED)

    def _placed(self, method: str) -> Regions | Moments:
        check_is_fitted(self, "model_")
        if isinstance(self._judge, Columns | Directions):
            raise UnsupportedInput(
                f"{method} is for images, series and sounds; this detector learned from rows. Try explain(X)."
            )
        return self._judge

    def _figures(self, data: Any, y: Any) -> dict[str, dict[str, Any]]:
        if y is None:
            return {}
        features = self._judge.features(data, self._batches(data))
        return {"detection": detection(features, -self.score_samples(data), labels_of(y, len(features)), 0)}
