"""Measure all metrics of all columns, generating images and extracting features once."""

import math
import warnings
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from balancing_vae.errors import InputError
from balancing_vae.evaluation.columns import Column
from balancing_vae.evaluation.measurement import DATA
from balancing_vae.evaluation.measurement import NOISE_FLOOR
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.fid.cache import content_sha256
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.metrics import get_metrics
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.fid.sides import Side
from balancing_vae.fid.sides import gather
from balancing_vae.normalization import MODES
from balancing_vae.progress import progress_bar

MOMENTS = ("mse", "variance_loss", "mean_std")
DEFAULT_METRICS = ("fid", *MOMENTS)
# Plain numbers first.
_MODES = (None, *MODES)


def evaluate(
    columns: Sequence[Column],
    real: np.ndarray,
    network: FeatureNetwork | None = None,
    protocol: str | Protocol | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    metrics: Sequence[str] = DEFAULT_METRICS,
    more_real: np.ndarray | None = None,
    progress: bool = False,
) -> list[Measurement]:
    """Measure each column against real images, over several sampling seeds.

    Args:
        columns: The kinds of images to measure.
        real: uint8 array [n, h, w, c] from `choose_images`, or floats in [0, 1].
        network: The feature network; None if no metric needs features.
        protocol: Name or `Protocol`; None if no metric needs features.
        seeds: Sampling seeds. All of them use the same trained model.
        metrics: Names in `fid.METRICS`. Metrics of image pairs are measured for reconstructions
            only.
        more_real: As many further real images, for the noise floor of the metrics that need
            features. If they are fewer, or None, the noise floor is left out, because it depends
            on the number of images.
        progress: Whether to show a bar on stderr.

    Returns:
        One measurement for each number. For each metric, the plain numbers come first, then the
        normalised ones, then the noise floor. If the metric is best at the data's own value,
        that value comes last, in the column `data`.

    Raises:
        ValueError: The protocol does not accept the images, a metric is unknown, or a metric
            needs a network and a protocol that were not given.

    Example:
        ```python
        columns = two_stage_columns(vae, real)
        evaluate(columns, real, load_inception(), "asperti2020", metrics=["fid", "kid"])
        ```
    """
    chosen = get_metrics(metrics)
    of_features = [metric for metric in chosen if metric.needs_features]
    other_real = None
    if of_features and more_real is not None and len(more_real) >= len(real):
        other_real = more_real[: len(real)]
    arrays = 1 + (other_real is not None) + sum(column.arrays for column in columns) * len(seeds)
    found: list[Measurement] = []
    with progress_bar(progress, total=arrays * len(real), unit="image", desc="evaluate") as bar:
        sides = _Sides(network, None if protocol is None else get_protocol(protocol), bar)
        data = sides.gather(real, chosen)
        for column in columns:
            fitting = [metric for metric in chosen if column.paired or metric.needs != "pairs"]
            for seed in seeds:
                last, values = None, []
                for mode, images in column.make(seed):
                    # The same images again: normalisation changed nothing.
                    if images is last:
                        bar.update(len(images))
                    else:
                        side = sides.gather(images, fitting, generated=True)
                        values = sides.compare(column.name, fitting, data, side)
                    found += [replace(one, normalization=mode, seed=seed) for one in values]
                    last = images
        if other_real is not None:
            side = sides.gather(other_real, of_features)
            found += sides.compare(NOISE_FLOOR, of_features, data, side)
        of_data = [metric for metric in chosen if metric.better == "data"]
        found += sides.compare(DATA, of_data, data, data)
    order = [metric.name for metric in chosen]
    ends = (NOISE_FLOOR, DATA)
    found.sort(
        key=lambda m: (order.index(m.metric), m.column in ends, _MODES.index(m.normalization))
    )
    sha256 = content_sha256(real)
    return [replace(one, data_sha256=sha256) for one in found]


def noise_floor(
    real: np.ndarray,
    network: FeatureNetwork,
    protocol: str | Protocol,
    metrics: Sequence[str] = ("fid",),
    progress: bool = False,
) -> list[Measurement]:
    """Measure two disjoint halves of the data against each other.

    Even a perfect model would show this distance at that number of images. Distances are biased
    upwards for few images, so the floor of two halves lies above the floor of twice as many.

    Args:
        real: uint8 array [n, h, w, c], shuffled by `choose_images`.
        network: The feature network.
        protocol: Name or `Protocol`.
        metrics: Names of metrics that need features.
        progress: Whether to show a bar on stderr.

    Returns:
        One measurement for each metric, in the column `noise floor`.

    Example:
        ```python
        (floor,) = noise_floor(choose_images(x_test), load_inception(), "asperti2020")
        ```
    """
    half = len(real) // 2
    chosen = get_metrics(metrics)
    with progress_bar(progress, total=2 * half, unit="image", desc=NOISE_FLOOR) as bar:
        sides = _Sides(network, get_protocol(protocol), bar)
        halves = (sides.gather(part, chosen) for part in (real[:half], real[half : 2 * half]))
        return sides.compare(NOISE_FLOOR, chosen, *halves)


@dataclass(frozen=True)
class _Sides:
    """Computes the two sides of comparisons, and updates one progress bar."""

    network: FeatureNetwork | None
    protocol: Protocol | None
    bar: tqdm

    def gather(
        self, images: np.ndarray, metrics: Sequence[Metric], generated: bool = False
    ) -> Side:
        """Return the data that metrics need of images; statistics of real images are cached."""
        of_features = [metric for metric in metrics if metric.needs_features]
        if of_features:
            self._features_for(of_features)
        begun = self.bar.n
        side = gather(
            images, metrics, self.network, self.protocol, generated, not generated, self.bar
        )
        # The extraction of features, if there was one, has updated most of the bar.
        self.bar.update(begun + len(images) - self.bar.n)
        return side

    def compare(
        self, column: str, metrics: Iterable[Metric], real: Side, other: Side
    ) -> list[Measurement]:
        """Return each metric's value for two sides."""
        counts = len(real["images"]), len(other["images"])
        found = []
        for metric in metrics:
            value, deviation = metric(real[metric.needs], other[metric.needs])
            if not math.isfinite(value):
                warnings.warn(
                    f"{metric.title} of {column} is {value}, so it cannot be compared and is left "
                    "out.",
                    stacklevel=3,
                )
                continue
            one = Measurement(column, metric.name, value, *counts, deviation=deviation)
            if metric.needs_features:
                network, protocol = self._features_for([metric])
                one = replace(
                    one,
                    real_count=protocol.used(counts[0]),
                    generated_count=protocol.used(counts[1]),
                    protocol=protocol.name,
                    features=network.name,
                    features_sha256=network.sha256,
                )
            found.append(one)
        return found

    def _features_for(self, metrics: Sequence[Metric]) -> tuple[FeatureNetwork, Protocol]:
        if self.network is None or self.protocol is None:
            named = ", ".join(metric.name for metric in metrics)
            raise InputError(f"Measuring {named} needs features: give a network and a protocol.")
        return self.network, self.protocol
