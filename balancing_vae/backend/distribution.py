"""Training on several devices or machines: one split batch, one shared gamma.

Under TensorFlow, each device has a replica that sees only its own rows of the batch, so values
of the whole batch must be reduced over all replicas. Under JAX, a compiled step sees the whole
batch, wherever its rows are.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from balancing_vae.errors import InputError


@contextmanager
def data_parallel(devices: int) -> Iterator[None]:
    """Make the models built inside train on several devices of this machine.

    It uses `tf.distribute.MirroredStrategy` under TensorFlow and
    `keras.distribution.DataParallel` under JAX. You can also set these up yourself. It uses GPUs
    if there are any, otherwise CPU devices.

    Args:
        devices: Number of devices, at least 1; 1 changes nothing.

    Raises:
        ValueError: There are fewer devices, or the backend does not support several.

    Example:
        ```python
        with data_parallel(2):
            vae = TwoStageVAE.untrained("cifar10")
            vae.fit(x_train)
        ```
    """
    if devices < 1:
        raise InputError(f"devices must be at least 1, got {devices}.")
    if devices == 1:
        yield
        return
    backend = keras.backend.backend()
    if backend == "torch":
        raise InputError(
            f"The PyTorch backend trains on one device, got devices={devices}; use 1, or the "
            "TensorFlow or JAX backend."
        )
    names = _device_names()
    if devices > len(names):
        raise InputError(
            f"devices={devices}, but {backend} has {len(names)} ({', '.join(names)}); use at "
            f"most {len(names)}."
        )
    if backend == "tensorflow":
        import tensorflow as tf

        scope = tf.distribute.MirroredStrategy(names[:devices]).scope()
    else:
        scope = keras.distribution.DataParallel(devices=names[:devices]).scope()
    with scope:
        yield


def _device_names() -> list[str]:
    """Return the backend's GPUs or, if there are none, its CPU devices."""
    if keras.backend.backend() == "jax":
        return keras.distribution.list_devices()
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def check_divisible(batch_size: int, model: keras.Model) -> None:
    """Refuse a batch that cannot be split evenly over a model's devices.

    Args:
        batch_size: Rows of a training batch.
        model: A model, built under the scope that it trains in.

    Raises:
        ValueError: The batch is not divisible by the number of devices.
    """
    devices = device_count(model)
    if batch_size % devices:
        raise InputError(
            f"A batch of {batch_size} cannot be split evenly over {devices} devices; use a "
            f"batch_size such as {batch_size // devices * devices or devices}, or fewer devices."
        )


def device_count(model: keras.Model) -> int:
    """Return the number of devices, on all machines, that a model's batches are split over."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return model.distribute_strategy.num_replicas_in_sync
    distribution = keras.distribution.distribution() if backend == "jax" else None
    return 1 if distribution is None else distribution.device_mesh.devices.size


def own_rows(rows: np.ndarray) -> np.ndarray:
    """Return the rows of a batch that this process feeds: all, if there is one process.

    Args:
        rows: Row numbers of a whole batch; their count is divisible by the number of processes.

    Returns:
        This process's part, in order.
    """
    if keras.backend.backend() != "jax" or keras.distribution.distribution() is None:
        return rows
    import jax

    share = len(rows) // jax.process_count()
    return rows[jax.process_index() * share :][:share]


def is_first_process() -> bool:
    """Return whether this process is the one that writes files."""
    if keras.backend.backend() != "jax":
        return True
    import jax

    return jax.process_index() == 0


def process_count() -> int:
    """Return the number of processes that train together."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


def replica_count() -> int:
    """Return the number of replicas that run the present step; each has its own loss."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def mean_over_replicas(value):
    """Return the mean of a tensor over all replicas, differentiable.

    Args:
        value: A tensor with the same shape on each replica.

    Returns:
        The same tensor on each replica; `value` itself if there is only one.
    """
    if replica_count() == 1:
        return value
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def standard_noise(shape: tuple[int, int], seed_generator: keras.random.SeedGenerator):
    """Draw standard normal noise for a batch.

    Each replica draws the whole batch's noise and uses its own rows. Therefore replicas differ,
    and together they have exactly the noise that one device would have.

    Args:
        shape: B (the rows of this replica) and L.
        seed_generator: The source of the seed.

    Returns:
        Float32 tensor [B, L].
    """
    rows, latent_dim = shape
    replicas = replica_count()
    noise = keras.random.normal((rows * replicas, latent_dim), seed=seed_generator, dtype="float32")
    if replicas == 1:
        return noise
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    first = 0 if context is None else context.replica_id_in_sync_group * rows
    return noise[first : first + rows]
