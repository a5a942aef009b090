"""Columns of small whole numbers to bits: each number is a way down a binary tree, each turn is guessed from counts.

A turn's probability is a mix. Every context, such as "the node, and what the row has in two other columns", has counted
how often a row like this one turned right; the logarithms of these odds are added up under whole weights, one set for
each level of the tree. Rows are coded in portions that grow with what is known; within a portion all of them are
coded at once, after it their turns are counted. So no table has to be sent, and whole numbers alone decide.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.coder import Reader, Writer, need
from latently.codec.odds import FINE, ODDS, PARTS, chance, logs

__all__ = ["GRAIN", "Context", "Memory", "Order", "Seen", "decode", "encode", "price", "seen", "weighed"]

Ints = NDArray[np.int64]

FIRST = 64  # rows that are coded before anything is known of them
GROWTH = 0.35  # a portion, of the rows before it: 0.15 took 0.3 % fewer bits, and longer (letter)
GRAIN = 16  #: parts of a token in which a guess is told
REACH = 47  # a guess's distance to the middle of a node, four a doubling, counts up to here
SPAN, FARTHEST = 2 * REACH + 2, 1 << 13
LARGEST = 1 << 19  # nodes of a table: a context of very many classes has no say further down
ONE = 64  # in weights
COUNTED = 1 << 17  # rows, at most, that one memory counts
TAUGHT = 6_000  # rows that weights are learned from
PULL = 4.0  # weights towards equal ones, in bits' curvature


@dataclass(frozen=True)
class Order:
    """Rows by bisection: first far apart, then those half way between two that are known already."""

    rows: Ints  #: the row that stands at each place
    left: Ints  #: the place of the known row before it, and of that behind it
    right: Ints
    wave: Ints  #: 0 to 3: doublings of the distance to these

    @classmethod
    @functools.lru_cache(8)
    def of(cls, count: int) -> Order:
        """Of this many rows."""
        found = [np.zeros((3, 1), np.int64)]
        step = 1 << max(count - 1, 0).bit_length()
        while step > 1:
            half = step // 2
            rows = np.arange(half, count, step)
            found.append(np.stack([rows, rows - half, np.full(len(rows), min(half.bit_length() - 1, 3))]))
            step = half
        rows, left, wave = np.concatenate(found, 1)[:, :count]
        place = np.zeros(count + 1, np.int64)
        place[rows] = np.arange(count)
        right = 2 * rows - left
        return cls(rows, place[left], np.where(right < count, place[np.minimum(right, count)], place[left]), wave)


@dataclass(frozen=True)
class Context:
    """What is known of rows before a token: a class, or a class and a guess of the token."""

    classes: Ints | None  #: None: all are of one
    size: int  #: classes there are
    guess: Ints | None = None  #: in grains
    near: bool = False  #: the guess is the mean of the rows around, as far as they are known


@functools.cache
def _distances() -> Ints:
    """Distances in grains, up to `FARTHEST`, in four steps a doubling."""
    return np.asarray(np.minimum(logs(FARTHEST + 2)[1:] >> (FINE - 2), REACH), np.int64)


class Memory:
    """Turns that were counted: for each context, class and node how often left and right."""

    def __init__(self, contexts: Sequence[Context], depth: int) -> None:
        self.depth = depth
        self.guessed = [c.near or c.guess is not None for c in contexts]
        self.sizes = [c.size for c in contexts]
        self.deepest = [
            depth if g else min(depth, max(1, (LARGEST // s).bit_length() - 1))
            for g, s in zip(self.guessed, self.sizes, strict=True)
        ]
        self.tables = [
            np.zeros(2 * (s * depth * SPAN if g else s << d), np.int32)
            for g, s, d in zip(self.guessed, self.sizes, self.deepest, strict=True)
        ]
        self.rows = 0

    def copy(self) -> Memory:
        """One that goes on from here."""
        other = object.__new__(Memory)
        other.__dict__ = self.__dict__ | {"tables": [t.copy() for t in self.tables]}
        return other

    def portions(self, count: int) -> Iterator[slice]:
        """The places of `count` more rows, in portions that are coded at once; each within one wave."""
        waves, done = [-(-count // (1 << k)) for k in range(count.bit_length())], 0
        while done < count:
            end = min(count, max(FIRST, done + int(GROWTH * (done + self.rows))))
            end = min([end, *(w for w in waves if done < w)])
            yield slice(done, end)
            done = end

    def places(self, contexts: Sequence[Context], at: slice, level: int, node: Ints, guesses: list[Any]) -> list[Any]:
        """Where in each table the turns of some rows are counted; None for a context that has no say here."""
        found: list[Any] = []
        middle, told = (2 * (node - (1 << level)) + 1) << (self.depth - level - 1), dict[int, Ints]()
        for c, guess, deepest in zip(contexts, guesses, self.deepest, strict=True):
            if guess is not None:
                row = told.get(id(c.guess))  # two contexts may share a guess
                if row is None:
                    away = guess - GRAIN * middle
                    steps = _distances().take(np.minimum(np.abs(away), FARTHEST))
                    row = told[id(c.guess)] = np.where(away < 0, -steps, steps) + (level * SPAN + REACH)
                found.append(row if c.classes is None else row + c.classes[at] * (self.depth * SPAN))
            elif level >= deepest:
                found.append(None)
            else:
                found.append(node if c.classes is None else (c.classes[at] << deepest) + node)
        return found

    def odds(self, places: list[Any], count: int) -> NDArray[np.int32]:
        """Logarithms of the odds of a turn to the right, (contexts, rows)."""
        table, found = logs(2 * COUNTED + 2), np.zeros((len(places), count), np.int32)
        for row, where, counts in zip(found, places, self.tables, strict=True):
            if where is not None:
                twice = 2 * where
                right = table.take(2 * counts.take(twice + 1) + 1)
                np.subtract(right, table.take(2 * counts.take(twice) + 1), out=row)
        return found

    def count(self, places: list[Any], turns: Ints) -> None:
        """Remember turns."""
        for where, counts in zip(places, self.tables, strict=True):
            if where is not None:
                np.add.at(counts, 2 * where + turns, np.int32(1))  # a plain 1 is 36 times slower

    def guesses(self, contexts: Sequence[Context], at: slice, order: Order, tokens: Ints) -> list[Any]:
        """The guesses of some rows, those from their neighbours too, None for contexts without."""
        found: list[Any] = []
        for c in contexts:
            if c.near and at.start:
                found.append((tokens[order.left[at]] + tokens[order.right[at]]) * (GRAIN // 2))
            elif c.near:
                found.append(np.full(at.stop, GRAIN << (self.depth - 1)))
            else:
                found.append(None if c.guess is None else c.guess[at])
        return found


@dataclass(frozen=True)
class Seen:
    """The turns of some rows, as they are coded: portion after portion, level after level."""

    odds: list[NDArray[np.int32]]  #: (contexts, rows) each
    turns: list[Ints]
    levels: list[int]


def seen(memory: Memory, contexts: Sequence[Context], tokens: Ints) -> Seen:
    """All turns to known tokens, and what the contexts said of each; the memory counts them."""
    odds, turns, levels, order = [], [], [], Order.of(len(tokens))
    for at in memory.portions(len(tokens)):
        own, kept = tokens[at], []
        guesses = memory.guesses(contexts, at, order, tokens)
        for level in range(memory.depth):
            node, turn = (1 << level) + (own >> (memory.depth - level)), own >> (memory.depth - level - 1) & 1
            places = memory.places(contexts, at, level, node, guesses)
            odds.append(memory.odds(places, len(own)))
            turns.append(turn)
            levels.append(level)
            kept.append((places, turn))
        for places, turn in kept:
            memory.count(places, turn)
    memory.rows += len(tokens)
    return Seen(odds, turns, levels)


def weighed(found: Seen, depth: int, sets: int) -> NDArray[np.int8]:
    """Weights, (levels, contexts), that make these turns likely; `sets`: 1 for all levels, or one each."""
    count = len(found.odds[0]) if found.odds else 0
    weights = np.zeros((depth, count), np.int8)
    for level in range(sets):
        mine = [i for i, at in enumerate(found.levels) if sets == 1 or at == level]
        x = np.concatenate([found.odds[i] for i in mine], 1).T
        y = np.concatenate([found.turns[i] for i in mine])
        every = max(1, len(y) // TAUGHT)
        best = _fitted(np.ascontiguousarray(x[::every]) * (np.log(2) / (1 << FINE)), y[::every])
        weights[level if sets > 1 else slice(None)] = np.clip(np.rint(best * ONE), -127, 127)
    return weights


def _fitted(x: NDArray[np.float64], y: Ints) -> NDArray[np.float64]:
    """Logistic regression without an intercept, towards equal weights; never worse than these."""
    start = np.full(x.shape[1], 1.0 / x.shape[1])
    most = ODDS / (1 << FINE) * np.log(2)

    def cost(w: NDArray[np.float64]) -> float:
        z = np.clip(x @ w, -most, most)
        return float(np.logaddexp(0, np.where(y == 1, -z, z)).sum() + PULL / 2 * np.square(w - start).sum())

    w, now = start, cost(start)
    for _ in range(8):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -most, most)))
        slope = x.T @ (p - y) + PULL * (w - start)
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + PULL * np.eye(len(w)), slope)
        while (new := cost(w - step)) > now and np.abs(step).max() > 1e-3:
            step /= 4
        if new >= now - 1e-4 * now:
            break
        w, now = w - step, new
    return w


def _mixed(odds: NDArray[np.int32], weights: NDArray[np.int8]) -> NDArray[np.float32]:
    """The probabilities of turns to the right: whole parts, exact as floats."""
    z = weights.astype(np.int32) @ odds
    z += ONE // 2
    z >>= ONE.bit_length() - 1
    return np.asarray(chance()[np.clip(z, -ODDS, ODDS) + ODDS] / np.float32(PARTS), np.float32)


def price(found: Seen, weights: NDArray[np.int8]) -> float:
    """Bits that these turns take."""
    total = 0.0
    for odds, turns, level in zip(found.odds, found.turns, found.levels, strict=True):
        p = _mixed(odds, weights[level]).astype(np.float64)
        total -= float(np.log2(np.where(turns == 1, p, 1 - p)).sum())
    return total


def encode(writer: Writer, found: Seen, weights: NDArray[np.int8]) -> None:
    """Write turns."""
    model = need().model.Bernoulli(perfect=False)
    for odds, turns, level in zip(found.odds, found.turns, found.levels, strict=True):
        writer.coder.encode(np.ascontiguousarray(turns, dtype=np.int32), model, _mixed(odds, weights[level]))


def decode(reader: Reader, memory: Memory, contexts: Sequence[Context], count: int, weights: NDArray[np.int8]) -> Ints:
    """The tokens whose turns `encode` wrote; the memory counts them."""
    model, order, tokens = need().model.Bernoulli(perfect=False), Order.of(count), np.zeros(count, np.int64)
    for at in memory.portions(count):
        node, kept = np.ones(at.stop - at.start, np.int64), []
        guesses = memory.guesses(contexts, at, order, tokens)
        for level in range(memory.depth):
            places = memory.places(contexts, at, level, node, guesses)
            turn = reader.turns(model, _mixed(memory.odds(places, len(node)), weights[level]))
            kept.append((places, turn))
            node = 2 * node + turn
        tokens[at] = node - (1 << memory.depth)
        for places, turn in kept:
            memory.count(places, turn)
    memory.rows += count
    return tokens
