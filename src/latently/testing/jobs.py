"""What every task promises."""

from __future__ import annotations

import inspect
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.testing import assert_allclose
from sklearn.base import clone

from latently.tasks.base import Task
from latently.tasks.file import load, save
from latently.testing.samples import Sample, chance_untouched, crowd, same, some

__all__ = ["JOB_CHECKS", "TASK_CHECKS"]

BY_ITEM = ("transform", "reconstruct", "score_samples", "predict", "predict_proba", "p_values", "query")


def a_task_explains_itself(task: type[Task]) -> None:
    """A docstring of its own, and one for each public method."""
    assert task.__doc__ not in (None, Task.__doc__), "the task has no docstring of its own"
    for name, value in vars(task).items():
        if not name.startswith("_") and inspect.isfunction(value):
            assert value.__doc__, f"{task.__name__}.{name} has no docstring"


def options_survive_clone(task: type[Task]) -> None:
    """`clone` and `get_params` give back what was given."""
    given = task(random_state=3, epochs=2, kind="topk")
    assert clone(given).get_params(deep=False) == given.get_params(deep=False)


def scikit_learn_accepts_it(task: type[Task]) -> None:
    """`check_estimator` passes without failures."""
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        brief: dict[str, Any] = {"tuning_epochs": 30} if "tuning_epochs" in task().get_params() else {}
        check_estimator(task(2, epochs=2, device="cpu", **brief), on_skip=None)


def _fit(task: Task, sample: Sample, **options: Any) -> Any:
    """A fit of a fresh copy."""
    given = {"random_state": 7, "device": "cpu", **sample.options, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: Any = clone(task).set_params(**given)
        return model.fit(sample.rows, **_answers(model, sample))


def _answers(model: Any, sample: Sample) -> dict[str, Any]:
    """What a task that learns answers needs besides the rows: two of them in turn, every third row without one."""
    if not model.__sklearn_tags__().target_tags.required:
        return {}
    place = np.arange(len(sample.rows))
    return {"y": np.where(place % 3 == 2, np.nan, place % 2)}


def _by_item(model: Any) -> dict[str, Callable[[Any], Any]]:
    """What a task tells of each item."""
    return {n: getattr(model, n) for n in BY_ITEM if hasattr(model, n)}


def _told(model: Any, sample: Sample) -> dict[str, Any]:
    """All that a task tells, by the name of the method."""
    found = {name: call(sample.rows) for name, call in _by_item(model).items()}
    if hasattr(model, "compress"):  # not by item: a block may be kept without loss for what lies beside an item
        found["compress"] = np.frombuffer(model.compress(sample.rows), np.uint8)
        found["decompress"] = model.decompress(found["compress"].tobytes())
    if "n_samples" in inspect.signature(getattr(model, "sample", len)).parameters:
        found["sample"] = model.sample(3, random_state=1)
    assert found, "the task has no result that could be compared"
    return found


def a_job_can_be_done_again(task: Task, sample: Sample) -> None:
    """Two fits with one seed write the same file and tell the same, and leave the global generators alone."""
    with tempfile.TemporaryDirectory() as folder, chance_untouched():
        files = [Path(folder, name) for name in ("a", "b")]
        models = [_fit(task, sample) for _ in files]
        for model, file in zip(models, files, strict=True):
            save(model, file)
        first, second = (_told(model, sample) for model in models)
        assert files[0].read_bytes() == files[1].read_bytes(), "the same seed gave other bytes"
    for name, told in first.items():
        same(told, second[name], name)


def a_saved_job_goes_on(task: Task, sample: Sample) -> None:
    """`load(save(...))` tells the same; a second save gives the same bytes."""
    model = _fit(task, sample)
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        save(model, first)
        again = load(first, device="cpu")
        save(again, second)
        assert first.read_bytes() == second.read_bytes(), "saving what was loaded gives another file"
    told = _told(again, sample)
    for name, expected in _told(model, sample).items():
        same(told[name], expected, name)


def an_item_is_judged_by_itself(task: Task, sample: Sample) -> None:
    """What a task tells of an item, if anything, is the same alone, in a crowd, and at another place in it."""
    if sample.stepwise:
        return
    model = _fit(task, sample)
    many, place = crowd(sample, 2)
    for name, call in _by_item(model).items():
        alone, crowded = call(some(sample.rows, [0])), call(many)
        if isinstance(alone, tuple):  # distances and names
            alone, crowded = alone[0], crowded[0]
        one, other = np.asarray(alone[0]), np.asarray(crowded[place])
        if one.dtype.kind in "US":
            assert one == other, name
        else:  # a whole number may fall to either side of a half
            assert_allclose(other, one, rtol=1e-5, atol=1 if one.dtype.kind in "iu" else 1e-6, err_msg=name)


TASK_CHECKS: list[Callable[[type[Task]], None]] = [
    a_task_explains_itself,
    options_survive_clone,
    scikit_learn_accepts_it,
]
JOB_CHECKS: list[Callable[[Task, Sample], None]] = [
    a_job_can_be_done_again,
    a_saved_job_goes_on,
    an_item_is_judged_by_itself,
]
