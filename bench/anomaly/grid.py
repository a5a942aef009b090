"""The twelve sets: clean and contaminated, our own protocol and the published one."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from layout import Figures, cell, measures, table
from methods import Clock, Rival, covariance, forest, nearest, nearest_5, ours, residual, warm_up
from peer import NAME, Peer
from protocols import Given, load, split

__all__ = ["clean", "contaminated"]

RIVALS: dict[tuple[str, bool], dict[str, Rival]] = {
    ("clean", False): {"kNN-1": nearest, "kNN-5": nearest_5, "IForest": forest, "PCA residual": residual},
    ("clean", True): {"kNN-5, here": nearest_5},
    ("contaminated", False): {"IForest": forest, "kNN-5": nearest_5, "MCD": covariance},
    ("contaminated", True): {"kNN-5, here": nearest_5},
}
SEEDS = [0, 1, 2, 3, 4]
SETTINGS = {"clean": "semi", "contaminated": "unsup"}  # as the published file calls them
SIDE = "view "  # before what is told of views one by one


def clean(options: argparse.Namespace) -> None:
    """Learned from normal rows; ours, its views, rivals, and seconds of fits."""
    _part("clean", options)


def contaminated(options: argparse.Namespace) -> None:
    """Learned from rows with their anomalies, and judged on the same."""
    _part("contaminated", options)


def _part(setting: str, options: argparse.Namespace) -> None:
    warm_up()
    timed = setting == "clean" and not options.compat
    peer, clock, found = Peer.of(options) if timed else None, Clock(), _empty()
    seeds = options.seeds or SEEDS
    for name, (x, y) in load(options.sets).items():
        tasks = [(split(x, y, seed, setting, options.compat), seed) for seed in seeds]
        for given, seed in tasks:
            for method, strange in ours(given, setting, seed, clock).items():
                found[method][name].append(measures(given.truth, strange))
            for method, rival in RIVALS[setting, options.compat].items():
                found[method][name].append(measures(given.truth, rival(given, seed)))
        if peer:
            _beside(peer, name, tasks, found)
        told = [f"{method} {cell(sets[name])}" for method, sets in found.items() if not method.startswith(SIDE)]
        print(f"{name}: {'; '.join(told)}; {np.mean(clock.cpu[-len(seeds) :]):.1f} s", file=sys.stderr, flush=True)
    _tables(found)
    if peer:
        _duel(found, clock, peer)
    if options.compat:
        _published(setting, options.published, found)


def _empty() -> Figures:
    return defaultdict(lambda: defaultdict(list))


def _beside(peer: Peer, name: str, tasks: list[tuple[Given, int]], found: Figures) -> None:
    answers = peer.strange(tasks)
    found[NAME][name] = [] if answers is None else [
        measures(given.truth, strange) for (given, _), strange in zip(tasks, answers, strict=True)
    ]  # fmt: skip


def _means(sets: dict[str, list[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Means over the sets, one entry; none where a set is missing."""
    return [tuple(np.mean([np.mean(pairs, axis=0) for pairs in sets.values()], axis=0))] if all(sets.values()) else []


def _tables(found: Figures) -> None:
    main = [method for method in found if not method.startswith(SIDE) and f"{SIDE}{method}" not in found]
    names = list(found["ours"])
    lines = [[name, *(cell(found[method][name]) for method in main)] for name in names]
    print(table(["set", *main], [*lines, ["**mean**", *(cell(_means(found[method])) for method in main)]]))
    alone = [method for method in found if method.startswith(SIDE)]
    print("\n" + table(["view alone", "mean"], [[m.removeprefix(SIDE), cell(_means(found[m]))] for m in alone]))


def _duel(found: Figures, clock: Clock, peer: Peer) -> None:
    """Ours beside PyOD's autoencoder: set by set, and seconds of the fits."""
    who = [("ours", clock), (NAME, peer.clock)]
    lines = [
        [name, f"{np.mean(c.cpu):.2f}", f"{max(c.cpu):.2f}", f"{np.mean(c.wall):.2f}", f"{max(c.wall):.2f}"]
        if c.cpu else [name, *["missing"] * 4] for name, c in who
    ]  # fmt: skip
    print("\n" + table(["a fit", "CPU s, mean", "greatest", "s on the wall, mean", "greatest"], lines))
    if peer.python is None:
        print(f"\n{NAME} is missing: {peer.missing}")
        return
    gaps = {
        name: float(np.mean(found["ours"][name], axis=0)[0] - np.mean(found[NAME][name], axis=0)[0])
        for name in found["ours"]
    }
    least = min(gaps, key=lambda name: gaps[name])
    above = sum(gap > 0 for gap in gaps.values())
    print(f"\nAUROC above {NAME} on {above} of {len(gaps)} sets; the least difference is {gaps[least]:+.2f} ({least}).")


def _published(setting: str, path: Path | None, found: Figures) -> None:
    """The means of every method of the published file, and ours among them."""
    if path is None or not path.is_file():
        why = "no --published FILE was given" if path is None else f"{path} is not there"
        print(f"\nPublished figures are skipped: {why}.")
        return
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["setting"] == SETTINGS[setting]]
    wanted = {name.lower() for name in found["ours"]}
    methods = [name for name in rows[0] if name not in ("", "setting", "metric")]
    means = {"**ours**": tuple(_means(found["ours"])[0])}
    for method in methods:
        values = [[float(r[method]) for r in rows if r["metric"] == m and r[""] in wanted] for m in ("aucroc", "aucpr")]
        means[method] = (float(np.mean(values[0])), float(np.mean(values[1])))
    ranked = sorted(means.items(), key=lambda item: -item[1][0])
    place = sorted((pair[1] for pair in means.values()), reverse=True).index(means["**ours**"][1]) + 1
    print(f"\n{len(wanted)} sets; by AUROC; of AUPR ours has place {place} of {len(means)}.\n")
    print(table(["method", "AUROC", "AUPR"], [[name, f"{a:.2f}", f"{p:.2f}"] for name, (a, p) in ranked]))
