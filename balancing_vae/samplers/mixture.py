"""A mixture of Gaussians with full covariances, fitted by scikit-learn."""

import warnings
from dataclasses import dataclass

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.samplers.covariance import covariance_root
from balancing_vae.samplers.covariance import gaussian_log_density
from balancing_vae.samplers.prior import Prior
from balancing_vae.samplers.prior import draw
from balancing_vae.samplers.sampler import Sampler
from balancing_vae.samplers.sampler import check_latents
from balancing_vae.samplers.sampler import check_points
from balancing_vae.samplers.sampler import check_shapes

MAX_ITERATIONS = 2000
TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Mixture(Sampler):
    """A mixture of Gaussians with full covariances, fitted to latents.

    z = mean_k + root_k noise, with k drawn by the weights. Source: Ghosh et al. 2020, "GMM".

    Attributes:
        weights: Weights of the components, positive with sum 1, float64 [K].
        means: Means of the components, float64 [K, L].
        roots: Symmetric roots of the covariances, float64 [K, L, L].

    Example:
        ```python
        z = Mixture.fit(mu, components=10).sample(100, seed=0)
        ```
    """

    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray

    def __post_init__(self):
        count = max(1, np.size(self.weights))
        size = max(1, np.size(self.means) // count)
        check_shapes(
            weights=(self.weights, (count,)),
            means=(self.means, (count, size)),
            roots=(self.roots, (count, size, size)),
        )
        if self.weights.min() < 0 or not np.isclose(self.weights.sum(), 1):
            raise InputError(f"weights must be positive with sum 1, got {self.weights}.")

    @classmethod
    def fit(
        cls,
        z: np.ndarray,
        seed: int = 0,
        sigma: np.ndarray | None = None,
        components: int = 10,
        bayesian: bool = False,
    ) -> "Mixture":
        """Fit by expectation maximisation with tolerance 1e-3 in at most 2,000 steps.

        Args:
            z: Latents, or the posteriors' means, float [N, L], N > L.
            seed: Seed of the draws from the posteriors, and of the k-means initialisation.
            sigma: The posteriors' standard deviations, float [N, L]; the mixture is fitted to
                one draw from each posterior.
            components: Number of Gaussians, K, at most the number of different latents.
            bayesian: Whether the weights have a Dirichlet process prior with concentration
                1 / K, as in most published numbers of Ghosh et al.; by default they have none.

        Returns:
            The fitted mixture.

        Raises:
            ValueError: Some latents are NaN, there are not more points than dimensions, or there
                are fewer points than components.

        Example:
            ```python
            published = Mixture.fit(mu, bayesian=True)
            ```
        """
        # Imported here, because only the fit needs scikit-learn and its import takes a second.
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import BayesianGaussianMixture
        from sklearn.mixture import GaussianMixture

        z = check_latents(z if sigma is None else draw(z, sigma, seed))
        if components < 1:
            raise InputError(f"components must be at least 1, got {components}.")
        distinct = len(np.unique(z, axis=0)) if components > 1 else 1
        if components > distinct:
            raise InputError(
                f"A mixture of {components} components needs as many different points, got "
                f"{distinct}; fit to more images or use fewer components."
            )
        settings = {"max_iter": MAX_ITERATIONS, "tol": TOLERANCE, "random_state": seed}
        if bayesian:
            settings["weight_concentration_prior"] = 1 / components
        kind = BayesianGaussianMixture if bayesian else GaussianMixture
        model = kind(n_components=components, covariance_type="full", **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(z)
        if not model.converged_:
            warnings.warn(
                f"The mixture of {components} has not converged in {MAX_ITERATIONS} steps. Its "
                "samples are usable, but fewer components or more images would fit better.",
                stacklevel=2,
            )
        roots = np.stack([covariance_root(covariance) for covariance in model.covariances_])
        return cls(model.weights_, model.means_, roots)

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return self.means.shape[1]

    def sample(
        self,
        n: int,
        seed: int = 0,
        noise: np.ndarray | None = None,
        choices: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw latents; see `Sampler.sample`.

        Args:
            n: Number of latents.
            seed: Seed of the draws.
            noise: Standard normal noise, float [n, L], in place of a seed.
            choices: The component of each latent, int [n] in 0..K-1. By default the components
                are drawn with the seed, even if `noise` is given.

        Returns:
            Float32 [n, L].
        """
        noise = Prior(self.latent_dim).sample(n, seed, noise)
        if choices is None:
            # A separate stream, so that the noise equals that of every other sampler.
            stream = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
            edges = np.cumsum(self.weights)[:-1]
            choices = np.searchsorted(edges, stream.random(n), side="right")
        z = np.empty(noise.shape, np.float32)
        for k, (mean, root) in enumerate(zip(self.means, self.roots, strict=True)):
            rows = choices == k
            z[rows] = mean + noise[rows] @ root
        return z

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density; see `Sampler.log_density`."""
        z = check_points(z, self.latent_dim)
        used = np.flatnonzero(self.weights)
        terms = [
            np.log(self.weights[k]) + gaussian_log_density(z, self.means[k], self.roots[k])
            for k in used
        ]
        return np.logaddexp.reduce(terms)
