"""The learning rate over the epochs."""

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
