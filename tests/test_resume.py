"""A fit that is killed and called again goes on where it was, and ends with the bytes of one never stopped."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from fits import fitted, gaps, rows
from numpy.testing import assert_array_equal

from latently import Autoencoder, recipes, save
from latently.engine import store
from latently.engine.watch import Watcher
from latently.errors import CheckpointMismatch, FileProblem, LatentlyError

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")


@pytest.fixture
def state(tmp_path) -> Path:
    return tmp_path / "state"


class Epochs:
    """Counts the epochs of every fit, and interrupts after `limit` of them."""

    def __init__(self) -> None:
        self.done, self.limit = 0, -1

    def start(self, limit: int = -1) -> None:
        self.done, self.limit = 0, limit

    def update(self, *_: object) -> None:
        self.done += 1
        if self.done == self.limit:
            raise KeyboardInterrupt


@pytest.fixture
def epochs(monkeypatch) -> Iterator[Epochs]:
    """Every epoch is counted, and followed by a write."""
    counter = Epochs()
    monkeypatch.setattr(Watcher, "update", counter.update)
    monkeypatch.setattr(store, "SAVE_EVERY", -1.0)
    return counter


def contents(model: Autoencoder, path: Path) -> bytes:
    save(model, path)
    return path.read_bytes()


# ---------------------------------------------------------------- interrupted


CASES = {
    **{name: {"kind": name} for name in recipes.names()},
    "running means": {"kind": recipes.Sparse(penalty="kl")},
    "composed": {"kind": "denoising+variational+importance:2+contractive"},
    "a width for the data": {"k": "auto", "kind": "denoising", "epochs": 4},
    "one split": {"kind": "denoising", "validation_fraction": 0.3, "epochs": 20},
    "no judges": {"kind": "denoising", "validation_fraction": None, "epochs": 20},
    "roll-backs": {"kind": "denoising", "learning_rate": 1e20, "epochs": 12, "validation_fraction": None},
}


@pytest.mark.parametrize("name", CASES)
def test_an_interrupted_fit_ends_with_the_bytes_of_one_never_stopped(name, epochs, state, tmp_path):
    x, options = gaps(rows(40)), {"epochs": 5, "checkpoint": state, **CASES[name]}
    whole = contents(fitted(x, **options), tmp_path / "whole")
    total = epochs.done
    assert total >= 8
    state.unlink()
    limits = [max(1, round(share * total)) for share in (0.2, 0.1, 0.4)]
    for limit in limits:
        epochs.start(limit)
        with pytest.raises(KeyboardInterrupt):
            fitted(x, **options)
    epochs.start()
    assert contents(fitted(x, **options), tmp_path / "again") == whole
    assert epochs.done == total - sum(limit - 1 for limit in limits), "the epochs before a write were done again"


def test_a_finished_fit_is_not_repeated(epochs, state):
    first = fitted(checkpoint=state)
    epochs.start()
    assert_array_equal(fitted(checkpoint=state).transform(rows()), first.transform(rows()))
    assert epochs.done == 0


def test_a_checkpoint_does_not_change_the_fit(state):
    plain, kept = (fitted(kind="denoising", checkpoint=path) for path in (None, state))
    assert_array_equal(plain.transform(rows()), kept.transform(rows()))


def test_without_a_seed_the_first_runs_seed_is_kept(epochs, state):
    options = {"kind": "denoising", "checkpoint": state, "random_state": None, "epochs": 6}
    epochs.start(limit=4)
    with pytest.raises(KeyboardInterrupt):
        fitted(**options)
    seed = store.read(state, "checkpoint")[1]["sections"]["start"]["seed"]
    epochs.start()
    resumed = fitted(**options)
    whole = fitted(**{**options, "checkpoint": None, "random_state": seed})
    assert_array_equal(resumed.transform(rows()), whole.transform(rows()))
    assert not np.array_equal(resumed.transform(rows()), fitted(kind="denoising", epochs=6).transform(rows()))


@pytest.mark.parametrize("generator", [np.random.RandomState, np.random.default_rng])
def test_a_generator_made_anew_goes_on_too(epochs, state, generator):
    options, (first, second, third) = {"kind": "denoising", "epochs": 6}, [generator(3) for _ in range(3)]
    epochs.start(limit=4)
    with pytest.raises(KeyboardInterrupt):
        fitted(checkpoint=state, random_state=first, **options)
    epochs.start()
    resumed = fitted(checkpoint=state, random_state=second, **options)
    whole = fitted(random_state=third, **options)
    assert_array_equal(resumed.transform(rows()), whole.transform(rows()))


# ---------------------------------------------------------------- another fit's checkpoint


def one_cell_more(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[5, 2] += 0.1
    return x


OTHERS = {
    "seed": {"random_state": 1}, "width": {"k": 2}, "kind": {"kind": "sparse"}, "epochs": {"epochs": 4},
    "option of the kind": {"kind": recipes.Denoising(level=0.2)}, "network": {"network": (5,)}, "loss": {"loss": "l1"},
    "rate": {"learning_rate": 0.01}, "split": {"validation_fraction": 0.2}, "a cell": {"x": one_cell_more(rows())},
    "fewer rows": {"x": rows()[1:]}, "a gap": {"x": gaps(rows())},
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_other_options_or_data_are_refused(what, state):
    options = {"kind": recipes.Denoising(), "checkpoint": state}
    fitted(rows(), **options)
    before = state.read_bytes()
    with pytest.raises(CheckpointMismatch, match=f"{state}.*another checkpoint path"):
        fitted(OTHERS[what].get("x", rows()), **{**options, **{k: v for k, v in OTHERS[what].items() if k != "x"}})
    assert state.read_bytes() == before


def test_other_weights_are_refused(state):
    model = Autoencoder(3, epochs=1, checkpoint=state, random_state=0).fit(rows(), sample_weight=np.arange(80) + 1)
    with pytest.raises(CheckpointMismatch):
        model.fit(rows(), sample_weight=np.arange(80) + 2)


def test_what_changes_no_number_is_no_other_fit(epochs, state):
    fitted(checkpoint=state, kind="sparse")
    epochs.start()
    fitted(rows()[::-1], checkpoint=str(state), kind="sparse", verbose=False, device="cpu", max_time=1e6)
    assert epochs.done == 0


# ---------------------------------------------------------------- files that are no checkpoint


def test_a_damaged_checkpoint_is_refused(state):
    fitted(checkpoint=state)
    data, rng = state.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(data), size=20):
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        state.write_bytes(damaged)
        with pytest.raises(FileProblem):
            fitted(checkpoint=state)
    for length in (0, 8, len(data) // 2, len(data) - 1):
        state.write_bytes(data[:length])
        with pytest.raises(FileProblem):
            fitted(checkpoint=state)


def test_a_model_is_no_checkpoint(state):
    save(fitted(), state)
    with pytest.raises(FileProblem, match="is a model, expected a checkpoint"):
        fitted(checkpoint=state)


@pytest.mark.parametrize("path", ["missing/state", "."])
def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_first_epoch(epochs, tmp_path, path):
    with pytest.raises(FileProblem):
        fitted(checkpoint=tmp_path / path)
    assert epochs.done == 0


@pytest.mark.parametrize("value", [3, True, b"state"])
def test_what_is_no_path_is_refused(value):
    with pytest.raises(LatentlyError, match="checkpoint"):
        fitted(checkpoint=value)


# ---------------------------------------------------------------- killed


def curved(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.tanh(rng.normal(size=(n, 4)) @ rng.normal(size=(4, 20))) + 0.1 * rng.normal(size=(n, 20))


def started(x: np.ndarray, epochs: int, state: Path, path: Path) -> int:
    """A child process that fits and saves; its id."""
    child = os.fork()
    if child:
        return child
    try:
        torch.set_num_threads(1)
        store.SAVE_EVERY = 0.02
        save(fitted(x, k=4, kind="denoising", epochs=epochs, checkpoint=state, verbose=False), path)
    finally:
        os._exit(0 if path.exists() else 1)


def ended(child: int, within: float) -> bool:
    """Whether the child ended by itself in time; it is killed if not."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return True
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("n", "epochs"), [(3000, 60), (900, 16)], ids=["one split", "cross-validated"])
def test_killed_ten_times_it_ends_with_the_bytes_of_one_never_stopped(n, epochs, tmp_path):
    x, state, path, rng = curved(n), tmp_path / "state", tmp_path / "model", np.random.default_rng(n)
    start = time.monotonic()
    assert ended(started(x, epochs, state, path), within=120)
    whole, seconds = path.read_bytes(), time.monotonic() - start
    kills, resumed, finished = 0, 0, False
    while not finished:
        state.unlink(missing_ok=True)
        path.unlink()
        done = False
        while not done:
            resumed += state.exists()
            done = ended(started(x, epochs, state, path), rng.uniform(0.04, 0.12) * seconds if kills < 10 else 120)
            kills += not done
        assert path.read_bytes() == whole
        finished = kills == 10
    assert resumed >= 5, "most children were killed before they had written anything"
