"""A record of every epoch of both stages, as rows."""

import keras

# An evaluation does not change gamma, so these would repeat the training's columns.
REPEATED = ("val_gamma", "val_beta")


class HistoryLog(keras.callbacks.Callback):
    """Appends one row for each epoch to a list.

    Args:
        rows: The list; rows are dicts with `stage`, `epoch` (from 1) and the logs.
        stage: 1 or 2.
        before: Number of epochs of earlier trainings, which are already in the rows.

    Example:
        ```python
        rows = []
        model.fit(x, callbacks=[HistoryLog(rows, stage=1)])
        rows[-1]["mse"]
        ```
    """

    def __init__(self, rows: list[dict], stage: int, before: int = 0):
        super().__init__()
        self.rows = rows
        self.stage = stage
        self.before = before

    def on_epoch_end(self, epoch, logs=None):
        """Append the epoch's row."""
        logs = {k: float(v) for k, v in (logs or {}).items() if k not in REPEATED}
        self.rows.append({"stage": self.stage, "epoch": self.before + epoch + 1, **logs})
