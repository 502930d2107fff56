"""Write the best weights and a training state after each epoch."""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras

from balancing_vae.backend.distribution import is_first_process
from balancing_vae.errors import InputError
from balancing_vae.storage.folder import write_history
from balancing_vae.storage.states import TrainingStates
from balancing_vae.training.optimizer import averaged_weights


class _Saver(keras.callbacks.Callback):
    """Saves after epochs, with a least time between two saves.

    The values are copied, and a thread writes them while the training continues. The next save
    waits for that thread. If there are several processes, only the first one saves, because all
    have the same values.

    Args:
        seconds_between: The least time between two saves. It is meant for epochs that take less
            time than saving. A stage's last epoch is always saved.
    """

    def __init__(self, seconds_between: float):
        super().__init__()
        if not seconds_between >= 0:
            raise InputError(f"seconds_between must not be negative, got {seconds_between}.")
        self.seconds_between = seconds_between
        self.next_save = -math.inf
        self.writing: Future | None = None

    def on_epoch_end(self, epoch, logs=None):
        """Save, if it is time."""
        is_last = epoch + 1 == self.params["epochs"]
        if is_first_process() and (is_last or time.monotonic() >= self.next_save):
            self.finish()
            thread = ThreadPoolExecutor(max_workers=1)
            self.writing = thread.submit(self.saving(epoch + 1, logs))
            thread.shutdown(wait=False)
            self.next_save = time.monotonic() + self.seconds_between

    def on_train_end(self, logs=None):
        """Wait for the last write."""
        self.finish()

    def finish(self) -> None:
        """Wait until everything is written.

        Raises:
            OSError: Writing failed.
        """
        writing, self.writing = self.writing, None
        if writing is not None:
            writing.result()

    def saving(self, epoch: int, logs: dict) -> Callable[[], None]:
        """Copy the values to save after this many epochs; return a function that writes them."""
        raise NotImplementedError("A subclass saves.")


class SaveBest(_Saver):
    """Saves the weights of the best epoch so far, according to the model's monitor.

    With validation data, the monitor is that of the validation (`val_mse`, `val_loss`),
    otherwise that of the training.

    Args:
        states: The place to save in.
        seconds_between: The least time between two epochs that are considered.

    Example:
        ```python
        model.fit(x, callbacks=[SaveBest(TrainingStates(folder))])
        ```
    """

    def __init__(self, states: TrainingStates, seconds_between: float = 0.0):
        super().__init__(seconds_between)
        self.states = states

    def saving(self, epoch: int, logs: dict) -> Callable[[], None]:
        """Copy the weights if they are the best."""
        monitor = self.model.monitor
        if f"val_{monitor}" in logs:
            monitor = f"val_{monitor}"
        # If there is a moving average of the weights, the validation has measured it, too.
        with averaged_weights(self.model):
            return self.states.saving_best(self.model, epoch, monitor, float(logs[monitor]))


class SaveStates(_Saver):
    """Saves the state after each epoch.

    It must be the last callback, so that the state includes the changes that other callbacks
    made in this epoch. It also adds a row to `history.csv` in the run's folder.

    Args:
        run_folder: The run's folder.
        states: The place in it to save in.
        history: The list of rows that `HistoryLog` fills.
        seconds_between: The least time between two saved epochs.

    Example:
        ```python
        states = TrainingStates(folder / "states" / "stage1")
        callbacks = [HistoryLog(rows, 1), SaveStates(folder, states, rows)]
        ```
    """

    def __init__(
        self,
        run_folder: Path,
        states: TrainingStates,
        history: list[dict],
        seconds_between: float = 0.0,
    ):
        super().__init__(seconds_between)
        self.run_folder = run_folder
        self.states = states
        self.history = history

    def saving(self, epoch: int, logs: dict) -> Callable[[], None]:
        """Copy the state and the history."""
        write_state = self.states.saving(self.model, epoch, self.history)
        rows = [dict(row) for row in self.history]

        def write() -> None:
            write_state()
            write_history(self.run_folder, rows)

        return write
