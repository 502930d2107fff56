"""Run compiled functions over arrays of any length in batches of one fixed shape."""

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np


def map_batches(function: Callable, batch_size: int, *arrays: np.ndarray):
    """Apply a function to full batches of arrays and put the results together.

    The last batch is filled up with the first rows and the surplus dropped, as in the
    original program; so a compiled function sees one shape only.

    Args:
        function: From one batch of each array to an array, or to several.
        batch_size: Rows per batch.
        *arrays: Arrays of one length N, at least 1.

    Returns:
        What `function` returns, N rows of it.

    Example:
        ```python
        mu, log_sigma = map_batches(encoder.predict_on_batch, 100, images)
        ```
    """
    count = len(arrays[0])
    results = []
    for start in range(0, count, batch_size):
        rows = np.arange(start, start + batch_size) % count
        results.append(function(*(array[rows] for array in arrays)))
    if isinstance(results[0], (list, tuple)):
        return tuple(_join(parts, batch_size, count) for parts in zip(*results, strict=True))
    return _join(results, batch_size, count)


def _join(parts: Sequence[np.ndarray], batch_size: int, count: int) -> np.ndarray:
    # Each of TensorFlow's replicas predicts the whole batch: the first one's rows are enough.
    return np.concatenate([part[:batch_size] for part in parts])[:count]
