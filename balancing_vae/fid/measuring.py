"""From images to features to statistics."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.features import Images
from balancing_vae.fid.features import extract
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.fid.statistics import Statistics


def measure(
    images: Images,
    network: FeatureNetwork,
    protocol: str | Protocol,
    generated: bool = False,
    progress: bool = False,
) -> Statistics:
    """Return the statistics of a set of images, with the names of protocol and features.

    Args:
        images: Array, or an object with a length that returns arrays when sliced: uint8 in
            0..255 or floats in [0, 1], [n, h, w], [n, h, w, 1] or [n, h, w, 3].
        network: The feature network.
        protocol: Name or `Protocol`.
        generated: Whether these images are the generated side.
        progress: Whether to show a bar on stderr.

    Returns:
        Statistics of the images that the protocol uses.

    Raises:
        ValueError: An image is invalid; the message names the first one.

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
    return statistics_of(batches, network, protocol)


def statistics_of(
    batches: Iterable[np.ndarray], network: FeatureNetwork, protocol: Protocol
) -> Statistics:
    """Return the statistics of features, with the names of the network and protocol.

    Args:
        batches: Features from `extract`.
        network: The network that computed the features.
        protocol: The protocol that was used.

    Returns:
        Their statistics.

    Raises:
        ValueError: There are no features, or one of them is NaN or infinite.

    Example:
        ```python
        statistics_of([features], network, get_protocol("clean"))
        ```
    """
    return replace(
        Statistics.from_batches(batches, ddof=protocol.ddof),
        protocol=protocol.name,
        features=network.name,
        features_sha256=network.sha256,
    )


def measure_part(
    images: Images,
    network: FeatureNetwork,
    protocol: str | Protocol,
    part: int,
    parts: int,
    generated: bool = False,
    progress: bool = False,
) -> Statistics:
    """Return the statistics of one of several parts of a set, for use in several processes.

    The merged statistics of all parts, in any order, are those of `measure` on the whole set:
    images that the protocol drops at the end are dropped only once. For each part, the network
    runs on all devices of its process.

    Args:
        images: The whole set, as in `measure`; only the part is read.
        network: The feature network.
        protocol: Name or `Protocol`.
        part: Index of the part, from 0.
        parts: Number of parts, at most the number of images.
        generated: Whether these images are the generated side.
        progress: Whether to show a bar on stderr.

    Returns:
        Statistics of the part's images.

    Raises:
        ValueError: The part does not exist, or the images are invalid.

    Example:
        ```python
        measure_part(x, network, "ttur", part=index, parts=2).save(f"{index}.npz")
        # and when both processes are done:
        Statistics.load("0.npz").merge(Statistics.load("1.npz"))
        ```
    """
    protocol = get_protocol(protocol)
    used = protocol.used(len(images))
    if not 1 <= parts <= used or not 0 <= part < parts:
        raise InputError(
            f"There is no part {part} of {parts} of {used} images; parts are counted from 0, "
            "and each has an image at least."
        )
    share = images[used * part // parts : used * (part + 1) // parts]
    return measure(share, network, replace(protocol, batch_size=None), generated, progress)
