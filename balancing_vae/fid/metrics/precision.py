"""Precision (Kynkäänniemi et al. 2019): the fraction of generated images close to real ones."""

from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import K_PRECISION
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.neighbors import check_neighbors


def precision(real: Features, generated: Features) -> float:
    """Return the fraction of generated images that lie inside the ball of a real image.

    A ball reaches to its image's third nearest neighbour (k = 3, as in the paper).

    Args:
        real: Features of the real images.
        generated: Features of the generated ones.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: There are fewer than four real images or no generated one, or the features
            differ in number.

    Example:
        ```python
        precision(Features(x), Features(x))  # 1.0
        ```
    """
    check_neighbors(real, K_PRECISION, "precision", "real")
    return real.neighborhoods(generated).precision


PRECISION = Metric("precision", "precision", needs="features", better="larger", compute=precision)
