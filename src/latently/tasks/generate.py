"""New rows, images and texts like those of the fit."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import _num_samples, check_is_fitted

from latently import device as machine
from latently import rng as chance
from latently.engine.rank import Curve
from latently.engine.schedule import Schedule
from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.modalities import Modality
from latently.modalities.frames import names_of
from latently.parts.bottlenecks import Normal
from latently.parts.likelihoods import Autoregressive, Likelihood
from latently.parts.likelihoods.autoregressive import LETTERS
from latently.recipes import Recipe, resolve
from latently.recipes.remasking import Remasking
from latently.recipes.variational import Variational
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.density import MANY, Mixture, arc, few, labels_of, mixture, mixtures, packed, same_length, unpacked
from latently.tasks.evaluate import Evaluation
from latently.tasks.likeness import likeness, reported
from latently.tasks.novel import Sieve, fingerprints, fresh
from latently.tasks.walk import drawn_rows
from latently.values import Batch

__all__ = ["Generator"]

WIDTH = 32  # of a code
FREE = 0.125  # nats a unit, of texts
DRAWS = 4  # of texts for each of the fit, at most as many as keep a fit of names under two minutes
MOST_DRAWS = 100_000
PATHS = ("auto", "linear", "spherical")

Codes = NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class Generator(Task):
    """New rows or images like those of the fit, all of them or of one label; and the way from one to another.

    Of tables, a masked autoencoder learns what hidden cells are given the others, however many are hidden; a new row is
    drawn cell after cell, each known to those after it. So any cells may be asked for, and none is drawn in vain.

    Of images, series, sounds, texts, and with labels or another kind: an autoencoder makes codes, and a Gaussian
    mixture is fitted to them, of as many components as make held-out codes most likely (Ghosh 2020: a density fitted
    afterwards beats a prior that shapes the codes), one for each label. A draw of the mixture, decoded, is a new row.

    Parameters
    ----------
    n_components : int or "auto"
        Width of the code: a wider one reconstructs more finely and is harder to draw from. "auto" is 32, or half the
        columns of a narrower table; where cells are drawn, eight times the columns, of 32 to 256.
    kind : "auto", str, recipe class or recipe
        As in `Autoencoder`. Of a variational kind the mixture is fitted to draws of the posterior, which is what its
        decoder has learned to read. "auto" is "undercomplete"; of tables `Remasking(0, 1, emphasis=0.9)`; of
        texts, whose decoder could do without a code, `Variational(free_bits=0.125, pooled=True)`: 4 nats in all cost
        nothing, so that the code tells something; where they are spelled by letters, as names are, half of that.

    Notes
    -----
    The other parameters are those of `Autoencoder`. Numbers of a table are drawn as one of some 64 bins and a quantile
    within it; of other kinds they get the noise that the likelihood names. An image is the mean of its pixels, for
    noise that knows nothing of neighbours is no picture. Texts are spelled as sequences of pieces (`data=Pieces(...)`
    says how), each piece drawn after those before it; on the way between two texts each is the most probable one. A
    text that the fit had is drawn again, 24 times at most: where all that is likely was there, some still repeat it. Of
    those spelled by letters, new ones are kept so often that their letters come together as often as in the fit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from latently import Generator
    >>> data = load_iris()
    >>> flowers = Generator(3, epochs=5, random_state=0).fit(data.data, data.target_names[data.target])
    >>> flowers.sample(10, given="setosa").shape
    (10, 4)
    """

    job = "sample"

    kind: Any = "auto"

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn codes and their density from rows or images `X`; `y`, if given, names a label of each."""
        labels = None if y is None else labels_of(y)
        if labels is not None and not isinstance(X, (str, Path)):
            same_length(labels, _num_samples(X))
        self._walks = labels is None and self._auto and self.loss == "auto"
        self._fit(X, None)
        self._unlabelled()
        return self if self.data_.walked else self._fitted(X, labels)

    def _unlabelled(self) -> None:
        self.classes_: NDArray[Any] | None = None
        self._shares, self._densities = np.ones(1), list[Mixture]()
        self._sieve: Sieve | None = None

    def _fitted(self, X: Any, labels: NDArray[Any] | None) -> Self:
        """The density of the codes of these rows, of each label its own."""
        batch = self._batch(X)
        if labels is not None:
            owners = self.data_.owners(X)
            labels = labels if owners is None else labels[owners]
            same_length(labels, len(batch))
        seed = chance.seed_of(self.random_state)
        names, index = (None, None) if labels is None else np.unique(labels, return_inverse=True)
        rng = chance.child(seed, "density")
        chosen = few(index, torch.randperm(len(batch), generator=rng).numpy())
        codes, small = self._posterior(batch.take(torch.from_numpy(chosen)), rng), int(seed % 2**31)
        self.classes_ = names
        self._shares = np.ones(1) if index is None else np.bincount(index) / len(index)
        self._densities = (
            [mixture(codes, MANY, small)] if index is None else mixtures(codes, index[chosen], MANY, small)
        )
        self._sieve = self._sieved(batch, chance.child(seed, "sieve"))
        return self

    @property
    def _auto(self) -> bool:
        return isinstance(self.kind, str) and self.kind == "auto"

    def _modality(self, data: Any) -> Modality:
        found = super()._modality(data)
        return found.suited("walk") if self._walks else found

    def _recipe(self, source: Modality) -> Recipe:
        if not self._auto:
            return resolve(self.kind)
        return Remasking(0.0, 1.0, emphasis=0.9) if source.walked else resolve("undercomplete")

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        if not (self._auto and self._writes(plan.data.likelihood())):
            return plan, given
        free = FREE if max(plan.data.levels) >= LETTERS else FREE / 2
        return replace(plan, recipe=Variational(free_bits=free, pooled=True)), given

    def _sieved(self, batch: Batch, rng: torch.Generator) -> Sieve | None:
        """What keeps new texts apart from those of the fit; of other rows all are kept."""
        if not self._writes(self.model_.likelihood):
            return None
        texts: list[str] = list(self.data_.shown(self.data_.values(batch.x)))
        draws: Any = []
        if max(self.data_.levels) < LETTERS:
            count = min(MOST_DRAWS, DRAWS * len(texts))
            draws = self._drawn(self._codes(self._which(None, count, rng), rng), rng)
        return Sieve.fit(np.unique(fingerprints(texts)), texts, draws)

    @staticmethod
    def _writes(likelihood: Likelihood) -> bool:
        """Whether rows are texts, written piece by piece."""
        return isinstance(likelihood, Autoregressive)

    def _choose(self, plan: Blueprint, rows: Batch, schedule: Schedule) -> tuple[int, Curve | None]:
        if plan.data.walked:
            return min(256, max(32, 1 << (8 * rows.cells - 1).bit_length())), None
        return min(WIDTH, max(1, rows.cells // 2)), None

    def _posterior(self, batch: Batch, rng: torch.Generator) -> Codes:
        """Codes of the rows; draws of them where a code is a distribution."""
        model = self.model_
        if not isinstance(model.bottleneck, Normal):
            return self._map(model.encode, batch)
        h = torch.from_numpy(self._map(lambda b: model.encoder.plain(model.door(b)), batch))
        with torch.no_grad():
            return np.asarray(copy.deepcopy(model.bottleneck).cpu()(h, rng).z)

    def _extra(self) -> dict[str, Any]:
        if self.data_.walked:
            return {}
        labels = None if self.classes_ is None else self.classes_.tolist()
        arrays = {f"density.{name}": v for name, v in packed(self._densities).items()}
        kept = {} if self._sieve is None else {f"sieve.{n}": v for n, v in self._sieve.arrays().items()}
        return {"labels": labels, "shares": self._shares} | kept | arrays

    def _adopt(self, extra: dict[str, Any]) -> None:
        if self.data_.walked:
            self._unlabelled()
            return
        self.classes_ = None if extra["labels"] is None else np.array(extra["labels"])
        sieve = {n[6:]: v for n, v in extra.items() if n.startswith("sieve.")}
        self._shares, self._sieve = extra["shares"], Sieve.restored(sieve) if sieve else None
        self._densities = unpacked({n[8:]: v for n, v in extra.items() if n.startswith("density.")})

    # ------------------------------------------------------------------ draw

    def sample(self, n_samples: int = 1, given: Any = None, random_state: Any = None, missing: bool = False) -> Any:
        """New rows in user units, `(n_samples, columns)`, images `(n_samples, height, width[, channels])`, or texts.

        `given`: a label of the fit, or one for each row; None draws labels as often as the fit saw them. Of a table
        without labels `{column: value}`, a value or one for each row, or rows whose gaps are to be drawn; they come
        back completed. Tables come in the container of the fit; with `missing`, cells are missing as often as in it.
        The draw is `random_state`'s, by default the estimator's.
        """
        check_is_fitted(self, "model_")
        if not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
            raise BadParameter(f"n_samples={n_samples!r}: expected a whole number, at least 1.")
        machine.fork_safe()
        rng = chance.fit_generator(self.random_state if random_state is None else random_state)
        if self.data_.walked:
            return drawn_rows(self, int(n_samples), given, missing, rng)
        which = self._which(given, int(n_samples), rng)

        def again(places: NDArray[np.intp]) -> Any:
            return self._drawn(self._codes(which[places], rng), rng)

        made, sieve = again(np.arange(len(which))), self._sieve
        return made if sieve is None else fresh(made, lambda texts: sieve.keeps(texts, rng), again)

    def _codes(self, which: NDArray[np.intp], rng: torch.Generator) -> Codes:
        """A draw of the density of each row's label."""
        z = np.empty((len(which), self.n_components_), np.float32)
        for j in np.unique(which):
            here = which == j
            z[here] = self._densities[j].draw(int(here.sum()), rng)
        return z

    def _which(self, given: Any, count: int, rng: torch.Generator) -> NDArray[np.intp]:
        """The number of each row's label."""
        if given is None:
            return torch.multinomial(torch.from_numpy(self._shares), count, replacement=True, generator=rng).numpy()
        if self.classes_ is None:
            raise BadParameter(f"given={given!r}: this fit had no labels. Fit with them: fit(X, y).")
        asked = np.asarray(given)
        if asked.shape not in ((), (count,)):
            raise BadParameter(f"given has shape {asked.shape}: expected one label, or one for each of {count} rows.")
        unknown = ~np.isin(asked, self.classes_)
        if unknown.any():
            raise BadParameter(
                f"given={np.atleast_1d(asked)[np.atleast_1d(unknown)][0]!r} is no label of the fit; these are: "
                f"{', '.join(map(str, self.classes_))}."
            )
        return np.broadcast_to(np.searchsorted(self.classes_, asked), (count,))

    def _shown(self, z: Codes) -> Any:
        """What codes decode to, in user units, pixels within the range that the fit saw."""
        cells = torch.from_numpy(self._map(lambda b: self.model_.decode(b.x), Batch(torch.from_numpy(z))))
        values = self.data_.values(cells)
        return self.data_.shown(np.clip(values, *self.data_.bounds()) if self.model_.door.common else values)

    # ------------------------------------------------------------------ judge

    def _figures(self, data: Any, y: Any) -> dict[str, dict[str, Any]]:
        return likeness(self, data) if self.data_.walked else {}

    def report(self, train: Any, held_out: Any, target: str | None = None, beside: Any = None) -> Evaluation:
        """How like `held_out` rows new rows are, beside the `train` rows of the fit and their columns shuffled.

        Total variation of columns and of pairs; how surely boosted trees tell new rows from held-out ones (AUC, .5 is
        not at all); the share of new rows that are closer to the rows of the fit than to as many held-out ones (half,
        when nothing was copied); with `target`, a column, what trees that learn it from them score on held-out rows.
        `beside`: rows made by others, `{name: rows}`.
        """
        check_is_fitted(self, "model_")
        if not self.data_.walked:
            raise UnsupportedInput("a report compares columns: it is of a Generator of tables, kind='auto', no labels.")
        count, sections = reported(self, train, held_out, target, beside or {})
        return Evaluation(type(self).__name__, self.recipe_.name, count, count, int(self.n_components_), sections)

    # ------------------------------------------------------------------ between

    def interpolate(self, a: Any, b: Any, steps: int = 8, path: str = "auto") -> Any:
        """`steps` rows, images or texts on the way from `a` to `b`, the first and last their reconstructions.

        `a`, `b`: a row of numbers, a frame of one row, an image, or a text. `path`: "linear" is straight between the
        codes, "spherical" an arc around the origin, which keeps to where a normal prior lies; "auto" is "spherical"
        for variational kinds, else "linear".
        """
        check_is_fitted(self, "model_")
        if not isinstance(steps, (int, np.integer)) or steps < 2:
            raise BadParameter(f"steps={steps!r}: expected a whole number, at least 2.")
        if path not in PATHS:
            raise BadParameter(f"path={path!r}: expected one of {', '.join(PATHS)}.")
        round_ = path == "spherical" or (path == "auto" and isinstance(self.model_.bottleneck, Normal))
        start, end = (self._map(self.model_.encode, self._single(x)).astype(np.float64)[0] for x in (a, b))
        t = np.linspace(0.0, 1.0, int(steps))[:, None]
        z = arc(start, end, t) if round_ else start + t * (end - start)
        return self._shown(z.astype(np.float32))

    def _single(self, x: Any) -> Batch:
        """One row or image as a batch."""
        framed = names_of(x) is not None
        batch = self._batch([x] if self.data_.shape else x if framed else np.atleast_2d(x))
        if len(batch) != 1:
            raise BadData(
                f"interpolate goes from one row or image to another; got {len(batch)}. Try X[0] or X[:1]; of a text or "
                "series that takes several rows, a part."
            )
        return batch
