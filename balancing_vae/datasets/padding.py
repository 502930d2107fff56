"""Pad images with zeros to a side that can be halved repeatedly."""

import numpy as np

from balancing_vae.errors import InputError

MARGIN = 2  # on each side: 28x28 becomes 32x32


def pad(images: np.ndarray, margin: int = MARGIN) -> np.ndarray:
    """Add a frame of zeros (black) around each image.

    Args:
        images: [N, H, W, C], any dtype.
        margin: Width of the frame in pixels, at least 0.

    Returns:
        [N, H + 2 margin, W + 2 margin, C], same dtype; by default 28x28 becomes 32x32.

    Example:
        ```python
        x = pad(datasets.load("mnist", "train", "data"))  # [60000, 32, 32, 1]
        ```
    """
    return np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))


def unpad(images: np.ndarray, margin: int = MARGIN) -> np.ndarray:
    """Remove the frame that `pad` added.

    Args:
        images: [N, H, W, C], any dtype, H and W larger than 2 `margin`.
        margin: Width of the frame in pixels, at least 0.

    Returns:
        [N, H - 2 margin, W - 2 margin, C], a view of `images`.

    Raises:
        ValueError: The images are not larger than their frame.

    Example:
        ```python
        show(unpad(framed))  # 28x28
        ```
    """
    height, width = images.shape[1:3]
    if min(height, width) <= 2 * margin:
        raise InputError(
            f"Images of {height}x{width} have no frame of {margin} pixels to remove; "
            f"give images larger than {2 * margin}x{2 * margin}."
        )
    return images[:, margin : height - margin, margin : width - margin]
