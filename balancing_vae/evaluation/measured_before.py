"""Distances that a run's `metrics.json` already has, so that they need not be measured again."""

import os
from pathlib import Path

import numpy as np

from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.fid.cache import content_sha256
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.storage.fingerprint import fingerprint


def measured_before(
    run: str | os.PathLike, real: np.ndarray, network: FeatureNetwork, protocol: str
) -> list[Measurement]:
    """Return the known distances between a run's images and real images.

    A number counts only if it was measured with the run's present weights, sampler and
    normalisation. Numbers that do not record what they describe are left out.

    Args:
        run: A saved folder.
        real: Real images, uint8 [N, D, D, C], from `choose_images`.
        network: The feature network.
        protocol: Name of the protocol.

    Returns:
        The measurements; an empty list if there are none.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: `metrics.json` or `config.json` is damaged.

    Example:
        ```python
        known = measured_before("runs/a", real, Pixels(), "asperti2020")
        ```
    """
    state = fingerprint(Path(run))
    wanted = ("fid", protocol, network.name, network.sha256, content_sha256(real))

    def is_known(one: Measurement) -> bool:
        of = (one.metric, one.protocol, one.features, one.features_sha256, one.data_sha256)
        hashes = state.of(one.column, one.normalization, one.seed)
        return of == wanted and all(
            getattr(one, name) == hashes.get(name) for name in ("weights_sha256", "fitted_sha256")
        )

    return [one for one in read_metrics(run) if is_known(one)]
