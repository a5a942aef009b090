"""Rows per CPU-second of a whole fit beside a plain PyTorch loop: `python bench/speed.py [rounds]`.

The plain loop is what a tutorial shows: `nn.Sequential`, `DataLoader`, Adam, `MSELoss`, `loss.item()` each step. Same
data, widths, batch of 256, epochs, one thread, interleaved; medians of the rounds. `exact` has the same layers as the
loop; `default` adds our linear path beside them, as a user gets it; `float32` is `exact` without bfloat16.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from latently import Autoencoder
from latently.parts import Dense

SHAPES = [((30, 64, 16), 51_200, 20), ((784, 256, 32), 20_480, 20)]
BATCH = 256


def plain(rows: np.ndarray, widths: tuple[int, ...], epochs: int) -> None:
    """The loop of a tutorial."""
    both = [*widths, *reversed(widths[:-1])]
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(itertools.pairwise(both)):
        layers.append(nn.Linear(a, b))
        if i not in (len(widths) - 2, len(both) - 2):
            layers.append(nn.ReLU())
    net = nn.Sequential(*layers)
    adam, criterion = torch.optim.Adam(net.parameters(), lr=1e-3), nn.MSELoss()
    data = DataLoader(TensorDataset(torch.from_numpy(rows).float()), batch_size=BATCH, shuffle=True)
    for _ in range(epochs):
        total = 0.0
        for (x,) in data:
            adam.zero_grad()
            loss = criterion(net(x), x)
            loss.backward()
            adam.step()
            total += loss.item()


def ours(rows: np.ndarray, widths: tuple[int, ...], epochs: int, line: bool | str, precision: str) -> None:
    """A whole fit: reading, scaling, PCA start where there is a linear path, training, taking stock."""
    Autoencoder(
        widths[-1], network=Dense(hidden=widths[1:-1], line=line), batch_size=BATCH, epochs=epochs, random_state=0,
        validation_fraction=None, precision=precision, verbose=False,
    ).fit(rows)  # fmt: skip


def rate(run: Callable[..., None], rows: np.ndarray, *arguments: object) -> float:
    """Rows per CPU-second."""
    start = time.process_time()
    run(rows, *arguments)
    return len(rows) * arguments[1] / (time.process_time() - start)  # type: ignore[operator]


def main() -> None:
    """Warm up, then rounds in turn."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for widths, count, epochs in SHAPES:
        rows = np.random.default_rng(0).random((count, widths[0]))
        runs: dict[str, tuple] = {
            "plain PyTorch": (plain, widths, epochs),
            "ours, default": (ours, widths, epochs, "auto", "auto"),
            "ours, exact": (ours, widths, epochs, False, "auto"),
            "ours, float32": (ours, widths, epochs, False, "float32"),
        }
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(rounds + 1):
            for name, (run, *arguments) in runs.items():
                value = rate(run, rows, *arguments)
                if turn:
                    rates[name].append(value)
        base = statistics.median(rates["plain PyTorch"])
        for name, values in rates.items():
            middle = statistics.median(values)
            print(
                f"{'-'.join(map(str, widths)):12s} {name:14s} {middle / 1e3:8.1f}k rows/s {middle / base:5.2f}x  "
                f"({min(values) / 1e3:.1f}k to {max(values) / 1e3:.1f}k)"
            )


if __name__ == "__main__":
    main()
