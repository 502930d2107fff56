"""Coverage (Naeem et al. 2020): the fraction of real images with a generated one nearby."""

from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import K_DENSITY
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.neighbors import check_neighbors


def coverage(real: Features, generated: Features) -> float:
    """Return the fraction of real images whose ball contains a generated one.

    A ball reaches to its image's fifth nearest neighbour (k = 5, as in the paper).

    Args:
        real: Features of the real images.
        generated: Features of the generated ones.

    Returns:
        A fraction in [0, 1]. For equally many images of the same distribution it is about
        1 - 2^-k = 0.97.

    Raises:
        ValueError: There are fewer than six real images or no generated one, or the features
            differ in number.

    Example:
        ```python
        coverage(Features(x), Features(x))  # 1.0
        ```
    """
    check_neighbors(real, K_DENSITY, "coverage", "real")
    return real.neighborhoods(generated).coverage


COVERAGE = Metric("coverage", "coverage", needs="features", better="larger", compute=coverage)
