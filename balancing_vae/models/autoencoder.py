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
    """A deterministic autoencoder; what it minimises is the sum of its named terms.

    A system of your own is a subclass: it names its terms, gives their values, and has a
    line in `models.MODELS`. Its encoder has one output, the latents, unless the subclass
    says otherwise. It keeps each argument as an attribute of the same name: these are what
    a saved model is made of again. Register it with
    `keras.saving.register_keras_serializable`.

    Images go in as integers in 0..255 or as floats in [0, 1]. The logs hold `loss` and every
    term. There are no labels: the images are the targets. `sample_weight` weighs images,
    `compile(metrics=...)` compares reconstructions with them.

    Args:
        encoder: From images, float [B, D, D, C] in [0, 1], to latents, float [B, L]; a
            functional or Sequential model.
        decoder: From latents, float [B, L], to images, float [B, D, D, C] in [0, 1];
            likewise.
        seed: Seed of what the model draws, if anything.
        **kwargs: What every Keras model takes.

    Attributes:
        encoder: The encoder; it takes integer images, too.
        term_names: The terms that the logs hold.
        monitor: The log, in training and in validation, that tells how good the weights
            are; less is better.
        heads: The encoder's outputs by name.
        has_prior: Whether training draws the latents towards N(0, I), so that they can be
            sampled from it.
        has_images: Whether inputs and reconstructions are images.
        trained_epochs: How many epochs it was trained for.
        last_trained: When it was trained last in this process, by `time.monotonic_ns`.

    Raises:
        ValueError: Encoder and decoder do not fit each other or the model.

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
        # Under mixed precision the targets of the loss keep all their digits.
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
        """Return what the model takes of a config, beside its own arguments in `config.model`.

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
        """Whether it was trained or given trained weights: biases start at 0 and leave it."""
        biases = [w for w in self.trainable_weights if w.path.endswith("bias")]
        as_built = bool(biases) and not any(ops.convert_to_numpy(w).any() for w in biases)
        return self.trained_epochs > 0 or not as_built

    def describe(self) -> str:
        """Return what the model is and how its loss is weighed, in a few words."""
        return type(self).__name__

    def posterior(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode one batch.

        Args:
            images: Float32 [B, D, D, C] in [0, 1].

        Returns:
            Mean and standard deviation of the latents, float32 [B, L]; of a deterministic
            model the latents and 0.
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
        """Return the terms of the loss of one batch, weighed as they are added up.

        Args:
            outputs: What `call` returned.
            sample_weight: Weights of the images, float [B], or None for none.

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
                "be weighed; give it that argument (see `Autoencoder`), or leave the weights out."
            )
        self.track(terms.items(), y_pred["target"])
        # Keras adds up the gradients of all replicas, and takes this back in the logs.
        return sum(terms.values()) / replica_count()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Return the logs; the metrics of `compile` compare reconstructions with the images."""
        target, reconstruction = y_pred["target"], y_pred["reconstruction"]
        return super().compute_metrics(x, target, reconstruction, sample_weight)

    def track(self, terms: Iterable[tuple[str, object]], batch) -> None:
        """Put terms into the logs, as means over images.

        Args:
            terms: Pairs of a name and a float32 scalar tensor.
            batch: What the terms were taken over, [B, ...].
        """
        # Weighed by the batch, like Keras's own mean of the loss: an evaluation's last
        # batch may be smaller than the others.
        count = ops.shape(batch)[0]
        for name, value in terms:
            self.trackers[name].update_state(value, sample_weight=count)

    def check_inputs(self, inputs, name: str = "x") -> None:
        """Refuse anything but images. A subclass with other inputs overrides it.

        Args:
            inputs: NumPy arrays, in the structure that `call` takes.
            name: What the caller calls them, for the message.

        Raises:
            ValueError: The shape, dtype or values do not fit.
        """
        check_intensities(inputs, self.encoder.inputs[0].shape[1:], name)

    def check_ready(self) -> None:
        """Refuse a decoder of images that leaves [0, 1], before it is first used as one."""
        if self.has_images and not self.decoder_was_checked:
            check_image_decoder(self.decoder)
            self.decoder_was_checked = True
