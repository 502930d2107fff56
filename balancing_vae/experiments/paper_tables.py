"""Tables 1 and 2: several trainings of one preset next to the published rows."""

import os
from collections.abc import Sequence

from balancing_vae.config import Config
from balancing_vae.evaluation.comparison import Comparison
from balancing_vae.evaluation.comparison import beside_their_floors
from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.comparison import measurements_of
from balancing_vae.evaluation.comparison import numbers_of
from balancing_vae.evaluation.measurement import aggregate

# The trained preset by table and budget.
PRESETS = {
    "table1": {"full": "cifar10", "small": "cifar10-small"},
    "table2": {"full": "celeba", "small": "celeba-small"},
}


NOTE = (
    "Standard deviations are over trainings. Only numbers of one protocol can be compared. Budget "
    "of the rows measured here: {budget}."
)


def describe_budget(config: Config, images: int) -> str:
    """Describe the cost of a training in one line, which every table shows.

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


def over_trainings(
    runs: Sequence[str | os.PathLike], dataset: str, name: str, budget: str
) -> Comparison:
    """Return the means of evaluated trainings, followed by published numbers on the same data.

    Args:
        runs: Evaluated runs of one config, each with its own seed.
        dataset: Name of the dataset.
        name: Their name in the table.
        budget: The cost of a training, from `describe_budget`.

    Returns:
        Numbers like those of `evaluation.compare`. The `value` of a measured number is the mean
        over trainings of their means over sampling seeds. Its `deviation` (n - 1) and
        `repetitions` are over trainings.

    Raises:
        FileNotFoundError: A run has not been evaluated.

    Example:
        ```python
        budget = describe_budget(preset_config("cifar10"), 50_000)
        print(over_trainings(["runs/0", "runs/1"], "cifar10", "computed gamma", budget))
        ```
    """
    over_seeds = [aggregate(measurements_of(run)) for run in runs]
    means, floors = beside_their_floors(aggregate(one for run in over_seeds for one in run))
    source = "1 training" if len(runs) == 1 else f"{len(runs)} trainings"
    theirs = compare([], dataset)
    note = NOTE.format(budget=budget)
    return Comparison(
        [*numbers_of(name, means, source), *theirs], note, [*floors, *theirs.left_out]
    )
