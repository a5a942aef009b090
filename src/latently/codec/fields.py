"""Fields: columns of whole numbers, each coded with the ones before it in sight.

A field's numbers, or what is left of them beyond a guess, fall into bins; which bin is a token of `trees`, the place in
a bin takes even bits.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.coder import Reader, Writer, need
from latently.codec.trees import GRAIN, Context, Memory, Order, decode

__all__ = ["COARSE", "Known", "Plan", "Whole", "beyond", "contexts", "read_field", "view_of", "write_places"]

Ints = NDArray[np.int64]
Whole = NDArray[np.uint64]

COARSE = 16  #: classes, at most, in which a field is a context of others
SLOPE = 10  # bits behind the point of a line's weights
DIGIT = 16


@dataclass(frozen=True)
class Plan:
    """How a field is coded; JSON values."""

    edges: list[int] = field(default_factory=lambda: [0])  #: where bins start
    last: int = 0  #: the largest number
    apart: bool = False  #: there are no numbers but the edges
    parents: list[int] = field(default_factory=list)  #: fields that tell most, best first
    line: list[int] = field(default_factory=list)  #: fields of the guess of a token
    slopes: list[int] = field(default_factory=list)  #: their weights, and the guess at zero
    near: bool = False  #: rows beside a row tell something of it
    against: list[int] | None = None  #: fields of the guess that is taken off first; []: the row before
    shares: list[int] = field(default_factory=list)  #: their weights, and the least of what is left
    weights: list[list[int]] = field(default_factory=list)  #: one set a level, or one for all

    @property
    def depth(self) -> int:
        """Turns to a token; 0: there is but one."""
        return (len(self.edges) - 1).bit_length()

    @property
    def widths(self) -> Whole:
        """Numbers in each bin, less one."""
        edges = np.array([*self.edges, self.last + 1], dtype=object)
        return np.zeros(len(self.edges), np.uint64) if self.apart else (np.diff(edges) - 1).astype(np.uint64)

    def told(self) -> dict[str, Any]:
        """As JSON values, without what is usual."""
        usual, mine = asdict(Plan()), asdict(self)
        shift = (math.gcd(*self.edges) & -math.gcd(*self.edges) or 1).bit_length() - 1
        mine["edges"] = [shift, *((b - a) >> shift for a, b in pairwise([0, *self.edges]))]
        return {name: value for name, value in mine.items() if value != usual[name]}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Plan:
        """The plan that told this."""
        shift, *steps = told["edges"]
        return cls(**told | {"edges": [int(e) << shift for e in accumulate(steps)]})

    def mixing(self) -> NDArray[np.int8]:
        """The weights of every level."""
        return np.array(self.weights * (self.depth if len(self.weights) == 1 else 1), np.int8)


class Known:
    """What is known of one group of rows: numbers in their order, tokens by bisection."""

    def __init__(self, rows: int) -> None:
        self.rows, self.order = rows, Order.of(rows)
        self.values: list[Whole] = []
        self.tokens: list[Ints] = []

    def add(self, values: Whole, tokens: Ints) -> None:
        """One more field."""
        self.values.append(values)
        self.tokens.append(tokens)

    def forget(self, count: int) -> None:
        """The last fields."""
        del self.values[len(self.values) - count :], self.tokens[len(self.tokens) - count :]


def view_of(tokens: Ints, count: int) -> Ints:
    """The class of every token: as many rows in each as may be, never more than `COARSE`."""
    if count <= COARSE:
        return np.arange(count)
    rows = np.bincount(tokens, minlength=count)
    middle = (2 * np.cumsum(rows) - rows) * COARSE // (2 * max(len(tokens), 1))
    return np.unique(np.minimum(middle, COARSE - 1), return_inverse=True)[1].astype(np.int64)


def contexts(plan: Plan, known: Known, views: list[Ints]) -> list[Context]:
    """What may be known of the rows of a group before the field is."""
    seen = [(views[q][known.tokens[q]], int(views[q].max(initial=0)) + 1) for q in plan.parents]
    found = [Context(None, 1), *(Context(classes, size) for classes, size in seen)]
    for k in range(1, len(seen)):
        found.append(_joint(seen[0], seen[k]))
    if len(seen) > 2:
        found.append(_joint((found[-2].classes, found[-2].size), seen[2]))
    if plan.line:
        guess = sum(known.tokens[q] * w for q, w in zip(plan.line, plan.slopes, strict=False)) + plan.slopes[-1]
        guess = np.clip(guess >> SLOPE, 0, (GRAIN << plan.depth) - 1)
        found.append(Context(None, 1, guess))
        if seen:
            found.append(Context(*seen[0], guess))
    if plan.near:
        found.append(Context(known.order.wave, 4, near=True))
    return found


def _joint(one: tuple[Any, int], other: tuple[Any, int]) -> Context:
    return Context(one[0] * other[1] + other[0], one[1] * other[1])


def beyond(plan: Plan, known: Known) -> Ints:
    """The guess, plus the least of what is left, that is taken off a field's numbers, from other fields."""
    assert plan.against
    total = sum(known.values[q].astype(np.int64) * w for q, w in zip(plan.against, plan.shares, strict=False))
    return np.asarray((total >> SLOPE) + plan.shares[-1], np.int64)


def _put_back(rest: Whole, plan: Plan, known: Known) -> Whole:
    if plan.against is None:
        return rest
    whole = rest.astype(np.int64)
    if plan.against:
        return (whole + beyond(plan, known)).astype(np.uint64)
    return np.cumsum(whole + plan.shares[-1]).astype(np.uint64)


def write_places(writer: Writer, places: Whole, widths: Whole) -> None:
    """Each place in its bin, of `widths` + 1 numbers: the high digits, then low ones of even bits."""
    model, low = need().model.Uniform(), _low(widths)
    wide = widths >> low > 0
    if wide.any():
        high = (places >> low)[wide].astype(np.int32)
        writer.coder.encode(high, model, ((widths >> low)[wide] + np.uint64(1)).astype(np.int32))
    digit = need().model.Uniform(1 << DIGIT)
    for k in range(int(low.max(initial=0)) // DIGIT):
        some = low > k * DIGIT
        writer.put((places[some] >> np.uint64(k * DIGIT) & np.uint64((1 << DIGIT) - 1)).astype(np.int32), digit)


def _read_places(reader: Reader, widths: Whole) -> Whole:
    model, low, found = need().model.Uniform(), _low(widths), np.zeros(len(widths), np.uint64)
    wide = widths >> low > 0
    if wide.any():
        sizes = ((widths >> low)[wide] + np.uint64(1)).astype(np.int32)
        found[wide] = reader.turns(model, sizes).astype(np.uint64)
    found <<= low
    digit = need().model.Uniform(1 << DIGIT)
    for k in range(int(low.max(initial=0)) // DIGIT):
        some = low > k * DIGIT
        found[some] |= reader.take(int(some.sum()), digit).astype(np.uint64) << np.uint64(k * DIGIT)
    return np.minimum(found, widths)


def _low(widths: Whole) -> Whole:
    """Bits of the low digits: none up to 2^20 places."""
    digits = np.zeros(len(widths), np.uint64)
    for k in range(3):
        digits += widths >= np.uint64(1 << (20 + DIGIT * k))
    return digits * np.uint64(DIGIT)


def read_field(data: bytes, plan: Plan, known: Known, views: list[Ints], memory: Memory | None) -> Memory | None:
    """Add a field to what is known of a group, from its bytes; returns the memory with its rows counted."""
    reader, tokens = Reader(data), np.zeros(known.rows, np.int64)
    if plan.depth:
        found = contexts(plan, known, views)
        memory = Memory(found, plan.depth) if memory is None else memory.copy()
        tokens = decode(reader, memory, found, known.rows, plan.mixing())
    natural = np.empty_like(tokens)
    natural[known.order.rows] = np.minimum(tokens, len(plan.edges) - 1)
    rest = np.array(plan.edges, np.uint64)[natural] + _read_places(reader, plan.widths[natural])
    known.add(_put_back(rest, plan, known), np.minimum(tokens, len(plan.edges) - 1))
    return memory
