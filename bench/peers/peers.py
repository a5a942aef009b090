"""Libraries of autoencoders: PyOD, pythae, encdr, autoencoders. Each by its own loop, at our widths.

Timed is the call that trains; what their `fit` does beyond that (PyOD scores every row) is in the whole call.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from loops import network
from worker import Clock, Job, lean, mean_square, unscored

__all__ = ["ENGINES"]


def _timed(method: Callable, clock: Clock) -> Callable:
    """The method, its time noted."""

    def timed(*arguments: Any, **named: Any) -> Any:
        with clock:
            return method(*arguments, **named)

    return timed


def _pyod(job: Job, **options: Any) -> Any:
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    torch.set_num_threads(1)
    return AutoEncoder(verbose=0, random_state=job.seed, **options)


def _pyod_alike(job: Job, epochs: int) -> Any:
    """Our widths, no dropout, no batch normalisation, no scaling; the code keeps its rectifier, which is built in."""
    return _pyod(
        job, preprocessing=False, lr=job.rate, epoch_num=epochs, batch_size=job.batch, optimizer_params={},
        hidden_neuron_list=job.widths[1:], batch_norm=False, dropout_rate=0.0,
    )  # fmt: skip


def pyod(job: Job, clock: Clock) -> float:
    """`AutoEncoder` at our widths; the clock is on its `train`."""
    detector = _pyod_alike(job, job.epochs)
    detector.train = _timed(detector.train, clock)
    detector.fit(job.rows)
    detector.model.eval()
    return mean_square(job.rows, lean(detector.model))


def pyod_defaults(job: Job, clock: Clock) -> float:
    """`AutoEncoder()` as it comes, the whole fit; the error is that on rows held out."""
    detector = _pyod(job)
    with clock:
        detector.fit(job.rows)
    detector.model.eval()
    rebuild, mean, std = lean(detector.model), detector.X_mean, detector.X_std
    return mean_square(job.held, lambda part: rebuild(((part - mean) / std).astype(np.float32)) * std + mean)


_detectors: dict[str, Any] = {}


def pyod_score(job: Job, clock: Clock) -> float:
    """`decision_function` of a detector fitted before, at a batch of 256."""
    if not _detectors:
        _detectors["here"] = _pyod_alike(job, 1).fit(job.held)
    with clock:
        scores = _detectors["here"].decision_function(job.rows, batch_size=256)
    return unscored(scores, job)


def pythae(job: Job, clock: Clock) -> float:
    """`AE` with an encoder and a decoder of ours, as its manual shows; the clock is on `BaseTrainer.train`."""
    import torch
    from pythae.data.datasets import BaseDataset
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    torch.set_num_threads(1)
    whole = list(network(job))
    middle = 2 * (len(job.widths) - 1) - 1

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            BaseEncoder.__init__(self)
            self.layers = torch.nn.Sequential(*whole[:middle])

        def forward(self, x: Any) -> Any:
            return ModelOutput(embedding=self.layers(x))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            BaseDecoder.__init__(self)
            self.layers = torch.nn.Sequential(*whole[middle:])

        def forward(self, z: Any) -> Any:
            return ModelOutput(reconstruction=self.layers(z))

    model = AE(AEConfig(input_dim=(job.widths[0],), latent_dim=job.widths[-1]), Encoder(), Decoder())
    rows = torch.from_numpy(job.rows)
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, learning_rate=job.rate, per_device_train_batch_size=job.batch, num_epochs=job.epochs,
            optimizer_cls="Adam", no_cuda=True, seed=job.seed,
        )  # fmt: skip
        trainer = BaseTrainer(model, train_dataset=BaseDataset(rows, torch.zeros(len(rows))), training_config=config)
        with clock:
            trainer.train()
    model.eval()
    return mean_square(job.rows, lean(lambda x: model.decoder(model.encoder(x).embedding).reconstruction))


def encdr(job: Job, clock: Clock) -> float:
    """`ENCDR` without validation and scaling; the clock is on the trainer's `fit`."""
    import lightning
    import torch
    from encdr import ENCDR

    torch.set_num_threads(1)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    model = ENCDR(
        hidden_dims=job.widths[1:-1], latent_dim=job.widths[-1], learning_rate=job.rate, batch_size=job.batch,
        max_epochs=job.epochs, validation_split=0.0, standardize=False, random_state=job.seed, trainer_kwargs=quiet,
    )  # fmt: skip
    plain = lightning.Trainer.fit
    lightning.Trainer.fit = functools.wraps(plain)(_timed(plain, clock))
    try:
        model.fit(job.rows)
    finally:
        lightning.Trainer.fit = plain
    return mean_square(job.rows, lean(model.model_.cpu().eval()))


def autoencoders(job: Job, clock: Clock) -> float:
    """`AutoencoderModel` and its trainer's `train_epoch`, on a `DataLoader` of rows."""
    import torch
    from autoencoders.data.base import TensorSpec
    from autoencoders.models.ae import AutoencoderConfig, AutoencoderModel
    from autoencoders.training import AETrainer, TrainingConfig
    from torch.utils.data import DataLoader

    torch.set_num_threads(1)
    layers = {"hidden_dims": job.widths[1:], "activation": "relu"}
    spec = TensorSpec(shape=(None, job.widths[0]))
    model = AutoencoderModel(AutoencoderConfig(), sample_spec=spec, encoder="mlp", encoder_config=layers)
    options = TrainingConfig(epochs=job.epochs, learning_rate=job.rate, batch_size=job.batch, device="cpu")
    trainer = AETrainer(model, options)
    data = DataLoader(torch.from_numpy(job.rows), batch_size=job.batch, shuffle=True)
    with clock:
        for _ in range(job.epochs):
            trainer.train_epoch(data)
    model.eval()
    return mean_square(job.rows, lean(model.reconstruct))


ENGINES: dict[str, Callable[[Job, Clock], float]] = {
    "pyod": pyod, "pyod_defaults": pyod_defaults, "pyod_score": pyod_score, "pythae": pythae, "encdr": encdr,
    "autoencoders": autoencoders,
}  # fmt: skip
