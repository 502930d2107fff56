"""What the first stage of every system is: an encoder, a decoder, a loss of named terms."""

from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from balancing_vae.backend import check_compile_arguments
from balancing_vae.config import Config
from balancing_vae.distribution import replica_count
from balancing_vae.errors import InputError
from balancing_vae.objectives import mean_squared_error


class Autoencoder(keras.Model):
    """A deterministic autoencoder; what it minimises is the sum of its named terms.

    A system of your own is a subclass: it names its terms, gives their values, and has a
    line in `models.MODELS`. Its encoder has one output, the latents, unless the subclass
    says otherwise.

    Images go in as uint8 or as floats in [0, 1]. The logs hold `loss` and every term.

    Args:
        encoder: From images, float [B, D, D, C] in [0, 1], to latents, float [B, L].
        decoder: From latents, float [B, L], to images, float [B, D, D, C] in [0, 1].
        seed: Seed of what the model draws, if anything.
        **kwargs: What every Keras model takes.

    Attributes:
        term_names: The terms that the logs hold.
        monitor: The log, in training and in validation, that tells how good the weights
            are; less is better.
        heads: The encoder's outputs by name.
        has_prior: Whether training draws the latents towards N(0, I), so that they can be
            sampled from it.
        trained_epochs: How many epochs it was trained for.

    Raises:
        ValueError: Encoder and decoder do not fit each other or the model.

    Example:
        ```python
        class SparseAutoencoder(Autoencoder):
            term_names = ("mse", "sparsity")

            def loss_terms(self, outputs):
                sparsity = 1e-3 * ops.mean(ops.abs(outputs["z"]))
                return super().loss_terms(outputs) | {"sparsity": sparsity}
        ```
    """

    term_names: tuple[str, ...] = ("mse",)
    monitor = "loss"
    heads: tuple[str, ...] = ("z",)
    has_prior = False

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, seed: int | None = None, **kwargs
    ):
        # Under mixed precision the targets of the loss keep all their digits.
        super().__init__(autocast=False, **kwargs)
        self._check_networks(encoder, decoder)
        self.encoder = encoder
        self.decoder = decoder
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trained_epochs = 0
        self.trackers = {name: keras.metrics.Mean(name=name) for name in self.term_names}
        self.built = True

    @classmethod
    def from_hyperparameters(
        cls, config: Config, encoder: keras.Model, decoder: keras.Model, **arguments
    ) -> "Autoencoder":
        """Make the first stage that a config describes.

        Args:
            config: The hyperparameters.
            encoder: The encoder.
            decoder: The decoder.
            **arguments: What `config.model` has beside the name.

        Returns:
            The model, not compiled.

        Raises:
            ValueError: The config sets what the model has no part for.
        """
        for name, usual in (("likelihood", "gaussian"), ("kl_weight", None)):
            if getattr(config, name) != usual:
                raise InputError(
                    f"The model {config.model['name']!r} has no {name}, got "
                    f"{getattr(config, name)!r}; leave it {usual!r}, or take the model 'vae'."
                )
        if "prior" in config.samplers and not cls.has_prior:
            raise InputError(
                f"The model {config.model['name']!r} has no prior to sample from, and the samplers "
                f"are {config.samplers}; take two of 'gaussian', 'mixture' and 'second_stage'."
            )
        return cls(encoder, decoder, seed=config.seed, name="stage1", **arguments)

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
            inputs: Images, uint8 or float in [0, 1], [B, D, D, C].
            training: Whether batch normalisation uses the batch's statistics.

        Returns:
            A dict of `target`, `z` and `reconstruction`.
        """
        target = as_intensities(inputs)
        z = self.encoder(target, training=training)
        return {"target": target, "z": z, "reconstruction": self.decoder(z, training=training)}

    def loss_terms(self, outputs: dict) -> dict:
        """Return the terms of the loss of one batch, weighed as they are added up.

        Args:
            outputs: What `call` returned.

        Returns:
            Float32 scalar tensors, one for each of `term_names`.
        """
        return {"mse": mean_squared_error(outputs["target"], outputs["reconstruction"])}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of one batch, the sum of its terms."""
        terms = self.loss_terms(y_pred)
        self.track(terms.items(), y_pred["target"])
        # Keras adds up the gradients of all replicas, and takes this back in the logs.
        return sum(terms.values()) / replica_count()

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

    def compile(self, *args, **kwargs):
        """Configure training; takes what `keras.Model.compile` takes, the loss is fixed.

        Raises:
            ValueError: The backend does not support `steps_per_execution` or
                `jit_compile` as given.
        """
        check_compile_arguments(**kwargs)
        super().compile(*args, **kwargs)

    def fit(self, *args, **kwargs):
        """Train; takes and returns what `keras.Model.fit` does."""
        history = super().fit(*args, **kwargs)
        self.trained_epochs += len(history.epoch)
        return history

    def _check_networks(self, encoder: keras.Model, decoder: keras.Model) -> None:
        outputs = encoder.output_shape
        shapes = list(outputs) if isinstance(outputs, list) else [outputs]
        if len(shapes) != len(self.heads) or len(set(shapes)) != 1:
            one = len(self.heads) == 1
            raise InputError(
                f"The encoder of a {type(self).__name__} must have "
                f"{'one output' if one else f'{len(self.heads)} outputs of one shape'}, "
                f"{' and '.join(self.heads)}; got outputs of shape {outputs}. Take another "
                f"network ('rae' has one output, the others have two), or another model."
            )
        if decoder.input_shape != shapes[0]:
            raise InputError(
                f"The decoder takes latents of shape {decoder.input_shape}, but the encoder "
                f"gives {shapes[0]}; make both of one latent size."
            )
        targets = tuple(encoder.inputs[0].shape)
        if decoder.output_shape != targets:
            raise InputError(
                f"The decoder gives {decoder.output_shape}, but the encoder takes {targets}; "
                "make both of one image shape."
            )


def as_intensities(images):
    """Return images as floats.

    Args:
        images: Tensor, uint8 or float in [0, 1].

    Returns:
        Float tensor of the same shape; uint8 divided by 255.
    """
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        return ops.cast(images, "float32") / 255.0
    return images
