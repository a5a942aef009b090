"""A fit of a table is two: of the rows as they are, and with their numbers bent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from latently import rng as chance
from latently.engine.schedule import Outcome, Schedule, train
from latently.modalities import Modality
from latently.modalities.bent import Bend
from latently.model import Composition
from latently.parts.networks import Design
from latently.recipes import Recipe, resolve
from latently.tasks.alerting import Alerting
from latently.tasks.assemble import Blueprint
from latently.tasks.judges import Beside
from latently.tasks.nearness import trusted
from latently.values import Batch

__all__ = ["Twice"]

NUMBERS, MIXED = "gaussian:.5", "swap:.2"  # what kind="auto" means; of categories cells of other rows are the noise
BRISK = {"steps": 600, "learning_rate": 4e-3}  # 90.9 / 69.1 on 12 sets; 6,000 at half the rate 91.8 / 70.2, in 7 times


class Twice(Alerting):
    """A task that judges rows of a table by two models, trained as long as it takes to rank rows well."""

    setting: str

    def _auto(self) -> bool:
        return isinstance(self.kind, str) and self.kind == "auto"

    def _recipe(self, source: Modality) -> Recipe:
        return resolve(NUMBERS if self._auto() else self.kind)

    def _suited(self, plan: Blueprint, given: dict[str, Any], rows: Batch) -> tuple[Blueprint, dict[str, Any]]:
        if self._auto() and plan.data.judge == "columns" and any(plan.data.levels):
            plan = replace(plan, recipe=resolve(MIXED))
        brisk = plan.data.judge == "columns" and given.get("epochs", "auto") == "auto"
        return plan, given | {n: v for n, v in BRISK.items() if brisk and given.get(n, "auto") == "auto"}

    def _train(self, plan: Blueprint, rows: Batch, schedule: Schedule) -> Outcome:
        """Of rows of a table, two fits: of the rows as they are, and with their numbers bent."""
        if plan.data.judge != "columns":
            return super()._train(plan, rows, schedule)
        schedule = schedule if self.setting == "clean" else replace(schedule, trust=trusted)
        bend = plan.data.bend(rows) if isinstance(plan.network, Design) else None
        if bend is None:
            return train(plan.build, rows, schedule)
        if (limit := schedule.given.get("max_time")) is not None:
            schedule = replace(schedule, given=schedule.given | {"max_time": limit / 2})
        outcome, bent = train(plan.build, rows, schedule), bend.batch(rows)
        again = replace(plan, data=plan.data.bent(bend))
        second = train(again.build, bent, replace(schedule, split="fit"), "bent")
        return replace(outcome, beside=Beside(bend, bent, second))

    def _again(self, bend: Bend) -> Composition:
        """An untrained model of the kind that was fitted, of rows that are bent."""
        plan = Blueprint(
            self.recipe_, self.network_, self.data_.bent(bend), self.loss, self.n_components_, self.rows_,
            next(self.model_.parameters()).device, self.precision, self.remasks,
        )  # fmt: skip
        return plan.build(chance.child(0, "load")).eval()
