"""Memory that runs out: batches and pieces halve themselves, nothing of the failed epoch stays, one row is the end."""

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference as ref
import torch
from fits import fitted, rows
from torch import Tensor, nn

from latently import Autoencoder, device
from latently.engine import fit as loop
from latently.engine import store
from latently.engine.fit import Split, fit
from latently.engine.history import History
from latently.engine.infer import pieces
from latently.engine.plan import Plan
from latently.engine.room import halving
from latently.engine.store import Checkpoint
from latently.engine.watch import Watcher
from latently.errors import BadParameter, FitAlarm, OutOfMemory
from latently.model import Composition
from latently.parts.networks import Dense
from latently.values import Batch

PLAN = Plan(epochs=4, batch_rows=6, learning_rate=1e-2)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def little_rubbish() -> Iterator[None]:
    """What other tests left is not looked through each time that memory runs out."""
    gc.freeze()
    yield
    gc.unfreeze()


def ask_for_too_much() -> None:
    """The allocator's own error."""
    torch.empty(2**46)


def compose(kind: object) -> Composition:
    return ref.compose(kind, Dense(hidden=(6,), line=False), dtype=torch.float32)


def limit(model: Composition, most: int, after: int = 0) -> list[int]:
    """Let memory run out at the end of steps of more than `most` rows, all but the first `after`; the steps' rows."""
    walk, steps = model.encoder.back, []

    def back(tape: object, g: Tensor, to_input: bool = True) -> Tensor | None:
        steps.append(len(g))
        if len(g) > most and len(steps) > after:
            ask_for_too_much()
        return walk(tape, g, to_input)

    model.encoder.back = back
    return steps


def trained(model: Composition, plan: Plan = PLAN, watcher: Watcher | None = None, path: Path | None = None) -> History:
    data, rng = ref.rows(dtype=torch.float32), torch.Generator().manual_seed(5)
    section = Checkpoint(path, "").section("fit")
    return fit(model, Split(data, data.take(slice(0, 6))), plan, rng, watcher or Watcher(), section)


def state(model: Composition) -> Tensor:
    return torch.cat([t.detach().flatten().double() for t in (*model.parameters(), *model.buffers())])


# ---------------------------------------------------------------- training


KINDS = ["undercomplete", "denoising+variational", "vector_quantised", "clustering", "topk", "contractive"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_too_large_leaves_nothing_behind(kind):
    """Five steps of two rows were taken, and half of another: the fit is that of a plan with one row a step."""
    short, small = compose(kind), compose(kind)
    steps = limit(short, most=1, after=5)
    history = trained(short, replace(PLAN, batch_rows=2))
    assert steps[:7] == [2, 2, 2, 2, 2, 2, 1]
    assert set(steps[6:]) == {1}
    assert history.batch_rows == 1
    planned = trained(small, replace(PLAN, batch_rows=1))
    assert planned.batch_rows is None
    assert history.columns == planned.columns
    assert torch.equal(state(short), state(small))


def test_it_goes_back_to_the_epoch_not_to_the_start():
    model = compose("denoising")
    steps = limit(model, most=3, after=3)
    history = trained(model)
    assert steps == [6, 6, 6, 6][: len(steps) - 12] + [3] * 12
    assert len(history.columns["epoch"]) == 5
    free = compose("denoising")
    curve = trained(free).columns["validation"]
    assert history.columns["validation"][:2] == curve[:2]
    assert not torch.equal(state(model), state(free))


class Stop(Watcher):
    def update(self, epoch: int, history: History) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


def test_a_resumed_fit_keeps_the_halved_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SAVE_EVERY", -1.0)
    whole, first, second = (compose("denoising+variational") for _ in range(3))
    for model in (whole, first):
        limit(model, most=2)
    history = trained(whole)
    with pytest.raises(KeyboardInterrupt):
        trained(first, watcher=Stop(), path=tmp_path / "state")
    again = trained(second, path=tmp_path / "state")
    assert again.batch_rows == history.batch_rows == 2
    assert torch.equal(state(second), state(whole))


def test_one_row_that_does_not_fit_is_an_error_that_says_so():
    model = compose("undercomplete")
    steps = limit(model, most=0)
    with pytest.raises(OutOfMemory, match=r"while training on a single row at a time.*Try narrower layers"):
        trained(model)
    assert steps == [6, 3, 2, 1]


def test_other_errors_are_left_as_they_are():
    model = compose("undercomplete")

    def back(*_: object, **__: object) -> None:
        raise RuntimeError("no shape of this size")

    model.encoder.back = back
    with pytest.raises(RuntimeError, match="no shape") as found:
        trained(model)
    assert not isinstance(found.value, OutOfMemory)


def test_parameters_that_do_not_fit_are_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(loop, "Packed", lambda *_: ask_for_too_much())
    with pytest.raises(OutOfMemory, match=r"for parameters or data.*Try narrower layers"):
        fitted()


class Small(nn.Linear):
    """A layer that learns from no more than 20 rows at a time."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and len(x) > 20:
            ask_for_too_much()
        return super().forward(x)


def test_the_owner_is_told():
    pair = Small(6, 3), nn.Linear(3, 6)
    with pytest.warns(FitAlarm, match=r"short of memory: .* batches of 20 rows. Try batch_size=20"):
        model = fitted(rows(80), network=pair, batch_size=64, validation_fraction=None)
    assert model.history_.batch_rows == 20
    assert "short of memory" in [a["name"] for a in model.summary()["alarms"]]


# ---------------------------------------------------------------- looks and pieces


def no_more_than(most: int, function: Callable[[Batch], Tensor]) -> tuple[Callable[[Batch], Tensor], list[int]]:
    tried: list[int] = []

    def limited(batch: Batch, *rest: object) -> Tensor:
        tried.append(len(batch))
        if len(batch) > most:
            ask_for_too_much()
        return function(batch, *rest)

    return limited, tried


def test_looks_halve_themselves_and_stay_so(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SAVE_EVERY", -1.0)
    short, again, free = (compose("undercomplete") for _ in range(3))
    short.loss, tried = no_more_than(3, short.loss)
    with pytest.raises(KeyboardInterrupt):
        trained(short, watcher=Stop(), path=tmp_path / "state")
    assert tried == [6, *[3, 3] * 3]
    again.loss, tried = no_more_than(3, again.loss)
    run = trained(again, path=tmp_path / "state").columns["validation"]
    assert set(tried) == {3}
    np.testing.assert_allclose(run, trained(free).columns["validation"], rtol=1e-5)


def test_pieces_halve_themselves_and_results_stay():
    model, batch = compose("variational"), ref.rows(dtype=torch.float32).take(slice(0, 11))
    function, tried = no_more_than(3, model.surprise)
    found = pieces(function, batch, 8, CPU)
    assert tried == [8, 4, 2, 2, 2, 2, 2, 2]
    np.testing.assert_allclose(found, pieces(model.surprise, batch, 8, CPU), rtol=1e-5)
    with pytest.raises(OutOfMemory, match="while computing"):
        pieces(no_more_than(0, model.surprise)[0], batch, 8, CPU)


def test_what_the_failed_try_held_is_free_before_the_next():
    held: list[weakref.ref[Tensor]] = []

    def function(batch: Batch) -> Tensor:
        assert all(mine() is None for mine in held)
        mine = batch.x * 2
        if len(batch) > 2:
            held.append(weakref.ref(mine))
            ask_for_too_much()
        return mine

    pieces(function, ref.rows(), 8, CPU)
    assert len(held) == 2


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
    ],
    ids=["python", "CUDA", "cuBLAS", "MPS"],
)
def test_memory_errors_of_all_allocators_count(problem):
    def work(rows: int) -> int:
        if rows > 1:
            raise problem
        return rows

    assert halving(work, 4, "working") == (1, 1)


def test_the_allocators_thresholds_are_set_back_when_the_last_fit_ends(monkeypatch):
    monkeypatch.delenv("LATENTLY_MALLOC", raising=False)
    said: list[tuple[int, int]] = []
    monkeypatch.setattr(device, "_thresholds", lambda *both: said.append(both))
    with device.keep_pages(), device.keep_pages():
        assert len(said) == 1
        assert min(said[0]) > device.MAPPED
    assert said[1:] == [(device.MAPPED, device.MAPPED)]
    with pytest.raises(BadParameter):
        Autoencoder(kind="no such kind").fit(np.ones((9, 3)))
    assert said[-1] == (device.MAPPED, device.MAPPED)
    assert len(said) == 4
    monkeypatch.setenv("LATENTLY_MALLOC", "0")
    with device.keep_pages():
        assert len(said) == 4
