"""Beta with warm-up: a KL weight that rises from 0."""

import keras

from balancing_vae.balancing.scheduled import ScheduledBeta


@keras.saving.register_keras_serializable("balancing_vae")
class WarmUpBeta(ScheduledBeta):
    """KL's weight rises linearly from 0 to beta, then stays; gamma is 1.

        weight of KL in step t (from 0) = beta min(1, t / steps)

    So the decoder learns to use the latents before KL empties them. The count of steps is
    a weight: it is saved, and a resumed training continues from it. Source: Bowman et al.
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

    @property
    def kl_factor(self):
        """Float32 scalar tensor in [0, 1]: the part of beta that is reached."""
        return self.progress
