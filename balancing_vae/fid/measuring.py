"""The steps in a row: images, features, statistics."""

from dataclasses import replace

import numpy as np

from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.features import extract
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.fid.statistics import Statistics


def measure(
    images: np.ndarray,
    network: FeatureNetwork,
    protocol: str | Protocol,
    generated: bool = False,
    progress: bool = False,
) -> Statistics:
    """Return the statistics of a set of images, with the names of protocol and features.

    Args:
        images: Array, or anything with a length that gives arrays when sliced: uint8 in
            0..255 or floats in [0, 1], [n, h, w], [n, h, w, 1] or [n, h, w, 3].
        network: Gives the features.
        protocol: Name or `Protocol`.
        generated: Whether these images are the generated side.
        progress: Whether to show a bar on stderr.

    Returns:
        Statistics of the images that the protocol uses.

    Raises:
        ValueError: The images are not what they should be; the message names the first.

    Example:
        ```python
        network = load_inception()
        real = measure(x_test, network, "asperti2020")
        fake = measure(samples, network, "asperti2020", generated=True)
        frechet_distance(real, fake)
        ```
    """
    protocol = get_protocol(protocol)
    batches = extract(images, network, protocol, generated, progress)
    return replace(
        Statistics.from_batches(batches, ddof=protocol.ddof),
        protocol=protocol.name,
        features=network.name,
        features_sha256=network.sha256,
    )
