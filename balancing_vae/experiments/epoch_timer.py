"""How long training takes, an epoch and a step."""

import time

import keras


class EpochTimer(keras.callbacks.Callback):
    """Times the last epoch of each training it watches.

    Attributes:
        epochs: By training the seconds of its last epoch, validation included.
        steps: By training the seconds of a step in that epoch, the first one left out: in
            a training of one epoch that is the one which compiles.

    Example:
        ```python
        timer = EpochTimer()
        vae.fit(x_train, callbacks=[timer])
        first, second = timer.steps
        ```
    """

    def __init__(self):
        super().__init__()
        self.epochs: list[float] = []
        self.steps: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        """Start the watch."""
        self.start, self.ends = time.perf_counter(), []

    def on_train_batch_end(self, batch, logs=None):
        """Note when a step ended."""
        self.ends.append((batch, time.perf_counter()))

    def on_train_end(self, logs=None):
        """Keep what the last epoch took."""
        (first, begun), (last, ended) = self.ends[0], self.ends[-1]
        self.steps.append((ended - begun) / max(1, last - first))
        self.epochs.append(time.perf_counter() - self.start)
