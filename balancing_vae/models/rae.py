"""The regularised autoencoder of Ghosh et al.: deterministic, with a density fitted afterwards."""

import keras
from keras import ops

from balancing_vae.errors import InputError
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.objectives import mean_squared_error


@keras.saving.register_keras_serializable("balancing_vae")
class RegularizedAutoencoder(Autoencoder):
    """A deterministic autoencoder with small latents and a smooth decoder.

        loss = mean((x - x_hat)^2) + latent_weight mean(z^2) + decoder_weight sum(kernel^2)

    The means run over the batch and over pixels and channels, or latents; the sum runs over the
    kernels of all transposed convolutions of the decoder. The logs hold `loss` and its weighted
    terms `mse`, `latent` and `decoder`. With a `decoder_weight` the model is RAE-L2. Without one
    it is RAE, or RAE-SN if the network is spectrally normalised. With neither weight it is AE.
    Source: Ghosh et al. 2020 (arXiv 1903.12436) and their program.

    Args:
        encoder: A network from images, float [B, D, D, C] in [0, 1], to latents `z`, float
            [B, L].
        decoder: A network from latents, float [B, L], to images, float [B, D, D, C] in [0, 1].
        latent_weight: Weight of the latents' mean square, not negative.
        decoder_weight: Weight of the decoder's kernels, not negative.
        regularize_dense: Whether the decoder's term includes its dense kernels, as in the
            original's network for CelebA.
        **kwargs: Arguments of `Autoencoder`.

    Raises:
        ValueError: Encoder and decoder do not match, a weight is negative, or the decoder has
            no kernel to regularise.

    Example:
        ```python
        rae = RegularizedAutoencoder(encoder, decoder, latent_weight=1e-3, decoder_weight=1e-6)
        rae.compile(keras.optimizers.Adam(5e-4))
        rae.fit(images, epochs=10)
        ```
    """

    term_names = ("mse", "latent", "decoder")

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        latent_weight: float = 0.0,
        decoder_weight: float = 0.0,
        regularize_dense: bool = False,
        **kwargs,
    ):
        super().__init__(encoder, decoder, **kwargs)
        for name, weight in (("latent_weight", latent_weight), ("decoder_weight", decoder_weight)):
            if not weight >= 0:
                raise InputError(f"{name} must not be negative, got {weight}.")
        self.latent_weight = latent_weight
        self.decoder_weight = decoder_weight
        self.regularize_dense = regularize_dense
        if decoder_weight and not self.regularized_kernels():
            raise InputError(
                "The decoder has no transposed convolution to regularise; use the network "
                "'rae', or decoder_weight 0."
            )

    def describe(self) -> str:
        """Return the weights of the loss."""
        weights = f"latent_weight {self.latent_weight:g}; decoder_weight {self.decoder_weight:g}"
        return f"rae; {weights}"

    def loss_terms(self, outputs: dict, sample_weight=None) -> dict:
        """Return squared error, latent term and decoder term."""
        squares = [ops.sum(ops.square(kernel)) for kernel in self.regularized_kernels()]
        latent = mean_squared_error(outputs["z"], 0.0, sample_weight)  # the mean of z^2
        return super().loss_terms(outputs, sample_weight) | {
            "latent": self.latent_weight * latent,
            "decoder": self.decoder_weight * sum(squares, ops.zeros(())),
        }

    def regularized_kernels(self) -> list[keras.Variable]:
        """Return the decoder's kernels whose squares the decoder term sums."""
        kinds: tuple[type[keras.layers.Layer], ...] = (keras.layers.Conv2DTranspose,)
        if self.regularize_dense:
            kinds += (keras.layers.Dense,)
        return [layer.kernel for layer in self.decoder.layers if isinstance(layer, kinds)]
