"""Test whether the second stage, and then its normalisation, improve generated images."""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from itertools import pairwise

import numpy as np

from balancing_vae.evaluation.columns import two_stage_columns
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measuring import evaluate
from balancing_vae.evaluation.table import measured_table
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.fid.protocols import Protocol
from balancing_vae.figures.tables import Table

SAMPLES = 1024
SEEDS = tuple(range(5))
# Each kind is a column, normalised or not. If every step helps, the order is worst to best.
KINDS = {
    "GEN-1": ("GEN-1", False),
    "GEN-2": ("GEN-2", False),
    "GEN-2, normalised": ("GEN-2", True),
}


@dataclass(frozen=True)
class Improvement:
    """The change of one metric by the second stage, or by normalisation, over sampling seeds.

    Attributes:
        before: The kind of image before the step, such as "GEN-1".
        after: The kind of image after the step, such as "GEN-2".
        name: The metric's name in tables.
        changes: One change per sampling seed; a negative change is an improvement.
    """

    before: str
    after: str
    name: str
    changes: list[float]

    @property
    def improves(self) -> bool:
        """Whether the metric improves for every seed."""
        return all(change < 0 for change in self.changes)

    def __str__(self) -> str:
        below, count = sum(change < 0 for change in self.changes), len(self.changes)
        return f"{self.after} is below {self.before} in {below} of {count} seeds ({self.name})"


def measure_improvements(
    vae,
    real: np.ndarray,
    network: FeatureNetwork,
    protocol: str | Protocol,
    seeds: Sequence[int] = SEEDS,
    samples: int = SAMPLES,
    metrics: Sequence[str] = ("fid", "kid"),
) -> list[Measurement]:
    """Measure samples of stage 1, of stage 2, and of stage 2 with normalisation.

    Args:
        vae: A trained `TwoStageVAE` whose normalisation is fitted on other images.
        real: Real images that were not used in training, uint8 [N, D, D, C].
        network: The feature network.
        protocol: Name or `Protocol`.
        seeds: Sampling seeds.
        samples: Number of generated images of each kind.
        metrics: Names in `fid.METRICS` of metrics whose smaller values are better.

    Returns:
        One measurement for each kind, metric and seed.

    Raises:
        ValueError: The normalisation is not fitted, or the images do not match the model.

    Example:
        ```python
        print(improvements_table(measure_improvements(vae, x_test, Pixels(), "asperti2020")))
        ```
    """
    columns = [c for c in two_stage_columns(vae, real, samples=samples) if not c.paired]
    measured = evaluate(columns, real, network, protocol, seeds, metrics)
    return [one for one in measured if _kind(one) is not None]


def improvements(measurements: Sequence[Measurement]) -> list[Improvement]:
    """Compare each kind of sample with the previous kind, for each seed.

    Args:
        measurements: What `measure_improvements` returned.

    Returns:
        One comparison for each step and metric.

    Example:
        ```python
        improvements(measure_improvements(vae, x_test, Pixels(), "asperti2020", samples=128))
        ```
    """
    values: dict[tuple, dict[int | None, float]] = {}
    for one in measurements:
        values.setdefault((one.name, _kind(one)), {})[one.seed] = one.value
    found = []
    for name in dict.fromkeys(one.name for one in measurements):
        for before, after in pairwise(KINDS):
            old, new = values[name, before], values[name, after]
            changes = [new[seed] - old[seed] for seed in new]
            found.append(Improvement(before, after, name, changes))
    return found


def improvements_table(measurements: Sequence[Measurement]) -> Table:
    """Return a table of the numbers, with a note about which steps help.

    Args:
        measurements: What `measure_improvements` returned.

    Returns:
        The table. Its note names each step that does not help for all seeds.
    """
    table = measured_table(measurements)
    found = improvements(measurements)
    failed = [str(one) for one in found if not one.improves]
    verdict = f"Each line is below the one above it in each of the {len(found[0].changes)} seeds."
    if failed:
        verdict = f"On this training the order does not hold in all seeds: {'; '.join(failed)}."
    return replace(table, note=f"{table.note}\n{verdict}")


def _kind(one: Measurement) -> str | None:
    place = (one.column, one.normalization is not None)
    return next((name for name, kind in KINDS.items() if kind == place), None)
