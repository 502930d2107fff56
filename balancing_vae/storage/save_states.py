"""Write a training state after each epoch."""

import math
import time
from pathlib import Path

import keras

from balancing_vae.distribution import is_first_process
from balancing_vae.storage.folder import write_history
from balancing_vae.storage.states import TrainingStates


class SaveStates(keras.callbacks.Callback):
    """Saves the state after each epoch, and the best weights by a monitor free of gamma.

    The monitor is `val_mse`, or `mse` where there is no validation: the loss moves with
    gamma, so that the losses of two epochs cannot be compared. It must be the last
    callback, so that what the others did in this epoch is in the state. `history.csv` in
    the run's folder grows along, for whoever watches the run.

    Args:
        run_folder: The run's folder.
        states: Where in it to save.
        history: The list of rows that `HistoryLog` fills.
        seconds_between: The least time between two saves, for epochs so short that saving
            takes longer; a stage's last epoch is saved in any case. The best weights are
            then those of the epochs that were saved.

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
        super().__init__()
        if not seconds_between >= 0:
            raise ValueError(f"seconds_between must not be negative, got {seconds_between}.")
        self.seconds_between = seconds_between
        self.next_save = -math.inf
        self.run_folder = run_folder
        self.states = states
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        """Save; of several processes, which all hold the same, the first one does."""
        is_last = epoch + 1 == self.params["epochs"]
        if not is_first_process() or (time.monotonic() < self.next_save and not is_last):
            return
        monitor = "val_mse" if "val_mse" in logs else "mse"
        self.states.save_best(self.model, epoch + 1, monitor, float(logs[monitor]))
        self.states.save(self.model, epoch + 1, self.history)
        write_history(self.run_folder, self.history)
        self.next_save = time.monotonic() + self.seconds_between
