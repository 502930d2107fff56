"""A square root of a covariance matrix, singular ones too."""

import numpy as np


def covariance_root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric root R of a covariance: R R = covariance.

    Unlike Cholesky's factor it exists where a latent does not vary, and unlike the
    eigenvectors it does not hang on their signs: the same covariance gives the same draws.

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
