"""Small tables and quick fits that several test files share."""

import numpy as np

from latently import Autoencoder


def rows(n: int = 80, columns: int = 6) -> np.ndarray:
    """Three hidden numbers, bent and mixed; columns on scales from 0.01 to 100."""
    rng = np.random.default_rng(0)
    x = np.tanh(rng.normal(size=(n, 3)) @ rng.normal(size=(3, columns))) + 0.05 * rng.normal(size=(n, columns))
    return x * np.geomspace(0.01, 100, columns) + np.arange(columns)


def gaps(x: np.ndarray) -> np.ndarray:
    """The same rows, some cells of the second column missing."""
    x = x.copy()
    x[::7, 1] = np.nan
    return x


def fitted(x: object = None, *, k: int = 3, **options: object) -> Autoencoder:
    """A fit of three epochs, by default of `rows()`."""
    return Autoencoder(k, **{"epochs": 3, "random_state": 0, **options}).fit(rows() if x is None else x)
