"""Learned gamma, the balancing of Dai and Wipf."""

import keras
from keras import ops

from balancing_vae.balancing.strategy import BalancingStrategy


@keras.saving.register_keras_serializable("balancing_vae")
class LearnedGamma(BalancingStrategy):
    """The logarithm of gamma is a trained weight that starts at 0.

    Source: Dai and Wipf 2019, *Diagnosing and Enhancing VAE Models*, and their program.

    Args:
        **kwargs: What every Keras layer takes.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=LearnedGamma())
        ```
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log_gamma = self.add_weight(
            shape=(), initializer="zeros", dtype="float32", name="log_gamma"
        )
        self.built = True

    @property
    def gamma(self):
        """Float32 scalar tensor, positive, with a gradient to `log_gamma`."""
        return ops.exp(ops.convert_to_tensor(self.log_gamma))
