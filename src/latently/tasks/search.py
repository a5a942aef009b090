"""Rows like a given one: an index of codes, asked exactly."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from latently import rng as chance
from latently.engine import nearest as exact
from latently.engine.coder import Coder
from latently.engine.schedule import Outcome
from latently.errors import BadData, BadParameter, FileProblem
from latently.modalities import Modality
from latently.parts.networks import Dense
from latently.recipes import Recipe, resolve
from latently.tasks.assemble import Blueprint
from latently.tasks.base import Task
from latently.tasks.naming import named, sort_of
from latently.values import Batch

__all__ = ["Codes", "SearchIndex"]

METRICS = ("auto", "cosine", "euclidean", "hamming")
MOST_BITS = 4096
HASHING, WIDTHS = "hashing", (256, 256)

Array = NDArray[Any]
Names = NDArray[Any]


@dataclass(frozen=True)
class Codes:
    """Codes of rows, and which encoder made them: no other index takes them."""

    values: Array  #: float32 numbers, or (n, bits / 8) uint8
    encoder: str  #: the encoder's fingerprint

    def __len__(self) -> int:
        return len(self.values)


@dataclass(kw_only=True, eq=False, repr=False)
class SearchIndex(Task):
    """Finds the rows most like a given one: learns codes in which like rows are near, keeps them, and asks them all.

    Parameters
    ----------
    n_components : int or "auto"
        Numbers in a code.
    kind : "auto", str, recipe class or recipe
        "hashing" keeps neighbours, in the signs of a code above all. Every kind that `Autoencoder` takes may stand
        here. "auto" is "hashing", and "undercomplete" of texts, where what most words say together tells more than
        neighbours do.
    network : "auto" or as in `Autoencoder`
        "auto" is two layers of 256 with "hashing", else what the data calls for.
    metric : {"auto", "cosine", "euclidean", "hamming"}
        "cosine" is one minus the cosine of the angle between two codes, taken from the mean code (with `detail`, the
        weighted mean of two cosines). "hamming" counts the bits that differ, and needs `bits`. "auto" is "hamming"
        with `bits`, else "cosine".
    bits : int or None
        Keep that many bits of a code instead of its numbers: 64 bits are 8 bytes a row, where numbers take 512. They
        are the signs of the code after the rotation that loses least (iterative quantisation, Gong 2011).
    detail : float
        How much the rows themselves count, as principal components, beside the learned code. The code knows groups, the
        rows know the fine order within them: on images of clothes .25 lifts the share of the ten nearest that are of
        the same sort from .73 to .78, and costs .004 of the mean average precision of the whole ranking. 0 is the code
        alone.
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
    detail: float = 0.25

    # ------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None, *, names: Any = None) -> Self:
        """Learn codes from rows `X` and index them under `names` (unlike each other; 0, 1, ... if None).

        `y` is ignored.
        """
        self._checked()
        given = None if names is None else named(names, X.shape[0] if hasattr(X, "shape") else None)
        self._fit(X, None)
        codes = self.encode(X)
        self._codes, self.names_, self._next = codes.values[:0], np.empty(0, np.int64), 0
        return self.add(codes, names=given)

    def _recipe(self, source: Modality) -> Recipe:
        auto = isinstance(self.kind, str) and self.kind == "auto"
        return resolve(source.alike) if auto else super()._recipe(source)

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        """The network that suits the kind."""
        if isinstance(self.network, str) and self.network == "auto" and plan.recipe.name == HASHING:
            plan = replace(plan, network=Dense(hidden=WIDTHS))
        return plan, given

    def _checked(self) -> None:
        if self.metric not in METRICS:
            raise BadParameter(f"metric={self.metric!r}: expected one of {', '.join(METRICS)}.")
        whole = isinstance(self.bits, Integral) and not isinstance(self.bits, bool)
        if self.bits is not None and not (whole and 0 < self.bits <= MOST_BITS and self.bits % 8 == 0):
            raise BadParameter(f"bits={self.bits!r}: expected None or a multiple of 8, at most {MOST_BITS}.")
        if not (isinstance(self.detail, Real) and 0 <= self.detail < float("inf")):
            raise BadParameter(f"detail={self.detail!r}: expected a weight, a number from 0.")
        if (self.metric == "hamming") > (self.bits is not None):
            raise BadParameter("metric='hamming' counts bits: say how many, bits=64.")
        if self.bits is not None and self.metric not in ("auto", "hamming"):
            raise BadParameter(f"metric={self.metric!r} needs numbers, and bits={self.bits} keeps none of them.")

    def _learn(self, outcome: Outcome, rows: Batch) -> None:
        """How codes are made of what the model and the rows say."""
        self._measure = ("hamming" if self.bits else "cosine") if self.metric == "auto" else self.metric
        self._coder = Coder.learn(
            self.model_, rows, self._map, plain=self._measure == "euclidean", detail=float(self.detail),
            bits=int(self.bits or 0), rng=chance.child(0, "search"),
        )  # fmt: skip
        self.encoder_id_ = self._fingerprint()

    def _fingerprint(self) -> str:
        """A hash of weights, scales and rotation."""
        state = self.data_.state()
        arrays = {f"data.{name}": v for name, v in state.items() if isinstance(v, np.ndarray)}
        arrays |= {f"model.{name}": t.cpu().numpy() for name, t in self.model_.state_dict().items()}
        coder = self._coder.state()
        arrays |= {name: v for name, v in coder.items() if isinstance(v, np.ndarray)}
        told = {name: v for name, v in (state | coder).items() if not isinstance(v, np.ndarray)}
        digest = hashlib.sha256(json.dumps([self._measure, told], sort_keys=True).encode())
        for name, value in sorted(arrays.items()):
            digest.update(f"{name} {value.dtype} {value.shape} ".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        return digest.hexdigest()

    def _extra(self) -> dict[str, Any]:
        text = self.names_.dtype.kind != "i"
        numbers = np.empty(0, np.int64) if text else self.names_
        return self._coder.state() | {
            "encoder": self.encoder_id_, "measure": self._measure, "index": self._codes, "next": self._next,
            "text": [str(n) for n in self.names_] if text else [], "numbers": numbers,
        }  # fmt: skip

    def _adopt(self, extra: dict[str, Any]) -> None:
        self._coder, self._codes = Coder.from_state(extra), extra["index"]
        self.names_ = np.array(extra["text"], object) if extra["text"] else extra["numbers"].astype(np.int64)
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
        found = self.data_.gathered(self._map(self._coder.over(self.model_), self._batch(X)), X)
        return Codes(np.packbits(found >= 0, axis=1) if self._measure == "hamming" else found, self.encoder_id_)

    def codes(self, names: Any = None) -> Codes:
        """The codes kept of rows of the index, by name (None: all, in order)."""
        check_is_fitted(self, "names_")
        return Codes(self._codes if names is None else self._codes[self._places(names)], self.encoder_id_)

    def _coded(self, X: Any) -> Array:
        if not isinstance(X, Codes):
            return self.encode(X).values
        check_is_fitted(self, "names_")
        if X.encoder != self.encoder_id_:
            raise BadData(
                f"these codes were made by encoder {X.encoder[:12]}, this index by {self.encoder_id_[:12]}: they have "
                "nothing to do with each other. Encode the rows with this index."
            )
        return X.values

    # ------------------------------------------------------------------ what it holds

    def add(self, X: Any, names: Any = None) -> Self:
        """Index more rows, or `Codes` of them, under new names; without names they are numbered on. Nothing is learned.

        The numbers of removed rows are not given again.
        """
        codes = self._coded(X)
        if names is None:
            if len(self.names_) and self.names_.dtype.kind != "i":
                raise BadData("the rows of this index have names that are texts; give names for these, too.")
            fresh = np.arange(self._next, self._next + len(codes))
        else:
            fresh = named(names, len(codes))
        if len(self.names_) and fresh.dtype.kind != self.names_.dtype.kind:
            raise BadData(f"names are {sort_of(self.names_)} here, and these are {sort_of(fresh)}; keep to one sort.")
        known = np.isin(fresh, self.names_)
        if known.any():
            raise BadData(f"the index has a row named {fresh[known][0]!r} already; remove it first, or name this anew.")
        self._codes = np.concatenate([self._codes, codes])
        self.names_ = np.concatenate([self.names_, fresh]) if len(self.names_) else fresh
        if fresh.dtype.kind == "i" and len(fresh):
            self._next = max(self._next, int(fresh.max()) + 1)
        return self

    def remove(self, names: Any) -> Self:
        """Forget the rows of these names."""
        check_is_fitted(self, "names_")
        kept = np.ones(len(self.names_), bool)
        kept[self._places(names)] = False
        self._codes, self.names_ = self._codes[kept], self.names_[kept]
        return self

    def _places(self, names: Any) -> NDArray[np.int64]:
        """Where in the index the rows of these names stand."""
        wanted = names if isinstance(names, (list, tuple, np.ndarray)) else [names]
        place = {name: i for i, name in enumerate(self.names_.tolist())}
        strange = [n for n in wanted if n not in place]
        if strange:
            more = f" and {len(strange) - 1} more" if strange[1:] else ""
            raise BadParameter(f"no row of the index is named {strange[0]!r}{more}; names_ lists them.")
        return np.array([place[n] for n in wanted], np.int64)

    # ------------------------------------------------------------------ ask

    def query(self, X: Any, k: int = 10) -> tuple[Array, Names]:
        """The `k` rows of the index nearest to each of `X` (rows or `Codes`): distances and names, `(n, k)` each.

        The nearest stands first.
        """
        codes, size = self._coded(X), len(self.names_)
        if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
            raise BadParameter(f"k={k!r}: expected how many rows to find, a whole number from 1.")
        if k > size:
            raise BadParameter(f"k={k}: the index holds {size} rows; ask for at most as many.")
        far, places = exact.nearest(self._shelf(), codes, int(k))
        return self._told(far), self.names_[places]

    def within(self, X: Any, radius: float) -> tuple[list[Array], list[Names]]:
        """All rows of the index at most `radius` away from each of `X`, nearest first: an array a query."""
        codes = self._coded(X)
        if not isinstance(radius, Real) or isinstance(radius, bool) or not 0 <= radius < float("inf"):
            raise BadParameter(f"radius={radius!r}: expected a distance, a number from 0.")
        limit = {"cosine": 2 * float(radius), "euclidean": float(radius) ** 2}.get(self._measure, float(radius))
        found = exact.within(self._shelf(), codes, limit)
        return [self._told(far) for far, _ in found], [self.names_[places] for _, places in found]

    def _shelf(self) -> exact.Shelf:
        return exact.Bits(self._codes) if self._measure == "hamming" else exact.Numbers(self._codes)

    def _told(self, far: NDArray[np.float64]) -> Array:
        """Distances as the user's metric has them."""
        if self._measure == "hamming":
            return far.astype(np.int64)
        return np.sqrt(far) if self._measure == "euclidean" else far / 2
