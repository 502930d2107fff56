"""Latents of images: the posterior, draws from it, and the reconstruction error."""

import numpy as np

from balancing_vae.backend.batches import map_batches
from balancing_vae.backend.inference import large_batch
from balancing_vae.backend.inference import predict
from balancing_vae.balancing import ComputedGamma
from balancing_vae.checks import as_float
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.moments import mse
from balancing_vae.samplers.prior import draw
from balancing_vae.training.sources import ImageBatches
from balancing_vae.training.sources import Source


def encode(stage: Autoencoder, source: Source, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior of images, or of latents.

    Args:
        stage: A stage.
        source: Images, or latents for stage 2, [N, ...]; or a dataset's images.
        batch_size: Rows of a training batch; see `large_batch`.

    Returns:
        `mu` and `sigma`, float32 [N, L] each.
    """
    large = large_batch(stage.encoder, batch_size)

    def posterior(batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return stage.posterior(as_float(batch))

    batches = source.of_size(large) if isinstance(source, ImageBatches) else [source]
    parts = [map_batches(posterior, batch_size, x, large=large) for x in batches]
    mu, sigma = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mu, sigma


def computes_gamma(stage: Autoencoder) -> bool:
    """Return whether a stage's gamma is computed and used in its loss."""
    balancing = getattr(stage, "balancing", None)
    return isinstance(balancing, ComputedGamma) and balancing.trainable


def measure_gamma(stage: Autoencoder, x: np.ndarray, batch_size: int, seed: int) -> float:
    """Set a stage's computed gamma to the error of its reconstructions.

    Args:
        stage: A stage whose gamma is computed.
        x: Images, integers in 0..255 or floats in [0, 1], or latents for stage 2, [N, ...].
        batch_size: As in `encode`.
        seed: Seed of the posterior's noise.

    Returns:
        The gamma, the root of the mean squared error.
    """
    z = draw(*encode(stage, x, batch_size), seed)
    error = mse(as_float(x), predict(stage.decoder, batch_size, z))
    stage.balancing.running_mse.assign(error)
    return error**0.5
