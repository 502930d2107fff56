"""Variance loss and the variance law in NumPy. All variances divide by n."""

import numpy as np

from balancing_vae.deprecation import renamed_argument
from balancing_vae.errors import InputError
from balancing_vae.schema import Spelling

INACTIVE_SIGMA = 0.8
COLUMNS = 1024
# The law as printed in the paper, and as the original program prints it.
SECOND_TERM = Spelling(
    "second_term",
    ("sigma^2", "sigma"),
    {"paper": "sigma^2", "reference": "sigma"},
    removed_in="0.3",
)


def mse(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Return the mean squared error over every element.

    Args:
        x: Data, float [N, ...].
        x_hat: Reconstructions of the same shape.

    Returns:
        mean((x - x_hat)^2).

    Raises:
        ValueError: The shapes differ.

    Example:
        ```python
        mse(np.zeros((4, 2)), np.ones((4, 2)))   # 1.0
        ```
    """
    _check_same_shape(x, x_hat)
    return float(np.mean(np.square(np.asarray(x, np.float64) - x_hat)))


def variance_loss(x: np.ndarray, x_hat: np.ndarray, axis: int = 0) -> float:
    """Return the variance that is lost in reconstruction or generation.

    mean(var(x) - var(x_hat)). Over the data (axis 0) it equals the mse for a linear
    autoencoder (PCA). Source: Asperti 2020.

    Args:
        x: Data, float [N, ...].
        x_hat: Reconstructions or generated samples, float [M, ...].
        axis: Axis over which variances are taken: 0 for the data, or another one.

    Returns:
        The mean loss; negative if `x_hat` varies more than `x`.

    Raises:
        ValueError: `x` and `x_hat` differ in shape beyond the first axis.

    Example:
        ```python
        variance_loss(x, x.mean(0, keepdims=True).repeat(len(x), 0))   # x.var(0).mean()
        ```
    """
    _check_same_shape(x[:1], x_hat[:1])
    return float(np.mean(_variance(x, axis)) - np.mean(_variance(x_hat, axis)))


def mean_std(x: np.ndarray) -> float:
    """Return the standard deviation over the data, averaged over pixels (or latents).

    Args:
        x: Data, float [N, ...].

    Returns:
        mean(std(x, axis=0)).

    Example:
        ```python
        mean_std(np.array([[0.0], [2.0]]))   # 1.0
        ```
    """
    return float(np.mean(np.sqrt(_variance(x, 0))))


@renamed_argument("mode", "second_term", removed_in="0.3")
def variance_law(mu: np.ndarray, sigma: np.ndarray, second_term: str = "sigma^2") -> np.ndarray:
    """Return the variance of each latent, which the KL divergence drives to 1.

    Var(mu) + E[sigma^2] (Asperti 2020, equation 4), or Var(mu) + E[sigma], which the original
    program prints.

    Args:
        mu: Posterior means, float [N, L].
        sigma: Posterior standard deviations, float [N, L].
        second_term: "sigma^2" or "sigma".

    Returns:
        Float64 [L]; the original program prints its mean.

    Raises:
        ValueError: The shapes differ, or `second_term` is not one of the two.

    Example:
        ```python
        variance_law(mu, sigma).mean()   # close to 1
        ```
    """
    _check_same_shape(mu, sigma)
    is_squared = SECOND_TERM.given(second_term) == "sigma^2"
    sigma = np.asarray(sigma, np.float64)
    return _variance(mu, 0) + np.mean(sigma**2 if is_squared else sigma, axis=0)


def inactive_latents(sigma: np.ndarray) -> np.ndarray:
    """Return which latents carry no information: those whose mean sigma is above 0.8.

    Source: the original program.

    Args:
        sigma: Posterior standard deviations, float [N, L].

    Returns:
        Bool [L].

    Example:
        ```python
        inactive_latents(sigma).sum()
        ```
    """
    return np.mean(np.asarray(sigma, np.float64), axis=0) > INACTIVE_SIGMA


def _variance(x: np.ndarray, axis: int) -> np.ndarray:
    x = np.asarray(x)
    if axis != 0:
        return np.var(x, axis=axis, dtype=np.float64)
    # A few columns at a time, because NumPy would make a float64 copy of all the images.
    columns = x.reshape(len(x), -1)
    parts = [
        np.var(columns[:, i : i + COLUMNS], axis=0, dtype=np.float64)
        for i in range(0, columns.shape[1], COLUMNS)
    ]
    return np.concatenate(parts).reshape(x.shape[1:])


def _check_same_shape(x: np.ndarray, x_hat: np.ndarray) -> None:
    if np.shape(x) != np.shape(x_hat):
        raise InputError(f"Expected two arrays of one shape, got {np.shape(x)}, {np.shape(x_hat)}.")
