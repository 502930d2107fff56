"""Base class of first stages: an encoder, a decoder, and a loss of named terms."""

import inspect
from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from balancing_vae.backend.distribution import replica_count
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.models.guarded_model import GuardedModel
from balancing_vae.models.objectives import mean_squared_error
from balancing_vae.models.saveable_model import SaveableModel
from balancing_vae.networks.checks import check_image_decoder
from balancing_vae.networks.checks import check_networks
from balancing_vae.networks.image_encoder import ImageEncoder
from balancing_vae.networks.inputs import as_intensities
from balancing_vae.networks.inputs import check_intensities


@keras.saving.register_keras_serializable("balancing_vae")
class Autoencoder(GuardedModel, SaveableModel):
    """A deterministic autoencoder that minimises the sum of its named loss terms.

    To add your own model, write a subclass that names its terms and returns their values, and
    register it in `models.MODELS`. Its encoder has one output, the latents, unless the subclass
    sets other `heads`. The subclass must store each argument as an attribute of the same name,
    because a saved model is rebuilt from these attributes. Register it with
    `keras.saving.register_keras_serializable`.

    The inputs are images as integers in 0..255 or as floats in [0, 1]. The logs hold `loss` and
    every term. There are no labels: the images are the targets. `sample_weight` weights images,
    and the metrics of `compile(metrics=...)` compare reconstructions with images.

    Args:
        encoder: A functional or Sequential model from images, float [B, D, D, C] in [0, 1], to
            latents, float [B, L].
        decoder: A functional or Sequential model from latents, float [B, L], to images, float
            [B, D, D, C] in [0, 1].
        seed: Seed of the model's noise, if it draws any.
        **kwargs: Arguments of every Keras model.

    Attributes:
        encoder: The encoder; it also takes integer images.
        term_names: Names of the loss terms in the logs.
        monitor: The entry of the logs, in training and validation, that measures how good the
            weights are; lower is better.
        heads: Names of the encoder's outputs.
        has_prior: Whether training pulls the latents towards N(0, I), so that new latents can be
            sampled from N(0, I).
        has_images: Whether inputs and reconstructions are images.
        trained_epochs: Number of epochs that the model was trained for.
        last_trained: Time of its last training in this process, by `time.monotonic_ns`.

    Raises:
        ValueError: Encoder and decoder do not match each other or the model.

    Example:
        ```python
        class SparseAutoencoder(Autoencoder):
            term_names = ("mse", "sparsity")

            def loss_terms(self, outputs, sample_weight=None):
                sparsity = ops.mean(ops.abs(outputs["z"]), axis=-1)
                return super().loss_terms(outputs, sample_weight) | {
                    "sparsity": 1e-3 * mean_over_images(sparsity, sample_weight)
                }
        ```
    """

    term_names: tuple[str, ...] = ("mse",)
    monitor = "loss"
    heads: tuple[str, ...] = ("z",)
    has_prior = False
    has_images = True

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, seed: int | None = None, **kwargs
    ):
        # No autocast, so that under mixed precision the targets of the loss stay float32.
        super().__init__(autocast=False, **kwargs)
        check_networks(encoder, decoder, self.heads, type(self).__name__)
        self.encoder = ImageEncoder.of(encoder) if self.has_images else encoder
        self.decoder = decoder
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.decoder_was_checked = False
        self.trackers = {name: keras.metrics.Mean(name=name) for name in self.term_names}
        self.built = True

    @classmethod
    def settings_of(cls, config: Config) -> dict:
        """Return the constructor arguments that come from fields other than `config.model`.

        Args:
            config: The hyperparameters.

        Returns:
            Arguments of the constructor by name.
        """
        return {"seed": config.seed}

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return self.decoder.input_shape[-1]

    @property
    def is_trained(self) -> bool:
        """Whether the model was trained or loaded: all biases are 0 before the first training."""
        biases = [w for w in self.trainable_weights if w.path.endswith("bias")]
        as_built = bool(biases) and not any(ops.convert_to_numpy(w).any() for w in biases)
        return self.trained_epochs > 0 or not as_built

    def describe(self) -> str:
        """Return a short description of the model and the weights of its loss."""
        return type(self).__name__

    def posterior(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode one batch.

        Args:
            images: Float32 [B, D, D, C] in [0, 1].

        Returns:
            Mean and standard deviation of the latents, float32 [B, L]. A deterministic model
            returns the latents and 0.
        """
        z = self.encoder.predict_on_batch(images)
        return z, np.zeros_like(z)

    def call(self, inputs, training=None):
        """Encode and decode.

        Args:
            inputs: Images, integers in 0..255 or floats in [0, 1], [B, D, D, C].
            training: Whether batch normalisation uses the batch's statistics.

        Returns:
            A dict of `target`, `z` and `reconstruction`.
        """
        target = as_intensities(inputs)
        z = self.encoder(target, training=training)
        return {"target": target, "z": z, "reconstruction": self.decoder(z, training=training)}

    def loss_terms(self, outputs: dict, sample_weight=None) -> dict:
        """Return the loss terms of one batch, already multiplied by their weights.

        Args:
            outputs: The outputs of `call`.
            sample_weight: Weights of the images, float [B], or None.

        Returns:
            Float32 scalar tensors, one for each of `term_names`.
        """
        mse = mean_squared_error(outputs["target"], outputs["reconstruction"], sample_weight)
        return {"mse": mse}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of one batch, the sum of its terms."""
        if sample_weight is None:
            terms = self.loss_terms(y_pred)
        elif "sample_weight" in inspect.signature(self.loss_terms).parameters:
            terms = self.loss_terms(y_pred, sample_weight)
        else:
            raise InputError(
                f"{type(self).__name__}.loss_terms takes no sample_weight, so the images cannot "
                "be weighted; add that argument (see `Autoencoder`), or omit the weights."
            )
        self.track(terms.items(), y_pred["target"])
        # Keras sums the gradients over all replicas, and multiplies the logged loss by their
        # number again.
        return sum(terms.values()) / replica_count()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Return the logs; the metrics of `compile` compare reconstructions with images."""
        target, reconstruction = y_pred["target"], y_pred["reconstruction"]
        return super().compute_metrics(x, target, reconstruction, sample_weight)

    def track(self, terms: Iterable[tuple[str, object]], batch) -> None:
        """Add terms to the logs, as means over images.

        Args:
            terms: Pairs of a name and a float32 scalar tensor.
            batch: The batch of the terms, [B, ...].
        """
        # Weighted by batch size, like Keras's mean of the loss, because the last batch of an
        # evaluation may be smaller than the others.
        count = ops.shape(batch)[0]
        for name, value in terms:
            self.trackers[name].update_state(value, sample_weight=count)

    def check_inputs(self, inputs, name: str = "x") -> None:
        """Raise if the inputs are not images. A subclass with other inputs overrides this.

        Args:
            inputs: NumPy arrays, in the structure that `call` takes.
            name: The caller's name for them, used in the message.

        Raises:
            ValueError: The shape, dtype or values are wrong.
        """
        check_intensities(inputs, self.encoder.inputs[0].shape[1:], name)

    def check_ready(self) -> None:
        """Raise if the decoder returns images outside [0, 1], before it is first used."""
        if self.has_images and not self.decoder_was_checked:
            check_image_decoder(self.decoder)
            self.decoder_was_checked = True
