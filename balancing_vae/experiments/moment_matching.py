"""Match the posterior's moments: one factor, a factor per latent, or the full covariance."""

from dataclasses import dataclass

import numpy as np

from balancing_vae.moments import mean_std
from balancing_vae.moments import variance_law
from balancing_vae.samplers.covariance import covariance_root

# Smaller variances are replaced by this fraction of the mean variance.
MIN_VARIANCE = 1e-6


@dataclass(frozen=True)
class PosteriorMoments:
    """The moments of `z ~ q(z|x)` over the data.

    Attributes:
        mean: E[mu], float64 [L].
        variance: Var(mu) + E[sigma^2], float64 [L]: the variance law of each latent.
        covariance: Cov(mu) + diag(E[sigma^2]), float64 [L, L].
    """

    mean: np.ndarray
    variance: np.ndarray
    covariance: np.ndarray

    @classmethod
    def measure(cls, mu: np.ndarray, sigma: np.ndarray) -> "PosteriorMoments":
        """Measure the posterior of real images.

        Args:
            mu: Posterior means, float [N, L].
            sigma: Posterior standard deviations, float [N, L].

        Returns:
            The moments.

        Example:
            ```python
            moments = PosteriorMoments.measure(*vae.encode(x_test))
            ```
        """
        variance = variance_law(mu, sigma)
        mean = mu.mean(axis=0, dtype=np.float64)
        covariance = (mu - mean).T @ (mu - mean) / len(mu)
        np.fill_diagonal(covariance, variance)
        return cls(mean, variance, covariance)


def one_factor(z: np.ndarray, moments: PosteriorMoments) -> np.ndarray:
    """Multiply all latents by one factor: `z * sqrt(mean variance) / mean(std(z))`.

    Source: Asperti 2020.

    Args:
        z: Latents, float [N, L].
        moments: The target moments.

    Returns:
        Float [N, L].

    Example:
        ```python
        z = one_factor(z, moments)
        ```
    """
    return z * (np.sqrt(moments.variance.mean()) / mean_std(z))


def factor_a_latent(z: np.ndarray, moments: PosteriorMoments) -> np.ndarray:
    """Give each latent its mean and its variance in the posterior.

    Args:
        z: Latents, float [N, L].
        moments: The target moments.

    Returns:
        Float [N, L].

    Example:
        ```python
        factor_a_latent(z, moments).var(axis=0)   # moments.variance
        ```
    """
    variance = np.var(z, axis=0, dtype=np.float64)
    variance = np.maximum(variance, MIN_VARIANCE * variance.mean())
    return (z - z.mean(axis=0)) * np.sqrt(moments.variance / variance) + moments.mean


def full_covariance(z: np.ndarray, moments: PosteriorMoments) -> np.ndarray:
    """Give latents the mean and the full covariance matrix of the posterior.

    Of all linear maps that do so, it applies the one that moves the latents least. If A is the
    covariance of `z` and B the target, this is `A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2`. Source:
    optimal transport between Gaussians (Olkin and Pukelsheim 1982).

    Args:
        z: Latents, float [N, L].
        moments: The target moments.

    Returns:
        Float [N, L].

    Example:
        ```python
        np.cov(full_covariance(z, moments), rowvar=False, bias=True)   # moments.covariance
        ```
    """
    centered = np.asarray(z, np.float64) - z.mean(axis=0)
    covariance = centered.T @ centered / len(z)
    # A latent that does not vary would have no inverse.
    covariance += MIN_VARIANCE * np.diag(covariance).mean() * np.eye(len(covariance))
    root = covariance_root(covariance)
    inverse_root = np.linalg.inv(root)
    inner_root = covariance_root(root @ moments.covariance @ root)
    return centered @ (inverse_root @ inner_root @ inverse_root) + moments.mean
