"""What is measured: data of a seed, widths, and who takes part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from envs import HERE

__all__ = ["WORKLOADS", "Entry", "Workload", "structured"]


@dataclass(frozen=True)
class Entry:
    """Who takes part: a name for the table, an environment, and a function of one of the files beside this one."""

    label: str
    home: str
    module: str
    engine: str
    options: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    widths: tuple[int, ...] = ()  #: others than the workload's


@dataclass(frozen=True)
class Workload:
    """Rows, widths, epochs, and the entries; `base` is whose time the others' is divided by."""

    name: str
    title: str
    widths: tuple[int, ...]
    rows: int
    epochs: int
    entries: tuple[Entry, ...]
    base: str
    batch: int = 256
    held: int = 4096
    quick: tuple[int, int] = (2048, 1)  #: rows and epochs of `--quick`
    wall: bool = False  #: compare seconds on the wall, not those of the processor


def structured(rows: int, columns: int, seed: int) -> np.ndarray:
    """Rows with something to learn: columns bend with a few hidden numbers, plus noise; mean 0, variance 1."""
    rng = np.random.default_rng(seed)
    hidden = max(4, columns // 40)
    ways, bends = rng.normal(size=(hidden, columns)), rng.normal(size=(hidden, columns))
    t = rng.normal(size=(rows, hidden))
    x = np.tanh(t @ ways) + 0.5 * np.sin(t @ bends) + 0.2 * rng.normal(size=(rows, columns))
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


OURS = "latently, float32"
TRAINERS = (
    Entry(OURS, HERE, "ours", "train"),
    Entry('latently, precision="auto"', HERE, "ours", "train", {"precision": "auto"}),
    Entry(
        "latently as it comes, a line beside", HERE, "ours", "train", {"precision": "auto", "layers": {"line": "auto"}}
    ),
    Entry("PyOD AutoEncoder", "pyod", "peers", "pyod"),
    Entry("scikit-learn MLPRegressor(X, X)", "sklearn", "frameworks", "sklearn"),
    Entry("pythae AE", "pythae", "peers", "pythae"),
    Entry("encdr", "encdr", "peers", "encdr"),
    Entry("autoencoders", "autoencoders", "peers", "autoencoders"),
    Entry("skorch", "skorch", "frameworks", "skorch"),
    Entry("Lightning", "lightning", "frameworks", "lightning"),
    Entry("Keras on torch", "keras", "frameworks", "keras", variables={"KERAS_BACKEND": "torch"}),
    Entry("Keras on JAX", "keras", "frameworks", "keras", variables={"KERAS_BACKEND": "jax"}),
    Entry("plain DataLoader loop", HERE, "loops", "plain"),
    Entry("eager loop on slices, fused Adam", HERE, "loops", "eager"),
    Entry("JAX, scan by hand", "keras", "loops", "jax_scan"),
    *(
        Entry(f"products alone, {how}", HERE, "loops", "limit", {"back_end": how})
        for how in ("MKL", "oneDNN", "OpenBLAS", "bfloat16")
    ),
)
SIGMOID = {"layers": {"code_activation": "sigmoid"}}


def _composed(name: str, widths: tuple[int, ...], rows: int, epochs: int) -> Workload:
    k = max(1, widths[-1] // 4)
    shape = "-".join(map(str, widths))
    return Workload(
        name, f"compositions at {shape}, masking of .3", widths, rows, epochs,
        (
            Entry(f"latently, masking:.3+topk:{k}", HERE, "ours", "train", {"kind": f"masking:.3+topk:{k}"}),
            Entry(f"eager, masking + top {k}", HERE, "rivals", "topk", {"k": k, "masked": 0.3}),
            Entry(
                "latently, masking:.3+variational", HERE, "ours", "train",
                {"kind": "masking:.3+variational", "loss": "likelihood"},
            ),
            Entry("eager, masking + variational", HERE, "rivals", "variational", {"masked": 0.3}),
        ),
        base=f"latently, masking:.3+topk:{k}", quick=(rows // 8, 2),
    )  # fmt: skip


WORKLOADS = (
    Workload(
        "train784", "training 784-256-32-256-784", (784, 256, 32), 20_480, 5, TRAINERS, base=OURS, quick=(4096, 2)
    ),
    Workload("train30", "training 30-64-16-64-30", (30, 64, 16), 51_200, 10, TRAINERS, base=OURS, quick=(10_240, 2)),
    Workload(
        "score", "scoring 1,000,000 x 30, widths 30-64-16-64-30", (30, 64, 16), 1_000_000, 1,
        (
            Entry("latently, score_samples", HERE, "ours", "score"),
            Entry("PyOD, decision_function at 256", "pyod", "peers", "pyod_score"),
            Entry("numpy", HERE, "rivals", "score_numpy"),
            Entry("torch, inference_mode at 4,096", HERE, "rivals", "score_torch"),
        ),
        base="latently, score_samples", quick=(50_000, 1),
    ),
    Workload(
        "fit", "whole fits at the defaults, 50,000 x 30; loss of 4,096 rows held out", (30,), 50_000, 1,
        (
            Entry("latently, Autoencoder()", HERE, "ours", "defaults"),
            Entry("latently, Autoencoder(16)", HERE, "ours", "defaults", {"n_components": 16}),
            Entry("latently, Autoencoder(16, epochs=1)", HERE, "ours", "defaults", {"n_components": 16, "epochs": 1}),
            Entry("PyOD, AutoEncoder()", "pyod", "peers", "pyod_defaults"),
        ),
        base="latently, Autoencoder(16)", quick=(5000, 1), wall=True,
    ),
    Workload(
        "contractive", "contractive penalty at 784-256-32 beside the plain step", (784, 256, 32), 10_240, 2,
        (
            Entry("plain", HERE, "ours", "train"),
            Entry(
                "one probe", HERE, "ours", "train",
                {"kind": "contractive", "more": {"kind__method": "probe"}},
            ),
            Entry("two layers, closed", HERE, "ours", "train", {"kind": "contractive"}),
            Entry("one layer 784-256, plain", HERE, "ours", "train", SIGMOID, widths=(784, 256)),
            Entry(
                "one layer 784-256, closed", HERE, "ours", "train", {**SIGMOID, "kind": "contractive"},
                widths=(784, 256),
            ),
        ),
        base="plain", quick=(2048, 2),
    ),
    Workload(
        "topk", "TopK, 768 to 16,384 units, k = 32, batch of 1,024", (768, 16_384), 4096, 1,
        (
            Entry("latently, topk:32", HERE, "ours", "train", {"kind": "topk:32"}),
            Entry("latently, topk:32, auto", HERE, "ours", "train", {"kind": "topk:32", "precision": "auto"}),
            Entry("latently, dictionary:32", HERE, "ours", "train", {"kind": "dictionary:32", "own_layers": True}),
            Entry("dense autograd, fused Adam", HERE, "rivals", "topk", {"k": 32}),
        ),
        base="latently, topk:32", batch=1024, held=64, quick=(2048, 1),
    ),
    _composed("composed30", (30, 64, 16), 51_200, 5),
    _composed("composed784", (784, 256, 32), 10_240, 2),
)  # fmt: skip
