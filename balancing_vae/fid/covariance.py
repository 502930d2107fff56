"""A covariance as a matrix or, for fewer images than features, as a low-rank factor."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg import cholesky

# Far above rounding errors, also in float32, and far below what affects a distance.
TOLERANCE = 1e-6
_POWER_ITERATIONS = 16


@dataclass(frozen=True, eq=False)
class Factor:
    """The covariance R'R, represented by its factor R, which needs much less memory.

    Attributes:
        rows: R, float64 [r, d].

    Example:
        ```python
        Factor(np.ones((1, 3))).whole()  # np.ones((3, 3))
        ```
    """

    rows: np.ndarray

    def whole(self) -> np.ndarray:
        """Return the covariance itself, float64 [d, d]."""
        return self.rows.T @ self.rows


# The whole matrix, symmetric and positive semi-definite, float64 [d, d], or its factor.
Covariance = np.ndarray | Factor


def trace(covariance: Covariance) -> float:
    """Return the sum of the variances."""
    if isinstance(covariance, Factor):
        return float(np.vdot(covariance.rows, covariance.rows))
    return float(np.trace(covariance))


def weighted_sum(terms: Sequence[tuple[float, Covariance]]) -> Covariance:
    """Return the weighted sum of covariances.

    Args:
        terms: Non-negative weights and covariances of the same d features.

    Returns:
        A factor if all terms are factors with fewer than d rows in total; otherwise the whole
        matrix.

    Example:
        ```python
        weighted_sum([(0.5, Factor(np.eye(2, 8))), (0.5, Factor(np.ones((1, 8))))])
        ```
    """
    factors = [(weight, term) for weight, term in terms if isinstance(term, Factor)]
    if len(factors) == len(terms):
        rows = np.concatenate([weight**0.5 * factor.rows for weight, factor in factors])
        if rows.shape[0] < rows.shape[1]:
            return Factor(rows)
        return rows.T @ rows
    total = np.zeros(())
    for weight, covariance in terms:
        whole = covariance.whole() if isinstance(covariance, Factor) else covariance
        total = total + weight * whole
    return total


def fault(matrix: np.ndarray) -> str | None:
    """Say why a matrix is not a covariance.

    Args:
        matrix: Finite float64 [d, d].

    Returns:
        The reason; None if it is symmetric (to 1e-6 of its largest entry) and positive
        semi-definite (to 1e-6 of its largest eigenvalue).

    Example:
        ```python
        fault(-np.eye(2))  # "has a negative variance, -1"
        ```
    """
    largest = max(matrix.max(initial=0.0), -matrix.min(initial=0.0))
    if largest == 0:
        return None
    smallest = matrix.diagonal().min()
    if smallest < -TOLERANCE * largest:
        return f"has a negative variance, {smallest:.4g}"
    scaled = matrix / largest
    if np.abs(scaled - scaled.T).max() > TOLERANCE:
        return "is not symmetric"
    # Eigenvalues are above -s exactly where adding s to the diagonal leaves a Cholesky
    # decomposition, which takes a tenth of the time of the eigenvalues.
    scaled[np.diag_indices_from(scaled)] += TOLERANCE * _largest_eigenvalue(scaled)
    try:
        cholesky(scaled, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return "has a negative eigenvalue"
    return None


def _largest_eigenvalue(matrix: np.ndarray) -> float:
    """Return a close lower bound of the largest eigenvalue, by power iteration."""
    vector = matrix[:, np.argmax(matrix.diagonal())]
    for _ in range(_POWER_ITERATIONS):
        length = np.linalg.norm(vector)
        if length == 0:
            return 0.0
        vector = matrix @ (vector / length)
    return float(np.linalg.norm(vector))
