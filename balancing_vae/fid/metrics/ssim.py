"""Structural similarity of reconstructions (Wang et al. 2004)."""

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.features import Images
from balancing_vae.fid.metrics.images import mean_over_pairs
from balancing_vae.fid.metrics.metric import Metric

WINDOW = 11
SIGMA = 1.5
_SMALLEST_SIDE = 7
# (K1 L)^2 and (K2 L)^2 with the paper's K1 and K2, for values in [0, 1], so L = 1.
_C1, _C2 = 0.01**2, 0.03**2


def ssim(real: Images, reconstructions: Images) -> float:
    """Return the mean structural similarity of images and their reconstructions.

    Means, variances and covariance are computed under a Gaussian window of 11 x 11 pixels with
    sigma 1.5, at each position where it lies inside the image. The result is the mean over
    positions, channels and images. If a side has fewer than 11 pixels, the window has the
    largest odd number of pixels that fits. Such results are comparable only with those of
    images of the same size.

    Args:
        real: Images, uint8 in 0..255 or floats in [0, 1], [n, h, w] or [n, h, w, c].
        reconstructions: Their reconstructions, in the same form and order.

    Returns:
        A number of at most 1, which only equal images reach.

    Raises:
        ValueError: The sides differ in number or shape, are not such images, or a side is
            below 7 pixels.

    Example:
        ```python
        ssim(x_test, x_test)  # 1.0
        ```
    """
    return mean_over_pairs(_ssim, real, reconstructions)


def _ssim(x: np.ndarray, x_hat: np.ndarray) -> float:
    height, width = x.shape[1:3]
    if min(height, width) < _SMALLEST_SIDE:
        raise InputError(
            f"Images of {width} x {height} pixels are too small for the metric ssim; it needs "
            f"at least {_SMALLEST_SIDE} pixels a side: leave ssim out."
        )
    size = min(WINDOW, height - 1 + height % 2, width - 1 + width % 2)
    down, across = _averaging(height, size), _averaging(width, size)

    def mean(values: np.ndarray) -> np.ndarray:
        return down @ values @ across.T

    x, y = (np.moveaxis(side, -1, 1).astype(np.float64) for side in (x, x_hat))
    mean_x, mean_y = mean(x), mean(y)
    variances = mean(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    similarity = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    similarity /= (mean_x**2 + mean_y**2 + _C1) * (variances + _C2)
    return float(similarity.mean())


def _averaging(side: int, size: int) -> np.ndarray:
    """Return the matrix [side - size + 1, side] that averages under the window at each place."""
    window = np.exp(-0.5 * np.square((np.arange(size) - size // 2) / SIGMA))
    window /= window.sum()
    places = side - size + 1
    matrix = np.zeros((places, side))
    for place in range(places):
        matrix[place, place : place + size] = window
    return matrix


SSIM = Metric("ssim", "SSIM", needs="pairs", better="larger", compute=ssim)
