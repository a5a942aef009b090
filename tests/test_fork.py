"""A forked child has none of its parent's threads: whoever waits for them waits for ever."""

import os
import signal
import time
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from fits import fitted, gaps, rows
from numpy.testing import assert_allclose
from sklearn.base import clone

from latently import Autoencoder

pytestmark = pytest.mark.filterwarnings("ignore::latently.errors.FitAlarm")

MANY = 30_000  # rows: torch shares them out among threads


def forked(call: Callable[[], object], seconds: float = 15) -> int:
    """The exit status of a forked child that calls; -9 when it had to be killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, about threads of the parent
        child = os.fork()
    if not child:
        try:
            call()
        except BaseException:
            os._exit(1)
        os._exit(0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -9


@pytest.fixture(scope="module")
def big() -> tuple[np.ndarray, Autoencoder]:
    """Many rows with gaps, and a model of some of them."""
    x = gaps(rows(MANY))
    return x, fitted(x[:200], kind="denoising")


@pytest.fixture
def busy_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.isnan(torch.ones(2_000_000)).any()
    yield
    torch.set_num_threads(before)


GIVEN = {"jacobian": gaps(rows(300)), "inverse_transform": np.zeros((MANY, 3)), "sample": MANY}
METHODS = ["transform", "reconstruct", "score_samples", "costs", "corrupt", "fit", *GIVEN]


@pytest.mark.parametrize("method", METHODS)
def test_a_forked_child_gets_the_parents_results(big, busy_threads, method):
    x, model = big

    def call() -> np.ndarray:
        if method == "fit":
            return clone(model).set_params(epochs=1).fit(x).transform(x[:100])
        result = getattr(model, method)(GIVEN.get(method, x))
        return result["reconstruction"] if method == "costs" else result

    expected = call()
    status = forked(lambda: assert_allclose(call(), expected, rtol=1e-3, atol=1e-4))
    assert status == 0, "it hung" if status == -9 else "it failed or gave other numbers"
