"""The lecture's formulas in numpy, finite differences for gradients, small compositions to hold against both."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special

from latently import recipes
from latently.model import Composition
from latently.parts.doors import Door
from latently.parts.likelihoods import Gaussian, Likelihood, SquaredError
from latently.parts.networks import Dense, Ends
from latently.values import Batch, Sizes

Array = NDArray[np.float64]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda a: a,
    "relu": lambda a: np.maximum(a, 0),
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": lambda a: (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a)),
    "celu": lambda a: np.where(a > 0, a, np.exp(a) - 1),
    "elu": lambda a: np.where(a > 0, a, np.exp(a) - 1),
    "gelu": lambda a: a * 0.5 * (1 + special.erf(a / np.sqrt(2))),
    "hardsigmoid": lambda a: np.clip(a / 6 + 0.5, 0, 1),
    "hardswish": lambda a: a * np.clip(a / 6 + 0.5, 0, 1),
    "hardtanh": lambda a: np.clip(a, -1, 1),
    "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    "logsigmoid": lambda a: -np.log(1 + np.exp(-a)),
    "mish": lambda a: a * np.tanh(np.log(1 + np.exp(a))),
    "relu6": lambda a: np.clip(a, 0, 6),
    "selu": lambda a: 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * (np.exp(a) - 1)),
    "silu": lambda a: a / (1 + np.exp(-a)),
    "softplus": lambda a: np.log(1 + np.exp(a)),
    "softsign": lambda a: a / (1 + np.abs(a)),
    "tanhshrink": lambda a: a - np.tanh(a),
}


def layer(x: Array, w: Array, b: Array, g: str) -> Array:
    """`h = g(W x + b)` for every row."""
    return ACTIVATIONS[g](np.einsum("oi,ni->no", w, x) + b)


def squared(x: Array, mean: Array) -> Array:
    """`||x - x^||^2` of every row."""
    return ((x - mean) ** 2).sum(1)


def bernoulli_kl(rho: float, rate: Array) -> float:
    """`sum_j rho log(rho / rho^_j) + (1 - rho) log((1 - rho) / (1 - rho^_j))`."""
    return float((rho * np.log(rho / rate) + (1 - rho) * np.log((1 - rho) / (1 - rate))).sum())


def log_variance(raw: Array) -> Array:
    """What the library bounds to +-8 nats."""
    return 8 * np.tanh(raw / 8)


def normal_kl(mu: Array, variance: Array) -> Array:
    """`KL(N(mu, variance) || N(0, 1))` of every unit."""
    return 0.5 * (mu**2 + variance - 1 - np.log(variance))


def normal_nats(x: Array, mu: Array, s: Array | float) -> Array:
    """`-log N(x; mu, s^2)`."""
    return 0.5 * ((x - mu) / s) ** 2 + np.log(s) + 0.5 * np.log(2 * np.pi)


def softmax(logits: Array, axis: int = -1) -> Array:
    """Normalised exponentials."""
    e = np.exp(logits - logits.max(axis, keepdims=True))
    return np.asarray(e / e.sum(axis, keepdims=True))


def importance_bound(nats: Array) -> Array:
    """`-log (1/K) sum_k exp(-nats_k)` of every column."""
    return np.asarray(-np.log(np.exp(-nats).mean(0)))


def ordinal(s: Array, thresholds: Array) -> Array:
    """`(rows, cells, levels)` probabilities of cumulative logits: `P(x <= k) = sigmoid(t_k - s)`."""
    below = special.expit(thresholds[None] - s[..., None])
    ends = np.zeros((*s.shape, 1))
    return np.diff(np.concatenate([ends, below, ends + 1], -1), axis=-1)


def thresholds(first: Array, steps: Array) -> Array:
    """The first one, then positive steps up."""
    return np.concatenate([first, first + np.log(1 + np.exp(steps)).cumsum(1)], 1)


def array(t: torch.Tensor) -> Array:
    """As numpy float64."""
    return t.detach().double().numpy()


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Standard normal numbers, the same for every dtype."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def generator(seed: int = 0) -> torch.Generator:
    """A fresh generator."""
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def slopes(value: Callable[[], torch.Tensor], at: torch.Tensor, step: float = 1e-6) -> torch.Tensor:
    """`d value() / d at` by central differences, `(*value, *at)`: `at` is changed in place and put back."""
    flat, columns = at.view(-1), []
    for i in range(flat.numel()):
        here = flat[i].clone()
        flat[i] = here + step
        up = value().clone()
        flat[i] = here - step
        columns.append((up - value()) / (2 * step))
        flat[i] = here
    return torch.stack(columns, -1).unflatten(-1, at.shape) if columns else torch.zeros_like(at)


def near(got: torch.Tensor | Array, want: torch.Tensor | Array, tolerance: float) -> None:
    """Fail unless equal within `tolerance` of the largest number wanted (at least 1)."""
    a, b = (array(v) if isinstance(v, torch.Tensor) else np.asarray(v, np.float64) for v in (got, want))
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, float(np.abs(b).max(initial=0))))


# ---------------------------------------------------------------- small compositions

ROWS, CELLS, CODE = 12, 5, 3


def compose(
    kind: object,
    network: Dense,
    likelihood: Likelihood | None = None,
    door: Door | None = None,
    dtype: torch.dtype = torch.float64,
) -> Composition:
    """A kind for rows of `CELLS` numbers, every parameter away from where it would start."""
    limits = torch.full((CELLS,), -2.0), torch.full((CELLS,), 2.0)
    sizes, recipe = Sizes(CELLS, CODE, 3 * ROWS, *limits), recipes.resolve(kind)
    recipe.check(sizes)
    parts, door = recipe.parts(CODE).bind(sizes), door or Door((0,) * CELLS, False)
    natural = Gaussian() if parts.loss == "likelihood" else SquaredError()
    price = (likelihood or natural).bind(sizes)
    ends = (door.width, parts.bottleneck.inputs(CODE), CODE, price.width(CELLS))
    pair = network.build(Ends(*ends, ROWS, parts.bottleneck.activation), generator())
    model = Composition(door, *pair, price, parts, CODE).double()
    for i, p in enumerate(model.parameters()):
        p.data += 0.3 * draw(*p.shape, seed=100 + i)
    return model.to(dtype)


def rows(what: str = "", dtype: torch.dtype = torch.float64) -> Batch:
    """A batch: `what` names what comes with its cells, of "known", "weight" and "given"."""
    x, known = draw(ROWS, CELLS, seed=1, dtype=dtype), draw(ROWS, CELLS, seed=2) < 0.7
    return Batch(
        x.masked_fill(~known, 0.0) if "known" in what else x,
        known if "known" in what else None,
        x + 0.5 * draw(ROWS, CELLS, seed=3, dtype=dtype) if "given" in what else None,
        2 * torch.rand(ROWS, generator=generator(4)).to(dtype) if "weight" in what else None,
    )
