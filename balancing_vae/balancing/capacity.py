"""Capacity: keep KL near a target in nats that rises during training."""

import keras
from keras import ops

from balancing_vae.backend.distribution import mean_over_replicas
from balancing_vae.balancing.scheduled import ScheduledBeta
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class Capacity(ScheduledBeta):
    """A penalty of beta times the distance of KL from a rising capacity, with gamma 1.

        loss = beta |KL - C| + sum( (x - x_hat)^2 ) / 2 + constant,
        C in step t (from 0) = capacity min(1, t / steps)

    KL is the mean over the batch. The logs report as `beta` the effective weight of KL, which is
    the derivative of the loss with respect to KL: beta above the capacity and -beta below it.
    Source: Burgess et al. 2018, *Understanding disentangling in beta-VAE*, equation 8. They use
    weight 1000 and capacity 25 nats with the cross-entropy of 64x64 images.

    Args:
        capacity: The final KL in nats, positive.
        beta: Weight of the distance, positive.
        steps: Training steps (batches) until the capacity is reached, at least 1.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: `capacity` or `beta` is not positive, or `steps` is below 1.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=Capacity(capacity=25.0, steps=100_000))
        ```
    """

    def __init__(self, capacity: float = 25.0, beta: float = 1000.0, steps: int = 10_000, **kwargs):
        super().__init__(beta, steps, **kwargs)
        if not capacity > 0:
            raise InputError(f"capacity must be positive, got {capacity}.")
        self.capacity = capacity

    def weigh_kl(self, kl):
        """Return the distance of KL from the current capacity, and its slope: -1, 0 or 1."""
        excess = mean_over_replicas(kl) - self.capacity * self.progress
        return ops.abs(excess), ops.sign(excess)

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "capacity": self.capacity}
