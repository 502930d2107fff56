"""Moments of generated images as rows beside the Fréchet distances."""

import numpy as np

from balancing_vae import moments


def moment_rows(
    data: np.ndarray, images: np.ndarray | None = None, paired: bool = False
) -> list[dict]:
    """Measure what needs no features, and so no protocol.

    Args:
        data: Real images, float [n, h, w, c] in [0, 1].
        images: Generated images likewise; None for the data themselves.
        paired: Whether each is the reconstruction of the real image in its place.

    Returns:
        Rows with distance ("mse" where paired, "variance loss", "mean std"), protocol,
        features and features_sha256 (all None), real_count, generated_count, value.

    Example:
        ```python
        moment_rows(x, vae.reconstruct(x), paired=True)
        ```
    """
    images = data if images is None else images
    values = {"mse": moments.mse(data, images)} if paired else {}
    values["variance loss"] = moments.variance_loss(data, images)
    values["mean std"] = moments.mean_std(images)
    return [
        {
            "distance": name,
            "protocol": None,
            "features": None,
            "features_sha256": None,
            "real_count": len(data),
            "generated_count": len(images),
            "value": value,
        }
        for name, value in values.items()
    ]
