"""Simulated card payments (Fraud Detection Handbook): thirty days without labels to learn from, the next thirty judged.

Labels, ids, the clock and columns built from past labels (`*_RISK_*`) are left out. Precision at 100 alerts: of each
day's 100 strangest payments the share that is fraud, the mean over the days.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd
from layout import measures, table
from methods import Clock, forest, nearest_5, ours, residual, warm_up
from peer import NAME, Peer
from places import folder
from protocols import Given, Rows

__all__ = ["run"]

DAYS = 30  # to learn from
ALERTS = 100  # a day
NEAR = 50_000  # training rows, drawn by the seed, that neighbours are looked for among
LEFT_OUT = ("TX_FRAUD", "TX_FRAUD_SCENARIO", "CUSTOMER_ID", "TERMINAL_ID", "TX_TIME_SECONDS", "TX_TIME_DAYS")


def run(options: argparse.Namespace) -> None:
    """One line a method; the seed is the first of `--seeds`, or 0."""
    seed = (options.seeds or [0])[0]
    payments = pd.read_parquet(folder() / "fraud_simulated" / "fraud_575k.parquet")
    columns = [c for c in payments if c not in LEFT_OUT and "_RISK_" not in c]
    day, fraud = payments["TX_TIME_DAYS"].to_numpy(), payments["TX_FRAUD"].to_numpy().astype(int)
    early = day < day.min() + DAYS
    day, fraud = day[~early], fraud[~early]
    table_ = Given(payments.loc[early, columns], payments.loc[~early, columns], fraud)
    plain = Given(*(part.to_numpy(np.float64) for part in (table_.train, table_.test)), fraud)
    some = np.random.default_rng(seed).permutation(len(plain.train))[:NEAR]
    warm_up()
    peer, lines = Peer.of(options), []

    def told(name: str, strange: Rows | None, clock: Clock) -> None:
        seconds = f"{clock.cpu[-1]:.0f}" if clock.cpu else "missing"
        figures = ["missing"] * 3 if strange is None else _figures(fraud, strange, day)
        lines.append([name, *figures, seconds])
        print("; ".join(lines[-1]), file=sys.stderr, flush=True)

    clock = Clock()
    for name, nats in ours(table_, "contaminated", seed, clock).items():
        if not name.startswith("view "):
            told(name, nats, clock)
    for name, rival in {"IForest": forest, "PCA residual": residual}.items():
        with clock:
            strange = rival(plain, seed)
        told(name, strange, clock)
    with clock:
        strange = nearest_5(Given(plain.train[some], plain.test, fraud), seed)
    told(f"kNN-5 of {NEAR:,} training rows", strange, clock)
    answers = peer.strange([(plain, seed)])
    told(NAME, None if answers is None else answers[0], peer.clock)
    print(
        f"{len(plain.train):,} payments to learn from, {len(fraud):,} judged, {fraud.mean():.2%} fraud; {len(columns)} "
        f"columns; seed {seed}; seconds of the fit alone for ours and PyOD, with scoring for others\n"
    )
    print(table(["method", "AUROC", "AUPR", f"precision, {ALERTS} alerts a day", "CPU s"], lines))
    if peer.python is None:
        print(f"\n{NAME} is missing: {peer.missing}")


def _figures(fraud: Rows, strange: Rows, day: Rows) -> list[str]:
    auroc, aupr = measures(fraud, strange)
    shares = []
    for one in np.unique(day):
        here = np.flatnonzero(day == one)
        shares.append(fraud[here[np.argsort(-strange[here], kind="stable")[:ALERTS]]].mean())
    return [f"{auroc:.2f}", f"{aupr:.2f}", f"{100 * float(np.mean(shares)):.1f}"]
