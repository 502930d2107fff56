"""Write a training state after each epoch."""

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

    Example:
        ```python
        states = TrainingStates(folder / "states" / "stage1")
        callbacks = [HistoryLog(rows, 1), SaveStates(folder, states, rows)]
        ```
    """

    def __init__(self, run_folder: Path, states: TrainingStates, history: list[dict]):
        super().__init__()
        self.run_folder = run_folder
        self.states = states
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        """Save; of several processes, which all hold the same, the first one does."""
        if not is_first_process():
            return
        monitor = "val_mse" if "val_mse" in logs else "mse"
        self.states.save_best(self.model, epoch + 1, monitor, float(logs[monitor]))
        self.states.save(self.model, epoch + 1, self.history)
        write_history(self.run_folder, self.history)
