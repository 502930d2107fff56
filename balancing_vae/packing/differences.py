"""Error caused by lower precision of weights or of computation."""

import numpy as np

from balancing_vae.checks import as_float
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss


def largest_differences(before, after, x: np.ndarray, seed: int = 0) -> list[dict]:
    """Compare the images of two pipelines for the same draws.

    Args:
        before: A `TwoStageVAE`.
        after: The same one after its weights were rounded or its precision was changed.
        x: Real images, integers in 0..255 or floats in [0, 1], [N, D, D, C].
        seed: Seed of the draws.

    Returns:
        One dict for reconstructions of `x` ("REC"), and one for as many plain samples of the
        second stage ("GEN-2"). Each has: column, images, the largest and the mean absolute
        difference of a pixel in [0, 1], and pairs [before, after] of the variance loss and, for
        REC, of the mse.

    Example:
        ```python
        largest_differences(TwoStageVAE.load("runs/a"), TwoStageVAE.load("weights/a"), x_test)
        ```
    """
    data = as_float(x)
    pairs = {
        "REC": [vae.reconstruct(x, seed=seed, keep_padding=True) for vae in (before, after)],
        "GEN-2": [
            vae.generate(len(x), stage=2, normalize=False, seed=seed, keep_padding=True)
            for vae in (before, after)
        ],
    }
    rows = []
    for column, images in pairs.items():
        difference = np.abs(images[0] - images[1])
        row = {
            "column": column,
            "images": len(x),
            "largest": float(difference.max()),
            "mean": float(difference.mean()),
            "variance loss": [variance_loss(data, x_hat) for x_hat in images],
        }
        if column == "REC":
            row["mse"] = [mse(data, x_hat) for x_hat in images]
        rows.append(row)
    return rows
