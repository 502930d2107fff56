"""The interface of a feature network, and its application to a set of images."""

import typing
from abc import ABC
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextlib import nullcontext

import numpy as np

from balancing_vae.fid.preprocessing import preprocess
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.progress import progress_bar


class Images(typing.Protocol):
    """A set of images: an array, or an object that returns arrays when sliced."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, images: slice, /) -> np.ndarray:
        """Return some of them."""


class FeatureNetwork(ABC):
    """A network that turns images into feature vectors.

    Attributes:
        name: `inception`, or the name of these features in that of a distance.
        sha256: Hash of the weights; None if there are none.
        batch_size: Number of images per call.
        workers: Number of batches to process at the same time.
    """

    name: str
    sha256: str | None = None
    batch_size: int = 64
    workers: int = 1

    @abstractmethod
    def __call__(self, images: np.ndarray, protocol: Protocol) -> np.ndarray:
        """Return the features of a batch; called from several threads.

        Args:
            images: float32 array [n, h, w, 3] in 0..255, from `preprocess`.
            protocol: Defines how images are resized and scaled, unless the network does.

        Returns:
            Real array [n, d].
        """

    def running(self) -> AbstractContextManager:
        """Return a context to hold while batches are processed; by default it does nothing."""
        return nullcontext()

    @property
    def distance_name(self) -> str:
        """The name of a Fréchet distance in these features: FID only for Inception."""
        return distance_name(self.name)


def distance_name(features: str | None, inception: str = "FID", others: str = "FD") -> str:
    """Return `FID` for Inception's features, `FD(<name>)` for any other.

    Args:
        features: The features' name; None if unknown.
        inception: The number's name for Inception's features.
        others: The text before the name of other features.

    Returns:
        The name to print and store with the number.

    Example:
        ```python
        distance_name("pixels")  # FD(pixels)
        ```
    """
    return inception if features == "inception" else f"{others}({features or 'unknown'})"


def extract(
    images: Images,
    network: FeatureNetwork,
    protocol: str | Protocol,
    generated: bool = False,
    progress: bool = False,
) -> Iterator[np.ndarray]:
    """Yield the features of the images that the protocol uses, in their order.

    Only a few batches are in memory at a time, so `images` may be memory-mapped or read
    from files slice by slice.

    Args:
        images: Array, or an object with a length that returns arrays when sliced: uint8 in
            0..255 or floats in [0, 1], [n, h, w], [n, h, w, 1] or [n, h, w, 3].
        network: The feature network.
        protocol: Name or `Protocol`.
        generated: Whether these images are the generated side.
        progress: Whether to show a bar on stderr.

    Yields:
        Arrays [at most network.batch_size, d].

    Raises:
        ValueError: An image is invalid; the message names the first one.

    Example:
        ```python
        features = np.concatenate(list(extract(images, Pixels(), "ttur")))
        ```
    """
    protocol = get_protocol(protocol)
    used = protocol.used(len(images))

    def run(start: int) -> np.ndarray:
        batch = images[start : min(start + network.batch_size, used)]
        return network(preprocess(batch, protocol, generated, first=start), protocol)

    with (
        network.running(),
        ThreadPoolExecutor(network.workers) as pool,
        progress_bar(progress, total=used, unit="image", desc=network.name) as bar,
    ):
        under_way: deque = deque()
        for start in range(0, used, network.batch_size):
            if len(under_way) == network.workers:
                features = under_way.popleft().result()
                bar.update(len(features))
                yield features
            under_way.append(pool.submit(run, start))
        for batch in under_way:
            features = batch.result()
            bar.update(len(features))
            yield features
