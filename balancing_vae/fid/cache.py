"""A cache of statistics, keyed by the content of their images."""

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from balancing_vae.errors import BalancingVAEError
from balancing_vae.errors import InputError
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.features import Images
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.fid.statistics import Statistics


def cache_folder() -> Path:
    """Return the user's cache for this package; its contents may be deleted at any time."""
    import pooch

    return Path(pooch.os_cache("balancing_vae"))


def cached_statistics(
    images: Images,
    network: FeatureNetwork,
    protocol: str | Protocol,
    generated: bool = False,
    progress: bool = False,
) -> Statistics:
    """Return the statistics of a set of images, from the cache if they are there.

    The key is a sha256 over the images' content, the protocol's fields, the side, and the
    features' name and hash. A file's name and date do not matter. One file in the cache has
    `mu` and `sigma`: 32 MiB at 2,048 features, less for fewer images. If the cache cannot be
    read or written, there is a warning, and the statistics are computed again.

    Args:
        images: As in `extract`.
        network: The feature network.
        protocol: Name or `Protocol`.
        generated: Whether these images are the generated side.
        progress: Whether to show a bar on stderr.

    Returns:
        The statistics, with protocol and features.

    Raises:
        ValueError: The images are invalid.

    Example:
        ```python
        cached_statistics(np.load("test.npy", mmap_mode="r"), load_inception(), "asperti2020")
        ```
    """
    protocol = get_protocol(protocol)
    key = hashlib.sha256(
        repr(
            (
                content_sha256(images),
                protocol,
                generated and protocol.stretch,
                network.name,
                network.sha256,
            )
        ).encode()
    )
    path = cache_folder() / "statistics" / f"{key.hexdigest()}.npz"
    # `path.is_file()` would raise if the folder may not be read.
    if os.path.isfile(path):
        try:
            return _expected(path, Statistics.load(path), len(images), network, protocol)
        except ValueError as error:
            warnings.warn(f"The cache is broken and rebuilt: {error}", stacklevel=2)
    statistics = measure(images, network, protocol, generated, progress)
    with keeping("statistics"):
        statistics.save(path, factored=True)
    return statistics


@contextmanager
def keeping(what: str) -> Iterator[None]:
    """Only warn if something cannot be written into the cache.

    Args:
        what: The name of what was computed or downloaded.

    Example:
        ```python
        with keeping("statistics"):
            statistics.save(cache_folder() / "statistics.npz")
        ```
    """
    try:
        yield
    except (OSError, BalancingVAEError) as error:
        warnings.warn(
            f"The {what} cannot be kept in the cache ({error}) and will be made again next "
            f"time: make {cache_folder()} writable, or free some space.",
            stacklevel=4,
        )


def _expected(
    path: Path, found: Statistics, images: int, network: FeatureNetwork, protocol: Protocol
) -> Statistics:
    """Return statistics from the cache after checking that they match their name."""
    said = (found.protocol, found.features, found.features_sha256, found.count, found.ddof)
    about = (protocol.name, network.name, network.sha256, protocol.used(images), protocol.ddof)
    if said != about:
        raise InputError(f"{path} holds statistics of {said}; expected {about}.")
    return found


def content_sha256(images: Images) -> str:
    """Return the hash of a set of images: their number, shape, dtype and values.

    Args:
        images: Array, or an object with a length that returns arrays when sliced. Only a part
            is in memory at a time.

    Returns:
        64 hexadecimal digits.

    Example:
        ```python
        content_sha256(np.load("test.npy", mmap_mode="r"))
        ```
    """
    total = hashlib.sha256()
    for start in range(0, len(images), 1024):
        part = np.ascontiguousarray(images[start : start + 1024])
        total.update(f"{part.dtype.str}{part.shape}".encode())
        total.update(part)
    return total.hexdigest()
