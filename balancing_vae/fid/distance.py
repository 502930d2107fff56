"""The Fréchet distance between two Gaussians, by symmetric eigenvalues in float64."""

import warnings

import numpy as np
from scipy.linalg import eigvalsh
from scipy.linalg import qr
from scipy.linalg import svdvals
from scipy.linalg.lapack import dpstrf

from balancing_vae.errors import InputError
from balancing_vae.fid.covariance import TOLERANCE
from balancing_vae.fid.covariance import Covariance
from balancing_vae.fid.covariance import Factor
from balancing_vae.fid.covariance import trace
from balancing_vae.fid.statistics import Statistics
from balancing_vae.fid.statistics import refuse_mixture

# Inception's pool_3 has 2,048 features. With fewer images the covariance has not full rank, and
# such FIDs are usually not trusted.
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
        ValueError: One side has fewer than two images, the two cannot be compared, or the
            distance is negative beyond rounding, because a covariance is wrong.

    Example:
        ```python
        frechet_distance(Statistics.load("real.npz"), Statistics.load("generated.npz"))
        ```
    """
    refuse_mixture(first, second)
    for statistics in (first, second):
        check_count(statistics.count, len(statistics.mu))
    difference = first.mu - second.mu
    traces = trace(first.covariance) + trace(second.covariance)
    distance = (
        difference @ difference
        + traces
        - 2.0 * trace_sqrt_product(first.covariance, second.covariance)
    )
    # Rounding can make a distance of zero slightly negative, but not more than slightly.
    if not -TOLERANCE * abs(traces) <= distance < np.inf:
        raise InputError(
            f"The squared distance of these statistics is {distance:.6g}; a squared distance is "
            "not negative, and it is finite, so one of the covariances is wrong: recompute both "
            "from the images."
        )
    return max(float(distance), 0.0)


def trace_sqrt_product(first: Covariance, second: Covariance) -> float:
    """Return `Tr (S1 S2)^(1/2)` of two covariances.

    With `S1 = R1' R1` and `S2 = R2' R2` it is the nuclear norm of `R1 R2'`, the sum of its
    singular values. For fewer images than features, the factors R are known, and `R1 R2'` is
    the Gram matrix between the images of both sides. If only R1 is known, only the part of S2
    within the span of R1's rows matters.

    For two whole covariances, the nonzero eigenvalues of `S1 S2` are those of the symmetric
    matrix `R1 S2 R1'`, and the trace is the sum of their square roots. R1 comes from the
    Cholesky decomposition with complete pivoting (LAPACK `dpstrf`), which stops at the rank.
    The covariance of lower rank is used as S1, so that rounding errors of zero eigenvalues do
    not add up. No matrix square root is computed, no value becomes complex, and no constant is
    added to a diagonal.

    Args:
        first: Symmetric positive semi-definite matrix, float64 [d, d], or its factor.
        second: The same.

    Returns:
        The trace, a non-negative float.

    Example:
        ```python
        trace_sqrt_product(np.eye(3), 4.0 * np.eye(3))  # 6.0
        ```
    """
    if isinstance(first, Factor):
        if isinstance(second, Factor):
            return _nuclear_norm(first.rows @ second.rows.T)
        return _within_span(first, second)
    if isinstance(second, Factor):
        return _within_span(second, first)
    root, other_root = _root(first), _root(second)
    if len(root) > len(other_root):
        root, second = other_root, first
    if not len(root):
        return 0.0
    eigenvalues = eigvalsh(root @ second @ root.T, overwrite_a=True, check_finite=False)
    return float(np.sqrt(eigenvalues.clip(min=0.0)).sum())


def _within_span(factor: Factor, other: np.ndarray) -> float:
    span, rows = qr(factor.rows.T, mode="economic", check_finite=False)
    return _nuclear_norm(_root(span.T @ other @ span) @ rows)


def _nuclear_norm(matrix: np.ndarray) -> float:
    if not matrix.size:
        return 0.0
    return float(svdvals(matrix, overwrite_a=True, check_finite=False).sum())


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return R [rank, d] with `R' R` the covariance."""
    factor, pivots, rank, _ = dpstrf(covariance)
    return np.triu(factor)[:rank, np.argsort(pivots)]


def check_count(count: int | None, features: int) -> None:
    """Refuse fewer than two images, warn below 2,048.

    Args:
        count: Number of images of the statistics; None (unknown) is accepted.
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
            f"upwards{rank}. Compare it only with distances of equally many images.",
            stacklevel=3,
        )
