"""The minimum of the KL divergence from the prior, at a fixed ratio mu / sigma and over data."""

from typing import NamedTuple

import numpy as np

from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import colors
from balancing_vae.figures.style import style

RATIOS = (0.0, 0.5, 1.0, 2.0, 5.0)


class MeanKL(NamedTuple):
    """The KL divergence of one latent, averaged over the data, and its parts in nats.

    Attributes:
        kl: Mean of KL(Q(z|x) || N(0, 1)), float64 [L].
        entropy: Mean entropy of Q(z|x), float64 [L].
        cross_entropy: Cross-entropy of the aggregate posterior Q(z) (the mixture of all
            Q(z|x)) relative to the prior, float64 [L].
        shift: The decrease of KL if `mu` had mean 0, float64 [L].
        scale: The further decrease of KL if the variance of Q(z) were 1, float64 [L].
    """

    kl: np.ndarray
    entropy: np.ndarray
    cross_entropy: np.ndarray
    shift: np.ndarray
    scale: np.ndarray


def kl_from_prior(mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return KL(N(mu, sigma^2) || N(0, 1)) = (mu^2 + sigma^2 - log sigma^2 - 1) / 2.

    Source: Asperti 2020, equation 2.

    Args:
        mu: Means, float of any shape.
        sigma: Standard deviations, positive, of a shape that broadcasts with that of `mu`.

    Returns:
        Float64 of the broadcast shape, in nats.

    Example:
        ```python
        kl_from_prior(np.zeros(3), np.ones(3))   # zeros
        ```
    """
    mu, sigma = np.asarray(mu, np.float64), np.asarray(sigma, np.float64)
    return (mu**2 + sigma**2 - 2 * np.log(sigma) - 1) / 2


def kl_at_fixed_ratio(
    ratios: tuple[float, ...] = RATIOS, radii: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return KL along rays of fixed mu / sigma, and the minimum on each ray.

    A network can multiply a latent by a constant and undo that in its decoder. Then mu and
    sigma change, but their ratio does not. With r^2 = mu^2 + sigma^2,

        KL = (r^2 - log r^2 - 1 + log(1 + ratio^2)) / 2,

    which is smallest at r = 1 for every ratio; its value there is log(1 + ratio^2) / 2.

    Args:
        ratios: Values of mu / sigma.
        radii: Values of r, positive, float [K]; None uses 0.2 to 2 in steps of 0.01.

    Returns:
        `ratio`, float64 [R]; `radius`, float64 [K]; `kl`, float64 [R, K]; `least_radius`,
        the radius of the smallest KL on each ray, and `least_kl`, float64 [R] each.

    Example:
        ```python
        kl_at_fixed_ratio((0.5, 3.0))["least_radius"]   # [1.0, 1.0]
        ```
    """
    radius = np.linspace(0.2, 2, 181) if radii is None else np.asarray(radii, np.float64)
    ratio = np.asarray(ratios, np.float64)
    sigma = radius / np.sqrt(1 + ratio[:, None] ** 2)
    kl = kl_from_prior(ratio[:, None] * sigma, sigma)
    return {
        "ratio": ratio,
        "radius": radius,
        "kl": kl,
        "least_radius": radius[kl.argmin(axis=1)],
        "least_kl": kl.min(axis=1),
    }


def mean_kl(mu: np.ndarray, sigma: np.ndarray) -> MeanKL:
    """Split the mean KL of each latent into entropies, and compute its possible decrease.

    Averaged over the data, KL is the cross-entropy of the aggregate posterior Q(z) relative to
    the prior, minus the mean entropy of Q(z|x). A latent can be shifted and scaled without
    changing its information for the decoder. This can decrease KL by

        shift: E[mu]^2 / 2,    scale: (v - 1 - log v) / 2,    v = Var(mu) + E[sigma^2].

    So KL is least where E[mu] = 0 and E[mu^2] + E[sigma^2] = 1, the variance law.
    Source: Asperti 2020, equation 4.

    Args:
        mu: Posterior means, float [N, L].
        sigma: Posterior standard deviations, positive, float [N, L].

    Returns:
        KL and its parts for each latent.

    Example:
        ```python
        parts = mean_kl(*vae.encode(x_test))
        parts.kl - (parts.cross_entropy - parts.entropy)   # zeros, to rounding
        ```
    """
    mu, sigma = np.asarray(mu, np.float64), np.asarray(sigma, np.float64)
    half_log_tau = np.log(2 * np.pi) / 2
    second_moment = np.mean(mu**2 + sigma**2, axis=0)
    variance = mu.var(axis=0) + np.mean(sigma**2, axis=0)
    return MeanKL(
        kl=kl_from_prior(mu, sigma).mean(axis=0),
        entropy=half_log_tau + 0.5 + np.log(sigma).mean(axis=0),
        cross_entropy=half_log_tau + second_moment / 2,
        shift=mu.mean(axis=0) ** 2 / 2,
        scale=(variance - 1 - np.log(variance)) / 2,
    )


def draw_kl_at_fixed_ratio(curves: dict[str, np.ndarray]) -> Figure:
    """Draw the rays in the plane of mu and sigma, and KL along each.

    Args:
        curves: What `kl_at_fixed_ratio` returned.

    Returns:
        The figure.
    """
    ratio, radius = curves["ratio"], curves["radius"]
    end = radius[-1]
    angle = np.linspace(0, np.pi / 2, 100)
    mu, sigma = np.meshgrid(np.linspace(0, end, 200), np.linspace(0.05, end, 200))
    with style():
        figure = Figure(figsize=(10, 4))
        left, right = figure.subplots(1, 2)
        lines = left.contour(
            mu,
            sigma,
            kl_from_prior(mu, sigma),
            [0.1, 0.25, 0.5, 1, 2],
            colors="0.7",
            linewidths=0.8,
        )
        left.clabel(lines, fmt="%g", fontsize=7)
        left.plot(np.cos(angle), np.sin(angle), color="black", label="mu² + sigma² = 1")
        for i, color in zip(range(len(ratio)), colors(), strict=False):
            direction = np.array([ratio[i], 1]) / np.sqrt(1 + ratio[i] ** 2)
            left.plot(*np.outer(direction, [0, end]), color=color, linewidth=1)
            left.plot(*(direction * curves["least_radius"][i]), "o", color=color)
            right.plot(radius, curves["kl"][i], color=color)
            right.text(1.01 * end, curves["kl"][i, -1], f"{ratio[i]:g}", color=color, va="center")
            right.plot(curves["least_radius"][i], curves["least_kl"][i], "o", color=color)
        left.set_aspect("equal")
        left.set_xlim(0, end)
        left.set_ylim(0, end)
        left.set_xlabel("mu")
        left.set_ylabel("sigma")
        left.set_title("KL (grey lines, nats); dots: minimum of each ray")
        left.legend(loc="upper right")
        right.axvline(1, color="black", linewidth=1)
        right.set_ylim(0, 1.2 * curves["least_kl"].max() + 0.5)
        right.set_xlabel("root of mu² + sigma²")
        right.set_ylabel("KL (nats)")
        right.set_title("along each ray (label: mu / sigma)")
    return figure
