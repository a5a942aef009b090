"""Windows of series in coordinates in which all of their patterns vary alike, and what belongs in their gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Whitening", "bridged"]

Matrix = NDArray[np.float64]

FAINT = 0.2  # deviations of a channel: a pattern fainter than this is taken for noise of this size


@dataclass(frozen=True)
class Whitening:
    """`u = (x - mean) V / sqrt(lambda + FAINT^2)`, of the covariance `V diag(lambda) V'` of the rows learned from.

    The squared length of `u` is the Mahalanobis distance of a row, with noise of deviation `FAINT` in every cell: what
    is faint in most windows is heard, and what is fainter than the noise is not.
    """

    mean: Matrix  #: (cells,)
    vectors: Matrix  #: (cells, cells), one pattern a column
    values: Matrix  #: (cells,), variance of each pattern

    @classmethod
    def of(cls, rows: Matrix) -> Whitening:
        """From complete rows."""
        mean = rows.mean(0)
        apart = rows - mean
        values, vectors = np.linalg.eigh(apart.T @ apart / len(rows))
        turned = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(values))])
        return cls(mean, np.ascontiguousarray((vectors * turned)[:, ::-1]), np.maximum(values[::-1], 0.0))

    @property
    def sizes(self) -> Matrix:
        """Deviation of each pattern, noise included."""
        return np.sqrt(self.values + FAINT**2)

    @property
    def precision(self) -> Matrix:
        """The inverse of the covariance with noise."""
        return np.asarray((self.vectors / self.sizes**2) @ self.vectors.T)

    def there(self, rows: Matrix) -> Matrix:
        """Complete rows as patterns."""
        return np.asarray((rows - self.mean) @ self.vectors / self.sizes)

    def back(self, patterns: Matrix) -> Matrix:
        """Rows from patterns."""
        return np.asarray((patterns * self.sizes) @ self.vectors.T + self.mean)

    def conditional(self, apart: Matrix) -> Matrix:
        """What a difference between patterns is to every cell given the other cells, in deviations of that; squared."""
        pulled = (apart / self.sizes) @ self.vectors.T
        return np.asarray(pulled**2 / self.precision.diagonal())

    def filled(self, rows: Matrix) -> Matrix:
        """Rows with the conditional mean of a normal distribution, given the known cells, in place of NaN."""
        gaps = np.isnan(rows)
        torn = np.flatnonzero(gaps.any(1))
        if not len(torn):
            return rows
        whole, precision = rows.copy(), self.precision
        masks, which = np.unique(gaps[torn], axis=0, return_inverse=True)
        for i, gap in enumerate(masks):
            here = torn[which.ravel() == i]
            known = rows[np.ix_(here, ~gap)] - self.mean[~gap]
            pull = np.linalg.solve(precision[np.ix_(gap, gap)], precision[np.ix_(gap, ~gap)] @ known.T)
            whole[np.ix_(here, gap)] = self.mean[gap] - pull.T
        return whole


def bridged(array: Matrix) -> Matrix:
    """An array `(time, channels)` with straight lines across its gaps, 0 in a channel of which nothing is known."""
    gaps = np.isnan(array)
    if not gaps.any():
        return array
    whole, steps = array.copy(), np.arange(len(array))
    for column, gap in zip(whole.T, gaps.T, strict=True):
        column[gap] = 0.0 if gap.all() else np.interp(steps[gap], steps[~gap], column[~gap])
    return whole
