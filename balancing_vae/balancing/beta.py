"""Fixed beta: a constant weight of KL."""

import keras
from keras import ops

from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class FixedBeta(BalancingStrategy):
    """A constant weight of KL with gamma 1, as in a beta-VAE.

        loss = beta KL + sum( (x - x_hat)^2 ) / 2 + constant,

    or the cross-entropy as the second term if the likelihood is Bernoulli. `FixedGamma` with
    gamma^2 = beta / kl_weight has the same minimiser, but another value of the loss. Source:
    Higgins et al. 2017, *beta-VAE*.

    Args:
        beta: The weight, positive.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: `beta` is not positive.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=FixedBeta(4.0))
        ```
    """

    def __init__(self, beta: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not beta > 0:
            raise InputError(f"beta must be positive, got {beta}.")
        self.kl_weight = beta
        self.built = True

    @property
    def gamma(self):
        """Float32 scalar tensor: 1."""
        return ops.convert_to_tensor(1.0, dtype="float32")

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "beta": self.kl_weight}
