"""A table of measurements: one row for each kind of image, one column for each metric."""

from collections.abc import Sequence

from balancing_vae.evaluation.measurement import DATA
from balancing_vae.evaluation.measurement import NOISE_FLOOR
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.measurement import naming
from balancing_vae.evaluation.measurement import with_deviation
from balancing_vae.evaluation.measurement import with_mode
from balancing_vae.figures.tables import Table


def measured_table(measurements: Sequence[Measurement]) -> Table:
    """Return means over sampling seeds, with their deviations.

    Args:
        measurements: What `evaluate` returned for one set of real images.

    Returns:
        The table; its note names the protocols and the numbers of images.

    Example:
        ```python
        print(measured_table(evaluate(columns, real, network, "asperti2020")))
        ```
    """
    means = aggregate(measurements)
    name = naming(means)
    modes = {one.normalization for one in means}
    lines: dict[str, dict[str, str]] = {}
    alike: dict[str, dict[str, None]] = {}
    for one in sorted(means, key=lambda one: one.column in (NOISE_FLOOR, DATA)):
        label = with_mode(one.column, one.normalization, modes)
        lines.setdefault(label, {})[name(one)] = with_deviation(one.value, one.deviation)
        real = "training" if one.against == "train" else "real"
        circumstances = (
            f"{one.real_count:,} {real} images against {one.generated_count:,} generated"
        )
        if one.protocol:
            circumstances += f", protocol {one.protocol}"
        alike.setdefault(circumstances, {})[name(one)] = None
    titles = list(dict.fromkeys(title for cells in lines.values() for title in cells))
    notes = [f"{', '.join(names)}: {circumstances}." for circumstances, names in alike.items()]
    repetitions = max((one.repetitions for one in means), default=1)
    if repetitions > 1:
        notes.append(f"Mean ± standard deviation over {repetitions} sampling seeds.")
    return Table(
        ["", *titles],
        [[label, *(cells.get(title) for title in titles)] for label, cells in lines.items()],
        "\n".join(notes),
    )
