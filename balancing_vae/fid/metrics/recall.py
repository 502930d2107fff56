"""Recall (Kynkäänniemi et al. 2019): the fraction of real images close to generated ones."""

from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import K_PRECISION
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.neighbors import check_neighbors


def recall(real: Features, generated: Features) -> float:
    """Return the fraction of real images that lie inside the ball of a generated image.

    A ball reaches to its image's third nearest neighbour (k = 3, as in the paper).

    Args:
        real: Features of the real images.
        generated: Features of the generated ones.

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: There are fewer than four generated images or no real one, or the features
            differ in number.

    Example:
        ```python
        recall(Features(x), Features(x))  # 1.0
        ```
    """
    check_neighbors(generated, K_PRECISION, "recall", "generated")
    return real.neighborhoods(generated).recall


RECALL = Metric("recall", "recall", needs="features", better="larger", compute=recall)
