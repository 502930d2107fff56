"""Stop a training whose loss is no number any more."""

import math

import keras

from balancing_vae.errors import NonFiniteLossError


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises after an epoch with a non-finite loss, with the last good weights put back.

    The mean over an epoch is not finite if one batch's loss is not, so that no step has
    to wait for its own value.

    Args:
        stage: 1 or 2, for the message.

    Raises:
        FloatingPointError: The loss of an epoch is NaN or infinite.

    Example:
        ```python
        model.fit(x, callbacks=[StopOnNonFiniteLoss(stage=1)])
        ```
    """

    def __init__(self, stage: int):
        super().__init__()
        self.stage = stage

    def on_train_begin(self, logs=None):
        """Keep the weights that training starts from."""
        self._keep()

    def on_epoch_end(self, epoch, logs=None):
        """Keep good weights; put the kept ones back and raise after a bad epoch."""
        loss = float(logs["loss"])
        if math.isfinite(loss):
            self._keep()
            return
        self.model.set_weights(self.good_weights)
        raise NonFiniteLossError(
            f"The loss of stage {self.stage} became {loss} in epoch {epoch + 1}; the weights "
            f"are those after epoch {epoch}. Try a smaller learning rate, or look for "
            "broken images in the data."
        )

    def _keep(self):
        self.good_weights = self.model.get_weights()
