"""Time per epoch and per step of a training."""

import time

import keras


class EpochTimer(keras.callbacks.Callback):
    """Times the epochs of each training it watches.

    Attributes:
        epochs: For each training, the seconds of each epoch, including validation, until the
            device has finished the last step.
        steps: For each training, the mean seconds of a step in its last epoch. The first step
            is left out, because in a training of one epoch it includes compilation.

    Example:
        ```python
        timer = EpochTimer()
        vae.fit(x_train, callbacks=[timer])
        first, second = timer.steps
        ```
    """

    def __init__(self):
        super().__init__()
        self.epochs: list[list[float]] = []
        self.steps: list[float] = []

    def on_train_begin(self, logs=None):
        """Start a list for this training."""
        self.epochs.append([])

    def on_epoch_begin(self, epoch, logs=None):
        """Start the watch."""
        self.start, self.ends = time.perf_counter(), []

    def on_train_batch_end(self, batch, logs=None):
        """Record when a step ended."""
        self.ends.append((batch, time.perf_counter()))
        self.last_logs = logs

    def on_epoch_end(self, epoch, logs=None):
        """Record the time of the epoch."""
        float(self.last_logs["loss"])  # waits for it
        self.epochs[-1].append(time.perf_counter() - self.start)

    def on_train_end(self, logs=None):
        """Record the time of a step in the last epoch."""
        (first, begun), (last, ended) = self.ends[0], self.ends[-1]
        self.steps.append((ended - begun) / max(1, last - first))
