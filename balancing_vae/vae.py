"""The Keras model of one stage: encoder, decoder, objective and balancing strategy."""

import keras
from keras import ops

from balancing_vae.backend import check_compile_arguments
from balancing_vae.balancing import BalancingStrategy
from balancing_vae.balancing import ComputedGamma
from balancing_vae.distribution import mean_over_replicas
from balancing_vae.distribution import replica_count
from balancing_vae.distribution import standard_noise
from balancing_vae.layers.sampling import reparameterize
from balancing_vae.metrics import Latest
from balancing_vae.objectives import bernoulli_nll
from balancing_vae.objectives import gaussian_nll
from balancing_vae.objectives import kl_divergence
from balancing_vae.objectives import mean_squared_error

LIKELIHOODS = ("gaussian", "bernoulli")


class VAE(keras.Model):
    """A variational autoencoder that balances reconstruction error against KL by itself.

        loss = k KL + sum( ((x - x_hat) / gamma)^2 / 2 + log gamma + 0.91893 ),

    both summed over an image and averaged over the batch. `gamma` comes from the
    balancing strategy, inside the compiled step: `fit` balances whatever
    `steps_per_execution` and jit setting it runs with. The logs hold `loss`, `kl`,
    `reconstruction` (the second term), `mse`, `gamma` and `beta` = k gamma^2, the
    effective weight of KL beside a sum of squares / 2. Source: the original program.

    With the likelihood "bernoulli", the second term is the cross-entropy instead (see
    `bernoulli_nll`). Gamma has no part in it: the strategy stands still, and beta is `k`.

    Images go in as uint8 or as floats in [0, 1], alone or with the noise of the sampling:
    `fit(x)` or `fit((x, noise))`.

    Args:
        encoder: From images, float [B, D, D, C] in [0, 1], to `mu` and `log_sigma`,
            float [B, L] each. One with two inputs gets the noise, float [B, L], as well:
            in an iterative encoder what was drawn decides the posterior of later steps.
        decoder: From latents, float [B, L], to images, float [B, D, D, C] in [0, 1].
        balancing: The strategy that decides gamma; computed gamma by default.
        kl_weight: `k`, positive; (2 D / L)^2 by default, as in the original program.
        seed: Seed of the sampling's noise where none is given.
        likelihood: "gaussian" or "bernoulli": what the decoder's output is the mean of.
        **kwargs: What every Keras model takes.

    Raises:
        ValueError: Encoder and decoder do not fit each other, or there is no such
            likelihood.

    Example:
        ```python
        vae = VAE(encoder, decoder)
        vae.compile(keras.optimizers.Adam(1e-4, epsilon=1e-8))
        vae.fit(images, epochs=10)
        ```
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        balancing: BalancingStrategy | None = None,
        kl_weight: float | None = None,
        seed: int | None = None,
        likelihood: str = "gaussian",
        **kwargs,
    ):
        # Under mixed precision the targets of the likelihood keep all their digits.
        super().__init__(autocast=False, **kwargs)
        check_shapes(encoder, decoder)
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"likelihood must be one of {LIKELIHOODS}, got {likelihood!r}.")
        self.encoder = encoder
        self.decoder = decoder
        self.balancing = ComputedGamma() if balancing is None else balancing
        self.kl_weight = self.default_kl_weight() if kl_weight is None else kl_weight
        self.likelihood = likelihood
        if likelihood == "bernoulli":
            # A learned gamma would get no gradient.
            self.balancing.trainable = False
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trained_epochs = 0
        self.kl_tracker = keras.metrics.Mean(name="kl")
        self.reconstruction_tracker = keras.metrics.Mean(name="reconstruction")
        self.mse_tracker = keras.metrics.Mean(name="mse")
        self.gamma_tracker = Latest(name="gamma")
        self.beta_tracker = Latest(name="beta")
        self.built = True

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return self.decoder.input_shape[-1]

    def default_kl_weight(self) -> float:
        """Return (2 D / L)^2 for images of side D and L latents."""
        side = self.decoder.output_shape[1]
        return (2 * side / self.latent_dim) ** 2

    def observe(self, inputs):
        """Split `inputs` into what is to be reconstructed and the noise, if it is given.

        Args:
            inputs: Images, uint8 or float in [0, 1], [B, D, D, C]; or a pair of those and
                standard noise, float [B, L].

        Returns:
            Images as float [B, D, D, C] in [0, 1], and the noise or None.
        """
        images, noise = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        if keras.backend.standardize_dtype(images.dtype) == "uint8":
            images = ops.cast(images, "float32") / 255.0
        return images, noise

    def call(self, inputs, training=None):
        """Encode, sample and decode.

        Args:
            inputs: What `observe` takes.
            training: Whether batch normalisation uses the batch's statistics.

        Returns:
            A dict of `target`, `mu`, `log_sigma`, `z` and `reconstruction`.
        """
        target, noise = self.observe(inputs)
        if noise is None:
            shape = (ops.shape(target)[0], self.latent_dim)
            noise = standard_noise(shape, self.seed_generator)
        given = [target, noise] if len(self.encoder.inputs) == 2 else target
        mu, log_sigma = self.encoder(given, training=training)
        z = reparameterize(mu, log_sigma, noise)
        return {
            "target": target,
            "mu": mu,
            "log_sigma": log_sigma,
            "z": z,
            "reconstruction": self.decoder(z, training=training),
        }

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
        try:
            history = super().fit(*args, **kwargs)
        except BaseException:
            # Keras calls no `on_train_end` then, and a frozen gamma would stay frozen.
            self.balancing.restore_rate()
            raise
        self.trained_epochs += len(history.epoch)
        return history

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of one batch and, in training, let the strategy update gamma.

        The step's own loss uses gamma as it stood before the batch.
        """
        target, x_hat = y_pred["target"], y_pred["reconstruction"]
        gaussian = self.likelihood == "gaussian"
        kl = ops.mean(kl_divergence(y_pred["mu"], y_pred["log_sigma"]))
        reconstruction = ops.mean(
            gaussian_nll(target, x_hat, self.balancing.gamma)
            if gaussian
            else bernoulli_nll(target, x_hat)
        )
        mse = mean_squared_error(target, ops.stop_gradient(x_hat))
        if training and gaussian:
            self.balancing.update(mean_over_replicas(mse))
        # Weighed by the batch, like Keras's own mean of the loss: an evaluation's last
        # batch may be smaller than the others.
        count = ops.shape(y_pred["target"])[0]
        self.kl_tracker.update_state(kl, sample_weight=count)
        self.reconstruction_tracker.update_state(reconstruction, sample_weight=count)
        self.mse_tracker.update_state(mse, sample_weight=count)
        new_gamma = ops.stop_gradient(self.balancing.gamma)
        self.gamma_tracker.update_state(new_gamma)
        beta = self.kl_weight * (ops.square(new_gamma) if gaussian else 1.0)
        self.beta_tracker.update_state(beta)
        # Keras adds up the gradients of all replicas, and takes this back in the logs.
        return (self.kl_weight * kl + reconstruction) / replica_count()


class LatentVAE(VAE):
    """The second stage: a VAE over draws from the first one's posterior.

    It takes `fit((mu, sigma))` and draws `z = mu + sigma * noise` afresh for each batch,
    or `fit((mu, sigma, noise_z, noise_u))` with the noise of both samplings given.
    Loss, balancing and logs are those of `VAE`, with `kl_weight` 1 by default. Source:
    Dai and Wipf 2019 and the original program.

    Example:
        ```python
        second = LatentVAE(latent_encoder, latent_decoder)
        second.compile(keras.optimizers.Adam(1e-4, epsilon=1e-8))
        second.fit((mu, sigma), epochs=10)
        ```
    """

    def default_kl_weight(self) -> float:
        """Return 1."""
        return 1.0

    def observe(self, inputs):
        """Draw the latents to be reconstructed; pass on the noise of the second sampling.

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


def check_shapes(encoder: keras.Model, decoder: keras.Model) -> None:
    """Refuse an encoder and a decoder that do not fit each other.

    Args:
        encoder: From targets, alone or with noise, to `mu` and `log_sigma`.
        decoder: From latents back to targets.

    Raises:
        ValueError: The encoder has not two outputs of one shape, or the decoder's input
            or output does not fit it.
    """
    heads = encoder.output_shape
    if not isinstance(heads, (list, tuple)) or len(heads) != 2 or heads[0] != heads[1]:
        raise ValueError(
            "The encoder must have two outputs of one shape, mu and log_sigma; "
            f"got outputs of shape {heads}."
        )
    if decoder.input_shape != heads[0]:
        raise ValueError(
            f"The decoder takes latents of shape {decoder.input_shape}, but the encoder "
            f"gives {heads[0]}; make both of one latent size."
        )
    targets = tuple(encoder.inputs[0].shape)
    if decoder.output_shape != targets:
        raise ValueError(
            f"The decoder gives {decoder.output_shape}, but the encoder takes {targets}; "
            "make both of one image shape."
        )
