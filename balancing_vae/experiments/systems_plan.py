"""The trainings of a comparison of systems: every preset is shortened to a common budget."""

import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from balancing_vae.backend.epoch_timer import EpochTimer
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.atomic import atomic_file
from balancing_vae.pipeline import TwoStageVAE
from balancing_vae.pipeline.stages import check_config
from balancing_vae.schema import anything
from balancing_vae.schema import mapping
from balancing_vae.schema import read_json
from balancing_vae.schema import record
from balancing_vae.training.sources import hold_out

PLAN = "plan.json"
# The rest of the budget is for the evaluation.
TRAINING_SHARE = 0.8
# The second of two short epochs is timed; the first one compiles.
TRIAL_EPOCHS = 2
TRIAL_STEPS = 10


class RecipeTime(NamedTuple):
    """Seconds of a training: those that do not depend on its epochs, and those of all epochs."""

    startup: float
    epochs: float


def shorten(config: Config, fraction: float) -> Config:
    """Return a config whose training is a fraction as long.

    The epochs of both stages, and the epochs between two steps of the learning rate, are
    multiplied by `fraction` and rounded. A number that was not 0 stays at least 1.

    Args:
        config: The whole recipe.
        fraction: In (0, 1]; 1 leaves the recipe unchanged.

    Returns:
        The shortened recipe.

    Raises:
        ValueError: The fraction is out of range.

    Example:
        ```python
        shorten(preset_config("cifar10"), 0.01).epochs   # 7 of 700
        ```
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction must lie in (0, 1], got {fraction}.")
    names = ("epochs", "epochs2", "lr_epochs", "lr_epochs2")
    whole = {name: getattr(config, name) for name in names}
    return config.replace(
        **{name: max(1, round(fraction * n)) if n > 0 else n for name, n in whole.items()}
    )


def plan_trainings(
    configs: dict[str, Config],
    x: np.ndarray,
    validation_data: np.ndarray | None,
    trainings: int,
    minutes: float | None,
) -> dict[str, Config]:
    """Share a budget of wall-clock time equally among systems, and shorten their recipes.

    A short trial of each system measures how long its training takes on this machine. The
    trials are part of the budget. A recipe that needs less than its share is not shortened.

    Args:
        configs: The recipe of each system, by name.
        x: Training images, uint8 [N, D, D, C].
        validation_data: Images held out, or None.
        trainings: Number of trainings of each system.
        minutes: The budget of the whole comparison; None shortens no recipe.

    Returns:
        The recipe to be trained, by name.

    Raises:
        ValueError: A system's config has an unknown name, or its share is shorter than one
            epoch of each stage.

    Example:
        ```python
        plan_trainings({"digits": preset_config("digits")}, x_train, None, trainings=3, minutes=10)
        ```
    """
    for config in configs.values():
        check_config(config)
    if minutes is None:
        return dict(configs)
    start = time.perf_counter()
    times = {name: recipe_time(config, x, validation_data) for name, config in configs.items()}
    left = 60 * minutes - (time.perf_counter() - start)
    share = TRAINING_SHARE * left / (len(configs) * trainings)
    plan = {}
    for name, config in configs.items():
        least = times[name].startup + times[name].epochs / max(config.epochs, config.epochs2, 1)
        if share < least:
            raise InputError(
                f"The budget allows {share:.0f} s for each training of {name}, but one epoch takes "
                f"{least:.0f} s here, including compilation; choose a larger --budget, fewer "
                "--systems or --trainings, or fewer --train-images."
            )
        fraction = (share - times[name].startup) / times[name].epochs
        plan[name] = shorten(config, min(1.0, fraction))
    return plan


def recipe_time(
    config: Config, x: np.ndarray, validation_data: np.ndarray | None = None
) -> RecipeTime:
    """Estimate how long a recipe's training takes on this machine, from a few batches.

    Args:
        config: The recipe.
        x: Training images, uint8 [N, D, D, C].
        validation_data: Images held out; None uses those that the config holds out of `x`.

    Returns:
        Seconds for compilation and for everything after the epochs, and seconds for all epochs
        including their callbacks and validation.

    Example:
        ```python
        recipe_time(preset_config("digits"), x_train).epochs / 60   # minutes
        ```
    """
    if validation_data is None and config.held_out:
        x, validation_data = hold_out(x, config.held_out)
    few = x[: TRIAL_STEPS * config.batch_size]
    trial = config.replace(
        epochs=min(config.epochs, TRIAL_EPOCHS), epochs2=min(config.epochs2, TRIAL_EPOCHS)
    )
    timer = EpochTimer()
    start = time.perf_counter()
    TwoStageVAE(trial).fit(few, validation_data, [timer], verbose=False)
    startup = time.perf_counter() - start
    seconds = 0.0
    more_steps = (len(x) - len(few)) // config.batch_size
    for epochs, timed, step in zip(
        (config.epochs, config.epochs2), timer.epochs, timer.steps, strict=False
    ):
        startup -= min(epochs, TRIAL_EPOCHS) * timed[-1]
        seconds += epochs * (timed[-1] + more_steps * step)
    return RecipeTime(startup, seconds)


def write_plan(folder: Path, plan: dict[str, Config], about: dict) -> None:
    """Write the recipes of a comparison, so that it can be resumed.

    Args:
        folder: The comparison's folder; it is created if it is missing.
        plan: The recipe to be trained, by name.
        about: Everything else that affects the numbers: data, features, protocol, budget.
    """
    configs = {name: config.to_dict() for name, config in plan.items()}
    with atomic_file(folder / PLAN) as temporary:
        temporary.write_text(json.dumps({**about, "systems": configs}, indent=2) + "\n", "utf-8")


def read_plan(folder: Path, about: dict) -> dict[str, Config]:
    """Read the recipes of a comparison that was started before.

    Args:
        folder: The comparison's folder.
        about: Everything else that affects the numbers, as it is now.

    Returns:
        The recipe to be trained, by name.

    Raises:
        FileNotFoundError: No comparison was started there.
        ValueError: It was started with other options; the message names them.
    """
    path = folder / PLAN
    if not path.is_file():
        raise MissingFileError(f"{folder} has no comparison to resume; leave --resume out.")
    is_plan = record({"systems": mapping(mapping(anything))}, others=anything)
    begun = read_json(path, is_plan, "start again in another folder")
    try:
        plan = {name: Config.from_dict(fields) for name, fields in begun.pop("systems").items()}
    except InputError as error:
        raise InputError(f"{path} is damaged: {error} Start again in another folder.") from error
    changed = [f"{k}: {begun.get(k)} -> {about[k]}" for k in about if begun.get(k) != about[k]]
    if changed:
        raise InputError(
            f"{folder} was started with other options ({'; '.join(changed)}); resume with the same "
            "ones, or choose another folder."
        )
    return plan
