"""Rows like a given one: an index of codes, asked exactly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from latently import rng as chance
from latently.engine import nearest as exact
from latently.engine.coder import Coder
from latently.engine.flat import Flat
from latently.engine.schedule import Outcome
from latently.errors import BadParameter, FileProblem
from latently.modalities import Modality
from latently.parts.networks import Dense
from latently.recipes import Recipe, resolve
from latently.recipes.hashing import Hashing
from latently.tasks import measures
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.measures import OF_BITS, Codes
from latently.tasks.metadata import Metadata, Where
from latently.tasks.naming import fresh, named, standing
from latently.values import Batch

__all__ = ["Codes", "SearchIndex"]

TINY = 1e-30
COARSE, FINE = 0.25, 1000.0  # weights of the rows beside their code
WIDTHS = (256, 256)

Array = NDArray[Any]
Names = NDArray[Any]


@dataclass(kw_only=True, eq=False, repr=False)
class SearchIndex(Task):
    """Finds the rows most like a given one: learns codes in which like rows are near, keeps them, and asks them all.

    Parameters
    ----------
    n_components : int or "auto"
        Numbers in a code.
    kind : "auto", str, recipe class or recipe
        "hashing" keeps neighbours, in the signs of a code above all; any kind of `Autoencoder` may stand here. "auto"
        is "hashing", and "undercomplete" of texts, where what most words say together tells more. With `bits` of 2,000
        embeddings or more it is `Hashing(nearest=True)`: as many signs as `bits`, learned from ITQ on.
    network : "auto" or as in `Autoencoder`
        "auto" is two layers of 256 with "hashing", else what the data calls for.
    metric : {"auto", "cosine", "euclidean", "asymmetric", "hamming"}
        "cosine" is one minus the cosine of the angle between two codes, taken from the mean code (with `detail`, the
        weighted mean of two cosines). "hamming" counts the bits that differ, and "asymmetric" weighs each of them by
        how far from 0 the query's number is whose sign it would be (Gordo 2014), so that all weights sum to `bits`:
        rows of the index are bits, queries are numbers as long as they are asked. Both need `bits`. "auto" is
        "asymmetric" with `bits`, else "cosine".
    bits : int or None
        Keep that many bits of a code instead of its numbers: 64 bits are 8 bytes a row, where numbers take 512. They
        are the signs of the code after the rotation that loses least (ITQ, Gong 2011), or learned ones.
    detail : float or "auto"
        How much the rows themselves count, as principal components, beside the learned code. The code knows groups, the
        rows know the fine order within them: on images of clothes .25 lifts the share of the ten nearest that are of
        the same sort from .73 to .78, and costs .004 of the mean average precision of the whole ranking. "auto" is
        .25; of embeddings (16 numbers or more, rows of length one) 1000: of the ten nearest by the angle, asked by 64
        bits, .48 are found then, with .25 only .23. Beside learned bits nothing counts: they find .51.
    engine : {"auto", "exact", "faiss"}
        What looks: "faiss" (extra `search`) finds the same to the last tie, by all but "asymmetric" (`within` and a
        `where` are always asked of "exact"). "auto" is what `recommends_` says where it is installed.
    batch_size, validation_fraction, epochs, ... :
        As in `Autoencoder`.

    Attributes
    ----------
    names_ : array
        The name of each row of the index, in order.
    encoder_id_ : str
        A hash of all that turns a row into a code. Codes carry it, and codes of another encoder are refused.
    model_, history_, held_out_, alarms_ : as in `Autoencoder`

    Notes
    -----
    Search is exact: every code of the index is looked at. A result depends on the query and the index alone, not on the
    other queries; rows equally far come in the order of the index. A row of the index finds itself first, at a distance
    of 0 (up to rounding where it is encoded anew; `query(index.codes(names))` encodes nothing), unless others have the
    same code and stand before it. Labels are never looked at.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from latently import SearchIndex
    >>> rows = load_iris().data
    >>> index = SearchIndex(4, epochs=5, random_state=0).fit(rows[:149])
    >>> distances, names = index.query(rows[:2], k=3)
    >>> names.shape, [int(n) for n in names[:, 0]]
    ((2, 3), [0, 1])
    >>> index.add(rows[149:]).names_[-1]
    np.int64(149)
    """

    job = "search"
    quiet: ClassVar[tuple[str, ...]] = ("dead units", "no better than PCA", "no better than the mean", "overfit")

    n_components: int | Literal["auto"] = field(default=64, kw_only=False)
    kind: Any = "auto"
    batch_size: int | Literal["auto"] = 512
    validation_fraction: float | Literal["auto"] | None = 0.1
    metric: str = "auto"
    bits: int | None = None
    detail: float | Literal["auto"] = "auto"
    engine: str = "auto"

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None, *, names: Any = None, metadata: Any = None) -> Self:
        """Learn codes from rows `X` and index them under `names` (unlike each other; 0, 1, ... if None).

        `metadata` is a frame or a mapping of lists, a cell for each row: what `where` of a query picks rows by. Nothing
        is learned from it. `y` is ignored.
        """
        measures.checked(self.metric, self.bits, self.detail)
        self._turned = measures.directed(X)
        self._near = self._turned and self.detail == "auto" and measures.learnable(self.bits, X.shape)
        measures.chosen(self.engine, measures.meant(self.metric, self.bits), 0)
        rows = X.shape[0] if hasattr(X, "shape") else None
        given, facts = None if names is None else named(names, rows), Metadata.read(metadata, rows)
        self._fit(X, None)
        codes = self.encode(X)
        self._codes, self.names_, self._next = codes.values[:0], np.empty(0, np.int64), 0
        self._metadata = Metadata()
        return self.add(codes, names=given, metadata=facts)

    def _recipe(self, source: Modality) -> Recipe:
        if not (isinstance(self.kind, str) and self.kind == "auto"):
            return super()._recipe(source)
        return Hashing(nearest=True) if self._near else resolve(source.alike)

    def _modality(self, data: Any) -> Modality:
        source = super()._modality(data)
        return source.suited("near") if self._near else source

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        """The network that suits the kind; where signs are learned, as many numbers as bits."""
        if isinstance(plan.recipe, Hashing) and plan.recipe.nearest:
            given |= {"n_components": self.bits or given["n_components"]}
        elif isinstance(self.network, str) and self.network == "auto" and isinstance(plan.recipe, Hashing):
            plan = replace(plan, network=Dense(hidden=WIDTHS))
        return plan, given

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        """How codes are made of what the model and the rows say."""
        self._measure = measures.meant(self.metric, self.bits)
        weight = (FINE if self._turned else COARSE) if self.detail == "auto" else float(self.detail)
        self._coder = Coder.learn(
            self.model_, rows, self._map, plain=self._measure == "euclidean", detail=weight,
            bits=int(self.bits or 0), rng=chance.child(0, "search"),
        )  # fmt: skip
        self.encoder_id_ = self._fingerprint()

    def _fingerprint(self) -> str:
        """A hash of all that makes codes of rows."""
        facts = {f"data.{name}": v for name, v in self.data_.state().items()}
        facts |= {f"model.{name}": t.cpu().numpy() for name, t in self.model_.state_dict().items()}
        return measures.digest(self._measure, facts | self._coder.state())

    def _extra(self) -> dict[str, Any]:
        text = self.names_.dtype.kind != "i"
        numbers = np.empty(0, np.int64) if text else self.names_
        return self._coder.state() | {
            "encoder": self.encoder_id_, "measure": self._measure, "index": self._codes, "next": self._next,
            "text": [str(n) for n in self.names_] if text else [], "numbers": numbers,
        } | self._metadata.state()  # fmt: skip

    def _adopt(self, extra: dict[str, Any]) -> None:
        self._coder, self._codes = Coder.from_state(extra), extra["index"]
        self.names_ = np.array(extra["text"], object) if extra["text"] else extra["numbers"]
        self._metadata, self._flat = Metadata.from_state(extra), None
        self._next, self._measure = extra["next"], extra["measure"]
        self.encoder_id_ = self._fingerprint()
        if extra["encoder"] != self.encoder_id_:
            raise FileProblem(
                f"the index was made by encoder {extra['encoder'][:12]}, the file holds {self.encoder_id_[:12]}: its "
                "distances would mean nothing. Fit anew, or take the file that the index was saved in."
            )

    # ------------------------------------------------------------------ codes

    def encode(self, X: Any) -> Codes:
        """The codes of rows, to be kept or sent, and asked or added later; of items of several windows, their mean."""
        found = self._numbers(X)
        return Codes(np.packbits(found >= 0, axis=1) if self._measure in OF_BITS else found, self.encoder_id_)

    def _numbers(self, X: Any) -> Array:
        return np.asarray(self.data_.gathered(self._map(self._coder.over(self.model_), self._batch(X)), X))

    def codes(self, names: Any = None) -> Codes:
        """The codes kept of rows of the index, by name (None: all, in order)."""
        check_is_fitted(self, "names_")
        return Codes(self._codes if names is None else self._codes[standing(names, self.names_)], self.encoder_id_)

    def _coded(self, X: Any) -> Array:
        if not isinstance(X, Codes):
            return self.encode(X).values
        check_is_fitted(self, "names_")
        return measures.own(X, self.encoder_id_)

    # ------------------------------------------------------------------ what it holds

    def add(self, X: Any, names: Any = None, *, metadata: Any = None) -> Self:
        """Index more rows, or `Codes` of them, under new names; without names they are numbered on. Nothing is learned.

        The numbers of removed rows are not given again. Where rows of the index have metadata, these need it, too.
        """
        codes, empty = self._coded(X), not len(self.names_)
        more = fresh(names, len(codes), self.names_, self._next)
        self._metadata = self._metadata.joined(Metadata.read(metadata, len(codes)), empty)
        self._codes, self._flat = np.concatenate([self._codes, codes]), None
        self.names_ = more if empty else np.concatenate([self.names_, more])
        if more.dtype.kind == "i" and len(more):
            self._next = max(self._next, int(more.max()) + 1)
        return self

    def remove(self, names: Any) -> Self:
        """Forget the rows of these names."""
        check_is_fitted(self, "names_")
        kept = np.ones(len(self.names_), bool)
        kept[standing(names, self.names_)] = False
        self._codes, self.names_, self._flat = self._codes[kept], self.names_[kept], None
        self._metadata = self._metadata.kept(kept)
        return self

    @property
    def metadata_(self) -> dict[str, Array]:
        """What is known of each row of the index, a column a name."""
        check_is_fitted(self, "names_")
        return dict(self._metadata.columns)

    @property
    def recommends_(self) -> str:
        """The engine to take here: "faiss" from 30,000 rows by numbers, 100,000 by "hamming", else "exact"."""
        check_is_fitted(self, "names_")
        return measures.recommended(self._measure, len(self.names_))

    def summary(self) -> dict[str, Any]:
        """What was fitted, and what the index holds and recommends, as JSON values."""
        held = {"items": len(self.names_), "metric": self._measure, "metadata": list(self._metadata.columns)}
        return super().summary() | {"index": held | {"bytes": self._codes.nbytes, "recommends": self.recommends_}}

    # ------------------------------------------------------------------ ask

    def query(self, X: Any, k: int = 10, *, where: Where | None = None) -> tuple[Array, Names]:
        """The `k` rows of the index nearest to each of `X` (rows or `Codes`): distances and names, `(n, k)` each.

        The nearest stands first. `where` is what their metadata must say: `{"topic": "sports", "year": [2003, 2004]}`
        (all of it, any of a list), a function of the columns that gives truth values, or such values, one for each row
        of the index. The nearest among those are found exactly.
        """
        asked, rows, places = self._asked(X), *self._picked(where)
        if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
            raise BadParameter(f"k={k!r}: expected how many rows to find, a whole number from 1.")
        if k > len(rows):
            held = f"the index holds {len(rows)} rows" + (" of which where is true" if where is not None else "")
            raise BadParameter(f"k={k}: {held}; ask for at most as many.")
        if measures.chosen(self.engine, self._measure, len(rows)) == "faiss" and where is None:
            self._flat = self._flat or Flat(self._codes)
            far, found = self._flat.nearest(self._shelf, asked, int(k))
        else:
            far, found = exact.nearest(self._shelf, rows, asked, int(k))
        return measures.told(self._measure, far), self.names_[found if places is None else places[found]]

    def within(self, X: Any, radius: float, *, where: Where | None = None) -> tuple[list[Array], list[Names]]:
        """All rows at most `radius` away from each of `X`, nearest first, an array a query (see `query`)."""
        asked, rows, places = self._asked(X), *self._picked(where)
        found = exact.within(self._shelf, rows, asked, measures.inner(self._measure, radius))
        names = self.names_ if places is None else self.names_[places]
        return [measures.told(self._measure, far) for far, _ in found], [names[at] for _, at in found]

    def _asked(self, X: Any) -> Array:
        """Rows as queries: what the codes kept are compared with."""
        if self._measure != "asymmetric":
            return self._coded(X)
        if isinstance(X, Codes):
            return np.where(np.unpackbits(self._coded(X), axis=1), np.float32(1), np.float32(-1))
        numbers = self._numbers(X)
        return np.asarray(numbers / np.maximum(np.abs(numbers).mean(1, keepdims=True), TINY))

    def _picked(self, where: Where | None) -> tuple[Array, NDArray[np.int64] | None]:
        """The codes that a condition leaves, and their places."""
        check_is_fitted(self, "names_")
        if where is None:
            return self._codes, None
        places = self._metadata.places(where, len(self.names_))
        return self._codes[places], places

    def _shelf(self, rows: Array) -> exact.Shelf:
        return measures.shelf(self._measure, rows)
