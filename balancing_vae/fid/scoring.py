"""One number from two sets of images, with all that must stand beside it."""

import os
import warnings
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.cache import cached_statistics
from balancing_vae.fid.distance import check_count
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.features import distance_name
from balancing_vae.fid.features import extract
from balancing_vae.fid.files import ImageFolder
from balancing_vae.fid.files import open_images
from balancing_vae.fid.image_archive import read_image_archive
from balancing_vae.fid.networks.classifier import Classifier
from balancing_vae.fid.networks.classifier import dataset_classifier
from balancing_vae.fid.networks.inception_files import load_inception
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.networks.saved_model import TrustedSavedModel
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.fid.statistics import Statistics
from balancing_vae.fid.tfgan import frechet_distance_tfgan

ENGINES = ("eigenvalues", "tfgan")

Images = np.ndarray | ImageFolder


@dataclass(frozen=True)
class Score:
    """A Fréchet distance and how it was measured.

    Attributes:
        distance: `FID`, or `FD(<features>)` where the features are not Inception's.
        protocol: Name of the protocol.
        features: Name of the features.
        features_sha256: Hash of their network; None where there is none.
        engine: What computed the distance.
        real_count: Images of the real side that entered; None where unknown.
        generated_count: Images of the generated side that entered.
        value: The squared distance.
    """

    distance: str
    protocol: str
    features: str
    features_sha256: str | None
    engine: str
    real_count: int | None
    generated_count: int | None
    value: float

    def to_dict(self) -> dict:
        """Return the attributes as plain data, the value last."""
        return asdict(self)


def score(
    real: Images | Statistics,
    generated: Images | Statistics,
    network: FeatureNetwork | None,
    protocol: str | Protocol,
    engine: str = "eigenvalues",
    progress: bool = False,
) -> Score:
    """Return the Fréchet distance between two sets of images.

    Statistics of images are kept in the cache and found there again.

    Args:
        real: Images, or their statistics.
        generated: Images, or their statistics.
        network: Gives the features; None where both sides are statistics.
        protocol: Name or `Protocol`; must be that of any statistics given.
        engine: `eigenvalues`, or `tfgan`, which needs images on both sides.
        progress: Whether to show bars on stderr.

    Returns:
        The distance with its circumstances.

    Raises:
        ValueError: The two sides cannot be compared, or something is wrong with them.
        ImportError: The engine `tfgan` is not installed.

    Example:
        ```python
        score(x_test, samples, load_inception(), "asperti2020").value
        ```
    """
    protocol = get_protocol(protocol)
    if engine not in ENGINES:
        raise InputError(f"There is no engine {engine!r}; choose one of {', '.join(ENGINES)}.")
    if engine == "tfgan":
        if isinstance(real, Statistics) or isinstance(generated, Statistics):
            raise InputError(
                "The engine tfgan computes from features, not from statistics: give images on "
                "both sides, or take the engine eigenvalues."
            )
        sides = [
            np.concatenate(list(extract(images, network, protocol, is_generated, progress)))
            for images, is_generated in ((real, False), (generated, True))
        ]
        for features in sides:
            check_count(len(features), features.shape[1])
        counts = [len(features) for features in sides]
        name, sha256 = network.name, network.sha256
        value = frechet_distance_tfgan(*sides)
    else:
        sides = [
            _statistics(images, network, protocol, is_generated, progress)
            for images, is_generated in ((real, False), (generated, True))
        ]
        value = frechet_distance(*sides)
        counts = [statistics.count for statistics in sides]
        name = next((s.features for s in sides if s.features), "unknown")
        sha256 = next((s.features_sha256 for s in sides if s.features_sha256), None)
    return Score(distance_name(name), protocol.name, name, sha256, engine, *counts, value)


def open_side(path: str | os.PathLike) -> Images | Statistics:
    """Open one side of a comparison: images or statistics.

    Args:
        path: See `open_images`, `Statistics.load` and, for a `.npz` of images,
            `read_image_archive`.

    Returns:
        Images or statistics.

    Raises:
        FileNotFoundError: There is nothing at `path`.
        ValueError: It is neither.

    Example:
        ```python
        score(open_side("data/cifar10"), open_side("samples.npy"), network, "asperti2020")
        ```
    """
    if Path(path).suffix != ".npz":
        return open_images(path)
    images = read_image_archive(path)
    return Statistics.load(path) if images is None else images


def load_network(
    features: str,
    inception: str | os.PathLike | None = None,
    trusted_saved_model: str | os.PathLike | None = None,
) -> FeatureNetwork:
    """Return a feature network by name.

    Args:
        features: `inception`, `pixels`, or `classifier:PATH` with a Keras model file, or
            with a labelled prepared dataset that a small classifier is trained on.
        inception: Where the Inception graph lies; see `load_inception`.
        trusted_saved_model: The folder of a SavedModel to run in place of the Inception
            graph; see `TrustedSavedModel`. Without it no SavedModel is loaded.

    Returns:
        The network.

    Raises:
        ValueError: There are no such features, or two networks are named.
        OSError: The network's file is not to be had.

    Example:
        ```python
        load_network("classifier:mnist.keras")
        ```
    """
    if trusted_saved_model is not None:
        if inception is not None or features != "inception":
            raise InputError(
                "A trusted SavedModel takes the place of the Inception graph: give it alone, "
                "without --inception or other --features."
            )
        return TrustedSavedModel(trusted_saved_model)
    if features == "inception":
        return load_inception(inception)
    if features == "pixels":
        return Pixels()
    kind, _, path = features.partition(":")
    if kind == "classifier" and path:
        return dataset_classifier(path) if Path(path).is_dir() else Classifier(path)
    raise InputError(
        f"There are no features {features!r}; choose inception, pixels or classifier:PATH."
    )


def _statistics(
    side: Images | Statistics,
    network: FeatureNetwork | None,
    protocol: Protocol,
    generated: bool,
    progress: bool,
) -> Statistics:
    if not isinstance(side, Statistics):
        return cached_statistics(side, network, protocol, generated, progress)
    which = "generated" if generated else "real"
    if side.protocol is None:
        warnings.warn(
            f"The statistics of the {which} side do not say how they were made; that it was "
            f"the protocol {protocol.name}, and with which features, is taken on trust.",
            stacklevel=3,
        )
    elif side.protocol != protocol.name:
        raise InputError(
            f"The statistics of the {which} side were made with the protocol {side.protocol}, "
            f"not {protocol.name}: choose that one, or recompute them from the images."
        )
    return side
