"""What each part of the score adds, and what other options would: the twelve sets, both settings, few seeds.

Parts are taken from the views of one fit. Other options are public ones. Two things that are no option are put in
their place for the length of a fit: how long a fit is, and the weights that rows far from their neighbours get.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
from layout import cell, measures, table
from methods import Clock, fitted, views_of, warm_up
from protocols import Given, Rows, load, split

import latently.tasks.twice as task

__all__ = ["run"]

SEEDS = {"contaminated": [0], "clean": [0, 1]}
APART = 100  # between the seeds of the two fits of an ensemble
Views = dict[str, Rows]
Pair = tuple[float, float]


def _alike(_: Any, rows: Any, valid: Any) -> Any:
    """In place of `trusted`: the rows as they are."""
    return rows, valid


LONG = {"BRISK": {"steps": 6000, "learning_rate": 2e-3}}
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no weights by trust in the fit": ({}, {"trusted": _alike}),
    'kind="gaussian:.25"': ({"kind": "gaussian:.25"}, {}),
    'kind="gaussian:1"': ({"kind": "gaussian:1"}, {}),
    "network=(64,)": ({"network": (64,)}, {}),
    "n_components=32": ({"n_components": 32}, {}),
    "n_components=128": ({"n_components": 128}, {}),
    "6,000 steps at .002": ({}, LONG),
}


def _sides(views: Views, kind: str) -> Rows:
    """Of one kind of view the greater of both sides."""
    return np.max([nats for name, nats in views.items() if name.split(",")[0] == kind], axis=0)


PARTS: dict[str, Callable[[Views], Rows]] = {
    "cells, as they are": lambda views: views["cells"],
    "+ cells, bent": lambda views: _sides(views, "cells"),
    "+ neighbours, as they are and bent": lambda views: _sides(views, "cells") + _sides(views, "neighbours"),
    "+ cloud": lambda views: 2 * _sides(views, "cells") + _sides(views, "neighbours") + _sides(views, "cloud"),
}


def run(options: argparse.Namespace) -> None:
    """A line a lever, as soon as it is measured, and the table at the end."""
    warm_up()
    sets = load(options.sets)
    for setting, usual in SEEDS.items():
        if options.setting not in ("", setting):
            continue
        seeds = options.seeds or usual
        tasks = [(split(x, y, s, setting, False), s) for x, y in sets.values() for s in seeds]
        lines = []
        print(f"{setting}, {len(sets)} sets, seeds {seeds}\n", flush=True)
        for name, pairs, seconds in _levers(setting, tasks):
            lines.append([name, cell(pairs), f"{seconds:.2f}" if seconds else ""])
            print("; ".join(lines[-1]), flush=True)
        print("\n" + table([setting, "AUROC / AUPR", "CPU s a fit"], lines) + "\n", flush=True)


def _levers(setting: str, tasks: list[tuple[Given, int]]) -> Iterator[tuple[str, list[Pair], float]]:
    """Every lever with its figures and the mean seconds of a fit, where it has a fit of its own."""
    found, views, seconds = _strange(setting, tasks)
    for name, part in PARTS.items():
        if name != "+ cloud" or setting == "contaminated":
            yield name, _judged(tasks, [part(each) for each in views]), 0.0
    yield "the default", _judged(tasks, found), seconds
    others, *_ = _strange(setting, [(given, seed + APART) for given, seed in tasks])
    yield "mean of two fits, other seeds", _judged(tasks, [a + b for a, b in zip(found, others, strict=True)]), 0.0
    for name, (given, changed) in OPTIONS.items():
        if changed.keys() != {"trusted"} or setting == "contaminated":
            found, _, seconds = _strange(setting, tasks, changed, **given)
            yield name, _judged(tasks, found), seconds


def _strange(
    setting: str, tasks: list[tuple[Given, int]], changed: dict[str, Any] | None = None, **options: Any
) -> tuple[list[Rows], list[Views], float]:
    """Of every task the strangeness of its rows, in the default also by view; mean CPU seconds of a fit."""
    clock, found, views = Clock(), [], []
    with contextlib.ExitStack() as stack:
        for name, value in (changed or {}).items():
            stack.enter_context(mock.patch.object(task, name, value))
        for given, seed in tasks:
            detector = fitted(given, setting, seed, clock, **options)
            found.append(-detector.score_samples(given.test))
            if changed is None and seed < APART:
                views.append(views_of(detector, given.test))
    return found, views, float(np.mean(clock.cpu))


def _judged(tasks: list[tuple[Given, int]], strange: list[Rows]) -> list[Pair]:
    """Sets have as many seeds each, so that this is the mean of their means."""
    return [measures(given.truth, nats) for (given, _), nats in zip(tasks, strange, strict=True)]
