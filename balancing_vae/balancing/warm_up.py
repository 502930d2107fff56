"""Beta with warm-up: a weight of KL that rises from 0."""

import keras
from keras import ops

from balancing_vae.balancing.beta import FixedBeta
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class WarmUpBeta(FixedBeta):
    """KL's weight rises linearly from 0 to beta, then stays; gamma is 1.

        weight of KL in step t (from 0) = beta min(1, t / steps)

    So the decoder learns to use the latents before KL empties them. The count of steps is
    a weight: it is saved, and a resumed training goes on with it. Source: Bowman et al.
    2016, *Generating Sentences from a Continuous Space*, section 3.1.

    Args:
        beta: The final weight, positive.
        steps: Training steps (batches) until it is reached, at least 1.
        **kwargs: What every Keras layer takes.

    Raises:
        ValueError: `beta` is not positive, or `steps` below 1.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=WarmUpBeta(beta=1.0, steps=10_000))
        ```
    """

    def __init__(self, beta: float = 1.0, steps: int = 10_000, **kwargs):
        super().__init__(beta, **kwargs)
        if steps < 1:
            raise InputError(f"steps must be at least 1, got {steps}.")
        self.steps = steps
        self.step = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="step"
        )

    @property
    def kl_factor(self):
        """Float32 scalar tensor in [0, 1]: the part of beta that is reached."""
        return ops.minimum(ops.convert_to_tensor(self.step) / self.steps, 1.0)

    def update(self, mse) -> None:
        """Count the step."""
        self.step.assign_add(1.0)

    def get_config(self):
        """Return the arguments that make this strategy again."""
        return {**super().get_config(), "steps": self.steps}
