"""The Keras model of the second stage: a VAE of the first stage's latents."""

import keras
from keras import ops

from balancing_vae.backend.distribution import standard_noise
from balancing_vae.errors import InputError
from balancing_vae.models.vae import VAE
from balancing_vae.networks.inputs import check_vectors


@keras.saving.register_keras_serializable("balancing_vae")
class LatentVAE(VAE):
    """The second stage: a VAE over samples from the first stage's posterior.

    `fit((mu, sigma))` draws new latents `z = mu + sigma * noise` for each batch.
    `fit((mu, sigma, noise_z, noise_u))` uses the given noise for both samplings. Loss, balancing
    and logs are those of `VAE`. Source: Dai and Wipf 2019 and the original program.

    Example:
        ```python
        second = LatentVAE(latent_encoder, latent_decoder)
        second.compile(keras.optimizers.Adam(1e-4, epsilon=1e-8))
        second.fit((mu, sigma), epochs=10)
        ```
    """

    has_images = False

    def check_inputs(self, inputs, name: str = "x") -> None:
        """Raise if the inputs are not posteriors, alone or with noise for both samplings."""
        names = ("mu", "sigma", "noise_z", "noise_u")
        if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 4):
            raise InputError(
                f"{name} must be (mu, sigma) or (mu, sigma, noise_z, noise_u), got "
                f"{len(inputs) if isinstance(inputs, (list, tuple)) else 1} arrays."
            )
        for part, array in zip(names, inputs, strict=False):
            check_vectors(array, self.latent_dim, f"{part} of {name}")
        if inputs[1].min(initial=0) < 0:
            raise InputError(f"sigma of {name} has values below 0; give standard deviations.")

    def labels_refusal(self, name: str) -> str:
        """Return the message that refuses labels: mu and sigma belong in one tuple."""
        return (
            f"{name} consists of inputs and labels, but a {type(self).__name__} takes no labels; "
            "put mu and sigma into one tuple of inputs, ((mu, sigma),)."
        )

    def input_signature(self):
        """Return the shape and dtype of mu and of sigma."""
        return [keras.InputSpec(shape=self.encoder.inputs[0].shape, dtype="float32")] * 2

    def observe(self, inputs):
        """Draw the latents to reconstruct, and return the noise of the second sampling.

        Args:
            inputs: `(mu, sigma)` or `(mu, sigma, noise_z, noise_u)`, float [B, L] each.

        Returns:
            Latents `z`, float [B, L], and the noise of the second sampling or None.
        """
        mu, sigma, *noises = inputs
        if noises:
            noise_z, noise_u = noises
        else:
            noise_z = standard_noise(ops.shape(mu), self.seed_generator)
            noise_u = None
        return mu + sigma * noise_z, noise_u
