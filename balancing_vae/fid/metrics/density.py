"""Density (Naeem et al. 2020): how many real neighbourhoods contain each generated image."""

from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import K_DENSITY
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.neighbors import check_neighbors


def density(real: Features, generated: Features) -> float:
    """Return the mean number of real images' balls around a generated image, divided by k.

    A ball reaches to its image's fifth nearest neighbour (k = 5, as in the paper).

    Args:
        real: Features of the real images.
        generated: Features of the generated ones.

    Returns:
        A number of at least 0. It is about 1 if both sides follow the same distribution, and
        larger if images are generated only in the densest regions.

    Raises:
        ValueError: There are fewer than six real images or no generated one, or the features
            differ in number.

    Example:
        ```python
        density(Features(x), Features(samples))
        ```
    """
    check_neighbors(real, K_DENSITY, "density", "real")
    return real.neighborhoods(generated).density


DENSITY = Metric("density", "density", needs="features", better="larger", compute=density)
