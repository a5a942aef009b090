"""The conformance suite: what every kind and every task promises, those of other packages too.

from latently.testing import check_kind
check_kind(MyKind)
"""

from __future__ import annotations

import copy
import inspect
import pickle
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from sklearn.base import clone

from latently.errors import FitAlarm
from latently.recipes import Recipe, kinds, resolve
from latently.tasks.autoencoder import Autoencoder
from latently.tasks.base import Task
from latently.tasks.file import load, save
from latently.values import Sort

__all__ = ["KIND_CHECKS", "TASK_CHECKS", "check_kind", "check_task"]

Kind = str | type[Recipe] | Recipe
Matrix = NDArray[np.float64]


def check_kind(kind: Kind) -> None:
    """Every promise of a kind; raises at the first one broken."""
    for check in KIND_CHECKS:
        check(kind)


def check_task(task: type[Task]) -> None:
    """Every promise of a task; raises at the first one broken."""
    for check in TASK_CHECKS:
        check(task)


def rows(n: int = 120) -> Matrix:
    """A small table: three hidden numbers, bent and mixed into eight columns, a little noise."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(n, 3))
    mixed = np.tanh(hidden @ rng.normal(size=(3, 8))) + 0.05 * rng.normal(size=(n, 8))
    return mixed * [1, 10, 100, 1, 1, 0.01, 1, 5] + [0, 5, 0, -3, 0, 0, 1e3, 0]


def fitted(kind: Kind, x: Matrix | None = None, **options: Any) -> Autoencoder:
    """A quick fit."""
    given = {"epochs": 4, "random_state": 7, "device": "cpu", **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        return Autoencoder(4, kind=kind, **given).fit(rows() if x is None else x)


def _outside(kind: Kind) -> list[type[Recipe]]:
    recipe = type(resolve(kind))
    return [] if recipe.name in kinds() else [recipe]


def same_seed_gives_the_same_bytes(kind: Kind) -> None:
    """Two fits with one seed write the same file; another seed does not."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("a", "b", "c")]
        for file, seed in zip(files, (7, 7, 8), strict=True):
            save(fitted(kind, random_state=seed), file)
        first, second, other = (file.read_bytes() for file in files)
    assert first == second, "the same seed gave other bytes"
    assert first != other, "the seed has no effect"


def order_of_rows_means_nothing(kind: Kind) -> None:
    """Rows in another order give the same model."""
    x = rows()
    assert_array_equal(fitted(kind, x).transform(x), fitted(kind, x[::-1]).transform(x))


def fitting_leaves_global_chance_alone(kind: Kind) -> None:
    """Neither torch's nor numpy's global generator moves."""
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    model = fitted(kind)
    model.sample(2)
    model.corrupt(rows())
    assert torch.equal(torch.get_rng_state(), before), "torch's global generator moved"
    assert_array_equal(np.random.get_state()[1], numbers)  # type: ignore[index]  # noqa: NPY002


def a_saved_model_is_the_same_model(kind: Kind) -> None:
    """`load(save(...))` gives equal codes, reconstructions and scores; a second save gives the same bytes."""
    model, x = fitted(kind), rows()
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        save(model, first)
        again = load(first, kinds=_outside(kind), device="cpu")
        save(again, second)
        assert first.read_bytes() == second.read_bytes(), "saving what was loaded gives another file"
    for method in ("transform", "reconstruct", "score_samples"):
        assert_array_equal(getattr(again, method)(x), getattr(model, method)(x), err_msg=method)
    assert_array_equal(again.sample(3, random_state=1), model.sample(3, random_state=1))


def pickle_and_deepcopy_keep_the_model(kind: Kind) -> None:
    """Copies predict the same."""
    model, x = fitted(kind), rows()
    thawed = pickle.loads(pickle.dumps(model))  # noqa: TID251  (our own bytes, as joblib does with estimators)
    for again in (thawed, copy.deepcopy(model)):
        assert_array_equal(again.transform(x), model.transform(x))


def a_score_does_not_depend_on_its_batch(kind: Kind) -> None:
    """One row alone, in a crowd, and at another place in it: the same code and score."""
    model, x = fitted(kind), rows()
    many = np.concatenate([x[50:], np.repeat(x, 30, 0), x[:50]])
    alone = model.score_samples(x[:1])
    assert_allclose(model.score_samples(many)[-50], alone[0], rtol=1e-5)
    assert_allclose(model.transform(many)[-50], model.transform(x[:1])[0], rtol=1e-5, atol=1e-6)


def costs_have_their_sorts_and_shapes(kind: Kind) -> None:
    """Nats and penalties are one number a row, statistics one number; every weighted cost exists."""
    model, x = fitted(kind), rows()
    batch = model._batch(x)
    found = model.model_.costs(model.model_(batch))
    assert "reconstruction" in found
    for name, cost in found.items():
        shape = () if cost.sort is Sort.STATISTIC else (len(batch),)
        assert tuple(cost.value.shape) == shape, f"{name} has shape {tuple(cost.value.shape)}, expected {shape}"
        assert bool(cost.value.isfinite().all()), f"{name} is not finite"
    assert set(model.model_.weights) <= set(found), "a weight has no cost"


def training_lowers_the_loss(kind: Kind) -> None:
    """The validation loss at the best look is below the one before training."""
    curve = fitted(kind, epochs=30, validation_fraction=0.25).history_.columns["validation"]
    assert min(curve) < curve[0], f"the loss never fell: {curve}"


def hand_and_autograd_agree(kind: Kind) -> None:
    """The gradients of the training step are those of the loss."""
    model = fitted(kind).model_
    batch = fitted(kind)._batch(rows()[:32])
    params = [p for p in model.parameters() if p.requires_grad]
    for p in params:
        p.grad = None
    (model.loss(batch, torch.Generator().manual_seed(3), 0.5) / batch.cells).backward()
    reference = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in params]
    for p in params:
        p.grad = torch.zeros_like(p)
    model.gradients(batch, torch.Generator().manual_seed(3), 0.5)
    for p, expected in zip(params, reference, strict=True):
        assert p.grad is not None
        assert_allclose(p.grad, expected, rtol=1e-3, atol=1e-5 * float(1 + expected.abs().max()))


def missing_cells_are_taken(kind: Kind) -> None:
    """NaN in training and prediction gives finite results."""
    x = rows()
    x[::3, 1] = np.nan
    x[5] = np.nan
    model = fitted(kind, x)
    for result in (model.transform(x), model.reconstruct(x), model.score_samples(x)):
        assert np.isfinite(result).all()


def defaults_hold_at_every_size(kind: Kind) -> None:
    """One column, one component, few rows, a wide code: the defaults fit."""
    x = rows(12)
    for columns, components in ((1, 1), (8, 1), (3, 40)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitAlarm)
            model = Autoencoder(components, kind=kind, epochs=1, random_state=0, device="cpu").fit(x[:, :columns])
        assert model.transform(x[:, :columns]).shape == (12, components)
        assert np.isfinite(model.reconstruct(x[:, :columns])).all()


def threads_may_share_a_model(kind: Kind) -> None:
    """Eight threads at once get the results of one."""
    model, x = fitted(kind), rows()
    expected, got = model.transform(x), []
    threads = [threading.Thread(target=lambda: got.append(model.transform(x))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    for result in got:
        assert_array_equal(result, expected)


def options_are_data(kind: Kind) -> None:
    """Options can be read, set and cloned; the recipe has a docstring of its own."""
    recipe = resolve(kind)
    assert type(recipe).__doc__, "the recipe has no docstring"
    assert recipe.set_params(**recipe.get_params()).get_params() == recipe.get_params()
    assert clone(Autoencoder(kind=kind)).get_params(deep=False)["kind"] is not None


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
        check_estimator(task(2, epochs=2, device="cpu"), on_skip=None)


KIND_CHECKS: list[Callable[[Kind], None]] = [
    same_seed_gives_the_same_bytes,
    order_of_rows_means_nothing,
    fitting_leaves_global_chance_alone,
    a_saved_model_is_the_same_model,
    pickle_and_deepcopy_keep_the_model,
    a_score_does_not_depend_on_its_batch,
    costs_have_their_sorts_and_shapes,
    training_lowers_the_loss,
    hand_and_autograd_agree,
    missing_cells_are_taken,
    defaults_hold_at_every_size,
    threads_may_share_a_model,
    options_are_data,
]
TASK_CHECKS: list[Callable[[type[Task]], None]] = [
    a_task_explains_itself,
    options_survive_clone,
    scikit_learn_accepts_it,
]
