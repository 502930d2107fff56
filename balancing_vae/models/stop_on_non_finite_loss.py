"""Stop a training whose loss is NaN or infinite."""

import math

import keras
from keras import ops

from balancing_vae.errors import NonFiniteLossError


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises after an epoch with a non-finite loss, and restores the last good weights.

    The optimizer's state is restored, too, because its averages would stay NaN. Only the mean
    loss of each epoch is read, so that no step has to wait for its own loss: if the loss of one
    batch is not finite, the mean is not finite either.

    Args:
        stage: 1 or 2, for the message; None names the model instead.

    Raises:
        FloatingPointError: The loss of an epoch is NaN or infinite.

    Example:
        ```python
        model.fit(x, callbacks=[StopOnNonFiniteLoss()])
        ```
    """

    def __init__(self, stage: int | None = None):
        super().__init__()
        self.stage = stage

    def on_train_begin(self, logs=None):
        """Store the weights from which training starts."""
        self._keep()

    def on_epoch_end(self, epoch, logs=None):
        """Store good weights; after a bad epoch, restore the stored ones and raise."""
        loss = float(logs["loss"])
        if math.isfinite(loss):
            self._keep()
            return
        self._put_back()
        name = self.model.name if self.stage is None else f"stage {self.stage}"
        raise NonFiniteLossError(
            f"The loss of {name} became {loss} in epoch {epoch + 1}; the weights "
            f"are those after epoch {epoch}. Try a smaller learning rate, or check the data for "
            "broken images."
        )

    def _keep(self):
        # Copies stay on the device. Moving the weights and slots of a dense network from a GPU to
        # the host would take almost as long as an epoch.
        variables = [*self.model.weights, *self.model.optimizer.variables]
        self.good = [(variable, ops.copy(variable.value)) for variable in variables]

    def _put_back(self):
        # An optimizer variable that was created later has no stored value.
        for variable, value in self.good:
            variable.assign(value)
