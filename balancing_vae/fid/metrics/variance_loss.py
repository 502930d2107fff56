"""The variance that reconstruction or generation loses (Asperti 2020)."""

from balancing_vae.fid.metrics.images import floats
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.moments import variance_loss

VARIANCE_LOSS = Metric(
    name="variance_loss",
    title="variance loss",
    needs="images",
    better="zero",
    compute=lambda real, generated: variance_loss(floats(real), floats(generated)),
)
