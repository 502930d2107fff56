"""The variance loss along the other axis: over the pixels within each image."""

import numpy as np

from balancing_vae.moments import variance_loss


def variance_loss_within(x: np.ndarray, x_hat: np.ndarray) -> float:
    """Return the loss of variance over the pixels of each image, averaged over the images.

    It measures the loss of contrast, not how much less the images differ from each other. The
    paper's text names this axis, and its author's later programs use it. The paper's equality
    with the error of a PCA holds for the other axis. For a PCA, this loss is the variance
    within the residuals: the mse without the part that shifts the brightness of whole images.

    Args:
        x: Data, float [N, ...].
        x_hat: Reconstructions or generated samples, float [M, ...].

    Returns:
        The mean loss; it is negative if `x_hat` has more contrast than `x`.

    Raises:
        ValueError: Data and reconstructions differ in more than their number.

    Example:
        ```python
        variance_loss_within(x, (x + x.mean()) / 2)   # 3/4 of the mean variance within an image
        ```
    """
    return variance_loss(x.reshape(len(x), -1), x_hat.reshape(len(x_hat), -1), axis=1)
