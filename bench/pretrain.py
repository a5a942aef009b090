"""What rows without labels are worth: `python bench/pretrain.py [fashion_mnist] [usps] [held-out] [NAME=VALUE ...]`.

1,000 labels drawn in strata (seed), the other training rows without one, default settings. Beside it the same network,
tuned in the same way, from scratch (`pretraining=None`), with and without the shifts of tuning, and
logistic regression on pixels in [0, 1], its C by three-fold cross-validation on the labelled rows. Error on the test
part: of Fashion-MNIST the official one, of USPS 2,007 rows drawn once in strata (the source keeps no split). `held-out`
judges on training rows without a label instead: what settings were chosen by. NAME=VALUE are options of the estimator.

Held-out labels do nothing but calibrate; from scratch there are none, which leaves the same network in a third of the
time, and its log-loss as it comes.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split

from latently import PretrainedClassifier

DATA = Path(os.environ["LATENTLY_DATA"])
LABELS = 1000
MOST = 10_000  # rows of `held-out`
SEEDS = (0, 1, 2)
SCRATCH: dict[str, dict[str, Any]] = {
    "from scratch": {"pretraining": None, "validation_fraction": None},
    "from scratch, no shifts": {
        "pretraining": None, "validation_fraction": None, "kind": "undercomplete", "n_components": 512,
    },
}  # fmt: skip
Parts = tuple[Any, Any, Any, Any]


def read(name: str) -> Parts:
    """Training rows and labels, test rows and labels."""
    with np.load(DATA / name / f"{name}.npz") as found:
        parts = dict(found)
    if name == "fashion_mnist":
        return parts["X_train"], parts["y_train"], parts["X_test"], parts["y_test"]
    x, y = parts["X"].reshape(-1, 16, 16), parts["y"]
    train, test = train_test_split(np.arange(len(x)), test_size=2007, stratify=y, random_state=0)
    return x[train], y[train], x[test], y[test]


def logistic(x: Any, y: Any) -> Any:
    """Logistic regression, tuned on these rows."""
    grid = {"C": [0.01, 0.03, 0.1, 0.3, 1.0]}
    return GridSearchCV(LogisticRegression(max_iter=300), grid, cv=3).fit(x, y)


def calibration(p: Any, y: Any) -> float:
    """Expected calibration error: mean distance of confidence and accuracy in fifteen bins of confidence."""
    sure, right = p.max(1), p.argmax(1) == y
    at = np.minimum((sure * 15).astype(int), 14)
    return float(sum(abs(sure[at == b].sum() - right[at == b].sum()) for b in range(15)) / len(p))


def one(name: str, seed: int, held_out: bool, options: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    """Error, log-loss and calibration error in percent of each classifier, and its CPU seconds."""
    x, y, test, truth = read(name)
    chosen, rest = train_test_split(np.arange(len(x)), train_size=LABELS, stratify=y, random_state=seed)
    if held_out:
        test, truth = x[rest[:MOST]], y[rest[:MOST]]
    given = np.full(len(y), -1)
    given[chosen] = y[chosen]
    top, found = float(x.max()), {}
    for label in ("pretrained", *SCRATCH, "logistic regression"):
        start = time.process_time()
        if label == "logistic regression":
            p = logistic(x[chosen].reshape(LABELS, -1) / top, y[chosen]).predict_proba(
                test.reshape(len(test), -1) / top
            )
        else:
            way = SCRATCH.get(label, {})
            model = PretrainedClassifier(**options | way, random_state=seed, verbose=False).fit(x, given)
            p = model.predict_proba(test)
        error = float((p.argmax(1) != truth).mean())
        seconds = time.process_time() - start
        found[label] = (100 * error, log_loss(truth, p), 100 * calibration(p, truth), seconds)
        told = " ".join(f"{v:.3f}" for v in found[label])
        print(f"  {name} seed {seed} {label}: {told}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """A table for each set, means over the seeds."""
    warnings.simplefilter("ignore")
    words = sys.argv[1:]
    options = dict(w.split("=", 1) for w in words if "=" in w)
    seeds = [int(s) for s in options.pop("seeds").split(",")] if "seeds" in options else SEEDS
    read_as = {k: int(v) if v.isdigit() else float(v) if v[0] in "0." else v for k, v in options.items()}
    for name in [w for w in words if "=" not in w and w != "held-out"] or ["fashion_mnist", "usps"]:
        runs = [one(name, seed, "held-out" in words, read_as) for seed in seeds]
        print(f"{name}, {LABELS:,} labels   error %  log-loss  calibration %  CPU s")
        for label in runs[0]:
            error, nats, off, seconds = np.mean([run[label] for run in runs], 0)
            each = ", ".join(f"{run[label][0]:.2f}" for run in runs)
            print(f"  {label:24s} {error:8.2f} {nats:9.3f} {off:14.1f} {seconds:6.0f}   {each}", flush=True)


if __name__ == "__main__":
    main()
