"""What an option may be: checked at the door, and turned into plain Python values."""

from __future__ import annotations

import hashlib
import json
import math
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
import torch

from latently.device import PRECISIONS
from latently.errors import BadParameter
from latently.values import Batch
from latently.version import version

__all__ = ["LOSSES", "fingerprint", "plain"]

LOSSES = ("auto", "squared_error", "mean_squared_error", "l1", "huber", "likelihood")


def plain(task: Any) -> dict[str, Any]:
    """The numeric options of a task as int, float, "auto" or None; `BadParameter` on the first that cannot work."""
    for name, known in (("loss", LOSSES), ("precision", PRECISIONS)):
        value = getattr(task, name)
        if not isinstance(value, str) or value not in known:
            raise BadParameter(f"{name}={value!r}: expected one of {', '.join(known)}.")
    if not (task.checkpoint is None or isinstance(task.checkpoint, (str, PathLike))):
        raise BadParameter(f"checkpoint={task.checkpoint!r}: expected the path of a file, or None.")
    return {
        "n_components": _whole("n_components", task.n_components),
        "epochs": _whole("epochs", task.epochs),
        "batch_rows": _whole("batch_size", task.batch_size),
        "learning_rate": _rate(task.learning_rate),
        "max_time": _seconds(task.max_time),
        "validation": _share(task.validation_fraction),
    }


def _real(value: Any) -> float | None:
    """The finite number that `value` is, or None."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value) else None


def _auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


def _whole(name: str, value: Any) -> Any:
    if _auto(value):
        return value
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise BadParameter(f"{name}={value!r}: expected a whole number, at least 1, or 'auto'.")
    return int(value)


def _rate(value: Any) -> Any:
    number = _real(value)
    if not _auto(value) and (number is None or number <= 0):
        raise BadParameter(f"learning_rate={value!r}: expected a positive number, or 'auto'.")
    return value if number is None else number


def _seconds(value: Any) -> float | None:
    number = _real(value)
    if value is not None and (number is None or number <= 0):
        raise BadParameter(f"max_time={value!r}: expected seconds, more than 0, or None for no limit.")
    return number


def _share(value: Any) -> Any:
    number = _real(value)
    if not _auto(value) and value is not None and (number is None or not 0 <= number < 1):
        raise BadParameter(f"validation_fraction={value!r}: expected a share in [0, 1), 'auto' or None.")
    return value if number is None else number


def fingerprint(params: dict[str, Any], rows: Batch) -> str:
    """What a checkpoint must agree on: options, data, versions."""
    skip = ("checkpoint", "verbose", "device", "max_time")
    told = {name: repr(value) for name, value in params.items() if name not in skip}
    if not isinstance(params["random_state"], Integral):
        told["random_state"] = "drawn"  # the checkpoint keeps the seed itself
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    digest.update(f"{version()} {torch.__version__}".encode())
    for tensor in (rows.x, rows.known, rows.weight):
        digest.update(b"-" if tensor is None else np.ascontiguousarray(tensor.cpu().numpy()).tobytes())
    return digest.hexdigest()
