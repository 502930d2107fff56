"""Tables 1 and 2: several trainings of one preset beside the published rows."""

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from statistics import stdev

from balancing_vae.config import Config
from balancing_vae.evaluation.comparison import compare

# By table and budget the preset that is trained.
PRESETS = {
    "table1": {"full": "cifar10", "small": "cifar10-small"},
    "table2": {"full": "celeba", "small": "celeba-small"},
}


NOTE = (
    "Deviations are over trainings. Only numbers of one protocol can be compared. Budget of the "
    "rows measured here: {budget}."
)


def describe_budget(config: Config, images: int) -> str:
    """Say in a line what a training costs, so that no table stands without it.

    Args:
        config: The hyperparameters trained with.
        images: Number of training images.

    Returns:
        Preset, epochs, images, width and precision.

    Example:
        ```python
        describe_budget(preset_config("cifar10"), 50_000)
        ```
    """
    return (
        f"preset {config.preset}, {config.epochs} + {config.epochs2} epochs of {images:,} images "
        f"in batches of {config.batch_size}, {config.network['name']} with base_dim "
        f"{config.network['base_dim']}, {config.latent_dim} latents, {config.precision}"
    )


def over_trainings(runs: Sequence[str | os.PathLike], dataset: str, name: str) -> list[dict]:
    """Return the mean of evaluated trainings, then what is published on the same data.

    Args:
        runs: Evaluated runs of one config, each with its own seed.
        dataset: Name of the dataset.
        name: What the table calls them.

    Returns:
        Rows as `evaluation.compare` gives. Of those measured here `value` is the mean over
        trainings of their means over sampling seeds, `deviation` (n - 1) and `repetitions`
        are over trainings.

    Raises:
        FileNotFoundError: A run has not been evaluated.

    Example:
        ```python
        rows = over_trainings(["runs/0", "runs/1"], "cifar10", "computed gamma")
        print(evaluation.to_markdown(rows))
        ```
    """
    groups: dict[tuple, list[dict]] = {}
    for run in runs:
        for row in compare([run], dataset):
            if row["measured_here"]:
                # What follows the run's name says whether and how it was normalised.
                normalization = row["system"].removeprefix(Path(run).resolve().name)
                key = (normalization, row["column"], row["distance"], row["protocol"])
                groups.setdefault(key, []).append(row)
    ours = [
        rows[0]
        | {
            "system": name + normalization,
            "value": mean(row["value"] for row in rows),
            "deviation": stdev(row["value"] for row in rows) if len(rows) > 1 else None,
            "repetitions": len(rows),
            "source": "1 training" if len(rows) == 1 else f"{len(rows)} trainings",
        }
        for (normalization, *_), rows in groups.items()
    ]
    return ours + compare([], dataset)
