"""Likelihoods: what the decoder's output means, and what a cell costs."""

from latently.parts.likelihoods.autoregressive import Autoregressive
from latently.parts.likelihoods.base import Likelihood
from latently.parts.likelihoods.continuous import AbsoluteError, Gaussian, Huber, Laplace, SquaredError
from latently.parts.likelihoods.counts import Multinomial
from latently.parts.likelihoods.discrete import Bernoulli, Categorical, Mixed, Ordinal

__all__ = [
    "AbsoluteError",
    "Autoregressive",
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "Huber",
    "Laplace",
    "Likelihood",
    "Mixed",
    "Multinomial",
    "Ordinal",
    "SquaredError",
]
