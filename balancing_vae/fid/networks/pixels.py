"""The pixels themselves as features."""

import numpy as np

from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.protocols import Protocol


class Pixels(FeatureNetwork):
    """Pixel values in [0, 1] as features, at the images' own size: d = 3 height width.

    A distance in them is called `FD(pixels)`. It needs no network. It depends on colours and
    layout, but not on content. The protocol's quantisation, stretch and batch remainder apply;
    its resize and scale do not.

    Example:
        ```python
        Statistics.from_batches(extract(images, Pixels(), "ttur"))
        ```
    """

    name = "pixels"
    batch_size = 1024

    def __call__(self, images: np.ndarray, protocol: Protocol) -> np.ndarray:
        """Return [n, 3 height width] in [0, 1]; see `FeatureNetwork`."""
        return images.reshape(len(images), -1) / np.float32(255)
