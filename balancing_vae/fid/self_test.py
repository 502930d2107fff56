"""Check the whole FID computation against a published number."""

import os
import tempfile
from pathlib import Path

import numpy as np

from balancing_vae.datasets import open_prepared
from balancing_vae.datasets import prepare
from balancing_vae.datasets.prepared import DESCRIPTION_FILE
from balancing_vae.errors import InputError
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.measuring import measure

EXPECTED = 10.3233274
TOLERANCE = 1e-4
_SAMPLES = 5000


def cifar10(source: str | os.PathLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return CIFAR-10's training and test images as downloaded, without a JPEG round trip.

    Args:
        source: CIFAR-10's archive, the folder it unpacks to, or a prepared dataset; None
            downloads the archive.

    Returns:
        uint8 arrays [50000, 32, 32, 3] and [10000, 32, 32, 3].

    Raises:
        ValueError: It is not CIFAR-10, or it was prepared with the JPEG round trip.
        OSError: It does not exist, or cannot be downloaded.

    Example:
        ```python
        train, test = cifar10("cifar-10-python.tar.gz")
        ```
    """
    if source is not None and (Path(source) / DESCRIPTION_FILE).is_file():
        prepared = open_prepared(source)
        if prepared.description.get("jpeg"):
            raise InputError(
                f"{source} was prepared with the JPEG round trip, which the self-test's number "
                "does not have: prepare it without --jpeg, or give the archive."
            )
        return prepared.images("train"), prepared.images("test")
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare("cifar10", source, Path(folder) / "cifar10")
        return np.array(prepared.images("train")), np.array(prepared.images("test"))


def self_test(
    train: np.ndarray, test: np.ndarray, network: FeatureNetwork, progress: bool = False
) -> float:
    """Measure the FID of CIFAR-10's training and test images, which is known to seven digits.

    It compares 5,000 training images with 5,000 test images, each set drawn by a new
    `numpy.random.RandomState(2020).choice(n, 5000, replace=False)`, through the 2015-12-05
    graph's own resize (protocol `ttur`): FID 10.3233274. Source: the tests of
    torch-fidelity, which assert it against the original graph.

    Args:
        train: CIFAR-10's training images in their usual order (data_batch_1 to 5), uint8
            [50000, 32, 32, 3], without a JPEG round trip.
        test: Its test images (test_batch), uint8 [10000, 32, 32, 3].
        network: The Inception network.
        progress: Whether to show bars on stderr.

    Returns:
        The FID measured, within 1e-4 of 10.3233274.

    Raises:
        ValueError: The images are not CIFAR-10's, or the FID differs.

    Example:
        ```python
        self_test(*cifar10(), load_inception())
        ```
    """
    for name, images, count in (("training", train, 50_000), ("test", test, 10_000)):
        if images.shape != (count, 32, 32, 3) or images.dtype != np.uint8:
            raise InputError(
                f"The {name} images are {images.dtype} {images.shape}; the self-test needs "
                f"CIFAR-10, uint8 ({count}, 32, 32, 3)."
            )
    real, other = (
        measure(
            images[np.random.RandomState(2020).choice(len(images), _SAMPLES, replace=False)],
            network,
            "ttur",
            progress=progress,
        )
        for images in (train, test)
    )
    value = frechet_distance(real, other)
    if not abs(value - EXPECTED) <= TOLERANCE:
        raise InputError(
            f"The self-test measured an FID of {value:.7f}, expected {EXPECTED} +- {TOLERANCE}: "
            "the images (their order, a JPEG round trip), the graph or the TensorFlow that "
            "runs it differs from the original."
        )
    return value
