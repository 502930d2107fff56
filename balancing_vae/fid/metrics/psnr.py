"""The peak signal-to-noise ratio of reconstructions, in decibels."""

import numpy as np

from balancing_vae.fid.features import Images
from balancing_vae.fid.metrics.images import mean_over_pairs
from balancing_vae.fid.metrics.metric import Metric


def psnr(real: Images, reconstructions: Images) -> float:
    """Return the mean over images of -10 log10(mean squared error), for values in [0, 1].

    Args:
        real: Images, uint8 in 0..255 or floats in [0, 1], [n, h, w] or [n, h, w, c].
        reconstructions: Their reconstructions, in the same form and order.

    Returns:
        Decibels; infinity if an image is reproduced exactly.

    Raises:
        ValueError: The sides differ in number or shape, or are not such images.

    Example:
        ```python
        psnr(np.zeros((1, 8, 8, 1)), np.full((1, 8, 8, 1), 0.1))  # 20.0
        ```
    """
    return mean_over_pairs(_psnr, real, reconstructions)


def _psnr(x: np.ndarray, x_hat: np.ndarray) -> float:
    errors = np.square(x.astype(np.float64) - x_hat).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return float(np.mean(-10.0 * np.log10(errors)))


PSNR = Metric("psnr", "PSNR", needs="pairs", better="larger", compute=psnr)
