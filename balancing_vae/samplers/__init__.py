"""Samplers of new latents: the model's own, or densities fitted to its latents."""

import numpy as np

from balancing_vae.config import PRIOR
from balancing_vae.config import SECOND_STAGE
from balancing_vae.registry import Registry
from balancing_vae.registry import check_arguments
from balancing_vae.samplers.flow import Flow
from balancing_vae.samplers.gaussian import Gaussian
from balancing_vae.samplers.mixture import Mixture
from balancing_vae.samplers.prior import Prior
from balancing_vae.samplers.sampler import Sampler
from balancing_vae.samplers.second_stage import SecondStage

__all__ = [
    "SAMPLERS",
    "Flow",
    "Gaussian",
    "Mixture",
    "Prior",
    "Sampler",
    "SecondStage",
    "fit_sampler",
]

# The samplers of `fit_sampler`.
SAMPLERS = Registry[type[Sampler]](
    "sampler", {PRIOR: Prior, "gaussian": Gaussian, "mixture": Mixture, "flow": Flow}
)
# The samplers that a model has without a fit to its latents.
OF_THE_MODEL: dict[str, type[Sampler]] = {PRIOR: Prior, SECOND_STAGE: SecondStage}


def fit_sampler(
    name: str, z: np.ndarray, seed: int = 0, sigma: np.ndarray | None = None, **options
) -> Sampler:
    """Fit a sampler by its name.

    Args:
        name: "prior", "gaussian", "mixture" or "flow".
        z: Latents, or the means of their posteriors if `sigma` is given, float [N, L].
        seed: Seed of the randomness in the fit.
        sigma: Standard deviations of the posteriors, float [N, L]; the sampler is fitted to
            draws from the posteriors.
        **options: Options of the sampler's `fit`, such as `components=5` for "mixture".

    Returns:
        The fitted sampler.

    Raises:
        ValueError: The name is not registered, the sampler does not take an option, or it
            cannot be fitted to the latents: some are NaN, there are not more points than
            dimensions, or there are fewer points than components.

    Example:
        ```python
        z = fit_sampler("mixture", mu, components=5).sample(100, seed=0)
        ```
    """
    check_options(name, **options)
    return SAMPLERS[name].fit(z, seed=seed, sigma=sigma, **options)


def check_options(name: str, **options) -> None:
    """Raise if `fit_sampler` would refuse a sampler's name or options.

    Args:
        name: As in `fit_sampler`.
        **options: As in `fit_sampler`.

    Raises:
        ValueError: The name is not registered, or the sampler does not take an option.
    """
    given = ("z", "seed", "sigma")
    check_arguments(SAMPLERS[name].fit, f"sampler {name!r}", options, given=given)
