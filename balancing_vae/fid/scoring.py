"""Score two sets of images; each number records what is needed to compare it."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import overload

from balancing_vae.errors import InputError
from balancing_vae.fid.distance import check_count
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.features import Images
from balancing_vae.fid.files import open_images
from balancing_vae.fid.image_archive import read_image_archive
from balancing_vae.fid.metrics import get_metrics
from balancing_vae.fid.metrics.fid import FID
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.networks.classifier import Classifier
from balancing_vae.fid.networks.classifier import dataset_classifier
from balancing_vae.fid.networks.inception_files import load_inception
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.networks.saved_model import TrustedSavedModel
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.fid.sides import Side
from balancing_vae.fid.sides import gather
from balancing_vae.fid.statistics import Statistics
from balancing_vae.fid.tfgan import frechet_distance_tfgan


@dataclass(frozen=True)
class Score:
    """A metric's value and how it was measured.

    Attributes:
        metric: The metric's name, `fid` for a Fréchet distance.
        distance: Its name in tables: `FID`, or `FD(<features>)` if the features are not
            Inception's; `KID`, `precision(<features>)`, `mse`.
        protocol: Name of the protocol; None for a metric that needs no features.
        features: Name of the features; None for a metric that needs none.
        features_sha256: Hash of the feature network; None if it has no weights.
        engine: The method of a Fréchet distance; None for other metrics.
        real_count: Number of real images that were used; None if unknown.
        generated_count: Number of generated images that were used.
        deviation: Standard deviation over random subsets (`kid`); None for other metrics.
        value: The number; for a Fréchet distance, the squared distance.
    """

    metric: str
    distance: str
    protocol: str | None
    features: str | None
    features_sha256: str | None
    engine: str | None
    real_count: int | None
    generated_count: int | None
    deviation: float | None
    value: float

    def to_dict(self) -> dict:
        """Return the attributes as plain data, the value last."""
        return asdict(self)


def _tfgan(real: Features, generated: Features) -> float:
    for features in (real, generated):
        check_count(*features.rows.shape)
    return frechet_distance_tfgan(real.rows, generated.rows)


# Methods for the metric `fid`.
ENGINES = {"eigenvalues": FID, "tfgan": replace(FID, needs="features", compute=_tfgan)}


@overload
def score(
    real: Images | Statistics,
    generated: Images | Statistics,
    network: FeatureNetwork | None,
    protocol: str | Protocol,
    engine: str = ...,
    progress: bool = ...,
    metrics: None = None,
) -> Score: ...


@overload
def score(
    real: Images | Statistics,
    generated: Images | Statistics,
    network: FeatureNetwork | None,
    protocol: str | Protocol,
    engine: str = ...,
    progress: bool = ...,
    *,
    metrics: Sequence[str],
) -> list[Score]: ...


def score(
    real: Images | Statistics,
    generated: Images | Statistics,
    network: FeatureNetwork | None,
    protocol: str | Protocol,
    engine: str = "eigenvalues",
    progress: bool = False,
    metrics: Sequence[str] | None = None,
) -> Score | list[Score]:
    """Return the Fréchet distance between two sets of images, or several metrics of them.

    Statistics of images are kept in the cache and used again, unless a metric needs the features
    themselves. The features of each side are extracted once for all metrics.

    Args:
        real: Images, or their statistics.
        generated: Images, or their statistics.
        network: The feature network; None if both sides are statistics, or if no metric needs
            features.
        protocol: Name or `Protocol`; given statistics must have the same one. Metrics that need
            no features, such as `mse`, use all images unchanged.
        engine: Method for the Fréchet distance: `eigenvalues`, or `tfgan`, which needs images
            on both sides.
        progress: Whether to show bars on stderr.
        metrics: Names in `METRICS`; None computes only the Fréchet distance.

    Returns:
        The score of the Fréchet distance; if `metrics` is given, a list with one score for each.

    Raises:
        ValueError: The two sides are invalid or cannot be compared, a metric is unknown, a
            metric needs images but statistics were given, or there are too few images.
        ImportError: The engine `tfgan` is not installed.

    Example:
        ```python
        score(x_test, samples, load_inception(), "asperti2020").value
        score(x_test, samples, Pixels(), "clean", metrics=["kid", "precision", "recall"])
        ```
    """
    protocol = get_protocol(protocol)
    chosen = choose_metrics(["fid"] if metrics is None else metrics, (real, generated), engine)
    real_side, generated_side = (
        _checked(side, protocol, is_generated)
        if isinstance(side, Statistics)
        else gather(side, chosen, network, protocol, is_generated, progress=progress)
        for side, is_generated in ((real, False), (generated, True))
    )
    name, sha256 = _features(real_side, generated_side, network)
    scores = []
    for metric in chosen:
        one, other = real_side[metric.needs], generated_side[metric.needs]
        value, deviation = metric(one, other)
        scores.append(
            Score(
                metric=metric.name,
                distance=metric.name_in_tables(name),
                protocol=protocol.name if metric.needs_features else None,
                features=name if metric.needs_features else None,
                features_sha256=sha256 if metric.needs_features else None,
                engine=engine if metric.name == FID.name else None,
                real_count=_count(one),
                generated_count=_count(other),
                deviation=deviation,
                value=value,
            )
        )
    return scores[0] if metrics is None else scores


def choose_metrics(
    names: Sequence[str], sides: Sequence[Images | Statistics], engine: str = "eigenvalues"
) -> list[Metric]:
    """Return metrics by their names, after checking that both sides have what they need.

    Args:
        names: Names in `METRICS`.
        sides: Images or statistics.
        engine: Method for the Fréchet distance.

    Returns:
        The metrics; the Fréchet distance uses the engine.

    Raises:
        ValueError: A metric or the engine is unknown, or needs images but a side has only
            statistics.

    Example:
        ```python
        choose_metrics(["kid"], [open_side("data/cifar10"), open_side("samples.npy")])
        ```
    """
    if engine not in ENGINES:
        raise InputError(f"There is no engine {engine!r}; choose one of {', '.join(ENGINES)}.")
    chosen = [ENGINES[engine] if metric is FID else metric for metric in get_metrics(names)]
    for metric in chosen:
        if metric.needs != "statistics" and any(isinstance(side, Statistics) for side in sides):
            what, otherwise = f"metric {metric.name}", f"leave {metric.name} out"
            if metric.name == FID.name:
                what, otherwise = f"engine {engine}", "take the engine eigenvalues"
            needed = "features" if metric.needs_features else "images"
            raise InputError(
                f"The {what} computes from {needed}, not from statistics: give images on both "
                f"sides, or {otherwise}."
            )
    return chosen


def needs_network(metrics: Sequence[Metric], sides: Sequence[Images | Statistics]) -> bool:
    """Return whether features have to be extracted.

    Args:
        metrics: The metrics that will be computed.
        sides: Images or statistics.

    Returns:
        Whether a metric needs features and a side has images.

    Example:
        ```python
        needs_network(get_metrics(["mse"]), [x, x_hat])  # False
        ```
    """
    has_images = not all(isinstance(side, Statistics) for side in sides)
    return has_images and any(metric.needs_features for metric in metrics)


def open_side(path: str | os.PathLike) -> Images | Statistics:
    """Open one side of a comparison: images or statistics.

    Args:
        path: See `open_images`, `Statistics.load` and, for a `.npz` of images,
            `read_image_archive`.

    Returns:
        Images or statistics.

    Raises:
        FileNotFoundError: `path` does not exist.
        ValueError: It is neither of these.

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
        features: `inception`, `pixels`, or `classifier:PATH`, where PATH is a Keras model file or
            a labelled prepared dataset that a small classifier is trained on.
        inception: Path of the Inception graph; see `load_inception`.
        trusted_saved_model: The folder of a SavedModel to use instead of the Inception graph;
            see `TrustedSavedModel`. Without it, no SavedModel is loaded.

    Returns:
        The network.

    Raises:
        ValueError: The features are unknown, or two networks are given.
        OSError: The network's file cannot be read or downloaded.

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


def _checked(statistics: Statistics, protocol: Protocol, generated: bool) -> Side:
    """Return the side of given statistics, after checking their protocol."""
    which = "generated" if generated else "real"
    if statistics.protocol is None:
        warnings.warn(
            f"The statistics of the {which} side do not name their protocol and features, so it "
            f"cannot be checked that the protocol is {protocol.name}.",
            stacklevel=4,
        )
    elif statistics.protocol != protocol.name:
        raise InputError(
            f"The statistics of the {which} side were made with the protocol "
            f"{statistics.protocol}, not {protocol.name}: choose that one, or recompute them "
            "from the images."
        )
    return {"statistics": statistics}


def _features(
    real: Side, generated: Side, network: FeatureNetwork | None
) -> tuple[str, str | None]:
    """Return name and hash of the features, from statistics or else from the network."""
    known = [side["statistics"] for side in (real, generated) if "statistics" in side]
    name = next((s.features for s in known if s.features), None)
    sha256 = next((s.features_sha256 for s in known if s.features_sha256), None)
    if network is not None and not name:
        return network.name, network.sha256
    return name or "unknown", sha256


def _count(side: Statistics | Features | Images) -> int | None:
    return side.count if isinstance(side, Statistics) else len(side)
