"""Computed gamma, the balancing of Asperti and Trentin."""

import keras
from keras import ops

from balancing_vae.balancing.rule import update_running_mse
from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class ComputedGamma(BalancingStrategy):
    """Gamma is the root of a running mean squared error (see `update_running_mse`).

    The state, `running_mse` and `rate`, is stored as weights. `GammaBalancing` can set their
    initial values or freeze them.

    Args:
        rate: Weight of the newest batch in the running average, in [0, 1].
        **kwargs: Arguments of every Keras layer.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=ComputedGamma())
        ```
    """

    def __init__(self, rate: float = 0.01, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate <= 1:
            raise InputError(f"rate must lie in [0, 1], got {rate}.")
        self.initial_rate = rate
        self.running_mse = self.add_weight(
            shape=(), initializer="ones", trainable=False, dtype="float32", name="running_mse"
        )
        self.rate = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(rate),
            trainable=False,
            dtype="float32",
            name="rate",
        )
        self.built = True

    @property
    def gamma(self):
        """Float32 scalar tensor, positive: the root of the running mean squared error."""
        return ops.sqrt(ops.convert_to_tensor(self.running_mse))

    def update(self, mse) -> None:
        """Move the running average towards `mse`, but never upwards, unless frozen.

        Like batch normalisation, the strategy is frozen while it is not `trainable`.
        """
        if not self.trainable:
            return
        running_mse = ops.convert_to_tensor(self.running_mse)
        rate = ops.convert_to_tensor(self.rate)
        self.running_mse.assign(update_running_mse(running_mse, mse, rate))

    def restore_rate(self) -> None:
        """Restore the rate that the strategy was created with."""
        self.rate.assign(self.initial_rate)

    def load_own_variables(self, store):
        """Load the running average, but not the rate.

        The rate is the one that the strategy was created with, or that `GammaBalancing` set for
        this `fit`. The rate in a checkpoint may be that of another `fit`.
        """
        rate = ops.convert_to_numpy(self.rate)
        super().load_own_variables(store)
        self.rate.assign(rate)

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "rate": self.initial_rate}
