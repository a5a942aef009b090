"""Shared by all tests: one thread, the data sets that scikit-learn ships."""

import numpy as np
import pytest
import torch

torch.set_num_threads(1)


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
