"""Stop a training whose loss is NaN or infinite."""

import math

import keras
from keras import ops

from balancing_vae.errors import NonFiniteLossError


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Raises after an epoch with a non-finite loss, with the last good weights put back.

    The optimizer's state is put back, too: its averages would stay NaN. The mean over an
    epoch is not finite if one batch's loss is not, so that no step has to wait for its own
    value.

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
        """Keep the weights that training starts from."""
        self._keep()

    def on_epoch_end(self, epoch, logs=None):
        """Keep good weights; put the kept ones back and raise after a bad epoch."""
        loss = float(logs["loss"])
        if math.isfinite(loss):
            self._keep()
            return
        self._put_back()
        name = self.model.name if self.stage is None else f"stage {self.stage}"
        raise NonFiniteLossError(
            f"The loss of {name} became {loss} in epoch {epoch + 1}; the weights "
            f"are those after epoch {epoch}. Try a smaller learning rate, or look for "
            "broken images in the data."
        )

    def _keep(self):
        self.good_weights = self.model.get_weights()
        self.good_slots = [ops.convert_to_numpy(slot) for slot in self.model.optimizer.variables]

    def _put_back(self):
        self.model.set_weights(self.good_weights)
        # Slots that were made since then are not among the kept ones.
        for slot, good in zip(self.model.optimizer.variables, self.good_slots, strict=False):
            slot.assign(good)
