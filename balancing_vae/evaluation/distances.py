"""REC, GEN-1 and GEN-2 of a trained pipeline, in one call, beside what the data themselves show."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from statistics import stdev
from typing import Protocol as Interface

import numpy as np

from balancing_vae.checks import as_float
from balancing_vae.evaluation.moment_rows import moment_rows
from balancing_vae.fid.cache import cached_statistics
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.protocols import Protocol
from balancing_vae.fid.protocols import get_protocol
from balancing_vae.fid.statistics import Statistics

# As many as every published number of these models is of.
IMAGES = 10_000


class Pipeline(Interface):
    """What `two_stage_columns` needs of a pipeline; `TwoStageVAE` is one."""

    def reconstruct(self, x: np.ndarray, normalize: bool, seed: int) -> np.ndarray:
        """Return reconstructions in [0, 1] of the images `x`."""

    def generate(
        self, n: int, *, stage: int = 2, normalize: bool, seed: int, sampler: str | None = None
    ) -> np.ndarray:
        """Return `n` images in [0, 1]: GEN-1 or GEN-2, or from the sampler of that name."""


@dataclass(frozen=True)
class Column:
    """One kind of generated image to measure.

    Attributes:
        name: `REC`, `GEN-1`, `GEN-2`, or what a table calls it.
        normalized: Whether the images are renormalised.
        make: From a seed to float images in [0, 1], [n, h, w, c].
    """

    name: str
    normalized: bool
    make: Callable[[int], np.ndarray]


def choose_images(images: np.ndarray, count: int = IMAGES) -> np.ndarray:
    """Return real images in an order of their own, at most `count` of them.

    The order is shuffled once and for all (seed 0), as the original program shuffles its
    test images: halves and incomplete batches are then no matter of classes.

    Args:
        images: uint8 array [N, h, w, c]; may be memory-mapped.
        count: How many are wanted.

    Returns:
        uint8 array [min(N, count), h, w, c], in memory.

    Example:
        ```python
        real = choose_images(datasets.load("cifar10", "test", "data"))
        ```
    """
    order = np.random.default_rng(0).permutation(len(images))[:count]
    return images[order]


def two_stage_columns(
    pipeline: Pipeline, real: np.ndarray, samplers: Sequence[str] = ()
) -> list[Column]:
    """Return REC, GEN-1 and GEN-2, each without and with normalisation.

    Args:
        pipeline: A trained `TwoStageVAE`, or anything with its two methods.
        real: The images that are reconstructed; as many are generated.
        samplers: Names of further samplers of the pipeline, each for a column `GEN (name)`.

    Returns:
        Six columns, and two for each further sampler.

    Example:
        ```python
        evaluate(two_stage_columns(vae, real), real, load_inception(), "asperti2020")
        ```
    """

    def reconstructions(normalize: bool) -> Callable[[int], np.ndarray]:
        return lambda seed: pipeline.reconstruct(
            real, normalize=normalize, seed=seed, keep_padding=True
        )

    def samples(normalize: bool, **drawn_from) -> Callable[[int], np.ndarray]:
        return lambda seed: pipeline.generate(
            len(real), normalize=normalize, seed=seed, keep_padding=True, **drawn_from
        )

    return [
        column
        for normalize in (False, True)
        for column in (
            Column("REC", normalize, reconstructions(normalize)),
            Column("GEN-1", normalize, samples(normalize, stage=1)),
            Column("GEN-2", normalize, samples(normalize, stage=2)),
            *(
                Column(f"GEN ({name})", normalize, samples(normalize, sampler=name))
                for name in samplers
            ),
        )
    ]


def evaluate(
    columns: Sequence[Column],
    real: np.ndarray,
    network: FeatureNetwork,
    protocol: str | Protocol,
    seeds: Sequence[int] = (0, 1, 2),
    progress: bool = False,
) -> list[dict]:
    """Measure each column against real images, over several sampling seeds.

    Args:
        columns: What to measure.
        real: uint8 array [n, h, w, c], as `choose_images` gives.
        network: Gives the features.
        protocol: Name or `Protocol`.
        seeds: Sampling seeds; the training is one and the same.
        progress: Whether to show bars on stderr.

    Returns:
        A row a number: column, normalized, seed, distance, protocol, features,
        features_sha256, real_count, generated_count, value. The distances' last row is the
        noise floor. Then come the moments, as `moment_rows` gives them, without a protocol;
        their last row is the data's own standard deviation.

    Raises:
        ValueError: The images are not what the protocol takes.

    Example:
        ```python
        rows = evaluate(two_stage_columns(vae, real), real, load_inception(), "asperti2020")
        ```
    """
    protocol = get_protocol(protocol)
    reference = cached_statistics(real, network, protocol, progress=progress)
    data = as_float(real)
    rows, moments = [], []
    for column in columns:
        for seed in seeds:
            images = column.make(seed)
            statistics = measure(images, network, protocol, generated=True, progress=progress)
            place = {"column": column.name, "normalized": column.normalized, "seed": seed}
            rows.append(place | _row(reference, statistics, network))
            moments += [place | row for row in moment_rows(data, images, column.name == "REC")]
    place = {"column": "data", "normalized": False, "seed": None}
    moments += [place | row for row in moment_rows(data) if row["distance"] == "mean std"]
    return [*rows, noise_floor(real, network, protocol, progress), *moments]


def noise_floor(
    real: np.ndarray, network: FeatureNetwork, protocol: str | Protocol, progress: bool = False
) -> dict:
    """Measure two disjoint halves of the data against each other.

    What a perfect model would still show at that many images; the distance is biased
    upwards for few images, so the floor at half the number lies above that of all.

    Args:
        real: uint8 array [n, h, w, c], shuffled as `choose_images` does.
        network: Gives the features.
        protocol: Name or `Protocol`.
        progress: Whether to show bars on stderr.

    Returns:
        A row as `evaluate` gives, in the column `noise floor`.

    Example:
        ```python
        noise_floor(choose_images(x_test), load_inception(), "asperti2020")["value"]
        ```
    """
    half = len(real) // 2
    sides = [
        cached_statistics(part, network, protocol, progress=progress)
        for part in (real[:half], real[half : 2 * half])
    ]
    place = {"column": "noise floor", "normalized": False, "seed": None}
    return place | _row(*sides, network)


def summarise(rows: Sequence[dict]) -> list[dict]:
    """Return the mean and deviation over seeds of each column.

    Numbers of other data, or of other networks of one name, are not averaged together.

    Args:
        rows: As `evaluate` gives, or a run's `metrics.json`.

    Returns:
        Rows with column, normalized, normalization (its mode, None where unknown),
        distance, protocol, real_count, generated_count, and value, deviation (n - 1; None
        for a single seed), repetitions.

    Example:
        ```python
        summarise(rows)[0]["deviation"]
        ```
    """
    names = ("column", "normalized", "normalization", "distance", "protocol")
    names += ("real_count", "generated_count")
    apart = ("dataset", "data_sha256", "features_sha256")
    groups: dict[tuple, list[float]] = {}
    for row in rows:
        key = tuple(row.get(name) for name in (*names, *apart))
        groups.setdefault(key, []).append(row["value"])
    return [
        dict(zip(names, key, strict=False))
        | {
            "value": mean(values),
            "deviation": stdev(values) if len(values) > 1 else None,
            "repetitions": len(values),
        }
        for key, values in groups.items()
    ]


def _row(real: Statistics, generated: Statistics, network: FeatureNetwork) -> dict:
    return {
        "distance": network.distance_name,
        "protocol": real.protocol,
        "features": network.name,
        "features_sha256": network.sha256,
        "real_count": real.count,
        "generated_count": generated.count,
        "value": frechet_distance(real, generated),
    }
