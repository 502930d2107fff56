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

# Latents are float32, and draws from larger values could overflow.
LARGEST = 1e30


@dataclass(frozen=True)
class Sampler(ABC):
    """A density of latents. A fitted sampler is a frozen dataclass whose fields are arrays.

    A new sampler defines `fit`, `latent_dim`, `sample` and `log_density`. It checks its fields in
    `__post_init__`, because they may come from a damaged file, and is registered in `SAMPLERS`.

    Attributes:
        latent_dim: Number of latents.
    """

    if TYPE_CHECKING:
        # Some samplers have it as a field, others as a property.
        @property
        def latent_dim(self) -> int:
            """Number of latents."""

    @classmethod
    @abstractmethod
    def fit(cls, z: np.ndarray, seed: int = 0, sigma: np.ndarray | None = None) -> Self:
        """Fit the density; subclasses may take further options.

        Args:
            z: Latents, or the means of their posteriors if `sigma` is given, float [N, L].
            seed: Seed of the randomness in the fit.
            sigma: Standard deviations of the posteriors, float [N, L]; the density is fitted
                to draws from the posteriors.

        Returns:
            The fitted sampler.

        Raises:
            ValueError: The latents cannot be fitted.
        """

    @abstractmethod
    def sample(self, n: int, seed: int = 0, noise: np.ndarray | None = None) -> np.ndarray:
        """Draw latents, the same on every backend.

        Args:
            n: Number of latents.
            seed: Seed of the draws.
            noise: Standard normal noise, float [n, L], in place of the seed.

        Returns:
            Float32 [n, L]; the first rows do not depend on `n`.
        """

    def sample_on_device(self, n: int, seed: int = 0, noise: np.ndarray | None = None):
        """Draw latents as `sample` does; a sampler that computes on the device leaves them there.

        Args:
            n: As in `sample`.
            seed: As in `sample`.
            noise: As in `sample`.

        Returns:
            An array or a tensor, float32 [n, L].
        """
        return self.sample(n, seed, noise)

    @abstractmethod
    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the natural logarithm of the density at latents.

        Args:
            z: Latents, float [N, L].

        Returns:
            Float64 [N].

        Raises:
            ValueError: The latents do not have the shape [N, L] or are not finite; or the
                latents of the fit do not vary in all L dimensions, so there is no density.
        """

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the fitted arrays by name."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Make the sampler from the arrays that `to_arrays` returned.

        Args:
            arrays: Arrays by name.

        Returns:
            The sampler.

        Raises:
            ValueError: An array is missing, unknown, or has another shape.
        """
        names = {field.name for field in fields(cls)}
        if set(arrays) != names:
            raise InputError(f"Expected the arrays {sorted(names)}, got {sorted(arrays)}.")
        return cls(**arrays)


def check_latents(z: np.ndarray) -> np.ndarray:
    """Raise if no density can be fitted to the latents.

    Args:
        z: Latents.

    Returns:
        The latents as float64 [N, L].

    Raises:
        ValueError: They have another rank, or NaN or infinite values; or there are not more
            points than dimensions, so their covariance is singular.
    """
    z = np.asarray(z, np.float64)
    if z.ndim != 2 or z.shape[1] == 0:
        raise InputError(f"Latents must have the shape [N, L], got {z.ndim} axes {z.shape}.")
    check_finite(z, "The latents")
    check_count(*z.shape)
    return z


def check_points(z: np.ndarray, latent_dim: int) -> np.ndarray:
    """Raise if the density of these latents cannot be computed.

    Args:
        z: Latents.
        latent_dim: Number of latents, L.

    Returns:
        The latents as float64 [N, L].

    Raises:
        ValueError: They have another shape, or values that are not finite.
    """
    z = np.asarray(z, np.float64)
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise InputError(f"Latents must have the shape [N, {latent_dim}], got {z.shape}.")
    check_finite(z, "The latents")
    return z


def check_count(count: int, latent_dim: int) -> None:
    """Raise if there are too few points to fit a covariance.

    Args:
        count: Number of points, which equals the number of images.
        latent_dim: Number of latents.

    Raises:
        ValueError: There are not more points than dimensions, so their covariance is singular.
    """
    if count <= latent_dim:
        raise InputError(
            f"A sampler cannot be fitted to {count} points of {latent_dim} dimensions, because "
            f"their covariance is singular; give at least {latent_dim + 1} images, or better the "
            "whole training set."
        )


def check_shapes(**expected: tuple[np.ndarray, tuple[int, ...]]) -> None:
    """Raise if fitted arrays have another shape, or values that are not finite.

    Args:
        **expected: Array and shape by the array's name.

    Raises:
        ValueError: An array has another shape, or values that are not finite.
    """
    for name, (array, shape) in expected.items():
        if np.shape(array) != shape:
            raise InputError(f"{name} must have the shape {shape}, got {np.shape(array)}.")
        floats = np.issubdtype(array.dtype, np.floating)
        if not floats or not (np.abs(array) < LARGEST).all():
            raise InputError(f"{name} must hold finite floats, below {LARGEST:g}.")
