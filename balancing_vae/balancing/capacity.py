"""Capacity: keep KL near a target in nats that rises during training."""

import keras
from keras import ops

from balancing_vae.backend.distribution import mean_over_replicas
from balancing_vae.balancing.scheduled import ScheduledBeta
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class Capacity(ScheduledBeta):
    """The distance of KL from a rising capacity is what weighs beta; gamma is 1.

        loss = beta |KL - C| + sum( (x - x_hat)^2 ) / 2 + constant,
        C in step t (from 0) = capacity min(1, t / steps)

    KL is the mean over the batch. The effective weight of KL, the derivative of the loss by
    it, is beta above the capacity and -beta below it: that is `beta` in the logs. Source:
    Burgess et al. 2018, *Understanding disentangling in beta-VAE*, equation 8; their weight
    is 1000 and their capacity 25 nats, beside a cross-entropy of 64x64 images.

    Args:
        capacity: The final KL in nats, positive.
        beta: Weight of the distance, positive.
        steps: Training steps (batches) until the capacity is reached, at least 1.
        **kwargs: What every Keras layer takes.

    Raises:
        ValueError: `capacity` or `beta` is not positive, or `steps` below 1.

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
        """Return the distance of KL from the present capacity, and its slope: -1, 0 or 1."""
        excess = mean_over_replicas(kl) - self.capacity * self.progress
        return ops.abs(excess), ops.sign(excess)

    def get_config(self):
        """Return the arguments that make this strategy again."""
        return {**super().get_config(), "capacity": self.capacity}
