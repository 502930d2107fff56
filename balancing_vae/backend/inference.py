"""Apply networks to arrays of any length, in batches that suit the device.

The output of a network can stay on the device, so that the next network reads it there.
"""

from collections.abc import Callable
from collections.abc import Iterator

import keras
import numpy as np

from balancing_vae.backend.batches import batches_of_rows
from balancing_vae.backend.batches import first_rows
from balancing_vae.backend.batches import joined
from balancing_vae.backend.memory import device_memory
from balancing_vae.backend.memory import numbers_in_a_row

# With more rows, an accelerator is hardly faster.
MOST_ROWS = 1024
# The rest of the memory is for weights, for input and output images, and for the allocator's
# waste.
MEMORY_SHARE = 0.25


def large_batch(network: keras.Model, batch_size: int) -> int:
    """Return the number of rows that a network computes together on this device.

    With training batches, an accelerator would be idle most of the time. It gets up to 1,024 rows,
    if the outputs of all layers fit into a quarter of its memory. On a CPU, or if the size of the
    memory is unknown, the result is `batch_size`.

    Args:
        network: An encoder or a decoder.
        batch_size: Rows of a training batch.

    Returns:
        A multiple of `batch_size`.

    Example:
        ```python
        large_batch(vae.stage1.decoder, vae.config.batch_size)
        ```
    """
    memory = device_memory()
    if memory is None:
        return batch_size
    rows = int(MEMORY_SHARE * memory) // max(1, 4 * numbers_in_a_row(network))
    return max(1, min(MOST_ROWS, rows) // batch_size) * batch_size


def predict(network: keras.Model, batch_size: int, x):
    """Return a network's outputs for all rows, as NumPy arrays.

    Each batch is copied to the host while the device computes the next.

    Args:
        network: A network with one input that draws no noise.
        batch_size: Rows of a training batch; see `large_batch`.
        x: Array or tensor [N, ...], N at least 1.

    Returns:
        An array with N rows, or a tuple of such arrays.

    Example:
        ```python
        images = predict(vae.stage1.decoder, 100, z)
        ```
    """
    results: list = []
    for result in _results(network, batch_size, x):
        if results:
            results[-1] = _on_host(results[-1])
        results.append(result)
    results[-1] = _on_host(results[-1])
    return first_rows(joined(results, np.concatenate), len(x))


def predict_on_device(network: keras.Model, batch_size: int, x):
    """Return a network's outputs for all rows, as tensors on the device.

    Args:
        network: As for `predict`.
        batch_size: As for `predict`.
        x: As for `predict`.

    Returns:
        A tensor with N rows, or a tuple of such tensors.

    Example:
        ```python
        z = predict_on_device(vae.stage2.decoder, 100, noise)
        images = predict(vae.stage1.decoder, 100, z)
        ```
    """
    results = list(_results(network, batch_size, x))
    return first_rows(joined(results, keras.ops.concatenate), len(x))


def to_numpy(x) -> np.ndarray:
    """Return an array, or a tensor on any device, as a writable NumPy array."""
    return np.require(keras.ops.convert_to_numpy(x), requirements="W")


def _on_host(result):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, result)


def _results(network: keras.Model, batch_size: int, x) -> Iterator:
    forward = _compiled(network)
    for rows in batches_of_rows(len(x), batch_size, large_batch(network, batch_size)):
        batch = x[rows] if isinstance(x, np.ndarray) else keras.ops.take(x, rows, axis=0)
        yield first_rows(forward(batch), len(rows))


def _compiled(network: keras.Model) -> Callable:
    """Return the compiled function of `predict_on_batch`, without its copy to the host."""
    network.make_predict_function()
    if keras.backend.backend() != "jax":
        return lambda batch: network.predict_function([(batch,)])

    def forward(batch):
        variables = network.trainable_variables, network.non_trainable_variables
        state = tuple([variable.value for variable in part] for part in variables)
        outputs, state = network.predict_function(state, iter([(batch,)]))
        # The call donates the memory of the given state, so the variables need the new values.
        for part, values in zip(variables, state, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)
        return outputs

    return forward
