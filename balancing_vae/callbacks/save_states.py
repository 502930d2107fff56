"""Write a training state after each epoch."""

import keras

from balancing_vae.storage.states import TrainingStates


class SaveStates(keras.callbacks.Callback):
    """Saves the state after each epoch, and the best weights by a monitor free of gamma.

    The monitor is `val_mse`, or `mse` where there is no validation: the loss moves with
    gamma, so that the losses of two epochs cannot be compared. It must be the last
    callback, so that what the others did in this epoch is in the state.

    Args:
        states: Where to save.
        history: The list of rows that `HistoryLog` fills.

    Example:
        ```python
        callbacks = [HistoryLog(rows, 1), SaveStates(TrainingStates(folder), rows)]
        ```
    """

    def __init__(self, states: TrainingStates, history: list[dict]):
        super().__init__()
        self.states = states
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        """Save."""
        monitor = "val_mse" if "val_mse" in logs else "mse"
        self.states.save_best(self.model, epoch + 1, monitor, float(logs[monitor]))
        self.states.save(self.model, epoch + 1, self.history)
