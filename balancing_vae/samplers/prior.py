"""The prior of a VAE: the standard normal, which needs no fit."""

from dataclasses import dataclass

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.samplers.sampler import Sampler
from balancing_vae.samplers.sampler import check_points


@dataclass(frozen=True)
class Prior(Sampler):
    """The standard normal prior: z = noise. The other samplers transform the same noise.

    Attributes:
        latent_dim: Number of latents.

    Example:
        ```python
        z = Prior(64).sample(100, seed=0)
        ```
    """

    latent_dim: int

    @classmethod
    def fit(cls, z: np.ndarray, seed: int = 0, sigma: np.ndarray | None = None) -> "Prior":
        """Return the prior with the number of dimensions of `z`."""
        return cls(np.shape(z)[1])

    def sample(
        self,
        n: int,
        seed: int | np.random.SeedSequence = 0,
        noise: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw latents; see `Sampler.sample`.

        Raises:
            ValueError: The noise does not have the shape [n, L], or the seed is not a whole
                number.
        """
        shape = (n, int(self.latent_dim))
        if noise is None:
            return _generator(seed).standard_normal(shape, dtype=np.float32)
        if np.shape(noise) != shape:
            raise InputError(f"The noise must have the shape {shape}, got {np.shape(noise)}.")
        return np.asarray(noise, np.float32)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density; see `Sampler.log_density`."""
        z = check_points(z, self.latent_dim)
        return -0.5 * ((z**2).sum(axis=1) + self.latent_dim * np.log(2 * np.pi))


def draw(
    mu: np.ndarray, sigma: np.ndarray, seed: int, noise: np.ndarray | None = None
) -> np.ndarray:
    """Return `mu + sigma * noise`, with standard normal noise from a seed if none is given."""
    return mu + sigma * Prior(mu.shape[1]).sample(len(mu), seed, noise)


def _generator(seed) -> np.random.Generator:
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise InputError(f"seed must be a whole number of at least 0, got {seed!r}.") from error
