"""Square roots of covariance matrices, including singular ones, and Gaussian densities."""

import numpy as np

from balancing_vae.errors import InputError

NO_DENSITY = (
    "There is no density, because the latents do not vary in every direction; fit the sampler to "
    "draws from the posteriors of a VAE, which do."
)


def covariance_root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric root R of a covariance: R R = covariance.

    Unlike the Cholesky factor, it exists even if a latent does not vary. Unlike the
    eigenvectors, it does not depend on signs, so the same covariance gives the same draws.

    Args:
        covariance: Symmetric, positive semi-definite, float [L, L].

    Returns:
        Float64 [L, L], symmetric.

    Example:
        ```python
        z = noise @ covariance_root(np.cov(latents, rowvar=False))
        ```
    """
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def gaussian_log_density(z: np.ndarray, mean: np.ndarray, root: np.ndarray) -> np.ndarray:
    """Return the logarithm of a Gaussian's density.

    Args:
        z: Points, float64 [N, L].
        mean: Float64 [L].
        root: Symmetric root of the covariance, float64 [L, L].

    Returns:
        Float64 [N].

    Raises:
        ValueError: The covariance is singular.

    Example:
        ```python
        gaussian_log_density(z, np.zeros(2), np.eye(2))
        ```
    """
    values, vectors = np.linalg.eigh(root)
    if values[0] <= len(values) * np.finfo(np.float64).eps * values[-1]:
        raise InputError(NO_DENSITY)
    noise = ((z - mean) @ vectors) / values
    size = len(mean)
    return -0.5 * ((noise**2).sum(axis=1) + size * np.log(2 * np.pi)) - np.log(values).sum()
