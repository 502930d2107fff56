"""Density (Naeem et al. 2020): how many real neighbourhoods contain each generated image."""

from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import K_DENSITY
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.neighbors import check_neighbors


def density(real: Features, generated: Features) -> float:
    """Return in how many balls of real images a generated one lies, divided by k.

    A ball reaches to its image's fifth nearest neighbour (k = 5, as in the paper).

    Args:
        real: Features of the real images.
        generated: Features of the generated ones.

    Returns:
        At least 0, about 1 where both follow one distribution, and above it where images
        are generated in the densest places alone.

    Raises:
        ValueError: There are fewer than six real images, no generated one, or other features.

    Example:
        ```python
        density(Features(x), Features(samples))
        ```
    """
    check_neighbors(real, K_DENSITY, "density", "real")
    return real.neighborhoods(generated).density


DENSITY = Metric("density", "density", needs="features", better="larger", compute=density)
