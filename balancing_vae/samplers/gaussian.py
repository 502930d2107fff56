"""One Gaussian with a full covariance."""

from dataclasses import dataclass

import numpy as np

from balancing_vae.samplers.covariance import covariance_root
from balancing_vae.samplers.covariance import gaussian_log_density
from balancing_vae.samplers.prior import Prior
from balancing_vae.samplers.prior import draw
from balancing_vae.samplers.sampler import Sampler
from balancing_vae.samplers.sampler import check_latents
from balancing_vae.samplers.sampler import check_points
from balancing_vae.samplers.sampler import check_shapes


@dataclass(frozen=True, eq=False)
class Gaussian(Sampler):
    """A Gaussian with a full covariance, fitted to latents.

    z = mean + root noise, with root root = covariance. Source: Ghosh et al. 2020, "N".

    Attributes:
        mean: Float64 [L].
        root: Symmetric root of the covariance, float64 [L, L].

    Example:
        ```python
        z = Gaussian.fit(mu).sample(100, seed=0)
        ```
    """

    mean: np.ndarray
    root: np.ndarray

    def __post_init__(self):
        size = max(1, np.size(self.mean))
        check_shapes(mean=(self.mean, (size,)), root=(self.root, (size, size)))

    @classmethod
    def fit(
        cls,
        z: np.ndarray,
        seed: int = 0,
        sigma: np.ndarray | None = None,
        zero_mean: bool = False,
    ) -> "Gaussian":
        """Compute the mean and the covariance, with divisor n - 1.

        Args:
            z: Latents, or the posteriors' means, float [N, L], N > L.
            seed: Seed of the draws from the posteriors.
            sigma: The posteriors' standard deviations, float [N, L]; the Gaussian is fitted to
                one draw from each posterior.
            zero_mean: Whether to force the samples' mean to 0, as in the program of
                Ghosh et al. If false, the mean is that of the latents.

        Returns:
            The fitted Gaussian.

        Raises:
            ValueError: Some latents are NaN, or there are not more points than dimensions.

        Example:
            ```python
            published = Gaussian.fit(mu_validation, zero_mean=True)
            ```
        """
        z = check_latents(z if sigma is None else draw(z, sigma, seed))
        mean = np.zeros(z.shape[1]) if zero_mean else z.mean(axis=0)
        covariance = np.cov(z, rowvar=False, ddof=1).reshape(z.shape[1], z.shape[1])
        return cls(mean, covariance_root(covariance))

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return len(self.mean)

    def sample(self, n: int, seed: int = 0, noise: np.ndarray | None = None) -> np.ndarray:
        """Draw latents; see `Sampler.sample`."""
        noise = Prior(self.latent_dim).sample(n, seed, noise)
        return (self.mean + noise @ self.root).astype(np.float32)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density; see `Sampler.log_density`."""
        return gaussian_log_density(check_points(z, self.latent_dim), self.mean, self.root)
