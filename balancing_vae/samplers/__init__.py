"""Samplers of new latents: the model's own, or densities fitted to its latents."""

import numpy as np

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

# What `fit_sampler` fits.
SAMPLERS = Registry[type[Sampler]](
    "sampler", {"prior": Prior, "gaussian": Gaussian, "mixture": Mixture, "flow": Flow}
)
# What a model has without a fit to its latents afterwards.
OF_THE_MODEL: dict[str, type[Sampler]] = {"prior": Prior, "second_stage": SecondStage}


def fit_sampler(
    name: str, z: np.ndarray, seed: int = 0, sigma: np.ndarray | None = None, **options
) -> Sampler:
    """Fit a sampler by its name.

    Args:
        name: "prior", "gaussian", "mixture" or "flow".
        z: Latents, or with `sigma` the means of their posteriors, float [N, L].
        seed: Seed of what is random in the fit.
        sigma: Standard deviations of the posteriors, float [N, L]; the sampler is fitted to
            draws from them.
        **options: What the sampler's own `fit` takes, such as `components=5` for "mixture".

    Returns:
        The fitted sampler.

    Raises:
        ValueError: There is no such sampler, it takes no such option, or the latents
            cannot be fitted: NaN among them, not more points than dimensions, or fewer
            than components.

    Example:
        ```python
        z = fit_sampler("mixture", mu, components=5).sample(100, seed=0)
        ```
    """
    check_options(name, **options)
    return SAMPLERS[name].fit(z, seed=seed, sigma=sigma, **options)


def check_options(name: str, **options) -> None:
    """Refuse what `fit_sampler` would refuse, before there are any latents.

    Args:
        name: As in `fit_sampler`.
        **options: As in `fit_sampler`.

    Raises:
        ValueError: There is no such sampler, or it takes no such option.
    """
    given = ("z", "seed", "sigma")
    check_arguments(SAMPLERS[name].fit, f"sampler {name!r}", options, given=given)
