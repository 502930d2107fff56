"""Backend differences: compilation, determinism, and unsupported options."""

import logging

import keras
import numpy as np

from balancing_vae.backend.distribution import process_count
from balancing_vae.backend.distribution import replica_count
from balancing_vae.errors import InputError

# On an H100, 10 and 100 are about equally fast (docs/performance.md).
DENSE_STEPS = 10


def uses_accelerator() -> bool:
    """Return whether the chosen backend computes on a GPU or TPU."""
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if name == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import torch

    return torch.cuda.is_available()


def jit_compile_pays(convolutional: bool, precision: str = "float32") -> bool:
    """Return whether just-in-time compilation makes a network faster here.

    JAX is slow without it, and PyTorch does not use it. With TensorFlow, XLA is faster on
    accelerators and for dense networks in float32. On a CPU it makes convolutions, and dense
    networks in 16-bit precision, several times slower. With several replicas, Keras cannot use
    it.

    Args:
        convolutional: Whether the network consists mostly of convolutions.
        precision: Precision of its layers, one of `PRECISIONS`.

    Returns:
        The value of `jit_compile`.
    """
    name = keras.backend.backend()
    if name == "tensorflow":
        pays_on_cpu = not convolutional and precision == "float32"
        return replica_count() == 1 and (uses_accelerator() or pays_on_cpu)
    return name == "jax"


def dense_steps_per_execution() -> int:
    """Return how many steps of a dense network to run without returning to Python.

    Returning to Python takes about a millisecond. On a CPU this is negligible, but on an
    accelerator it is longer than a step of a dense network. See `docs/performance.md`.

    Returns:
        The value of `steps_per_execution`; it is 1 if the backend does not allow more.
    """
    if keras.backend.backend() == "torch" or not uses_accelerator():
        return 1
    return DENSE_STEPS if replica_count() == 1 else 1


def several_steps_may_pay(jit_compile: bool) -> bool:
    """Return whether several steps per execution can be faster here than one.

    Args:
        jit_compile: Whether the step is compiled.

    Returns:
        False if the backend, or the number of replicas, allows only one step, and for TensorFlow
        on a CPU, where the time between two steps is about 1% of a step.
    """
    name = keras.backend.backend()
    if name == "jax":
        # Several processes could choose different numbers.
        return jit_compile and process_count() == 1
    return name == "tensorflow" and uses_accelerator() and replica_count() == 1


def check_compile_arguments(
    jit_compile: bool | str = "auto", steps_per_execution: int | str = 1, **_
) -> None:
    """Refuse settings that the backend cannot run, before Keras fails during training.

    Args:
        jit_compile: As in `keras.Model.compile`.
        steps_per_execution: As in `keras.Model.compile`, or "auto".

    Raises:
        ValueError: `steps_per_execution` is not a number of steps; or it is above 1 on PyTorch or
            with several replicas; or several replicas are used with jit.
    """
    name = keras.backend.backend()
    if steps_per_execution == "auto":
        return
    if not isinstance(steps_per_execution, (int, np.integer)):
        raise InputError(
            f'steps_per_execution must be a whole number or "auto", got {steps_per_execution!r}.'
        )
    if steps_per_execution < 1:
        raise InputError(f"steps_per_execution must be at least 1, got {steps_per_execution}.")
    if name == "torch" and steps_per_execution > 1:
        raise InputError(
            f"The PyTorch backend runs one step per execution, got steps_per_execution="
            f"{steps_per_execution}; use 1, or the TensorFlow or JAX backend."
        )
    if replica_count() > 1 and (steps_per_execution > 1 or jit_compile is True):
        raise InputError(
            "With several replicas, Keras runs TensorFlow only at steps_per_execution=1 and "
            "jit_compile=False; use those."
        )


def make_deterministic(seed: int) -> None:
    """Seed every global generator and ask the backend for deterministic kernels.

    Args:
        seed: Seed of Python's, NumPy's and the backend's generators, and therefore of the
            initial weights.

    Example:
        ```python
        make_deterministic(0)
        vae = TwoStageVAE.untrained("digits", seed=0)
        ```
    """
    keras.utils.set_random_seed(seed)
    name = keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif name == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


def silence_false_retracing_alarm() -> None:
    """Silence TensorFlow's retracing warning, which is wrong here: each network is traced once.

    TensorFlow counts traces by the code of the traced function, which all Keras models share. A
    pipeline's four networks and two stages therefore look like one function traced repeatedly.
    """
    logging.getLogger("tensorflow").addFilter(_no_retracing_alarm)


def _no_retracing_alarm(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()
