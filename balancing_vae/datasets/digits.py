"""Scikit-learn's handwritten digits: 1,797 images of 8x8 pixels that come with the library."""

import numpy as np

from balancing_vae.datasets.arrays import Arrays
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import Contents

CLASSES = [str(digit) for digit in range(10)]
COUNTS = {"train": 1285, "val": 256, "test": 256}


def arrays() -> Arrays:
    """Return the digits in a fixed split into training, validation and test images.

    Of every seven images the first five are for training, the sixth is for validation and the
    seventh for testing. Much of the source repeats the digits 0 to 9 in order, and seven has no
    common divisor with ten, so each split contains every digit.

    Returns:
        Images and labels for `train`, `val` and `test`. The images are uint8 [N, 8, 8, 1], the
        source's 0..16 scaled to 0..255 and rounded; the labels are int64 [N].

    Example:
        ```python
        images, labels = arrays()["test"]
        ```
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.rint(source.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    labels = source.target.astype(np.int64)
    position = np.arange(len(images)) % 7
    chosen = {"train": position < 5, "val": position == 5, "test": position == 6}
    return {split: (images[rows], labels[rows]) for split, rows in chosen.items()}


def read() -> Contents:
    """Return the digits as contents for `write_prepared`."""
    return from_arrays(arrays(), {"source": {"file": "scikit-learn"}, "classes": CLASSES})
