"""Batch normalisation with Bessel's correction, as in Keras 2 on TensorFlow."""

import keras
from keras import ops

from balancing_vae.layers.batch_normalization import BatchNormalization


@keras.saving.register_keras_serializable("balancing_vae")
class UnbiasedBatchNormalization(BatchNormalization):
    """Batch normalisation whose moving variance averages unbiased estimates.

    A batch is normalised by its population variance s^2, but the moving average uses the
    unbiased estimate: with n elements per channel,

        moving_mean     <- m moving_mean     + (1 - m) mean
        moving_variance <- m moving_variance + (1 - m) s^2 n / (n - 1)

    Keras 3's `BatchNormalization` leaves out n / (n - 1). Source: the fused batch
    normalisation of TensorFlow, which the program of Ghosh et al. 2020 uses.

    Args:
        momentum: m, in [0, 1).
        epsilon: Added to the variance before the root, positive.
        **kwargs: Arguments of `layers.batch_normalization.BatchNormalization`.

    Example:
        ```python
        y = UnbiasedBatchNormalization()(x, training=True)
        ```
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs):
        super().__init__(epsilon, **kwargs)
        self.momentum = momentum

    def update(self, mean, variance, count):
        """Update the moving averages."""
        unbiased = variance * count / ops.maximum(count - 1.0, 1.0)
        for batch, moving in ((mean, self.moving_mean), (unbiased, self.moving_variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))

    def get_config(self):
        """Return the arguments from which the layer can be rebuilt."""
        return {**super().get_config(), "momentum": self.momentum}
