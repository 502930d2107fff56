"""What a comparison of systems trains: each preset's recipe, shortened to a common budget."""

import json
import time
from pathlib import Path

import numpy as np

from balancing_vae.config import Config
from balancing_vae.pipeline import TwoStageVAE
from balancing_vae.storage.atomic import atomic_file
from balancing_vae.vae import VAE

PLAN = "plan.json"
# What is kept back of the budget for compiling, encoding and evaluating.
TRAINING_SHARE = 0.7
# Steps that are timed, after as many that compile and warm up.
TIMED_STEPS = 5


def shorten(config: Config, fraction: float) -> Config:
    """Return a config whose training is a fraction as long.

    The epochs of both stages, and those between two steps of the learning rate, become
    `fraction` times as many, rounded, and at least 1 where they were not 0.

    Args:
        config: The whole recipe.
        fraction: In (0, 1]; 1 leaves the recipe as it is.

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
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}.")
    names = ("epochs", "epochs2", "lr_epochs", "lr_epochs2")
    whole = {name: getattr(config, name) for name in names}
    return config.replace(
        **{name: max(1, round(fraction * n)) if n > 0 else n for name, n in whole.items()}
    )


def plan_trainings(
    configs: dict[str, Config], x: np.ndarray, seeds: int, minutes: float | None
) -> dict[str, Config]:
    """Share a budget of wall-clock time equally among systems, and shorten their recipes.

    The time of a step of each stage is measured on this machine. A recipe that takes less
    than its share is trained whole.

    Args:
        configs: The recipe of each system, by name.
        x: Training images, uint8 [N, D, D, C].
        seeds: How often each system is trained.
        minutes: The budget of the whole comparison; None trains every recipe whole.

    Returns:
        The recipe to be trained, by name.

    Raises:
        ValueError: A system's share is shorter than one epoch of each stage.

    Example:
        ```python
        plan_trainings({"digits": preset_config("digits")}, x_train, seeds=3, minutes=10)
        ```
    """
    if minutes is None:
        return dict(configs)
    share = TRAINING_SHARE * 60 * minutes / (len(configs) * seeds)
    plan = {}
    for name, config in configs.items():
        seconds = recipe_seconds(config, x)
        epoch = seconds / max(config.epochs, config.epochs2, 1)
        if share < epoch:
            raise ValueError(
                f"The budget gives a training of {name} {share:.0f} s, and an epoch of it takes "
                f"{epoch:.0f} s here; take a larger --budget, fewer --systems or --seeds, or "
                "fewer --train-images."
            )
        plan[name] = shorten(config, min(1.0, share / seconds))
    return plan


def recipe_seconds(config: Config, x: np.ndarray) -> float:
    """Estimate how long a recipe's training takes here, from a few timed steps.

    Args:
        config: The recipe.
        x: Training images, uint8 [N, D, D, C].

    Returns:
        Seconds, compiling not counted.
    """
    vae = TwoStageVAE(config)
    batch = x[: config.batch_size]
    steps = len(x) // config.batch_size
    seconds = config.epochs * steps * _step_seconds(vae.stage1, batch)
    if vae.stage2 is not None:
        mu, sigma = vae.encode(batch)
        seconds += config.epochs2 * steps * _step_seconds(vae.stage2, (mu, sigma))
    return seconds


def write_plan(folder: Path, plan: dict[str, Config], about: dict) -> None:
    """Write down what a comparison trains, so that it can be gone on with.

    Args:
        folder: The comparison's folder, which exists.
        plan: The recipe to be trained, by name.
        about: What else decides the numbers: data, seeds, budget.
    """
    configs = {name: config.to_dict() for name, config in plan.items()}
    with atomic_file(folder / PLAN) as temporary:
        temporary.write_text(json.dumps({**about, "systems": configs}, indent=2) + "\n", "utf-8")


def read_plan(folder: Path, about: dict) -> dict[str, Config]:
    """Read what a comparison that was begun trains.

    Args:
        folder: The comparison's folder.
        about: What decides the numbers this time.

    Returns:
        The recipe to be trained, by name.

    Raises:
        FileNotFoundError: No comparison was begun there.
        ValueError: It was begun with other options; they are named.
    """
    path = folder / PLAN
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no comparison to resume; leave --resume out.")
    try:
        begun = json.loads(path.read_text("utf-8"))
        plan = {name: Config.from_dict(fields) for name, fields in begun.pop("systems").items()}
    except (KeyError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error!r}); begin anew in another folder.") from error
    changed = [f"{k}: {begun.get(k)} -> {about[k]}" for k in about if begun.get(k) != about[k]]
    if changed:
        raise ValueError(
            f"{folder} was begun with other options ({'; '.join(changed)}); resume with the same "
            "ones, or choose another folder."
        )
    return plan


def _step_seconds(stage: VAE, batch) -> float:
    for _ in range(TIMED_STEPS):
        stage.train_on_batch(batch)
    start = time.perf_counter()
    for _ in range(TIMED_STEPS):
        stage.train_on_batch(batch)
    return (time.perf_counter() - start) / TIMED_STEPS
