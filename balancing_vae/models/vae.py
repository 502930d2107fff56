"""The Keras model of one stage: encoder, decoder, objective and balancing strategy."""

import keras
import numpy as np
from keras import ops

from balancing_vae.backend.distribution import mean_over_replicas
from balancing_vae.backend.distribution import replica_count
from balancing_vae.backend.distribution import standard_noise
from balancing_vae.balancing import BalancingStrategy
from balancing_vae.balancing import ComputedGamma
from balancing_vae.balancing import build_strategy
from balancing_vae.balancing.low_gamma import WarnOfLowGamma
from balancing_vae.config import LIKELIHOODS
from balancing_vae.config import Config
from balancing_vae.config import KLWeight
from balancing_vae.config import Likelihood
from balancing_vae.errors import InputError
from balancing_vae.layers.sampling import reparameterize
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.metrics import Latest
from balancing_vae.models.objectives import bernoulli_nll
from balancing_vae.models.objectives import gaussian_nll
from balancing_vae.models.objectives import kl_divergence
from balancing_vae.models.objectives import mean_over_images
from balancing_vae.models.objectives import mean_squared_error
from balancing_vae.networks.inputs import as_intensities
from balancing_vae.networks.inputs import check_vectors


@keras.saving.register_keras_serializable("balancing_vae")
class VAE(Autoencoder):
    """A variational autoencoder that balances reconstruction error and KL automatically.

        loss = k KL + sum( ((x - x_hat) / gamma)^2 / 2 + log gamma + 0.91893 )

    Both terms are summed over an image and averaged over the batch. The balancing strategy
    computes `gamma` inside the compiled step, so `fit` works with any `steps_per_execution` and
    jit setting. The same holds if a strategy changes `k` (see `WarmUpBeta`). The logs hold
    `loss`, `kl`, `reconstruction` (the second term), `mse`, `gamma` and `beta` = k gamma^2. Beta
    is the effective weight of KL relative to half the sum of squares: gamma^2 times the loss's
    derivative with respect to KL. Source: the original program.

    With the likelihood "bernoulli", the second term is the cross-entropy instead (see
    `bernoulli_nll`). It does not depend on gamma, so gamma stays constant, and beta is `k`.

    The inputs are images as integers in 0..255 or as floats in [0, 1], alone or with the noise
    of the sampling: `fit(x)` or `fit((x, noise))`.

    Args:
        encoder: A network from images, float [B, D, D, C] in [0, 1], to `mu` and `log_sigma`,
            float [B, L] each. A second input, if there is one, is the noise, float [B, L]: in an
            iterative encoder, the sample of a step changes the posterior of later steps.
        decoder: A network from latents, float [B, L], to images, float [B, D, D, C] in [0, 1].
        balancing: The strategy that sets gamma; computed gamma by default.
        kl_weight: `k`, positive. By default it is the strategy's weight of KL if there is one,
            and otherwise 1. The original program uses (2 D / L)^2.
        seed: Seed of the sampling noise, if the noise is not given.
        likelihood: "gaussian" or "bernoulli", the distribution whose mean the decoder returns.
        **kwargs: Arguments of every Keras model.

    Raises:
        ValueError: Encoder and decoder do not match, the likelihood is unknown, or both
            `kl_weight` and the strategy set the weight of KL.

    Example:
        ```python
        vae = VAE(encoder, decoder)
        vae.compile(keras.optimizers.Adam(1e-4, epsilon=1e-8))
        vae.fit(images, epochs=10)
        ```
    """

    term_names = ("kl", "reconstruction", "mse")
    # The loss depends on gamma, so the losses of two epochs cannot be compared.
    monitor = "mse"
    heads = ("mu", "log_sigma")
    has_prior = True

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        balancing: BalancingStrategy | None = None,
        kl_weight: KLWeight = None,
        seed: int | None = None,
        likelihood: Likelihood = "gaussian",
        **kwargs,
    ):
        super().__init__(encoder, decoder, seed, **kwargs)
        if likelihood not in LIKELIHOODS:
            raise InputError(f"likelihood must be one of {LIKELIHOODS}, got {likelihood!r}.")
        self.balancing = ComputedGamma() if balancing is None else balancing
        self.kl_weight = self._choose_kl_weight(kl_weight)
        self.likelihood = likelihood
        if likelihood == "bernoulli":
            # This likelihood does not use gamma: a learned gamma would get no gradient.
            self.balancing.trainable = False
        self.gamma_tracker = Latest(name="gamma")
        self.beta_tracker = Latest(name="beta")

    @classmethod
    def settings_of(cls, config: Config) -> dict:
        """Return the config's seed and strategy."""
        return {"seed": config.seed, "balancing": build_strategy(**config.balancing)}

    def describe(self) -> str:
        """Return the likelihood, gamma with its strategy, and the weight of KL."""
        gamma = float(ops.convert_to_numpy(self.balancing.gamma))
        return (
            f"kl_weight {self.kl_weight:g}; {self.likelihood}, "
            f"gamma {gamma:.4g} ({self.balancing.name})"
        )

    def posterior(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode one batch.

        Args:
            images: Float32 [B, D, D, C] in [0, 1].

        Returns:
            `mu` and `sigma`, float32 [B, L] each.
        """
        mu, log_sigma = self.encoder.predict_on_batch(images)
        return mu, np.exp(log_sigma)

    def observe(self, inputs):
        """Split `inputs` into the images to reconstruct and the noise, if given.

        Args:
            inputs: Images, integers in 0..255 or floats in [0, 1], [B, D, D, C]; or a pair of
                images and standard normal noise, float [B, L].

        Returns:
            Images as float [B, D, D, C] in [0, 1], and the noise or None.
        """
        images, noise = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        return as_intensities(images), noise

    def call(self, inputs, training=None):
        """Encode, sample and decode.

        Args:
            inputs: Inputs as `observe` takes them.
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

    def fit(self, *args, **kwargs):
        """Train the model; arguments and result are those of `keras.Model.fit`."""
        try:
            return super().fit(*args, **kwargs)
        except BaseException:
            # Keras does not call `on_train_end` then, and a frozen gamma would stay frozen.
            self.balancing.restore_rate()
            raise

    def own_callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the callback that warns if gamma is far below the error."""
        return [WarnOfLowGamma()]

    def check_inputs(self, inputs, name: str = "x") -> None:
        """Raise if the inputs are not images, alone or with noise."""
        images, *noise = inputs if isinstance(inputs, (list, tuple)) else (inputs,)
        super().check_inputs(images, name)
        if len(noise) > 1:
            raise InputError(
                f"{name} must be images, or images and noise; got {len(inputs)} arrays."
            )
        for each in noise:
            check_vectors(each, self.latent_dim, f"The noise of {name}")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of one batch and, in training, let the strategy update gamma.

        The loss of a step uses gamma from before the batch, unless the strategy computes it from
        the batch itself. The logs hold gamma from after the batch.
        """
        target, x_hat = y_pred["target"], y_pred["reconstruction"]
        gaussian = self.likelihood == "gaussian"
        mse = mean_squared_error(target, x_hat, sample_weight)
        mse_of_all = self._mse_of_all(mse, sample_weight)
        gamma = self.balancing.gamma_of(mse_of_all, target, x_hat)
        kl = mean_over_images(kl_divergence(y_pred["mu"], y_pred["log_sigma"]), sample_weight)
        reconstruction = mean_over_images(
            gaussian_nll(target, x_hat, gamma) if gaussian else bernoulli_nll(target, x_hat),
            sample_weight,
        )
        kl_part, _ = self.balancing.weigh_kl(kl)
        if training:
            self.balancing.update(ops.stop_gradient(mse_of_all))
            gamma = self.balancing.gamma
        terms = (("kl", kl), ("reconstruction", reconstruction), ("mse", ops.stop_gradient(mse)))
        self.track(terms, target)
        gamma = _in_one(ops.stop_gradient(gamma))
        self.gamma_tracker.update_state(gamma)
        _, kl_slope = self.balancing.weigh_kl(ops.stop_gradient(kl))
        beta = self.kl_weight * kl_slope
        self.beta_tracker.update_state(beta * ops.square(gamma) if gaussian else beta)
        # Keras sums the gradients over all replicas, and multiplies the logged loss by their
        # number again.
        return (self.kl_weight * kl_part + reconstruction) / replica_count()

    def _mse_of_all(self, mse, sample_weight):
        """Return the mean squared error over all replicas, with weights scaled to mean 1."""
        mse = mean_over_replicas(mse)
        if sample_weight is None:
            return mse
        weight = mean_over_replicas(ops.mean(ops.cast(sample_weight, "float32")))
        # A batch of total weight 0 does not change gamma.
        unchanged = ops.square(ops.stop_gradient(self.balancing.gamma))
        return ops.where(weight > 0, mse / ops.maximum(weight, 1e-12), unchanged)

    def get_config(self) -> dict:
        """Return the arguments of the model; `kl_weight` is None if the strategy sets it."""
        config = super().get_config()
        if self.balancing.kl_weight is not None:
            config["kl_weight"] = None
        return config

    def _choose_kl_weight(self, given: float | None) -> float:
        decided = self.balancing.kl_weight
        if given is not None and decided is not None:
            raise InputError(
                f"{type(self.balancing).__name__} sets the weight of KL to {decided:g}, which "
                f"conflicts with kl_weight={given:g}; omit kl_weight (None)."
            )
        if given is None:
            given = decided
        return 1.0 if given is None else given


def _in_one(gamma):
    """Return one gamma for all images: the root of the mean of their squared gammas."""
    return ops.sqrt(ops.mean(ops.square(gamma))) if ops.ndim(gamma) else gamma
