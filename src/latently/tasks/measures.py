"""How codes are compared: options that go together, distances inside and to the user, the encoder behind them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.engine import nearest as exact
from latently.engine.flat import there
from latently.errors import BadData, BadParameter

__all__ = [
    "OF_BITS",
    "Codes",
    "checked",
    "chosen",
    "digest",
    "directed",
    "inner",
    "learnable",
    "meant",
    "own",
    "recommended",
    "shelf",
    "told",
]

METRICS = ("auto", "cosine", "euclidean", "asymmetric", "hamming")
OF_BITS = ("asymmetric", "hamming")
ENGINES = ("auto", "exact", "faiss")
MOST_BITS = 4096
NARROW, NEAR = 16, 1e-2  # columns that embeddings have at least; of a length from one
ENOUGH = 2000  # rows: asked by 64 bits, ITQ finds .551 and learned signs .539 of 1,500, .515 and .544 of 2,500
PAYS = {"cosine": 30_000, "euclidean": 30_000, "hamming": 100_000}  # rows: asked one by one, 7 ms against .6, .4 and .1

Array = NDArray[Any]


@dataclass(frozen=True)
class Codes:
    """Codes of rows, and which encoder made them: no other index takes them."""

    values: Array  #: float32 numbers, or (n, bits / 8) uint8
    encoder: str  #: the encoder's fingerprint

    def __len__(self) -> int:
        return len(self.values)


def own(codes: Codes, encoder: str) -> Array:
    """Codes as arrays; `BadData` where another encoder made them."""
    if codes.encoder != encoder:
        raise BadData(
            f"these codes were made by encoder {codes.encoder[:12]}, this index by {encoder[:12]}: they have "
            "nothing to do with each other. Encode the rows with this index."
        )
    return codes.values


def checked(metric: str, bits: Any, detail: Any) -> None:
    """Raises `BadParameter` on options that cannot work."""
    if metric not in METRICS:
        raise BadParameter(f"metric={metric!r}: expected one of {', '.join(METRICS)}.")
    whole = isinstance(bits, Integral) and not isinstance(bits, bool)
    if bits is not None and not (whole and 0 < int(bits) <= MOST_BITS and int(bits) % 8 == 0):
        raise BadParameter(f"bits={bits!r}: expected None or a multiple of 8, at most {MOST_BITS}.")
    if detail != "auto" and not (isinstance(detail, Real) and 0 <= float(detail) < float("inf")):
        raise BadParameter(f"detail={detail!r}: expected 'auto' or a weight, a number from 0.")
    if (metric in OF_BITS) > (bits is not None):
        raise BadParameter(f"metric={metric!r} compares bits: say how many, bits=64.")
    if bits is not None and metric not in ("auto", *OF_BITS):
        raise BadParameter(f"metric={metric!r} needs numbers, and bits={bits} keeps none of them.")


def directed(X: Any) -> bool:
    """Whether rows are embeddings: floats, all of length one up to the rounding of 16 bits."""
    kinds = {np.dtype(d).kind for d in getattr(X, "dtypes", [getattr(X, "dtype", object)]) if isinstance(d, np.dtype)}
    if kinds != {"f"} or getattr(X, "ndim", 0) != 2 or X.shape[1] < NARROW:
        return False
    return bool((np.abs(np.linalg.norm(np.asarray(X, np.float32), axis=1) - 1) < NEAR).all())


def learnable(bits: Any, shape: tuple[int, ...]) -> bool:
    """Whether so many embeddings can teach the bits of their own nearest; fewer would be learned by heart."""
    return bits is not None and bits <= shape[1] and shape[0] >= ENOUGH


def meant(metric: str, bits: Any) -> str:
    """What "auto" stands for."""
    return metric if metric != "auto" else "asymmetric" if bits else "cosine"


def recommended(measure: str, size: int) -> str:
    """The engine for so many rows."""
    return "faiss" if measure in PAYS and size >= PAYS[measure] else "exact"


def chosen(engine: str, measure: str, size: int) -> str:
    """The engine that an option means; `BadParameter` where it cannot be."""
    if engine not in ENGINES:
        raise BadParameter(f"engine={engine!r}: expected one of {', '.join(ENGINES)}.")
    if engine == "faiss" and measure not in PAYS:
        raise BadParameter(f"engine='faiss' knows no {measure} distance. Try: metric='hamming', or engine='auto'.")
    if engine == "auto":
        return recommended(measure, size) if there() else "exact"
    return engine


def shelf(measure: str, rows: Array) -> exact.Shelf:
    """Rows that distances are taken to."""
    makes: dict[str, exact.Make] = {"hamming": exact.Bits, "asymmetric": exact.Weighed}
    return makes.get(measure, exact.Numbers)(rows)


def inner(measure: str, radius: Any) -> float:
    """The distance that a shelf takes for a user's; `BadParameter` where it is none."""
    if not isinstance(radius, Real) or isinstance(radius, bool) or not 0 <= float(radius) < float("inf"):
        raise BadParameter(f"radius={radius!r}: expected a distance, a number from 0.")
    return {"cosine": 2 * float(radius), "euclidean": float(radius) ** 2}.get(measure, float(radius))


def told(measure: str, far: NDArray[np.float64]) -> Array:
    """Distances as the user's metric has them."""
    if measure == "hamming":
        return far.astype(np.int64)
    return np.sqrt(far) if measure == "euclidean" else far / 2 if measure == "cosine" else far


def digest(measure: str, facts: dict[str, Any]) -> str:
    """A hash of arrays and JSON values by name: weights, scales and rotation of an encoder."""
    arrays = {name: v for name, v in facts.items() if isinstance(v, np.ndarray)}
    values = {name.removeprefix("data."): v for name, v in facts.items() if name not in arrays}
    found = hashlib.sha256(json.dumps([measure, values], sort_keys=True).encode())
    for name, value in sorted(arrays.items()):
        found.update(f"{name} {value.dtype} {value.shape} ".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()
