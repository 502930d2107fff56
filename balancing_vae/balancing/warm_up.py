"""Beta with warm-up: a KL weight that rises from 0."""

import keras

from balancing_vae.balancing.scheduled import ScheduledBeta


@keras.saving.register_keras_serializable("balancing_vae")
class WarmUpBeta(ScheduledBeta):
    """A weight of KL that rises linearly from 0 to beta and then stays, with gamma 1.

        weight of KL in step t (from 0) = beta min(1, t / steps)

    The decoder thus learns to use the latents before KL makes them uninformative. The count of
    steps is a weight: it is saved, and a resumed training continues from it. Source: Bowman et
    al. 2016, *Generating Sentences from a Continuous Space*, section 3.1.

    Args:
        beta: The final weight, positive.
        steps: Training steps (batches) until it is reached, at least 1.
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: `beta` is not positive, or `steps` is below 1.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=WarmUpBeta(beta=1.0, steps=10_000))
        ```
    """

    @property
    def kl_factor(self):
        """Float32 scalar tensor in [0, 1]: the current weight divided by beta."""
        return self.progress
