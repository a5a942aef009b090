"""Rows as points of a plane."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import check_is_fitted

from latently.errors import BadData, BadParameter
from latently.tasks.base import Task
from latently.tasks.draw import scatter, thumbnails
from latently.values import Batch

__all__ = ["Map"]

Points = NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class Map(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Task):
    """Rows as points of a plane: near each other when the rows are. New rows are placed without a refit.

    Parameters
    ----------
    n_components : int
        Dimensions of the map.
    kind : str, recipe class or recipe
        "neighbours" (the default) reconstructs, and keeps neighbours as t-SNE does; `Neighbours(perplexity=...)` says
        more. Every kind that `Autoencoder` takes may stand here; "undercomplete" only reconstructs.

    network : widths, Dense, "auto" or (encoder, decoder)
        Hidden widths. A bent map wants depth: on digits a third layer of 256 adds .03 to the 1-NN accuracy of new rows.
    validation_fraction : float, "auto" or None
        A tenth of the rows only judges, which takes a third of the time of "auto"'s cross-validation on small sets.

    Notes
    -----
    The other parameters are those of `Autoencoder`. Unlike t-SNE's, the map is a function: `transform` places new rows,
    and `inverse_transform` turns a point of the plane into a row in user units. Distances within the map mean
    neighbourhood, not difference: how far apart two groups lie says little.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from latently import Map
    >>> Map(epochs=5, random_state=0).fit_transform(load_iris().data).shape
    (150, 2)
    """

    job = "map"

    n_components: int | Literal["auto"] = field(default=2, kw_only=False)
    kind: Any = "neighbours"
    network: Any = (256, 256, 256)
    validation_fraction: float | Literal["auto"] | None = 0.1

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = []  # points are float32 whatever came in
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the map of rows `X` (n, columns); `y` is ignored."""
        self._fit(X, sample_weight)
        return self

    def transform(self, X: Any) -> Points:
        """The points of rows, `(n, n_components)` float32; the rows may be new. Of several windows, their mean."""
        batch = self._batch(X)
        return self.data_.gathered(self._map(self.model_.encode, batch), X)

    def inverse_transform(self, X: Any) -> NDArray[Any]:
        """Rows in user units that belong to points `(n, n_components)` of the map."""
        check_is_fitted(self, "model_")
        z = check_array(X, dtype=np.float32, input_name="points")
        if z.shape[1] != self.n_components_:
            raise BadData(f"points have {z.shape[1]} coordinates; this map's have {self.n_components_}.")
        cells = self._map(lambda b: self.model_.decode(b.x), Batch(torch.from_numpy(z)))
        return self.data_.shown(self.data_.values(torch.from_numpy(cells)))

    def plot(self, X: Any = None, labels: Any = None, ax: Any = None, images: bool = False) -> Any:
        """The map as a matplotlib Axes: rows `X`, or without them up to 5,000 rows of the fit.

        `labels`, one for each row of `X`: groups get a colour each and a legend beside the map; numbers of more than
        twenty different values get a colour scale. `ax` is drawn on when given. Of more than two dimensions the first
        two are drawn. `images=True` puts images `X` themselves at their points, as many as there is room for. Raises
        `MissingExtra` without matplotlib.
        """
        check_is_fitted(self, "model_")
        if images and not (self.data_.shape and X is not None):
            raise BadParameter("images=True draws images at their points: give them as X to a map fitted on images.")
        points = self.codes_ if X is None else self.transform(X)
        axes = scatter(points, labels, ax, owned=X is None)
        if images:
            thumbnails(axes, points, list(self.data_.shown(self.data_.values(self._batch(X).x))))
        return axes
