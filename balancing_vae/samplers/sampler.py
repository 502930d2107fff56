"""Base class of samplers: a density of latents to fit, draw from and save."""

from abc import ABC
from abc import abstractmethod
from dataclasses import dataclass
from dataclasses import fields
from typing import TYPE_CHECKING
from typing import Self

import numpy as np

from balancing_vae.checks import check_finite
from balancing_vae.errors import InputError

# Latents are float32: draws of what is larger could overflow.
LARGEST = 1e30


@dataclass(frozen=True)
class Sampler(ABC):
    """A density of latents. What is fitted is a frozen dataclass whose fields are arrays.

    A new sampler has `fit`, `latent_dim`, `sample` and `log_density`, checks its fields in
    `__post_init__` (they may come from a damaged file), and stands in `SAMPLERS`.

    Attributes:
        latent_dim: Number of latents.
    """

    if TYPE_CHECKING:
        # A field of some samplers and a property of others.
        @property
        def latent_dim(self) -> int:
            """Number of latents."""

    @classmethod
    @abstractmethod
    def fit(cls, z: np.ndarray, seed: int = 0, sigma: np.ndarray | None = None) -> Self:
        """Fit the density; subclasses may take further options.

        Args:
            z: Latents, or with `sigma` the means of their posteriors, float [N, L].
            seed: Seed of what is random in the fit.
            sigma: Standard deviations of the posteriors, float [N, L]; the density is fitted
                to draws from them.

        Returns:
            The fitted sampler.

        Raises:
            ValueError: The latents cannot be fitted.
        """

    @abstractmethod
    def sample(self, n: int, seed: int = 0, noise: np.ndarray | None = None) -> np.ndarray:
        """Draw latents, the same on every backend.

        Args:
            n: How many.
            seed: Seed of the draws.
            noise: The draws themselves, standard normal, float [n, L], in place of the seed.

        Returns:
            Float32 [n, L]; the first of them do not depend on `n`.
        """

    @abstractmethod
    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of the density at latents.

        Args:
            z: Latents, float [N, L].

        Returns:
            Float64 [N].

        Raises:
            ValueError: The latents are not [N, L] or not finite; or the density lies on less
                than L dimensions, where no logarithm exists.
        """

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return all that was fitted, by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Make the sampler of what `to_arrays` returned.

        Args:
            arrays: Arrays by name.

        Returns:
            The sampler.

        Raises:
            ValueError: An array is missing, too many, or of another shape.
        """
        names = {field.name for field in fields(cls)}
        if set(arrays) != names:
            raise InputError(f"Expected the arrays {sorted(names)}, got {sorted(arrays)}.")
        return cls(**arrays)


def check_latents(z: np.ndarray) -> np.ndarray:
    """Refuse latents that no density can be fitted to.

    Args:
        z: Latents.

    Returns:
        The same as float64 [N, L].

    Raises:
        ValueError: Another rank, NaN or infinite values, or not more points than
            dimensions: their covariance is singular.
    """
    z = np.asarray(z, np.float64)
    if z.ndim != 2 or z.shape[1] == 0:
        raise InputError(f"Latents must have the shape [N, L], got {z.ndim} axes {z.shape}.")
    check_finite(z, "The latents")
    check_count(*z.shape)
    return z


def check_points(z: np.ndarray, latent_dim: int) -> np.ndarray:
    """Refuse latents that have no density.

    Args:
        z: Latents.
        latent_dim: Number of latents, L.

    Returns:
        The same as float64 [N, L].

    Raises:
        ValueError: Another shape, or values that are not finite.
    """
    z = np.asarray(z, np.float64)
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise InputError(f"Latents must have the shape [N, {latent_dim}], got {z.shape}.")
    check_finite(z, "The latents")
    return z


def check_count(count: int, latent_dim: int) -> None:
    """Refuse to fit a covariance to fewer points than it needs.

    Args:
        count: Number of points, which is that of the images.
        latent_dim: Number of latents.

    Raises:
        ValueError: Not more points than dimensions: their covariance is singular.
    """
    if count <= latent_dim:
        raise InputError(
            f"A sampler cannot be fitted to {count} points of {latent_dim} dimensions, whose "
            f"covariance is singular; give at least {latent_dim + 1} images, better the whole "
            "training set."
        )


def check_shapes(**expected: tuple[np.ndarray, tuple[int, ...]]) -> None:
    """Refuse fitted arrays of another shape, or with values that are not finite.

    Args:
        **expected: Array and shape by the array's name.

    Raises:
        ValueError: One of them does not fit.
    """
    for name, (array, shape) in expected.items():
        if np.shape(array) != shape:
            raise InputError(f"{name} must have the shape {shape}, got {np.shape(array)}.")
        floats = np.issubdtype(array.dtype, np.floating)
        if not floats or not (np.abs(array) < LARGEST).all():
            raise InputError(f"{name} must hold finite floats, below {LARGEST:g}.")
