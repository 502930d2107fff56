"""Run several steps of training or validation in one compiled call on JAX.

On JAX, Keras calls one compiled step `steps_per_execution` times. Here, one compiled call loops
over the same step. On TensorFlow, Keras has such a loop itself. The training data stay on the
device if there is room.
"""

import itertools
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np

from balancing_vae.backend.compilation import uses_accelerator
from balancing_vae.backend.memory import out_of_memory_explained
from balancing_vae.backend.step_choice import choose_steps
from balancing_vae.errors import find_stack_level

# Training data may use this fraction of an accelerator's memory. The networks and the optimizer's
# slots need the rest.
RESIDENT_SHARE = 0.25
# Larger data are not put on a CPU device: its memory is the main memory, which would hold them
# twice.
RESIDENT_BYTES_ON_CPU = 2**26


class RowNumbers(keras.utils.PyDataset):
    """Batches as row numbers, for arrays that are on the device.

    Args:
        batches: Batches of `arrays`, which is one array or a tuple of arrays; `rows(index)`
            returns the row numbers of a batch.

    Example:
        ```python
        from balancing_vae.training.batches import EpochBatches

        RowNumbers(EpochBatches(np.zeros(8), batch_size=4, seed=0))[0]  # (array([6, 2, ...]),)
        ```
    """

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple:
        return (self.batches.rows(index).astype(np.int32),)


class FusedModel(keras.Model):
    """A model whose `steps_per_execution` steps are one compiled call on every backend.

    `fit` behaves as in Keras: callbacks, logs, epochs and an incomplete last execution are the
    same. Without just-in-time compilation, or with one step per execution, Keras's own code runs.

    Attributes:
        resident: The arrays that are on the device during a `fit`; None otherwise.
        chooses_steps: Whether the next long `fit` chooses the number of steps per execution by
            measurement.
    """

    resident = None
    chooses_steps = False
    # Set by Keras.
    steps_per_execution: int
    train_function: Any
    test_function: Any
    predict_function: Any

    def compile(self, *args, steps_per_execution: int | str = 1, **kwargs):
        """Configure training; takes the arguments of `keras.Model.compile`.

        `steps_per_execution="auto"` means one step, until a `fit` is long enough to measure
        whether more steps are faster (see `choose_steps`).
        """
        self.chooses_steps = steps_per_execution == "auto"
        steps = 1 if self.chooses_steps else steps_per_execution
        return super().compile(*args, steps_per_execution=steps, **kwargs)

    def settle_steps(self, steps: int) -> None:
        """Set the number of steps per execution, without a measurement.

        Args:
            steps: Number of steps, as `steps_per_execution` in `compile`.
        """
        self.chooses_steps = False
        if steps != self.steps_per_execution:
            self.steps_per_execution = steps
            # These run the former number of steps. Keras makes new ones when it needs them.
            self.train_function = self.test_function = self.predict_function = None

    def make_train_function(self, force: bool = False):
        """Return the function that `fit` calls once per execution."""
        if not fuses(self):
            return super().make_train_function(force)
        if force or getattr(self, "train_function", None) is None:
            self.train_function = _fused_function(self, self.train_step)
        return self.train_function

    def make_test_function(self, force: bool = False):
        """Return the function that `evaluate` and `fit`'s validation call once per execution."""
        if not fuses(self):
            return super().make_test_function(force)
        if force or getattr(self, "test_function", None) is None:
            self.test_function = _fused_function(self, self.test_step)
        return self.test_function

    def fit(self, x=None, *args, **kwargs):
        """Train; arguments and result are those of `keras.Model.fit`."""
        if self.chooses_steps and isinstance(x, keras.utils.PyDataset):
            epochs = kwargs.get("epochs", 1) - kwargs.get("initial_epoch", 0)
            choose_steps(self, x, epochs, partial(FusedModel.fit, self))
        _tell_of_short_epochs(self, x, kwargs)
        size = getattr(x, "batch_size", kwargs.get("batch_size"))
        with out_of_memory_explained(self, size), _kept_on_device(self, x) as batches:
            return super().fit(batches, *args, **kwargs)


def _tell_of_short_epochs(model: FusedModel, x, given: dict) -> None:
    """Warn if an epoch is known to have fewer steps than `steps_per_execution`."""
    steps = given.get("steps_per_epoch")
    if steps is None and isinstance(x, keras.utils.PyDataset):
        steps = x.num_batches
    elif steps is None and isinstance(x, np.ndarray):
        steps = -(-len(x) // (given.get("batch_size") or 32))
    if steps is not None and steps < model.steps_per_execution:
        warnings.warn(
            f"steps_per_execution is {model.steps_per_execution}, and an epoch has {steps} steps: "
            "an execution ends with its epoch.",
            stacklevel=find_stack_level(),
        )


def fuses(model: keras.Model) -> bool:
    """Return whether this module runs several steps of a compiled model as one call."""
    return (
        keras.backend.backend() == "jax"
        and model.steps_per_execution > 1
        and bool(model.jit_compile)
        and not model.run_eagerly
    )


def _fused_function(model: FusedModel, single_step: Callable) -> Callable:
    """Return a function that takes Keras's state and the epoch's iterator, as Keras calls it."""
    import jax

    trains = single_step == model.train_step

    def steps(state, batches, resident):
        def step(state, batch):
            if resident is not None:
                (rows,) = batch
                batch = (jax.tree.map(lambda array: array[rows], resident),)
            logs, state = single_step(state, batch)
            return _lists(state), logs

        state, logs = jax.lax.scan(step, state, _stacked(batches, jax.numpy.stack))
        return jax.tree.map(lambda values: values[-1], logs), state

    compiled: list[Callable] = []

    def execute(state, iterator):
        state = _lists(state)
        if not compiled:
            # On several devices, each weight keeps its layout. Without the layout of the inputs,
            # JAX would compile again when it first gets its own outputs or reset metrics as inputs.
            layout = jax.tree.map(lambda value: value.sharding, state)
            compiled.append(
                jax.jit(
                    steps,
                    donate_argnums=0,
                    in_shardings=(layout, None, None),
                    out_shardings=(None, layout),
                )
            )
        batches = list(itertools.islice(iterator, model.steps_per_execution))
        if not batches:
            raise StopIteration  # as `next(iterator)` does
        for alike in _runs_of_one_shape(batches):
            on_host = all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(alike))
            # NumPy arrays are stacked first, so that they are sent to the device as one array.
            given = _stacked(alike, np.stack) if on_host else alike
            logs, state = compiled[0](state, given, model.resident if trains else None)
        return logs, state

    return execute


def _lists(state) -> tuple:
    """Return the state in one structure, because a step may return lists or tuples."""
    return tuple(list(part) for part in state)


def _runs_of_one_shape(batches: list) -> Iterator[list]:
    """Yield groups of batches that can be stacked; an array's last batch may be smaller."""
    import jax

    def shapes(batch) -> list:
        return [np.shape(leaf) for leaf in jax.tree.leaves(batch)]

    for _, alike in itertools.groupby(batches, shapes):
        yield list(alike)


def _stacked(batches, stack: Callable):
    """Stack a list of batches, [S, B, ...]; batches that are already stacked do not change."""
    import jax

    if not isinstance(batches, list):
        return batches
    return jax.tree.map(lambda *parts: stack(parts), *batches)


@contextmanager
def _kept_on_device(model: FusedModel, batches) -> Iterator:
    """If the device has room, put the batches' arrays there and yield batches of row numbers."""
    if not _can_be_resident(model, batches):
        yield batches
        return
    import jax

    model.resident = jax.tree.map(jax.device_put, batches.arrays)
    try:
        yield RowNumbers(batches)
    finally:
        model.resident = None


def _can_be_resident(model: FusedModel, batches) -> bool:
    if not (fuses(model) and hasattr(batches, "rows")) or keras.distribution.distribution():
        return False
    settings = keras.Model.get_compile_config(model) or {}
    if settings.get("metrics") or settings.get("weighted_metrics"):
        return False  # Keras builds these metrics from a batch of data
    size, room = sum(array.nbytes for array in keras.tree.flatten(batches.arrays)), _room()
    if size > room and uses_accelerator():
        warnings.warn(
            f"The training data, {size / 1e9:.2f} GB, stay in main memory, since at most "
            f"{room / 1e9:.2f} GB of the device's memory are for them; each batch is sent there.",
            stacklevel=find_stack_level(),
        )
    return size <= room


def _room() -> int:
    """Return the number of bytes of data that may stay on the device."""
    import jax

    memory = jax.local_devices()[0].memory_stats()
    return int(memory["bytes_limit"] * RESIDENT_SHARE) if memory else RESIDENT_BYTES_ON_CPU
