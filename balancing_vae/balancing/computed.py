"""Computed gamma, the balancing of Asperti and Trentin."""

import keras
from keras import ops

from balancing_vae.balancing.rule import update_running_mse
from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class ComputedGamma(BalancingStrategy):
    """Gamma is the root of a running mean squared error (see `update_running_mse`).

    The state, `running_mse` and `rate`, consists of weights; `GammaBalancing` seeds and
    freezes them.

    Args:
        rate: Weight of the newest batch in the running estimate, in [0, 1].
        **kwargs: What every Keras layer takes.

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
        """Move the running estimate towards `mse`, downwards only, unless frozen.

        Like batch normalisation, the strategy stands still while it is not `trainable`.
        """
        if not self.trainable:
            return
        running_mse = ops.convert_to_tensor(self.running_mse)
        rate = ops.convert_to_tensor(self.rate)
        self.running_mse.assign(update_running_mse(running_mse, mse, rate))

    def restore_rate(self) -> None:
        """Put the rate back to the one that the strategy was made with."""
        self.rate.assign(self.initial_rate)

    def load_own_variables(self, store):
        """Load the running estimate, not the rate.

        The rate is the one that the strategy was made with, or that `GammaBalancing` wrote
        for this `fit`. What a checkpoint holds may be that of another `fit`.
        """
        rate = ops.convert_to_numpy(self.rate)
        super().load_own_variables(store)
        self.rate.assign(rate)

    def get_config(self):
        """Return the arguments that make this strategy again."""
        return {**super().get_config(), "rate": self.initial_rate}
