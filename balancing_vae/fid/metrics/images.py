"""Images in the form that metrics take: floats, in blocks for means over pairs."""

from collections.abc import Callable

import numpy as np

from balancing_vae.checks import as_float
from balancing_vae.errors import InputError
from balancing_vae.fid.features import Images
from balancing_vae.fid.preprocessing import check_range

# Small, so that a few float64 arrays of 128 x 128 x 3 need only megabytes.
_BLOCK = 32


def floats(images: Images, first: int = 0) -> np.ndarray:
    """Return images as float32 in [0, 1], checked.

    Args:
        images: uint8 array in 0..255, or floats in [0, 1], [n, h, w] or [n, h, w, c]; or an
            object that returns such arrays when sliced.
        first: Index of the first image in the whole set, for the error messages.

    Returns:
        float32 array [n, h, w, c].

    Raises:
        ValueError: There is no image, or a shape, dtype or value is invalid.

    Example:
        ```python
        floats(np.zeros((2, 28, 28), "uint8")).shape  # (2, 28, 28, 1)
        ```
    """
    array = np.asarray(images[:])
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or not array.size:
        raise InputError(
            f"Images of shape {array.shape} were given; expected at least one, [n, height, "
            "width] or [n, height, width, channels]."
        )
    if np.issubdtype(array.dtype, np.floating):
        check_range(array, first)
    elif array.dtype != np.uint8:
        raise InputError(
            f"Images of dtype {array.dtype} were given; expected uint8 in 0..255 or floats "
            "in [0, 1]: convert them."
        )
    return as_float(array)


def mean_over_pairs(
    measure: Callable[[np.ndarray, np.ndarray], float], real: Images, other: Images
) -> float:
    """Return the mean over all pairs, computed from means over blocks of pairs.

    Args:
        measure: Takes float32 images and their reconstructions, [b, h, w, c], and returns the
            mean over these pairs.
        real: Images in a form that `floats` accepts.
        other: Their reconstructions in the same order, in such a form.

    Returns:
        The mean over all pairs.

    Raises:
        ValueError: There is no pair, the sides differ in number or shape, or `floats`
            refuses an image.

    Example:
        ```python
        mean_over_pairs(mse, x_test, vae.reconstruct(x_test))
        ```
    """
    if len(real) != len(other) or not len(real):
        raise InputError(
            f"There are {len(real):,} images and {len(other):,} reconstructions; a metric of "
            "pairs needs equally many of both, at least one, in the same order."
        )
    total = 0.0
    for start in range(0, len(real), _BLOCK):
        x, x_hat = (floats(side[start : start + _BLOCK], start) for side in (real, other))
        if x.shape != x_hat.shape:
            raise InputError(
                f"The images are {x.shape[1:]} and their reconstructions {x_hat.shape[1:]}; a "
                "metric of pairs needs the same shape: resize or convert one of them."
            )
        total += len(x) * measure(x, x_hat)
    return total / len(real)
