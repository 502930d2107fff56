"""The Fréchet distance (Heusel et al. 2017)."""

from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.metrics.metric import Metric

FID = Metric(
    name="fid",
    title="FID",
    short_title="FD",
    needs="statistics",
    better="smaller",
    compute=frechet_distance,
)
