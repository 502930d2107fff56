"""Optimal gamma: the analytic scale of each batch."""

import keras
from keras import ops

from balancing_vae.balancing.strategy import BalancingStrategy

# Below it lies the rounding of 8-bit images, 1 / 255 / sqrt(12); without a limit a perfect
# reconstruction has an infinite likelihood.
MIN_GAMMA = 0.001


@keras.saving.register_keras_serializable("balancing_vae")
class OptimalGamma(BalancingStrategy):
    """Gamma is the root of the batch's own mean squared error, the gamma that fits it best.

        gamma^2 = mean( (x - x_hat)^2 ),
        loss = k KL + D (1/2 + log gamma + 0.91893),    D elements an image

    This is the loss's minimum over gamma, so its derivative by gamma is 0: the gradient with
    respect to the networks is that of a constant gamma of the same value. Computed gamma is a
    running average in its place. In an evaluation each batch has its own gamma, too; `gamma`
    in the logs is that of the last batch. Source: Rybkin et al. 2021, *Simple and Effective
    VAE Training with Calibrated Decoders* (sigma-VAE), section 3.2: one for a batch (theirs),
    or one for each image.

    Args:
        per_image: Whether each image has a gamma of its own. The gamma in the logs is then the
            root of their mean square, which gives the mean of the images' `beta`.
        **kwargs: What every Keras layer takes.

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
        """Float32 scalar tensor, positive: that of the last training batch, 1 before."""
        return ops.sqrt(ops.convert_to_tensor(self.last_mse))

    def gamma_of(self, mse, x, x_hat):
        """Return the root of the batch's mse, or of each image's."""
        if self.per_image:
            errors = ops.cast(x, "float32") - ops.cast(x_hat, "float32")
            mse = ops.mean(ops.square(errors), axis=tuple(range(1, len(errors.shape))))
        return ops.sqrt(ops.maximum(mse, MIN_GAMMA**2))

    def update(self, mse) -> None:
        """Keep the error of the batch."""
        if self.trainable:
            self.last_mse.assign(ops.maximum(mse, MIN_GAMMA**2))

    def get_config(self):
        """Return the arguments that make this strategy again."""
        return {**super().get_config(), "per_image": self.per_image}
