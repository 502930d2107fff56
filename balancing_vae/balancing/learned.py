"""Learned gamma, the balancing of Dai and Wipf."""

import keras
from keras import ops

from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class LearnedGamma(BalancingStrategy):
    """The logarithm of gamma is a trained weight that starts at 0.

        log gamma = lr_factor w,    d log gamma / dw taken as 1

    With `lr_factor` 1, as in the source, log gamma has the learning rate of the networks. Adam
    moves it by at most that rate in a step, so that the way to a gamma of 0.1 takes 2,300
    steps at 0.001. Any other factor gives it a learning rate of its own, `lr_factor` times
    theirs: the optimizer sees the gradient of log gamma itself, and log gamma moves by
    `lr_factor` times the step that the optimizer makes. So it is with every optimizer and
    schedule. Source: Dai and Wipf 2019, *Diagnosing and Enhancing VAE Models*, and their
    program, which have no factor.

    Args:
        lr_factor: How many times as fast log gamma is trained as the networks, positive.
        **kwargs: What every Keras layer takes.

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
        # Times lr_factor. The name is that of weights that were saved before there was one.
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
        """Return the arguments that make this strategy again."""
        return {**super().get_config(), "lr_factor": self.lr_factor}
