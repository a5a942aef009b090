"""Frameworks that train any network: scikit-learn, skorch, Lightning, Keras on JAX and on torch."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

from loops import network
from worker import Clock, Job, lean, mean_square

__all__ = ["ENGINES"]


def sklearn(job: Job, clock: Clock) -> float:
    """`MLPRegressor(X, X)`; its code has a rectifier, which cannot be turned off."""
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=job.all_widths[1:-1], alpha=0.0, batch_size=job.batch, learning_rate_init=job.rate,
        max_iter=job.epochs, tol=0.0, n_iter_no_change=10**6, random_state=job.seed,
    )  # fmt: skip
    with warnings.catch_warnings(), clock:
        warnings.simplefilter("ignore")
        model.fit(job.rows, job.rows)
    return mean_square(job.rows, model.predict)


def skorch(job: Job, clock: Clock) -> float:
    """`NeuralNetRegressor` without validation and printing."""
    import torch
    from skorch import NeuralNetRegressor

    torch.set_num_threads(1)
    net = NeuralNetRegressor(
        network(job), criterion=torch.nn.MSELoss, optimizer=torch.optim.Adam, lr=job.rate, batch_size=job.batch,
        max_epochs=job.epochs, train_split=None, iterator_train__shuffle=True, verbose=0,
    )  # fmt: skip
    with clock:
        net.fit(job.rows, job.rows)
    return mean_square(job.rows, lean(net.module_.eval()))


def lightning(job: Job, clock: Clock) -> float:
    """`Trainer` without logger, checkpoints and bar."""
    import lightning as framework
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Model(framework.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network(job)

        def training_step(self, batch: Any, index: int) -> Any:
            (x,) = batch
            return torch.nn.functional.mse_loss(self.net(x), x)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=job.rate)

    torch.set_num_threads(1)
    model, data = Model(), TensorDataset(torch.from_numpy(job.rows))
    trainer = framework.Trainer(
        max_epochs=job.epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings(), clock:
        warnings.simplefilter("ignore")
        trainer.fit(model, DataLoader(data, batch_size=job.batch, shuffle=True))
    return mean_square(job.rows, lean(model.net.eval()))


_kept: dict[tuple[int, ...], tuple[Any, list, list]] = {}


def _keras_model(job: Job) -> Any:
    """One model a shape, so that it is compiled once; weights and moments are set back before each run."""
    import keras

    widths = tuple(job.all_widths)
    if widths not in _kept:
        keras.utils.set_random_seed(job.seed)
        layers = [keras.Input((widths[0],))]
        for i, (_, b) in enumerate(itertools.pairwise(widths), 1):
            layers.append(keras.layers.Dense(b, activation=None if i in job.linear_after() else "relu"))
        model = keras.Sequential(layers)
        model.compile(optimizer=keras.optimizers.Adam(job.rate), loss="mse")
        model.optimizer.build(model.trainable_variables)
        moments = [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
        _kept[widths] = model, model.get_weights(), moments
    model, weights, moments = _kept[widths]
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, moments, strict=True):
        variable.assign(value)
    return model


def keras(job: Job, clock: Clock) -> float:
    """`Model.fit` on the back end that the environment names."""
    import os

    if os.environ["KERAS_BACKEND"] == "torch":
        import torch

        torch.set_num_threads(1)
    model = _keras_model(job)
    with clock:
        model.fit(job.rows, job.rows, batch_size=job.batch, epochs=job.epochs, verbose=0)
    return mean_square(job.rows, lambda part: model.predict(part, batch_size=4096, verbose=0))


ENGINES: dict[str, Callable[[Job, Clock], float]] = {
    "sklearn": sklearn, "skorch": skorch, "lightning": lightning, "keras": keras,
}  # fmt: skip
