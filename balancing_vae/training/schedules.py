"""The learning rate over the epochs."""

from collections.abc import Sequence

import keras


def stepped_learning_rate(epoch: int, lr: float, lr_fac: float, lr_epochs: int) -> float:
    """Return the learning rate of an epoch: lr * lr_fac ** floor(epoch / lr_epochs).

    Source: the original program.

    Args:
        epoch: The epoch, from 0.
        lr: Learning rate of the first epoch.
        lr_fac: Factor of each step.
        lr_epochs: Epochs between two steps; 0 or less keeps the rate constant.

    Returns:
        The learning rate.

    Example:
        ```python
        stepped_learning_rate(250, 1e-4, 0.5, 250)   # 5e-05
        ```
    """
    return lr * lr_fac ** (epoch // lr_epochs) if lr_epochs > 0 else lr


def learning_rate_schedule(
    lr: float, lr_fac: float, lr_epochs: int
) -> keras.callbacks.LearningRateScheduler:
    """Return the callback that sets `stepped_learning_rate` before each epoch.

    Args:
        lr: Learning rate of the first epoch.
        lr_fac: Factor of each step.
        lr_epochs: Epochs between two steps; 0 or less keeps the rate constant.

    Returns:
        A Keras callback.
    """
    return keras.callbacks.LearningRateScheduler(
        lambda epoch: stepped_learning_rate(epoch, lr, lr_fac, lr_epochs)
    )


class PlateauSchedule(keras.callbacks.ReduceLROnPlateau):
    """Keras's ReduceLROnPlateau, in a form that survives a resume.

    The rate is multiplied by a factor if the monitor has not fallen by 1e-4 for some epochs.
    After a resume, the rule is applied to the history first, so its state is restored.

    Args:
        lr: Learning rate of the first epoch.
        factor: Factor of each reduction, in (0, 1).
        patience: Epochs without a fall.
        monitor: The log that should fall.
        past: Rows of the epochs trained before, with `epoch` (from 1) and the logs.

    Example:
        ```python
        model.fit(x, validation_data=x_val, callbacks=[PlateauSchedule(5e-4, 0.5, 5)])
        ```
    """

    def __init__(
        self,
        lr: float,
        factor: float,
        patience: int,
        monitor: str = "val_loss",
        past: Sequence[dict] = (),
    ):
        super().__init__(monitor, factor, patience, mode="min", min_delta=1e-4)
        self.lr = lr
        self.past = past

    def on_train_begin(self, logs=None):
        """Start from the first rate and apply the rule to the past epochs."""
        super().on_train_begin(logs)
        self.model.optimizer.learning_rate = self.lr
        for row in self.past:
            self.on_epoch_end(row["epoch"] - 1, dict(row))
