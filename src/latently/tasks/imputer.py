"""Missing cells filled in by an autoencoder that learned to, with how far off they may be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags

from latently import rng as chance
from latently.engine.plan import plan_for
from latently.engine.rank import Curve
from latently.engine.schedule import Outcome, Schedule
from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.modalities import Modality
from latently.parts.networks import Residual, Temporal
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.blend import Blend
from latently.tasks.remasked import ColumnError, Residuals, Trial, column_errors, strata, trials
from latently.values import Batch

__all__ = ["Imputer"]

Matrix = NDArray[np.float64]

# Hidden cells make gradients noisier than whole rows do: larger batches, and with them a faster rate. Measured on masks
# that no benchmark uses, 32 rows, 128, 128 at this rate: concrete .159 .153 .151, yacht .244 .246 .238.
BATCH = 128  # rows, at least
RATE = 5e-3
STEPS = 6000
# Series: what is learned is a correction of straight lines. Hidden runs of held-out training items, RMSE over that of
# the lines, on GunPoint, ItalyPowerDemand, Trace: these filters .43 .36 .72, twice as many and a layer of 256 .45 .34
# .75, fully connected .67 .36 .85; with half of the weight on cells that are not hidden .48 on the first.
# Few items judge badly when to stop: BasicMotions .94 at the end of the schedule, .98 with a patience of 12 looks.
# Most gaps are a small part of their series, and so is what is hidden.
FILTERS = (16, 32, 64)
SERIES = {"steps": 1500, "patience": 40}
HIDDEN = {"low": 0.05, "high": 0.5, "emphasis": 1.0}
MANY = 100  # series, of which a tenth judges


@dataclass(kw_only=True, eq=False, repr=False)
class Imputer(OneToOneFeatureMixin, TransformerMixin, Task):
    """Fills missing cells from the known cells of their row; known cells come back bit for bit.

    A denoising autoencoder whose noise is missingness: in training, known cells are hidden at a share drawn for each
    row, and asked for. One fit serves every pattern of gaps, and rows that it has never seen. Of series, runs are
    hidden, and filters learn what straight lines across them miss; how far a cell goes from the line to what they say
    is fitted to hidden runs of held-out rows, by the gap's length, the place in it and the channel.

    Parameters
    ----------
    n_components : int or "auto"
        Width of the code. "auto" is wider than the table: hidden cells keep it from copying.
    kind : str, recipe class or recipe
        `Remasking(low, high, emphasis)` and what else corrupts; see `Autoencoder` for this and all other options.

    Attributes
    ----------
    report_ : list of ColumnError
        For each column: error of held-out known cells, hidden and filled, in the column's unit, beside the mean's and
        the median's. Empty when nothing was held out.
    history_, held_out_, alarms_, model_ : fitted state, as `Autoencoder`'s

    Notes
    -----
    Filled values stay within the range seen in the fit, and are whole in columns that held only whole numbers. A
    column without any known cell in the fit stays missing: there is nothing to learn it from.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from latently import Imputer
    >>> x = load_iris().data
    >>> x[::10, 2] = np.nan
    >>> filled = Imputer(epochs=5, random_state=0).fit_transform(x)
    >>> bool(np.isnan(filled).any()), filled.shape
    (False, (150, 4))
    """

    job = "impute"
    remasks = True

    kind: Any = "remasking"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn to fill the gaps of rows `X` (n, columns), some of them missing or none; `y` is ignored."""
        self._fit(X, sample_weight)
        return self

    def _modality(self, data: Any) -> Modality:
        found = super()._modality(data)
        if found.gapless:
            raise UnsupportedInput(f"an Imputer fills gaps, and here are none: {found.gapless}.")
        return found

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        left = all(isinstance(option, str) and option == "auto" for option in (self.network, self.n_components))
        if len(plan.data.shape) != 2 or not left:
            return plan, given
        network = Residual(Temporal(FILTERS, hidden=0))
        judged = 0.1 if len(rows) >= MANY else 0.2  # one fit: four of filters, as cross-validation has, take too long
        own = {"n_components": network.code(rows.cells), "validation": judged, **SERIES}
        recipe = replace(plan.recipe, **HIDDEN) if self.kind == "remasking" else plan.recipe
        return replace(plan, network=network, recipe=recipe), given | {
            n: v for n, v in own.items() if given.get(n, "auto") == "auto"
        }

    def _paced(self, given: dict[str, Any], rows: int) -> dict[str, Any]:
        auto = {name for name, value in given.items() if isinstance(value, str)}
        batch = min(rows, max(BATCH, plan_for(rows).batch_rows)) if "batch_rows" in auto else given["batch_rows"]
        own = {
            "batch_rows": batch,
            "learning_rate": RATE,
            "epochs": max(8, round(given.get("steps", STEPS) / -(-rows // batch))),
        }
        return given | {name: own[name] for name in auto}

    def _choose(self, plan: Blueprint, rows: Batch, schedule: Schedule) -> tuple[int, Curve | None]:
        return min(256, max(32, 1 << (8 * rows.cells - 1).bit_length())), None

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        known = torch.ones_like(rows.x, dtype=torch.bool) if rows.known is None else rows.known
        centre = self.data_.values(torch.zeros(1, rows.cells))[0]
        odd = ~_whole(self.data_.values(rows.x), known.cpu().numpy(), centre)
        self._whole = (np.bincount(self.data_.kin, odd) == 0)[self.data_.kin]
        self.report_: list[ColumnError] = []
        self._residuals: Residuals | None = None
        self._blend: Blend | None = None
        if outcome.judged:
            found = self._blended(trials(outcome.judged, self._fill, self.data_.levels, self.data_.shape))
            names = (
                [c["name"] for c in self.data_.schema()]
                if self._series()
                else [str(n) for n in self.get_feature_names_out()]
            )
            self.report_ = column_errors(found, names, self.data_.levels, self._values, self.data_.kin)
            self._residuals = Residuals.of(found, self.data_.kin)

    def _extra(self) -> dict[str, Any]:
        kept = {"whole": self._whole, "report": [asdict(r) for r in self.report_]}
        if self._blend is not None:
            kept["blend"] = self._blend.weights
        if self._residuals is not None:
            kept |= {"residuals": self._residuals.values, "residual_counts": self._residuals.counts}
        return kept

    def _adopt(self, extra: dict[str, Any]) -> None:
        self._whole = extra["whole"]
        self.report_ = [ColumnError(**r) for r in extra["report"]]
        self._blend = Blend(extra["blend"]) if "blend" in extra else None
        held = "residuals" in extra
        self._residuals = Residuals(extra["residuals"], extra["residual_counts"]) if held else None

    def _figures(self, data: Any, y: Any) -> dict[str, dict[str, Any]]:
        numbers = {
            r.column: {"rmse": r.rmse, "of the mean": r.rmse_of_mean} for r in self.report_ if r.rmse is not None
        }
        levels = {
            r.column: {"accuracy": r.accuracy, "of the commonest level": r.accuracy_of_commonest}
            for r in self.report_
            if r.accuracy is not None
        }
        return {"hidden cells of held-out rows": numbers | levels}

    # ------------------------------------------------------------------ fill

    def transform(self, X: Any) -> Any:
        """`X` with its missing cells filled, in the container it came in: names, index and dtypes kept."""
        batch = self._batch(X)
        return self._filled(X, self._values(self._cells(X, batch)))

    def sample(self, X: Any, n: int = 1, random_state: Any = None) -> list[Any]:
        """`n` completed copies of `X`, missing cells drawn: how they differ is how little is known.

        Numbers are the filled value plus an error of a held-out cell of that column, each cell drawn for itself;
        categories come from the probabilities of their levels. The draw is `random_state`'s, by default the
        estimator's.
        """
        batch, residuals = self._batch(X), self._calibrated("sample")
        if not isinstance(n, (int, np.integer)) or n < 1:
            raise BadParameter(f"n={n!r}: expected a whole number of copies, at least 1.")
        rng = chance.fit_generator(self.random_state if random_state is None else random_state)
        cells, stratum, levels = (
            self._cells(X, batch),
            self._strata(batch),
            torch.tensor(self.data_.levels) > 0,
        )
        copies = []
        for _ in range(int(n)):
            drawn = cells + torch.from_numpy(residuals.drawn(stratum, self.data_.kin, rng))
            if bool(levels.any()):
                drawn = torch.where(levels, self._levels(batch, rng), drawn)
            copies.append(self._filled(X, self._values(drawn)))
        return copies

    def interval(self, X: Any, level: float = 0.9) -> tuple[Any, Any]:
        """Lower and upper limits of every missing cell, in the container of `X`; known cells are their own limits.

        Split-conformal: of held-out cells of that column, hidden in rows with about as many gaps, at least a share
        `level` lay within such limits. They hold for rows like those of the fit, with cells missing at random, column
        by column, not for all cells of a row at once. Categories have no limits and stay missing.
        """
        batch, residuals = self._batch(X), self._calibrated("interval")
        if not 0 < level < 1:
            raise BadParameter(f"level={level!r}: expected a share in (0, 1), the probability of lying between.")
        cells, stratum, levels = self._cells(X, batch), self._strata(batch), np.array(self.data_.levels) > 0
        low, high = (
            np.where(levels, np.nan, self._values(cells + torch.from_numpy(end[stratum, self.data_.kin])))
            for end in residuals.ends(level)
        )
        return self._filled(X, low), self._filled(X, high)

    # ------------------------------------------------------------------ within

    def _calibrated(self, method: str) -> Residuals:
        if self._residuals is None:
            raise BadData(
                f"{method} needs errors of held-out rows, and this fit held none out. Fit on 9 rows or more, with "
                "validation_fraction='auto' or a share."
            )
        return self._residuals

    def _series(self) -> tuple[int, ...]:
        """(channels, length) where rows are series, else ()."""
        return self.data_.shape if len(self.data_.shape) == 2 else ()

    def _strata(self, batch: Batch) -> NDArray[np.int64]:
        known = torch.ones_like(batch.x, dtype=torch.bool) if batch.known is None else batch.known
        return strata(known, self._series())

    def _fill(self, model: Any, batch: Batch) -> torch.Tensor:
        """Every cell of the rows as the model sees it, in model units."""
        cells = torch.from_numpy(self._map(lambda b: model.decode(model.encode(b)), batch))
        return cells if self._blend is None else self._blend.mixed(model.door, cells, batch)

    def _cells(self, X: Any, batch: Batch) -> torch.Tensor:
        """Rows filled; where a window lies in a gap of a longer series, by the straight line across that."""
        cells = self._fill(self.model_, batch)
        if not self.model_.door.bridged or batch.known is None:
            return cells
        lines = self.data_.lines(X)
        each = batch.known.view(-1, *self._series())
        blind = ~each.any(2, keepdim=True).expand_as(each).reshape_as(cells)
        return torch.where(blind if lines.known is None else blind & lines.known, lines.x, cells)

    def _blended(self, found: list[Trial]) -> list[Trial]:
        """The trials of series as the weights that they call for fill them; others as they are."""
        if not self.model_.door.bridged:
            return found
        self._blend = blend = Blend.of(found, self.model_.door, self.data_.shape[0])
        return [replace(t, guess=blend.mixed(self.model_.door, t.guess, t.seen)) for t in found]

    def _levels(self, batch: Batch, rng: torch.Generator) -> torch.Tensor:
        params = self._map(lambda b: self.model_.decoder.plain(self.model_.encode(b)), batch)
        device = next(self.model_.parameters()).device
        with torch.no_grad():
            return self.model_.likelihood.sample(torch.from_numpy(params).to(device), rng).cpu()

    def _values(self, cells: torch.Tensor) -> Matrix:
        """Cells in user units: within the range seen, whole where the column was, missing where it was never known."""
        values = np.clip(self.data_.values(cells), *self.data_.bounds())
        return np.asarray(np.where(self._whole, np.rint(values), values))

    def _filled(self, X: Any, values: Matrix) -> Any:
        """`X` with `values` where it is missing; everything else as it is, to the bit."""
        return self.data_.rebuilt(values, X, self.data_.gaps(self, X))


def _whole(values: Matrix, known: NDArray[np.bool_], centre: Matrix) -> NDArray[np.bool_]:
    """Which columns held whole numbers only, as far as float32 cells can tell."""
    error = 1.5e-7 * np.abs(values - centre) + 1e-12 * np.abs(centre)
    return np.asarray((~known | (np.abs(values - np.rint(values)) <= error)).all(0))
