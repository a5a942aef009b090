"""The conformance suite: what every kind and every task promises, those of other packages too.

from latently.testing import check_kind
check_kind(MyKind)

Tables are what they are tried on; a `Sample` says what else: `check_kind(MyKind, Sample(images))`.
"""

from __future__ import annotations

from latently.tasks.base import Task
from latently.testing.jobs import JOB_CHECKS, TASK_CHECKS
from latently.testing.kinds import KIND_CHECKS, Kind
from latently.testing.samples import TABLE, Sample

__all__ = ["JOB_CHECKS", "KIND_CHECKS", "TABLE", "TASK_CHECKS", "Sample", "check_kind", "check_task"]


def check_kind(kind: Kind, sample: Sample = TABLE) -> None:
    """Every promise of a kind, on data like `sample`; raises at the first one broken."""
    for check in KIND_CHECKS:
        check(kind, sample)


def check_task(task: type[Task] | Task, sample: Sample = TABLE) -> None:
    """Every promise of a task, on data like `sample`; raises at the first one broken.

    Given an estimator instead of a class, its options hold in the fits on `sample`.
    """
    kind, quick = (task, task(2, epochs=2)) if isinstance(task, type) else (type(task), task)
    for explained in TASK_CHECKS:
        explained(kind)
    if sample.table and not quick.__sklearn_tags__().input_tags.two_d_array:
        return  # a task of images alone
    for check in JOB_CHECKS:
        check(quick, sample)
