"""Learned gamma, the balancing of Dai and Wipf."""

import keras
from keras import ops

from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class LearnedGamma(BalancingStrategy):
    """A gamma whose logarithm is a trained weight that starts at 0.

        log gamma = lr_factor w,    d log gamma / dw taken as 1

    With `lr_factor` 1, as in the source, log gamma has the learning rate of the networks. Adam
    changes it by at most about that rate in a step, so at 0.001 it takes 2,300 steps to reach a
    gamma of 0.1. Any other factor multiplies the learning rate of log gamma: the optimizer sees
    the gradient with respect to log gamma itself, and log gamma moves by `lr_factor` times the
    optimizer's step. This holds for every optimizer and schedule. Source: Dai and Wipf 2019,
    *Diagnosing and Enhancing VAE Models*, and their program, neither of which has a factor.

    Args:
        lr_factor: Learning rate of log gamma relative to that of the networks, positive.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: `lr_factor` is not positive.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=LearnedGamma(lr_factor=30))
        ```
    """

    def __init__(self, lr_factor: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        if not lr_factor > 0:
            raise InputError(f"lr_factor must be positive, got {lr_factor}.")
        self.lr_factor = lr_factor
        # lr_factor times this weight is log gamma. Weights saved before the factor existed have
        # this name.
        self.log_gamma = self.add_weight(
            shape=(), initializer="zeros", dtype="float32", name="log_gamma"
        )
        self.built = True

    @property
    def gamma(self):
        """Float32 scalar tensor, positive, with a gradient to `log_gamma`."""
        weight = ops.convert_to_tensor(self.log_gamma)
        if self.lr_factor == 1:
            return ops.exp(weight)
        return ops.exp(weight + ops.stop_gradient((self.lr_factor - 1) * weight))

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "lr_factor": self.lr_factor}
