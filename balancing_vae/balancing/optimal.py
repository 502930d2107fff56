"""Optimal gamma: the analytic scale of each batch."""

import keras
from keras import ops

from balancing_vae.balancing.strategy import BalancingStrategy

# Slightly below the rounding error of 8-bit images, 1 / 255 / sqrt(12). Without a limit, a
# perfect reconstruction would have an infinite likelihood.
MIN_GAMMA = 0.001


@keras.saving.register_keras_serializable("balancing_vae")
class OptimalGamma(BalancingStrategy):
    """A gamma that is optimal for each batch: the root of the batch's mean squared error.

        gamma^2 = mean( (x - x_hat)^2 ),
        loss = k KL + D (1/2 + log gamma + 0.91893),    D elements per image

    This gamma minimises the loss, so the derivative with respect to gamma is 0, and the networks
    get the same gradient as with a constant gamma of this value. Computed gamma uses a running
    average instead. In an evaluation each batch has its own gamma, too; `gamma` in the logs is
    that of the last batch. Source: Rybkin et al. 2021, *Simple and Effective VAE Training with
    Calibrated Decoders* (sigma-VAE), section 3.2. They use one gamma per batch; one per image is
    an option here.

    Args:
        per_image: Whether each image has its own gamma. The gamma in the logs is then the root
            of their mean square, so that `beta` is the mean over the images.
        **kwargs: Arguments of every Keras layer.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=OptimalGamma())
        ```
    """

    def __init__(self, per_image: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.per_image = per_image
        self.last_mse = self.add_weight(
            shape=(), initializer="ones", trainable=False, dtype="float32", name="last_mse"
        )
        self.built = True

    @property
    def gamma(self):
        """Float32 scalar tensor, positive: gamma of the last training batch, initially 1."""
        return ops.sqrt(ops.convert_to_tensor(self.last_mse))

    def gamma_of(self, mse, x, x_hat):
        """Return the root of the batch's mse, or of each image's."""
        if self.per_image:
            errors = ops.cast(x, "float32") - ops.cast(x_hat, "float32")
            mse = ops.mean(ops.square(errors), axis=tuple(range(1, len(errors.shape))))
        return ops.sqrt(ops.maximum(mse, MIN_GAMMA**2))

    def update(self, mse) -> None:
        """Store the error of the batch."""
        if self.trainable:
            self.last_mse.assign(ops.maximum(mse, MIN_GAMMA**2))

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "per_image": self.per_image}
