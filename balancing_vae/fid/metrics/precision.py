"""Precision (Kynkäänniemi et al. 2019): the fraction of generated images close to real ones."""

from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import K_PRECISION
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.neighbors import check_neighbors


def precision(real: Features, generated: Features) -> float:
    """Return the share of generated images that lie among the real ones.

    That is within the ball around one of them that reaches to its third nearest neighbour
    (k = 3, as in the paper).

    Args:
        real: Features of the real images.
        generated: Features of the generated ones.

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: There are fewer than four real images, no generated one, or other features.

    Example:
        ```python
        precision(Features(x), Features(x))  # 1.0
        ```
    """
    check_neighbors(real, K_PRECISION, "precision", "real")
    return real.neighborhoods(generated).precision


PRECISION = Metric("precision", "precision", needs="features", better="larger", compute=precision)
