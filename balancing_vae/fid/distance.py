"""The Fréchet distance between two Gaussians, by symmetric eigenvalues in float64."""

import warnings

import numpy as np
from scipy.linalg import eigvalsh
from scipy.linalg.lapack import dpstrf

from balancing_vae.errors import InputError
from balancing_vae.fid.statistics import Statistics
from balancing_vae.fid.statistics import refuse_mixture

# Inception's pool_3 has 2,048 features: fewer images leave their covariance without
# full rank, and the field reads any FID below that number with suspicion.
FEW_SAMPLES = 2048


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """Return the squared Fréchet distance between two Gaussians.

        d^2 = |mu_1 - mu_2|^2 + Tr(sigma_1 + sigma_2 - 2 (sigma_1 sigma_2)^(1/2))

    (Dowson and Landau 1982, eq. 4; Heusel et al. 2017, eq. 6). The trace of the root is
    taken by `trace_sqrt_product`.

    Args:
        first: Statistics of one side.
        second: Statistics of the other, in the same features and protocol.

    Returns:
        The squared distance, a non-negative float in the features' unit squared.

    Raises:
        ValueError: One side has fewer than two images, or the two cannot be compared.

    Example:
        ```python
        frechet_distance(Statistics.load("real.npz"), Statistics.load("generated.npz"))
        ```
    """
    refuse_mixture(first, second)
    for statistics in (first, second):
        check_count(statistics.count, len(statistics.mu))
    difference = first.mu - second.mu
    distance = (
        difference @ difference
        + np.trace(first.sigma)
        + np.trace(second.sigma)
        - 2.0 * trace_sqrt_product(first.sigma, second.sigma)
    )
    # Rounding can leave a distance of zero slightly below it.
    return max(float(distance), 0.0)


def trace_sqrt_product(first: np.ndarray, second: np.ndarray) -> float:
    """Return `Tr (S1 S2)^(1/2)` of two covariances.

    With `S1 = R' R`, the eigenvalues of `S1 S2` that are not zero are those of the
    symmetric `R S2 R'`, so the trace is the sum of their square roots. R comes from the
    Cholesky decomposition with complete pivoting (LAPACK `dpstrf`), which stops at the
    rank; of the two covariances the one of lower rank is taken for S1, so that rounding
    errors of zero eigenvalues do not add up. Few images are therefore sound, and cheaper.
    No square root of a matrix is taken, nothing turns complex, and no constant is added
    to a diagonal.

    Args:
        first: Symmetric positive semi-definite matrix, float64 [d, d].
        second: The same.

    Returns:
        The trace, a non-negative float.

    Example:
        ```python
        trace_sqrt_product(np.eye(3), 4.0 * np.eye(3))  # 6.0
        ```
    """
    root, other_root = _root(first), _root(second)
    if len(root) > len(other_root):
        root, second = other_root, first
    if not len(root):
        return 0.0
    eigenvalues = eigvalsh(root @ second @ root.T, overwrite_a=True, check_finite=False)
    return float(np.sqrt(eigenvalues.clip(min=0.0)).sum())


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return R [rank, d] with `R' R` the covariance."""
    factor, pivots, rank, _ = dpstrf(covariance)
    return np.triu(factor)[:rank, np.argsort(pivots)]


def check_count(count: int | None, features: int) -> None:
    """Refuse fewer than two images, warn below 2,048.

    Args:
        count: Number of images behind the statistics; None, where unknown, passes.
        features: Number of features.

    Raises:
        ValueError: There are fewer than two images.

    Example:
        ```python
        check_count(1797, features=64)  # warns
        ```
    """
    if count is None:
        return
    if count < 2:
        raise InputError(
            f"{count} image{'s' * (count != 1)} cannot have a covariance; give at least two, "
            f"better {FEW_SAMPLES:,} or more."
        )
    if count < FEW_SAMPLES:
        rank = (
            f", and the covariance of {features:,} features has at most rank {count - 1:,}"
            if count <= features
            else ""
        )
        warnings.warn(
            f"Only {count:,} images: below {FEW_SAMPLES:,} the Fréchet distance is biased "
            f"upwards{rank}. Compare it only with distances of as many images.",
            stacklevel=3,
        )
