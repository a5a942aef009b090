"""How a field had best be coded: bins, what it is coded after, and the weights of what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latently.codec.coder import Writer
from latently.codec.fields import SLOPE, Ints, Known, Plan, Whole, beyond, contexts, view_of, write_places
from latently.codec.numbers import spread
from latently.codec.trees import GRAIN, Memory, Seen, encode, price, seen, weighed

__all__ = ["Coded", "coded"]

SPOKEN = 1024  # distinct numbers that each have a bin of their own
BINS = 256  # of more, of even shares of the rows
ROUND = 16  # parts of a bin to which edges are rounded
PER_BIN = 16  # rows a bin that is worth its edge
SAMPLE = 6_000  # rows that relations are told from: the first by bisection lie evenly
CANDIDATES = 24
PARENTS, LINE = 3, 8
TELLS = 0.004  # bits a row: a parent that says less is none
BESIDE = 0.1  # correlation with the rows around
CLOSER = 1.0  # bits a row that a guess must take off before it is tried
LEVELLED = 4_000  # rows from which each level has weights of its own
EXACT = 1 << 50  # larger numbers take part in no sums
WEIGHT_BITS, EDGE_BITS = 6, 10


@dataclass
class Coded:
    """A field of all groups as bytes."""

    plan: Plan
    streams: list[bytes]


def coded(groups: list[Whole], known: list[Known], views: list[Ints], forced: list[int]) -> Coded:
    """Code a field, `groups` its numbers, and add it to what is known of the groups; `forced`: parents it must have."""
    direct = _related(_binned(Plan(), groups), groups, known, views, forced)
    best = _settled(direct, groups, known, views)
    for other in _guessing(direct, groups, known):
        left = [_taken(other, u, k) for u, k in zip(groups, known, strict=True)]
        rival = _settled(_related(_binned(other, left), left, known, views, forced), left, known, views)
        best = rival if rival.bits < best.bits else best
    plan, streams = best.plan, []
    for g, (u, k) in enumerate(zip(groups, known, strict=True)):
        rest = _taken(plan, u, k)
        tokens, writer = _tokens(plan, rest), Writer()
        if best.memory is not None:
            turns = best.turns if not g else _turns(best.memory.copy(), plan, k, views, tokens)
            encode(writer, turns, plan.mixing())
        write_places(writer, rest - np.array(plan.edges, np.uint64)[tokens], plan.widths[tokens])
        streams.append(writer.bytes())
        k.add(u, tokens[k.order.rows])
    views.append(view_of(known[0].tokens[-1], len(plan.edges)))
    return Coded(plan, streams)


def _taken(plan: Plan, values: Whole, known: Known) -> Whole:
    """What is left of numbers beyond the plan's guess."""
    if plan.against is None:
        return values
    if plan.against:
        return (values.astype(np.int64) - beyond(plan, known)).astype(np.uint64)
    return (np.diff(values.astype(np.int64), prepend=0) - plan.shares[-1]).astype(np.uint64)


def _tokens(plan: Plan, rest: Whole) -> Ints:
    return np.asarray(np.searchsorted(np.array(plan.edges, np.uint64), rest, side="right") - 1, np.int64)


def _binned(plan: Plan, groups: list[Whole]) -> Plan:
    """With bins for these numbers: one each, where they are few, or of even shares; what is frequent stands alone."""
    values = np.sort(np.concatenate(groups))
    count, last = len(values), int(values[-1]) if len(values) else 0
    distinct = np.unique(values)
    if len(distinct) <= min(SPOKEN, max(2, count // PER_BIN)):
        return replace(plan, edges=[int(e) for e in distinct] or [0], last=last, apart=True)
    bins = 1 << max(0, min(BINS, count // PER_BIN).bit_length() - 1)
    cuts = values[np.arange(bins) * count // bins]
    frequent = cuts[1:][cuts[1:] == cuts[:-1]]
    if not len(frequent) and len(cuts) > 1:  # round edges are told in fewer digits
        shift = max(int(np.median(np.diff(cuts))) // ROUND, 1).bit_length() - 1
        cuts = cuts >> np.uint64(shift) << np.uint64(shift)
    edges = np.unique(np.concatenate([[np.uint64(0)], cuts, np.minimum(frequent, np.uint64(last - 1)) + np.uint64(1)]))
    return replace(plan, edges=[int(e) for e in edges], last=last)


# ---------------------------------------------------------------------- relations


def _related(plan: Plan, groups: list[Whole], known: list[Known], views: list[Ints], forced: list[int]) -> Plan:
    """With parents, a line and the rows around, told from a sample of the first group."""
    first, depth = known[0], plan.depth
    if not depth or not first.rows:
        return plan
    tokens = _tokens(plan, groups[0])[first.order.rows]
    some = slice(0, min(SAMPLE, first.rows))
    mine = tokens[some]
    near = False
    if first.rows > 64:
        at = slice(64, max(SAMPLE, 65))
        around = tokens[first.order.left[at]] + tokens[first.order.right[at]]
        near = bool(abs(_correlation(around[:, None].astype(float), tokens[at])[0]) > BESIDE)
    others = [q for q, v in enumerate(views) if v.max(initial=0) > 0]
    if not others:
        return replace(plan, near=near, parents=[q for q in forced if q in others])
    x = np.stack([first.tokens[q][some] for q in others], 1).astype(np.float64)
    alike = np.abs(_correlation(x, mine))
    ranked = [others[i] for i in np.argsort(-alike, kind="stable")]
    parents = _parents(view_of(mine, len(plan.edges))[mine], ranked[:CANDIDATES], first, views, forced)
    line = list(dict.fromkeys([*parents, *ranked]))[:LINE]
    slopes = _line(np.stack([first.tokens[q][some] for q in line], 1), mine)
    return replace(plan, parents=parents, near=near, line=line, slopes=slopes)


def _correlation(x: NDArray[np.float64], y: Ints) -> NDArray[np.float64]:
    x, z = x - x.mean(0), y - y.mean()
    return np.asarray(z @ x / np.maximum(np.sqrt((x * x).sum(0) * (z @ z)), 1e-12))


def _parents(mine: Ints, candidates: list[int], first: Known, views: list[Ints], forced: list[int]) -> list[int]:
    """Greedily those that tell most beyond the ones before, of the entropy of a sample."""
    count = len(mine)
    size = int(mine.max(initial=0)) + 1
    seen = {q: views[q][first.tokens[q][:count]] for q in [*candidates, *forced]}
    found, joint = [q for q in forced if views[q].max(initial=0) > 0], np.zeros(count, np.int64)
    for q in found:
        joint = joint * (int(views[q].max()) + 1) + seen[q]
    while len(found) < PARENTS:
        base = _entropy(joint * size + mine) - _entropy(joint)
        told = {}
        for q in candidates:
            if q not in found:
                both = joint * (int(views[q].max()) + 1) + seen[q]
                told[q] = base - _entropy(both * size + mine) + _entropy(both)
        best = max(told, key=lambda q: told[q], default=None)
        if best is None or told[best] < TELLS:
            break
        found.append(best)
        joint = joint * (int(views[best].max()) + 1) + seen[best]
    return found


def _entropy(classes: Ints) -> float:
    """In bits, corrected for the classes that a sample of this size leaves out (Miller 1955)."""
    counts = np.unique(classes, return_counts=True)[1]
    p = counts / len(classes)
    return float(-(p * np.log2(p)).sum() + (len(counts) - 1) / (2 * len(classes) * np.log(2)))


def _line(x: Ints, y: Ints) -> list[int]:
    """Least squares, tokens from tokens, as whole weights; the last is the guess at zero, in grains."""
    wide = np.concatenate([x, np.ones((len(x), 1))], 1).astype(np.float64)
    best = np.linalg.solve(wide.T @ wide + np.eye(wide.shape[1]), wide.T @ y)
    scaled = np.rint(best * (GRAIN << SLOPE))
    scaled[-1] += (GRAIN << SLOPE) / 2  # the middle of a token
    return [int(w) for w in np.clip(scaled, -(1 << 40), 1 << 40)]


# ---------------------------------------------------------------------- guesses that are taken off


def _guessing(plan: Plan, groups: list[Whole], known: list[Known]) -> list[Plan]:
    """Plans that code what is left beyond a guess, where that looks shorter."""
    if plan.last >= EXACT or len(plan.edges) == 1 or not known[0].rows:
        return []
    found, now = [], spread(groups[0])
    steps = np.concatenate([np.diff(u.astype(np.int64), prepend=0) for u in groups])
    if spread(steps[1:]) < now - CLOSER:
        found.append(Plan(against=[], shares=[int(steps.min())]))
    fields = [q for q in plan.line if all(int(k.values[q].max(initial=0)) < EXACT for k in known)]
    if fields:
        x = np.stack([known[0].values[q] for q in fields], 1).astype(np.float64)
        every = max(1, len(x) // SAMPLE)
        scale = np.maximum(x[::every].std(0), 1e-9)
        wide = np.concatenate([x[::every] / scale, np.ones((len(x[::every]), 1))], 1)
        y = groups[0][::every].astype(np.float64)
        best = np.linalg.solve(wide.T @ wide + 1e-6 * len(wide) * np.eye(wide.shape[1]), wide.T @ y)[:-1] / scale
        other = Plan(against=fields, shares=[int(w) for w in np.rint(np.clip(best, -99, 99) * (1 << SLOPE))])
        other = replace(other, shares=[*other.shares, 0])
        left = [u.astype(np.int64) - beyond(other, k) for u, k in zip(groups, known, strict=True)]
        if spread(left[0]) < now - CLOSER:
            found.append(replace(other, shares=[*other.shares[:-1], min(int(r.min(initial=0)) for r in left)]))
    return found


@dataclass
class _Settled:
    """A plan with its weights, what the first group is by it, and about how many bits that takes."""

    plan: Plan
    bits: float
    turns: Any = None
    memory: Memory | None = None


def _turns(memory: Memory, plan: Plan, known: Known, views: list[Ints], tokens: Ints) -> Seen:
    return seen(memory, contexts(plan, known, views), tokens[known.order.rows])


def _settled(plan: Plan, groups: list[Whole], known: list[Known], views: list[Ints]) -> _Settled:
    """With weights learned from the first group."""
    tokens = _tokens(plan, groups[0])
    bits = float(np.log2(plan.widths[tokens].astype(np.float64) + 1).sum()) + EDGE_BITS * len(plan.edges)
    if not plan.depth or not known[0].rows:
        return _Settled(plan, bits)
    found = contexts(plan, known[0], views)
    memory = Memory(found, plan.depth)
    turns = _turns(memory, plan, known[0], views, tokens)
    sets = plan.depth if known[0].rows >= LEVELLED else 1
    plan = replace(plan, weights=weighed(turns, plan.depth, sets)[:sets].tolist())
    return _Settled(plan, bits + price(turns, plan.mixing()) + WEIGHT_BITS * sets * len(found), turns, memory)
