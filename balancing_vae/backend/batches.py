"""Run compiled functions over arrays of any length in batches of one or two shapes."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np


def map_batches(function: Callable, batch_size: int, *arrays: np.ndarray, large: int | None = None):
    """Apply a function to full batches of arrays and concatenate the results.

    As in the original program, the last batch is filled up with the first rows, and the surplus
    results are dropped. A compiled function therefore gets batches of one shape, or of two shapes
    with `large`.

    Args:
        function: Takes one batch of each array, and returns an array or a tuple of arrays.
        batch_size: Rows per batch.
        *arrays: Arrays of the same length N, at least 1.
        large: Rows per batch as long as at least this many are left; None for `batch_size`.

    Returns:
        The results of `function` for all rows: an array with N rows, or a tuple of them.

    Example:
        ```python
        mu, log_sigma = map_batches(encoder.predict_on_batch, 100, images)
        ```
    """
    count = len(arrays[0])
    results = [
        first_rows(function(*(array[rows] for array in arrays)), len(rows))
        for rows in batches_of_rows(count, batch_size, large)
    ]
    return first_rows(joined(results, np.concatenate), count)


def batches_of_rows(count: int, batch_size: int, large: int | None = None) -> Iterator[np.ndarray]:
    """Yield the row numbers of each batch, as `map_batches` divides `count` rows."""
    start = 0
    while start < count:
        size = large if large is not None and count - start >= large else batch_size
        yield np.arange(start, start + size) % count
        start += size


def first_rows(result, count: int):
    """Return the first rows of an array or tensor, or of each in a tuple.

    Each TensorFlow replica predicts the whole batch, and the rows of the first replica are enough.
    """
    if isinstance(result, (list, tuple)):
        return tuple(part[:count] for part in result)
    return result[:count]


def joined(results: Sequence, concatenate: Callable):
    """Concatenate the results of all batches: arrays, or tuples of arrays."""
    if isinstance(results[0], tuple):
        return tuple(concatenate(parts) for parts in zip(*results, strict=True))
    return concatenate(results)
