"""The autoencoder itself, as a transformer."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted

from latently import device as machine
from latently import rng as chance
from latently.errors import BadData, BadParameter, UnsupportedInput
from latently.parts.bottlenecks import Normal
from latently.parts.clustered import Clustered
from latently.tasks.base import Task
from latently.tasks.density import FEW, mixture
from latently.tasks.topics import perplexity, topics
from latently.values import Batch

__all__ = ["Autoencoder"]

Rows = NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Task):
    """Any kind of autoencoder, as a scikit-learn transformer: `Z = f(X)`, `X^ = g(Z)`.

    Parameters
    ----------
    n_components : int or "auto"
        Width of the code. "auto" starts from what stands out of noise in the PCA spectrum and narrows while the
        held-out error stays within 2 % of the mean predictor's; the curve is kept in `components_curve_`.
    kind : str, recipe class or recipe
        "undercomplete", "sparse", "topk", "dictionary", "denoising", "contractive", "variational", "vector_quantised",
        "fsq", a spelling of parts such as "masking:.3+topk:32+contractive", or a recipe with its options,
        `Sparse(penalty="kl", rho=0.05)`.
    network : "auto", int, widths, Dense, Conv or (encoder, decoder)
        Hidden widths from input to code; the decoder mirrors them. "auto" follows from the data's size: fully connected
        layers for columns, filters for images. `Dense(hidden=..., activation=..., tied=True)` or
        `Conv(channels=..., patch=...)` says more; two torch modules are taken as they are.
    data : "auto", Table, Image or Text
        How columns are read: `Table(label="y", id="key", drop=..., types={"zip": "category"})`. "auto" infers it all.
        Lists of str are documents, read as counts of words: `Text(...)` says more, and then `topics` names what each
        unit speaks of.
    loss : {"auto", "squared_error", "mean_squared_error", "l1", "huber", "likelihood"}
        "squared_error" (the default of plain and penalised kinds) is a sum over columns and a mean over rows, in
        units of each column's variance; penalties weigh against that. Categories count their cross-entropy in nats,
        whatever the loss. "likelihood" is in nats, with a learned spread
        (the default of variational kinds).
    epochs, batch_size, learning_rate : number or "auto"
        "auto" follows from the number of rows: some 6,000 steps, of 30,000 rows or more 4,000 at twice the rate.
    max_time : float or None
        Seconds after which the fit ends with what it has. A fit that it ended does not repeat to the byte.
    validation_fraction : float, "auto" or None
        Share of rows that only judges. "auto": under 2,500 rows three-fold cross-validation finds how long to train and
        the fit then uses every row; above, a tenth (10,000 rows at most) is held out. None or 0 judges nothing.
    precision : {"auto", "float32", "bfloat16"}
        Of training; prediction is always float32. "auto" computes wide layers in bfloat16 where the processor
        multiplies it. "float32" repeats across processors of one family.
    device : str
        "auto", "cpu", "cuda", "mps".
    checkpoint : path or None
        Where the state of a fit is kept. A fit killed and called again with the same options and data goes on, and
        ends with the same bytes; other options or data raise `CheckpointMismatch`.
    random_state : int, numpy generator or None
        Seed of the fit's own generator; the global ones are never touched.
    verbose : bool or "auto"
        "auto" shows a progress bar when the error stream is a terminal.

    Attributes
    ----------
    n_components_, encoder_, decoder_, model_, history_, held_out_, alarms_, components_curve_ : fitted state

    Notes
    -----
    Equal rows are merged and counted, so a sample weight of 3 is three copies, and the order of rows means nothing.
    Missing cells (NaN) are masked: they reach the encoder as a mask and leave the loss.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from latently import Autoencoder
    >>> codes = Autoencoder(2, epochs=5, random_state=0).fit_transform(load_iris().data)
    >>> codes.shape
    (150, 2)
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        assert tags.transformer_tags is not None
        tags.transformer_tags.preserves_dtype = []  # codes are float32 whatever came in
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn encoder and decoder from rows `X` (n, columns); `y` is ignored."""
        self._fit(X, sample_weight)
        return self

    def transform(self, X: Any) -> Rows:
        """Codes of the rows, `(n, n_components_)` float32 (of a variational kind, the posterior means).

        A series that takes several windows has the mean of their codes; one long series has a code a window.
        """
        found = self._told("encode", X)
        return self.data_.gathered(found, X)

    def _told(self, name: str, data: Any) -> NDArray[np.float32]:
        """What the function `name` of the model says of all rows of `data`, read some at a time."""
        check_is_fitted(self, "model_")
        return self._map(getattr(self.model_, name), self.data_.portions(self, data))

    def clusters(self, X: Any) -> NDArray[np.int64]:
        """For each row the learned centre nearest to its code, from 0, of the kind `clustering`.

        Clusters are numbered as training left them, and one may be empty. Raises `UnsupportedInput` for other kinds.
        """
        check_is_fitted(self, "model_")
        neck = self.model_.bottleneck
        if not isinstance(neck, Clustered):
            raise UnsupportedInput(
                f"kind {self.recipe_.name!r} has learned no centres. Use kind='clustering:10', or cluster its codes."
            )
        device = next(self.model_.parameters()).device
        return np.asarray(neck.nearest_centre(torch.from_numpy(self.transform(X)).to(device)).cpu())

    def inverse_transform(self, X: Any) -> NDArray[Any]:
        """Rows in user units from codes `(n, n_components_)`; an object array where columns are not all numbers."""
        check_is_fitted(self, "model_")
        z = check_array(X, dtype=np.float32, input_name="Z")
        if z.shape[1] != self.n_components_:
            raise BadData(f"codes have {z.shape[1]} columns; this model's have {self.n_components_}.")
        return self.data_.shown(self.data_.values(self._decode(z)))

    def _decode(self, z: Rows) -> torch.Tensor:
        return torch.from_numpy(self._map(lambda b: self.model_.decode(b.x), Batch(torch.from_numpy(z))))

    def reconstruct(self, X: Any) -> Any:
        """`g(f(X))` in the container that `X` came in: names, index and dtypes kept, integers rounded."""
        batch = self._batch(X)
        cells = self._map(lambda b: self.model_.decode(self.model_.encode(b)), batch)
        return self.data_.rebuilt(self.data_.values(torch.from_numpy(cells)), X)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Minus the deterministic loss of every row without penalties and weights: higher fits better.

        With `loss="likelihood"` minus nats (for a variational kind a bound on the log-likelihood at the posterior
        mean); with a squared error minus the summed squared error in units of each column's variance. Rows with
        missing cells are scaled up to the full number of columns. One long series has a score a step: of its cells in
        all windows that hold it, NaN where none is known.
        """
        check_is_fitted(self, "model_")
        if self.data_.stepwise(X):
            return -self.data_.steps(self._told("each", X), X)
        return np.asarray(np.negative(self.data_.gathered(self._told("surprise", X), X), dtype=np.float64))

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples(X)`."""
        return float(np.nanmean(self.score_samples(X)))

    def costs(self, X: Any) -> dict[str, NDArray[np.float64] | float]:
        """Every raw cost by name: an array with one value a row, or a number for statistics of the whole.

        `reconstruction` is in nats or squared error; `kl` in nats; `l1` and `contraction` before their weights.
        Nothing is corrupted or drawn.
        """
        batch = self._batch(X).to(next(self.model_.parameters()).device)
        with torch.no_grad():
            found = self.model_.costs(self.model_(batch))
        each = {name: cost.value.cpu().double().numpy() for name, cost in found.items()}
        return {name: v if v.ndim else float(v) for name, v in each.items()}

    def corrupt(self, X: Any, random_state: Any = None) -> Any:
        """A corrupted copy of `X` as the encoder saw rows in training, in the container of `X`.

        Kinds without a corruption give `X` back. The draw is `random_state`'s, by default the estimator's.
        """
        batch = self._batch(X)
        rng = chance.fit_generator(self.random_state if random_state is None else random_state)
        if self.model_.corruption is not None:
            corruption = copy.deepcopy(self.model_.corruption).cpu()
            seen, _ = corruption.hide(batch.x, batch.known, rng)
            changed = seen != batch.x
            changed = changed if batch.known is None else changed & batch.known
            return self.data_.rebuilt(self.data_.values(seen), X, changed.numpy())
        return X

    def jacobian(self, X: Any) -> NDArray[np.float32]:
        """`dz/dx` of every row, `(n, n_components_, columns)`, x in standard deviations of its column.

        A category counts as one column for each of its levels.
        """
        batch, features = self._batch(X), self.model_.door.features
        return self._map(lambda b: self.model_.jacobian(b)[:, :, :features], batch)

    def sample(self, n_samples: int = 1, random_state: Any = None) -> NDArray[Any]:
        """New rows in user units, `(n_samples, columns)`.

        A variational kind draws codes from its prior N(0, I). A plain kind has no prior: a Gaussian mixture fitted to
        training codes stands in for it, of as many components, up to 10, as make held-out codes most likely, and a
        quantised kind takes the nearest code that it could have made.
        """
        check_is_fitted(self, "model_")
        if not isinstance(n_samples, (int, np.integer)) or n_samples < 1:
            raise BadParameter(f"n_samples={n_samples!r}: expected a whole number, at least 1.")
        machine.fork_safe()
        rng = chance.fit_generator(self.random_state if random_state is None else random_state)
        if isinstance(self.model_.bottleneck, Normal):
            z = torch.empty(int(n_samples), self.n_components_).normal_(generator=rng).numpy()
        else:
            z = mixture(self.codes_, FEW, int(rng.initial_seed() % 2**31)).draw(int(n_samples), rng)
        return self._drawn(z, rng)

    def strongest(self, X: Any, unit: int, n: int = 10) -> tuple[NDArray[np.int64], Rows]:
        """The rows of `X` on which a unit is greatest, greatest first: their places and its values, `n` at most.

        Rows on which it is not above zero are left out: read together, these tell what a unit of a sparse code means.
        Places count what has a code: rows, documents, images, windows of one long series.
        """
        check_is_fitted(self, "model_")
        for name, value, low, high in (("unit", unit, 0, self.n_components_ - 1), ("n", n, 1, math.inf)):
            if not isinstance(value, (int, np.integer)) or not low <= value <= high:
                raise BadParameter(f"{name}={value!r}: expected a whole number from {low} to {high}.")
        z = self.transform(X)[:, unit]
        order = np.argsort(-z, kind="stable")[:n]
        order = order[z[order] > 0]
        return order, z[order]

    def topics(self, top: int = 10) -> list[list[str]]:
        """For every unit of a code of documents, the words that it brings forward most, most first.

        From what the decoder expects, whatever it is made of: the unit moves by two standard deviations from the mean
        code, to the side where codes reach further. Raises `UnsupportedInput` where no words were counted.
        """
        check_is_fitted(self, "model_")
        if not isinstance(top, (int, np.integer)) or top < 1:
            raise BadParameter(f"top={top!r}: expected how many words to name, a whole number from 1.")
        return topics(self, int(top))

    def perplexity(self, X: Any) -> float:
        """`exp(nats a word)` of documents: as uncertain as among so many words alike. Lower is better.

        Of a variational kind an upper bound, from the bound on the likelihood at drawn codes. Of other kinds it tells
        how well documents are said again: their codes cost nothing. Raises `UnsupportedInput` where no words were
        counted.
        """
        check_is_fitted(self, "model_")
        return perplexity(self, X)

    def to_torch(self) -> torch.nn.Module:
        """A copy of the fitted torch module; `encode(batch)` and `decode(z)` work in model units."""
        check_is_fitted(self, "model_")
        return copy.deepcopy(self.model_)
