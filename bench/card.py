"""Rows a second of our training loop on a CUDA card, beside a plain loop, and shares of what the card multiplies.

    python bench/card.py                    # three shapes at 256 and at 4,096 rows a step, medians of three rounds
    python bench/card.py --device cpu --quick     # a rehearsal without a card: the same code, figures that say nothing

Everyone trains the same layers on the same rows, which are on the card from the start, with fused Adam and nothing read
back: ours by `Autoencoder.fit` at `precision="float32"` and at "auto", the clock on its loop alone; the plain loop in
float32 and under autocast to bfloat16. The limit is what the card makes of the three products of each layer and step
alone, in float32 and in bfloat16; a share is ours of that, "auto" of the faster one. Without a card it says so.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from latently import Autoencoder
from latently.engine import schedule
from latently.parts import Dense

SHAPES = ((784, 256, 32), (30, 64, 16), (4096, 2048, 512))
BATCHES = (256, 4096)
STEPS = 200  # timed
WARM = 20  # before them


def waited(device: torch.device) -> float:
    """The time on the wall when the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def rate(step: Callable[[], Any], rows: int, steps: int, device: torch.device) -> float:
    """Rows a second of steps of so many rows."""
    for _ in range(min(WARM, steps)):
        step()
    start = waited(device)
    for _ in range(steps):
        step()
    return rows * steps / (waited(device) - start)


def ours(x: Tensor, shape: tuple[int, ...], batch: int, steps: int, precision: str) -> float:
    """The training loop of a fit whose epochs make up the steps."""
    loop, device, took = schedule.fit, x.device, []

    def timed(*arguments: Any) -> Any:
        start = waited(device)
        done = loop(*arguments)
        took.append(waited(device) - start)
        return done

    epochs = max(1, steps * batch // len(x))
    schedule.fit = timed
    try:
        for count in (1, epochs):  # the first one warms up
            model = Autoencoder(
                shape[-1], network=Dense(hidden=shape[1:-1], line=False), epochs=count, batch_size=batch,
                validation_fraction=None, precision=precision, device=str(device), random_state=0, verbose=False,
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a fit this short learns little
                model.fit(x.cpu().numpy())
    finally:
        schedule.fit = loop
    return epochs * len(x) / took[-1]


def plain(x: Tensor, shape: tuple[int, ...], batch: int, steps: int, low: bool) -> float:
    """A loop as one writes it, the rows permuted once for each time that all were seen."""
    torch.manual_seed(0)
    widths, layers = (*shape, *shape[-2::-1]), []
    for i, (a, b) in enumerate(itertools.pairwise(widths), 1):
        layers += [nn.Linear(a, b)] if i in (len(shape) - 1, len(widths) - 1) else [nn.Linear(a, b), nn.ReLU()]
    net = nn.Sequential(*layers).to(x.device)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    order: list[Tensor] = []

    def step() -> None:
        if not order:
            order.extend(torch.randperm(len(x), device=x.device).split(batch))
        rows = x[order.pop()]
        adam.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=low):
            loss = functional.mse_loss(net(rows), rows)
        loss.backward()
        adam.step()

    return rate(step, batch, steps, x.device)


def limit(x: Tensor, shape: tuple[int, ...], batch: int, steps: int, kind: torch.dtype) -> float:
    """The products of a step alone: of each layer forward, to its weights, and to its input but for the first."""
    widths = (*shape, *shape[-2::-1])
    made = [
        tuple(torch.randn(s, device=x.device).to(kind) for s in ((batch, a), (b, a), (batch, b)))
        for a, b in itertools.pairwise(widths)
    ]

    def step() -> None:
        for i, (y, w, g) in enumerate(made):
            y @ w.t()
            g.t() @ y
            if i:
                g @ w

    return rate(step, batch, steps, x.device)


def line(shape: tuple[int, ...], batch: int, steps: int, rounds: int, device: torch.device) -> list[float]:
    """Ours in float32 and at "auto", plain in float32 and under autocast, the limits: medians, interleaved."""
    torch.manual_seed(0)
    rows = batch * min(64, max(1, 65_536 // batch))
    hidden = torch.randn(rows, max(4, shape[0] // 40)) @ torch.randn(max(4, shape[0] // 40), shape[0])
    x = functional.normalize(hidden.tanh() + 0.2 * torch.randn(rows, shape[0]), dim=0).mul_(rows**0.5).to(device)
    engines: list[Callable[[], float]] = [
        *(lambda p=p: ours(x, shape, batch, steps, p) for p in ("float32", "auto")),
        *(lambda low=low: plain(x, shape, batch, steps, low) for low in (False, True)),
        *(lambda kind=kind: limit(x, shape, batch, steps, kind) for kind in (torch.float32, torch.bfloat16)),
    ]
    found = [[engine() for engine in engines] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def main(argv: list[str] | None = None) -> None:
    """The table, or that there is no card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two steps, one round, a batch of 32")
    given = parser.parse_args(argv)
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("no CUDA card here: nothing to measure (--device cpu --quick rehearses)")
        return
    device = torch.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "no card"
    print(f"{name}, torch {torch.__version__}; millions of rows a second, and shares of the products alone\n")
    heads = "layers | batch | ours, float32 | of limit | ours, auto | of limit | plain | autocast | limit | in bfloat16"
    print(f"| {heads} |\n|{'---|' * (heads.count('|') + 1)}")
    for shape in SHAPES:
        for batch in (32,) if given.quick else BATCHES:
            found = line(shape, batch, 2 if given.quick else STEPS, 1 if given.quick else given.rounds, device)
            full, auto, slow, cast, most, low = (r / 1e6 for r in found)
            cells = [
                "-".join(map(str, shape)), f"{batch:,}", f"{full:.3g}", f"{full / most:.0%}", f"{auto:.3g}",
                f"{auto / max(most, low):.0%}", *(f"{r:.3g}" for r in (slow, cast, most, low)),
            ]  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
