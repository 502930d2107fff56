"""Callbacks that do not wait for the device after each execution.

Keras reads all logs before it calls the callbacks of a batch. A device that computes ahead of
Python would be idle during that time. Here, a value is read only when a callback asks for it.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

import keras

from balancing_vae.backend.compilation import uses_accelerator


class LazyLogs(Mapping):
    """Logs whose values are read, as floats, only when a callback asks for them.

    Args:
        logs: Tensors by name.

    Example:
        ```python
        LazyLogs({"loss": keras.ops.ones(())})["loss"]  # 1.0
        ```
    """

    def __init__(self, logs: Mapping | None):
        self._logs = logs or {}

    def __getitem__(self, name: str) -> float:
        return float(keras.ops.convert_to_numpy(self._logs[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._logs)

    def __len__(self) -> int:
        return len(self._logs)

    def copy(self) -> dict[str, float]:
        """Return all values."""
        return dict(self)


class UnhurriedCallbacks(keras.callbacks.CallbackList):
    """The callbacks of a `fit`, which get `LazyLogs` after each execution.

    Python stays at most two executions ahead of the device, so that the data of later executions
    do not accumulate there.

    Args:
        callbacks: The callbacks.
        model: The model in training.
        epochs: Number of the last epoch.
        steps: Number of steps in an epoch.
        verbose: As in `keras.Model.fit`.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: keras.Model,
        epochs: int,
        steps: int,
        verbose: int | str,
    ):
        super().__init__(
            list(callbacks),
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
            model=model,
        )
        self.under_way: list[Mapping] = []

    def on_train_batch_end(self, batch, logs=None):
        """Call the callbacks; wait if Python is too far ahead of the device."""
        lazy = self._lazy(logs)
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs=lazy)

    def on_test_batch_end(self, batch, logs=None):
        """Do the same as `on_train_batch_end`, in validation."""
        lazy = self._lazy(logs)
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs=lazy)

    def _lazy(self, logs: Mapping | None) -> LazyLogs:
        """Return lazy logs; wait until at most two executions are pending."""
        lazy = LazyLogs(logs)
        self.under_way = [*self.under_way, lazy][-3:]
        # Several devices of one CPU share its threads: an execution that waits for the others'
        # parts of the one before could hold the last thread that these need.
        if keras.distribution.distribution() and not uses_accelerator():
            next(iter(lazy.values()), None)
        elif len(self.under_way) == 3:
            next(iter(self.under_way[0].values()), None)
        return lazy
