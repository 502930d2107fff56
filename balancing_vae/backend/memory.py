"""Out-of-memory errors: report the batch size, and a batch size that would fit."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from balancing_vae.errors import ResourceError

# The errors of TensorFlow, PyTorch and XLA have no common class.
_NAMES = ("ResourceExhaustedError", "OutOfMemoryError")
_WORDS = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")


@contextmanager
def out_of_memory_explained(model: keras.Model, batch_size: int | None) -> Iterator[None]:
    """Turn an out-of-memory error into one that names a batch size that would fit.

    Args:
        model: The model in training, with `encoder` and `decoder`.
        batch_size: Rows per batch; None if unknown.

    Raises:
        OSError: The device ran out of memory.
    """
    try:
        yield
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        of_batch = "" if batch_size is None else f" with batches of {batch_size}"
        raise ResourceError(
            f"The device ran out of memory{of_batch}, a network of "
            f"{model.count_params():,} parameters",
            _advice(model, batch_size, "batch_size"),
            _advice(model, batch_size, "--batch-size"),
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    if type(error).__name__ in _NAMES:
        return True
    of_xla = type(error).__name__ in ("XlaRuntimeError", "JaxRuntimeError")
    return of_xla and any(word in str(error) for word in _WORDS)


def _advice(model: keras.Model, batch_size: int | None, option: str) -> str:
    if batch_size is None or batch_size == 1:
        return f"take a smaller {option} or a smaller network"
    fits = largest_batch(model, batch_size)
    if fits < 1:
        return "not even one image fits: take a smaller network"
    return f"about {fits} would fit: take {option} {fits}, or a smaller network"


def largest_batch(model: keras.Model, too_large: int) -> int:
    """Estimate the largest batch that fits on the device, at most half of one that did not fit.

    A step holds the weights, their gradients and the optimizer's slots, and for each row the
    outputs of all layers with their gradients. If the size of the memory is unknown, the estimate
    is half of the batch that did not fit.

    Args:
        model: The model, with `encoder` and `decoder`.
        too_large: Rows of the batch that did not fit.

    Example:
        ```python
        largest_batch(model, 1024)
        ```
    """
    room = device_memory()
    if room is None:
        return too_large // 2
    row = 2 * 4 * sum(map(numbers_in_a_row, (model.encoder, model.decoder)))
    fixed = 4 * 4 * model.count_params()
    return min(too_large // 2, int((room - fixed) // max(1, row)))


def device_memory() -> int | None:
    """Return how many bytes of device memory the backend may use; None if unknown."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    if backend == "torch":
        import torch

        return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else None
    return None


def numbers_in_a_row(network: keras.Model) -> int:
    """Return the number of values in the outputs of all layers for one row of a batch.

    Args:
        network: An encoder or a decoder.

    Example:
        ```python
        numbers_in_a_row(vae.stage1.decoder)
        ```
    """
    return sum(size for layer in network.layers for size in _sizes(layer))


def _sizes(layer: keras.layers.Layer) -> list[int]:
    """Return the number of values in each output of a layer for one row."""
    try:
        outputs = keras.tree.flatten(layer.output)
    except (AttributeError, ValueError):  # the layer is used several times, or is not in a graph
        return []
    return [int(np.prod([size or 1 for size in output.shape[1:]])) for output in outputs]
