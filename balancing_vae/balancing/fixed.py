"""Fixed gamma: a constant standard deviation of the decoder."""

import keras
from keras import ops

from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class FixedGamma(BalancingStrategy):
    """A constant gamma, the decoder's standard deviation.

    Relative to half the sum of squared errors, the weight of KL is kl_weight gamma^2.

    Args:
        gamma: The constant, positive.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: `gamma` is not positive.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=FixedGamma(0.1))
        ```
    """

    def __init__(self, gamma: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not gamma > 0:
            raise InputError(f"gamma must be positive, got {gamma}.")
        self.constant = gamma
        self.built = True

    @property
    def gamma(self):
        """Float32 scalar tensor: the constant."""
        return ops.convert_to_tensor(self.constant, dtype="float32")

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "gamma": self.constant}
