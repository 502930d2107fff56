"""One side of a comparison: the data that metrics need, with features extracted once."""

from collections.abc import Iterable
from typing import Any

from balancing_vae.errors import InputError
from balancing_vae.fid.cache import cached_statistics
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.features import Images
from balancing_vae.fid.features import extract
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.measuring import statistics_of
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.metrics.metric import Need
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol

# The data for each need of a metric, as in `metric(real[metric.needs], ...)`.
Side = dict[Need, Any]


def gather(
    images: Images,
    metrics: Iterable[Metric],
    network: FeatureNetwork | None,
    protocol: str | Protocol | None,
    generated: bool = False,
    cached: bool = True,
    progress: bool = False,
) -> Side:
    """Return all data that metrics need of a set of images.

    The images go through the network at most once. Features (for Inception float32 [n, d]) are
    kept only if a metric needs them; otherwise their statistics are computed batch by batch.

    Args:
        images: As in `extract`.
        metrics: The metrics that will be computed.
        network: The feature network; None if no metric needs features.
        protocol: Name or `Protocol`; None if no metric needs features.
        generated: Whether these images are the generated side.
        cached: Whether statistics are read from, and kept in, the cache.
        progress: Whether to show a bar on stderr.

    Returns:
        The data for each need.

    Raises:
        ValueError: The images are invalid, or a network is missing.

    Example:
        ```python
        metrics = get_metrics(["fid", "precision"])
        real = gather(x_test, metrics, network, "clean")
        fake = gather(samples, metrics, network, "clean", generated=True, cached=False)
        [metric(real[metric.needs], fake[metric.needs]) for metric in metrics]
        ```
    """
    needs = {metric.needs for metric in metrics}
    side: Side = {"images": images, "pairs": images}
    if needs <= set(side):
        return side
    if network is None or protocol is None:
        named = ", ".join(metric.name for metric in metrics if metric.needs_features)
        raise InputError(
            f"Computing {named} from images needs features: give a network and a protocol."
        )
    protocol = get_protocol(protocol)
    if "features" in needs:
        batches = extract(images, network, protocol, generated, progress)
        features = side["features"] = Features.from_batches(batches)
        if "statistics" in needs:
            # Use the batches of `measure`, so that both give exactly the same.
            size = network.batch_size
            parts = (features.rows[i : i + size] for i in range(0, len(features), size))
            side["statistics"] = statistics_of(parts, network, protocol)
    else:
        take = cached_statistics if cached else measure
        side["statistics"] = take(images, network, protocol, generated, progress)
    return side
