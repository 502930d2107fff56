"""Metrics that compare generated with real images, one per file.

Example:
    ```python
    METRICS["fid"](Statistics.load("real.npz"), Statistics.load("generated.npz")).value
    ```
"""

from collections.abc import Sequence

from balancing_vae.errors import InputError
from balancing_vae.fid.metrics.coverage import COVERAGE
from balancing_vae.fid.metrics.density import DENSITY
from balancing_vae.fid.metrics.fid import FID
from balancing_vae.fid.metrics.kid import KID
from balancing_vae.fid.metrics.mean_std import MEAN_STD
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.metrics.mse import MSE
from balancing_vae.fid.metrics.precision import PRECISION
from balancing_vae.fid.metrics.psnr import PSNR
from balancing_vae.fid.metrics.recall import RECALL
from balancing_vae.fid.metrics.ssim import SSIM
from balancing_vae.fid.metrics.variance_loss import VARIANCE_LOSS
from balancing_vae.registry import Registry

METRICS = Registry[Metric](
    "metric",
    {
        metric.name: metric
        for metric in (
            FID,
            KID,
            PRECISION,
            RECALL,
            DENSITY,
            COVERAGE,
            MSE,
            PSNR,
            SSIM,
            VARIANCE_LOSS,
            MEAN_STD,
        )
    },
)


def get_metrics(names: Sequence[str]) -> list[Metric]:
    """Return metrics by their names.

    Args:
        names: Names in `METRICS`; one that is named twice counts once.

    Returns:
        The metrics, in the order of the names.

    Raises:
        ValueError: There is no such metric, or none is named.

    Example:
        ```python
        get_metrics(["fid", "mse"])[1].needs  # "pairs"
        ```
    """
    if isinstance(names, str) or not names:
        raise InputError(f"metrics must be a list of names, got {names!r}.")
    return [METRICS[name] for name in dict.fromkeys(names)]
