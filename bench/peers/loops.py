"""Loops written by hand: the tutorial's, the best eager one, JAX's scan; and the matrix products alone."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from worker import Clock, Job, lean, mean_square

__all__ = ["ENGINES", "network"]


def network(job: Job) -> Any:
    """Linear layers and rectifiers; code and output are linear."""
    import torch
    from torch import nn

    torch.manual_seed(job.seed)  # a process of its own
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(itertools.pairwise(job.all_widths), 1):
        layers.append(nn.Linear(a, b))
        if i not in job.linear_after():
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def plain(job: Job, clock: Clock) -> float:
    """The loop of a tutorial."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    net = network(job)
    adam, criterion = torch.optim.Adam(net.parameters(), lr=job.rate), nn.MSELoss()
    data = DataLoader(TensorDataset(torch.from_numpy(job.rows)), batch_size=job.batch, shuffle=True)
    with clock:
        for _ in range(job.epochs):
            total = 0.0
            for (x,) in data:
                adam.zero_grad()
                loss = criterion(net(x), x)
                loss.backward()
                adam.step()
                total += loss.item()
    return mean_square(job.rows, lean(net))


def eager(job: Job, clock: Clock) -> float:
    """What one gets out of eager PyTorch by hand: slices of a permuted copy, fused Adam, nothing read back."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    net, rows = network(job), torch.from_numpy(job.rows)
    adam = torch.optim.Adam(net.parameters(), lr=job.rate, fused=True)
    with clock:
        for _ in range(job.epochs):
            for x in rows[torch.randperm(len(rows))].split(job.batch):
                adam.zero_grad(set_to_none=True)
                functional.mse_loss(net(x), x).backward()
                adam.step()
    return mean_square(job.rows, lean(net))


@functools.cache
def _scan(linear: frozenset[int], rate: float) -> tuple[Callable, Callable]:
    """One epoch as a compiled scan over batches, with Adam; and the forward pass."""
    import jax
    from jax import numpy as jnp

    def forward(params: list, x: Any) -> Any:
        for i, (w, b) in enumerate(params, 1):
            x = x @ w + b
            x = x if i in linear else jax.nn.relu(x)
        return x

    def step(state: tuple, x: Any) -> tuple[tuple, Any]:
        params, first, second, t = state
        loss, grads = jax.value_and_grad(lambda p: jnp.mean((forward(p, x) - x) ** 2))(params)
        t = t + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        size = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = jax.tree.map(lambda p, m, v: p - size * m / (jnp.sqrt(v) + 1e-8), params, first, second)
        return (params, first, second, t), loss

    @functools.partial(jax.jit, donate_argnums=0)
    def epoch(state: tuple, rows: Any, order: Any) -> tuple[tuple, Any]:
        return jax.lax.scan(lambda s, index: step(s, rows[index]), state, order)

    return epoch, jax.jit(forward)


def jax_scan(job: Job, clock: Clock) -> float:
    """An epoch is one compiled `lax.scan`; rows that fill no batch are left out of it, as is usual."""
    import jax
    import numpy as np
    from jax import numpy as jnp

    epoch, forward = _scan(frozenset(job.linear_after()), job.rate)
    rng = np.random.default_rng(job.seed)
    params = []
    for a, b in itertools.pairwise(job.all_widths):
        bound = math.sqrt(1 / a)
        params.append((jnp.asarray(rng.uniform(-bound, bound, (a, b)), jnp.float32), jnp.zeros(b)))
    nothing = jax.tree.map(jnp.zeros_like, params)
    state, rows = (params, nothing, jax.tree.map(jnp.copy, nothing), jnp.zeros(())), jnp.asarray(job.rows)
    steps = len(job.rows) // job.batch
    with clock:
        for _ in range(job.epochs):
            order = rng.permutation(len(job.rows))[: steps * job.batch].reshape(steps, job.batch)
            state, losses = epoch(state, rows, jnp.asarray(order))
        losses.block_until_ready()
    return mean_square(job.rows, lambda part: forward(state[0], part))


def _products(job: Job) -> Iterator[tuple[Any, Any, Any, bool]]:
    """Input, weight, gradient of each layer, and whether a gradient goes further down."""
    import torch

    for i, (a, b) in enumerate(itertools.pairwise(job.all_widths)):
        yield torch.randn(job.batch, a), torch.randn(b, a), torch.randn(job.batch, b), i > 0


def limit(job: Job, clock: Clock) -> float:
    """The products of a step and nothing else: forward, weights' gradient, input's gradient, of every layer."""
    import torch

    torch.set_num_threads(1)
    how = job.options["back_end"]
    kind = torch.bfloat16 if how == "bfloat16" else torch.float32
    layers = [(*(t.to(kind) for t in (x, w, g)), down) for x, w, g, down in _products(job)]

    def product(a: Any, b: Any) -> Any:
        if how == "MKL":
            return a @ b.t()
        if how == "OpenBLAS":
            return a.numpy() @ b.t().numpy()
        return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")

    with torch.inference_mode(), clock:
        for _ in range(job.steps()):
            for x, w, g, down in layers:
                product(x, w)
                product(g.t(), x.t())
                if down:
                    product(g, w.t())
    return float("nan")


ENGINES: dict[str, Callable[[Job, Clock], float]] = {
    "plain": plain, "eager": eager, "jax_scan": jax_scan, "limit": limit,
}  # fmt: skip
