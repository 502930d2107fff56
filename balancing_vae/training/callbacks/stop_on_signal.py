"""Stop a training cleanly on SIGINT or SIGTERM."""

import signal

import keras


class StoppedBySignal(Exception):
    """A signal asked the training to end.

    Attributes:
        signal_number: The signal, such as `signal.SIGTERM`.
    """

    def __init__(self, signal_number: int):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class StopOnSignal(keras.callbacks.Callback):
    """Raises `StoppedBySignal` after the step in which SIGINT or SIGTERM arrived.

    Between two steps, weights, files and progress bars are in a complete state. Use it as a
    context manager in the main thread. A second signal takes effect immediately.

    Raises:
        StoppedBySignal: One of the signals arrived.

    Example:
        ```python
        with StopOnSignal() as stop:
            model.fit(x, callbacks=[stop])
        ```
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        super().__init__()
        self.received = None

    def __enter__(self) -> "StopOnSignal":
        self._former = {number: signal.signal(number, self._receive) for number in self.SIGNALS}
        return self

    def __exit__(self, *_):
        self._restore()

    def on_train_begin(self, logs=None):
        """Raise if the signal arrived between two stages."""
        self._raise_if_received()

    def on_train_batch_end(self, batch, logs=None):
        """Raise if the signal arrived during the step."""
        self._raise_if_received()

    def _receive(self, number, frame):
        self.received = number
        self._restore()

    def _restore(self):
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _raise_if_received(self):
        if self.received is not None:
            raise StoppedBySignal(self.received)
