"""GECO: KL is minimised under a constraint on the reconstruction error."""

import math

import keras
from keras import ops

from balancing_vae.balancing.optimal import MIN_GAMMA
from balancing_vae.balancing.strategy import BalancingStrategy
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class GECO(BalancingStrategy):
    """A weight of the error that rises while the error is above a tolerance, and falls below it.

        minimise k KL + lambda sum( (x - x_hat)^2 - kappa^2 ) / 2,    after each step
        c <- momentum c + (1 - momentum) (mse - kappa^2) / kappa^2
        lambda <- lambda exp(rate min(c, 1))

    `kappa` is the desired root mean squared error. The multiplier lambda equals 1 / gamma^2 of a
    Gaussian likelihood. In place of the constant -lambda D kappa^2 / 2, the reported loss has
    D (log gamma + 0.91893); neither has a gradient. Gamma = lambda^(-1/2) starts at 1 and stops
    changing only when the error equals kappa. If the networks cannot reach kappa, gamma falls to
    0.001 and KL becomes negligible.

    Source: Rezende and Viola 2018, *Taming VAEs*, algorithm 1. Here the constraint is divided by
    kappa^2 and clipped at 1 (it cannot fall below -1), so that the same rate suits all data; the
    source does not specify this scale.

    Args:
        kappa: The tolerated root mean squared error per element, positive.
        rate: Maximum change of log lambda in a step, positive.
        momentum: Momentum of the moving average of the constraint, in [0, 1). The average
            starts from the first batch.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: An argument is out of range.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=GECO(kappa=0.1))
        ```
    """

    def __init__(self, kappa: float = 0.1, rate: float = 0.01, momentum: float = 0.99, **kwargs):
        super().__init__(**kwargs)
        for name, value in (("kappa", kappa), ("rate", rate)):
            if not value > 0:
                raise InputError(f"{name} must be positive, got {value}.")
        if not 0 <= momentum < 1:
            raise InputError(f"momentum must lie in [0, 1), got {momentum}.")
        self.kappa = kappa
        self.rate = rate
        self.momentum = momentum
        self.log_multiplier, self.running_mse = (
            self.add_weight(
                shape=(), initializer="zeros", trainable=False, dtype="float32", name=name
            )
            for name in ("log_multiplier", "running_mse")
        )
        self.built = True

    @property
    def gamma(self):
        """Float32 scalar tensor, positive: the multiplier to the power -1/2."""
        return ops.exp(ops.convert_to_tensor(self.log_multiplier) / -2)

    def update(self, mse) -> None:
        """Update the moving average of the constraint, then the multiplier, unless frozen."""
        if not self.trainable:
            return
        former = ops.convert_to_tensor(self.running_mse)
        average = self.momentum * former + (1 - self.momentum) * mse
        average = ops.where(former > 0, average, mse)
        constraint = ops.minimum(average / self.kappa**2 - 1, 1.0)
        log_multiplier = ops.convert_to_tensor(self.log_multiplier) + self.rate * constraint
        largest = -2 * math.log(MIN_GAMMA)
        self.running_mse.assign(average)
        self.log_multiplier.assign(ops.clip(log_multiplier, -largest, largest))

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        own = {"kappa": self.kappa, "rate": self.rate, "momentum": self.momentum}
        return {**super().get_config(), **own}
