"""What every kind promises."""

from __future__ import annotations

import copy
import functools
import pickle
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from latently.errors import FitAlarm
from latently.recipes import Recipe, kinds, resolve
from latently.tasks.autoencoder import Autoencoder
from latently.tasks.file import load, save
from latently.testing.samples import Sample, chance_untouched, crowd, finite, same, some
from latently.values import Sort

__all__ = ["KIND_CHECKS", "Kind"]

Kind = str | type[Recipe] | Recipe


def fitted(kind: Kind, sample: Sample, x: Any = None, **options: Any) -> Autoencoder:
    """A quick fit."""
    given = {"n_components": 4, "epochs": 4, "random_state": 7, "device": "cpu", "network": sample.network}
    given |= {**sample.options, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitAlarm)
        return Autoencoder(kind=kind, **given).fit(sample.rows if x is None else x)


@functools.lru_cache(maxsize=64)
def _shared(kind: Any, sample: Sample) -> Autoencoder:
    return fitted(kind, sample)


def plain(kind: Kind, sample: Sample) -> Autoencoder:
    """The fit that all checks share where a kind has a name; none of them changes it."""
    named: Any = kind if isinstance(kind, (str, type)) else None
    return fitted(kind, sample) if named is None else _shared(named, sample)


def _outside(kind: Kind) -> list[type[Recipe]]:
    recipe = type(resolve(kind))
    return [] if recipe.name in kinds() else [recipe]


def same_seed_gives_the_same_bytes(kind: Kind, sample: Sample) -> None:
    """Two fits with one seed write the same file; another seed does not."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("a", "b", "c")]
        models = plain(kind, sample), fitted(kind, sample), fitted(kind, sample, random_state=8)
        for file, model in zip(files, models, strict=True):
            save(model, file)
        first, second, other = (file.read_bytes() for file in files)
    assert first == second, "the same seed gave other bytes"
    assert first != other, "the seed has no effect"


def order_of_rows_means_nothing(kind: Kind, sample: Sample) -> None:
    """Rows in another order give the same model."""
    x, turned = sample.rows, some(sample.rows, range(len(sample.rows))[::-1])
    assert_array_equal(plain(kind, sample).transform(x), fitted(kind, sample, turned).transform(x))


def fitting_leaves_global_chance_alone(kind: Kind, sample: Sample) -> None:
    """Neither torch's nor numpy's global generator moves."""
    with chance_untouched():
        model = fitted(kind, sample)
        model.sample(2)
        model.corrupt(sample.rows)


def a_saved_model_is_the_same_model(kind: Kind, sample: Sample) -> None:
    """`load(save(...))` gives equal codes, reconstructions and scores; a second save gives the same bytes."""
    model, x = plain(kind, sample), sample.rows
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        save(model, first)
        again = load(first, kinds=_outside(kind), device="cpu")
        save(again, second)
        assert first.read_bytes() == second.read_bytes(), "saving what was loaded gives another file"
    for method in ("transform", "reconstruct", "score_samples"):
        same(getattr(again, method)(x), getattr(model, method)(x), method)
    same(again.sample(3, random_state=1), model.sample(3, random_state=1), "sample")


def pickle_and_deepcopy_keep_the_model(kind: Kind, sample: Sample) -> None:
    """Copies predict the same."""
    model, x = plain(kind, sample), sample.rows
    thawed = pickle.loads(pickle.dumps(model))  # noqa: TID251  (our own bytes, as joblib does with estimators)
    for again in (thawed, copy.deepcopy(model)):
        assert_array_equal(again.transform(x), model.transform(x))


def a_score_does_not_depend_on_its_batch(kind: Kind, sample: Sample) -> None:
    """One row alone, in a crowd, and at another place in it: the same code and score."""
    model, x = plain(kind, sample), sample.rows
    (many, place), first = crowd(sample), some(x, [0])
    assert_allclose(model.score_samples(many)[place], model.score_samples(first)[0], rtol=1e-5)
    assert_allclose(model.transform(many)[place], model.transform(first)[0], rtol=1e-5, atol=1e-6)


def costs_have_their_sorts_and_shapes(kind: Kind, sample: Sample) -> None:
    """Nats and penalties are one number a row, statistics one number; every weighted cost exists."""
    model, x = plain(kind, sample), sample.rows
    batch = model._batch(x)
    found = model.model_.costs(model.model_(batch))
    assert "reconstruction" in found
    for name, cost in found.items():
        shape = () if cost.sort is Sort.STATISTIC else (len(batch),)
        assert tuple(cost.value.shape) == shape, f"{name} has shape {tuple(cost.value.shape)}, expected {shape}"
        assert bool(cost.value.isfinite().all()), f"{name} is not finite"
    assert set(model.model_.weights) <= set(found), "a weight has no cost"


def training_lowers_the_loss(kind: Kind, sample: Sample) -> None:
    """The validation loss at the best look is below the one before training."""
    curve = fitted(kind, sample, epochs=30, validation_fraction=0.25).history_.columns["validation"]
    assert min(curve) < curve[0], f"the loss never fell: {curve}"


def hand_and_autograd_agree(kind: Kind, sample: Sample) -> None:
    """The gradients of the training step are those of the loss."""
    owner = copy.deepcopy(plain(kind, sample))
    model, batch = owner.model_, owner._batch(some(sample.rows, range(32)))
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


def missing_cells_are_taken(kind: Kind, sample: Sample) -> None:
    """NaN in training and prediction gives finite results."""
    if sample.gaps is None:
        return
    model = fitted(kind, sample, sample.gaps)
    for method in ("transform", "reconstruct", "score_samples"):
        assert finite(getattr(model, method)(sample.gaps)), method


def defaults_hold_at_every_size(kind: Kind, sample: Sample) -> None:
    """One column, one component, few rows, a wide code: the defaults fit."""
    few = some(sample.rows, range(12))
    for columns, components in ((1, 1), (8, 1), (3, 40)) if sample.table else ((0, 1), (0, 40)):
        x = few[:, :columns] if sample.table else few
        model = fitted(kind, sample, x, n_components=components, epochs=1, random_state=0)
        assert model.transform(x).shape[1] == components
        assert finite(model.reconstruct(x))


def threads_may_share_a_model(kind: Kind, sample: Sample) -> None:
    """Eight threads at once get the results of one."""
    model, x = plain(kind, sample), sample.rows
    expected, got = model.transform(x), []
    threads = [threading.Thread(target=lambda: got.append(model.transform(x))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    for result in got:
        assert_array_equal(result, expected)


def options_are_data(kind: Kind, sample: Sample) -> None:
    """Options can be read, set and cloned; the recipe has a docstring of its own."""
    recipe = resolve(kind)
    assert type(recipe).__doc__, "the recipe has no docstring"
    assert recipe.set_params(**recipe.get_params()).get_params() == recipe.get_params()
    assert clone(Autoencoder(kind=kind, **sample.options)).get_params(deep=False)["kind"] is not None


KIND_CHECKS: list[Callable[[Kind, Sample], None]] = [
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
