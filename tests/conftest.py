"""Shared by all tests: one thread, the data sets that scikit-learn ships."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_figure_stays() -> Iterator[None]:
    """A figure that a test left open would be shown by the next that looks for figures."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """8x8 handwritten digits, 1,797 rows of 64 pixels from 0 to 16."""
    from sklearn.datasets import load_digits

    return load_digits().data


@pytest.fixture(scope="session")
def wine() -> np.ndarray:
    """178 wines, 13 measurements."""
    from sklearn.datasets import load_wine

    return load_wine().data
