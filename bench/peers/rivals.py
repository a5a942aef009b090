"""What our compositions and scores are measured against: the same by hand in plain PyTorch and numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from loops import network
from torch import Tensor, nn
from torch.nn import functional
from worker import Clock, Job, lean, mean_square, unscored

__all__ = ["ENGINES"]

torch.set_num_threads(1)
CHUNK = 4096


def _train(job: Job, parameters: list[Any], clock: Clock, loss: Callable[[Tensor], Tensor]) -> None:
    """Slices of a permuted copy, fused Adam."""
    rows, adam = torch.from_numpy(job.rows), torch.optim.Adam(parameters, lr=job.rate, fused=True)
    with clock:
        for _ in range(job.epochs):
            for x in rows[torch.randperm(len(rows))].split(job.batch):
                adam.zero_grad(set_to_none=True)
                loss(x).backward()
                adam.step()


def _kept(h: Tensor, k: int) -> Tensor:
    top = h.topk(k, dim=1)
    return torch.zeros_like(h).scatter(1, top.indices, top.values.relu())


def _halves(job: Job, widen: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder and decoder of the job's widths, the code `widen` times as wide for the encoder."""
    layers, middle = list(network(job)), 2 * (len(job.widths) - 1) - 1
    encoder, decoder = nn.Sequential(*layers[:middle]), nn.Sequential(*layers[middle:])
    if widen > 1:
        encoder[-1] = nn.Linear(job.widths[-2], widen * job.widths[-1])
    return encoder, decoder


def topk(job: Job, clock: Clock) -> float:
    """TopK, of masked rows where the job names a share; the decoder multiplies the whole code."""
    (encoder, decoder), k, masked = _halves(job), job.options["k"], job.options.get("masked", 0.0)

    def loss(x: Tensor) -> Tensor:
        seen = x * (torch.rand_like(x) >= masked) if masked else x
        return functional.mse_loss(decoder(_kept(encoder(seen), k)), x)

    _train(job, [*encoder.parameters(), *decoder.parameters()], clock, loss)
    return mean_square(job.rows, lean(lambda x: decoder(_kept(encoder(x), k))))


def variational(job: Job, clock: Clock) -> float:
    """A normal code of masked rows, a learned variance for each column, KL in closed form."""
    (encoder, decoder), masked = _halves(job, widen=2), job.options["masked"]
    spread = nn.Parameter(torch.zeros(job.widths[0]))

    def loss(x: Tensor) -> Tensor:
        mean, log_variance = encoder(x * (torch.rand_like(x) >= masked)).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        nats = 0.5 * (spread + (decoder(z) - x).square() * torch.exp(-spread)).sum(1)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return (nats + kl).mean()

    _train(job, [*encoder.parameters(), *decoder.parameters(), spread], clock, loss)
    return mean_square(job.rows, lean(lambda x: decoder(encoder(x).chunk(2, dim=1)[0])))


def score_torch(job: Job, clock: Clock) -> float:
    """Row by row squared error under `inference_mode`, 4,096 rows at a time."""
    net, rows = network(job), torch.from_numpy(job.rows)
    with torch.inference_mode(), clock:
        scores = torch.cat([(net(x) - x).square().sum(1) for x in rows.split(CHUNK)])
    return unscored(scores, job)


def score_numpy(job: Job, clock: Clock) -> float:
    """The same with numpy's products."""
    layers = [m for m in network(job) if isinstance(m, nn.Linear)]
    weights = [(m.weight.detach().numpy().T.copy(), m.bias.detach().numpy()) for m in layers]
    done = []
    with clock:
        for i in range(0, len(job.rows), CHUNK):
            y = x = job.rows[i : i + CHUNK]
            for j, (w, b) in enumerate(weights, 1):
                y = y @ w
                y += b
                if j not in job.linear_after():
                    np.maximum(y, 0, out=y)
            y -= x
            done.append(np.einsum("ij,ij->i", y, y))
    return unscored(np.concatenate(done), job)


ENGINES: dict[str, Callable[[Job, Clock], float]] = {
    "topk": topk, "variational": variational, "score_torch": score_torch, "score_numpy": score_numpy,
}  # fmt: skip
