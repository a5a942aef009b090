"""How wide a code should be: from the PCA spectrum down to where the held-out error stops falling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from latently.engine.linear import EXACT_UP_TO, principal
from latently.engine.schedule import Build, Schedule, train
from latently.engine.view import View
from latently.values import Batch

__all__ = ["Curve", "choose"]

FLAT = 0.02  # of the mean predictor's error: a narrower code may lose this much
NOTHING = 1e-6  # of the variance: what rounding leaves of an exactly linear table
TRIAL_EPOCHS = 0.25  # of the epochs of a whole fit: trials only have to rank sizes
TRIAL_ROWS = 5000
TRIAL_PATIENCE = 6  # looks, half of a whole fit's: of 4 to 12 none chose another size on eight sets
MOST = 256  # components


@dataclass(frozen=True)
class Curve:
    """Held-out squared error per cell at each code width tried, beside PCA's and the mean predictor's."""

    components: list[int]
    error: list[float]
    pca: list[float]
    mean: float


def choose(build: Callable[[int], Build], rows: Batch, schedule: Schedule) -> tuple[int, Curve | None]:
    """The narrowest code whose held-out error is within `FLAT` of the best, among widths up to the linear rank."""
    door = build(1)(schedule.generator("rank/door")).door
    top = linear_rank(View.over(door, rows).of(rows), schedule.generator("rank", rows.x.device))
    if top <= 1:
        return 1, None
    few = rows.take(slice(0, TRIAL_ROWS))
    trials: dict[int, tuple[float, float, float]] = {}

    def error(k: int) -> float:
        if k not in trials:
            held = train(build(k), few, _brief(schedule, len(few)), f"trial {k}").held_out
            trials[k] = (held.model, held.pca, held.mean) if held is not None else (0.0, 0.0, 1.0)
        return trials[k][0]

    grid = sorted({top, *(2**i for i in range(9) if 2**i < top)}, reverse=True)
    limit = error(top) + FLAT * trials[top][2]
    good = top
    for k in grid[1:]:
        if error(k) > limit:
            good = _between(k, good, error, limit)
            break
        good = k
    known = sorted(trials)
    curve = Curve(known, [trials[k][0] for k in known], [trials[k][1] for k in known], trials[top][2])
    return good, curve


def _between(low: int, high: int, error: Callable[[int], float], limit: float) -> int:
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= limit else (middle, high)
    return high


def _brief(schedule: Schedule, rows: int) -> Schedule:
    from latently.engine.plan import plan_for

    plan = plan_for(rows, **schedule.given)
    epochs = max(2, round(plan.epochs * TRIAL_EPOCHS))
    validation = 0.2 if schedule.validation == "auto" else schedule.validation
    given = {"patience": TRIAL_PATIENCE, **schedule.given, "epochs": epochs}
    return replace(schedule, given=given, validation=validation)


@torch.no_grad()
def linear_rank(rows: Batch, rng: torch.Generator) -> int:
    """How many principal variances stand out of white noise (Kritchman 2008).

    They lie above the edge of the spectrum of as many columns of noise, `(1 + sqrt(columns / rows))^2` times the mean
    of what is left (Marchenko 1967).
    """
    few = rows.take(slice(0, TRIAL_ROWS))
    n, d = len(few), few.cells
    most = min(n - 1, d - 1, MOST)
    if most < 1:
        return 1
    variances = principal(few, min(n, d) if d <= EXACT_UP_TO else most, rng).scales.cpu().double().square()
    centred = few.x.flatten(1) - few.x.flatten(1).mean(0)
    total = float(centred.square().sum()) / n
    for j in range(most):
        left = total - float(variances[:j].sum())
        edge = (1 + ((d - j) / n) ** 0.5) ** 2 * (1 + n ** (-2 / 3))
        if left <= NOTHING * total or float(variances[j]) <= edge * left / (d - j):
            return max(1, j)
    return most
