"""The standard deviation over generated images, averaged over pixels."""

from balancing_vae.fid.metrics.images import floats
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.moments import mean_std

MEAN_STD = Metric(
    name="mean_std",
    title="mean std",
    needs="images",
    better="data",
    compute=lambda real, generated: mean_std(floats(generated)),
)
