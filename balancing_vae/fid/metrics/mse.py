"""The mean squared error of reconstructions."""

from balancing_vae.fid.metrics.images import mean_over_pairs
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.moments import mse

MSE = Metric(
    name="mse",
    title="mse",
    needs="pairs",
    better="smaller",
    compute=lambda real, generated: mean_over_pairs(mse, real, generated),
)
