from collections.abc import Callable
from typing import Any

import numpy as np

def check_is_fitted(
    estimator: object,
    attributes: str | list[str] | tuple[str, ...] | None = None,
    *,
    msg: str | None = None,
    all_or_any: Callable[..., bool] = ...,
) -> None: ...
def check_array(array: Any, accept_sparse: Any = False, **options: Any) -> np.ndarray[Any, Any]: ...
def check_random_state(seed: Any) -> np.random.RandomState: ...
def check_consistent_length(*arrays: Any) -> None: ...
def column_or_1d(y: Any, *, dtype: Any = None, warn: bool = False) -> np.ndarray[Any, Any]: ...
def validate_data(
    _estimator: object,
    /,
    X: Any = ...,
    y: Any = ...,
    reset: bool = True,
    validate_separately: Any = False,
    skip_check_array: bool = False,
    **check_params: Any,
) -> Any: ...
def _check_sample_weight(sample_weight: Any, X: Any, **options: Any) -> np.ndarray[Any, Any]: ...
def __getattr__(name: str) -> Any: ...
