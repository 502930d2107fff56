"""Assign the original programs' variables to our networks by name."""

import re
from dataclasses import dataclass
from dataclasses import field

import keras
import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.storage.checkpoint import without_automatic_numbers
from balancing_vae.storage.original_names import original_names
from balancing_vae.storage.original_sizes import infer_sizes

__all__ = ["ImportReport", "assign_variables", "infer_sizes", "untrained_stages"]

# After this many steps a zero-debiased average equals an ordinary one.
MANY_STEPS = 1e6
MOMENTS = re.compile(r"/Adam(_\d+)?$")
OPTIMIZER = re.compile(r"(/Adam(_\d+)?|^beta[12]_power(_\d+)?|^global_step)$")


@dataclass
class ImportReport:
    """The result of an import.

    Attributes:
        assigned: Number of variables that were assigned.
        missing: Variables that the networks need but the checkpoint lacks.
        left_over: Variables of the checkpoint that were not used, except the optimizer's.
        misshapen: Variables whose shape differs from the networks', with both shapes.
        debias_missing: Debias variables of batch normalisations that the checkpoint lacks; the
            moving averages are then continued as ordinary ones.
    """

    assigned: int = 0
    missing: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    debias_missing: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise if anything is missing, left over or misshapen.

        Raises:
            ValueError: The message names all of them.
        """
        problems = {
            "missing": self.missing,
            "left over": self.left_over,
            "of another shape": self.misshapen,
        }
        if any(problems.values()):
            lists = "; ".join(
                f"{what}: {', '.join(names)}" for what, names in problems.items() if names
            )
            raise InputError(f"The checkpoint does not match the networks. {lists}.")


def assign_variables(
    variables: dict[str, np.ndarray],
    stage1: keras.Model,
    stage2: keras.Model | None,
    stages: tuple[int, ...] = (1, 2),
) -> ImportReport:
    """Copy a checkpoint's weights and moving statistics into two stages.

    Nothing is assigned unless all variables match.

    Args:
        variables: The result of `read_variables`.
        stage1: The first stage, with the checkpoint's sizes.
        stage2: The second stage, with the checkpoint's sizes; None ignores its variables.
        stages: The stages to assign.

    Returns:
        The report; its `check()` raises if the variables do not match.

    Example:
        ```python
        assign_variables(variables, vae.stage1, vae.stage2).check()
        ```
    """
    variables = without_automatic_numbers(variables)
    report = ImportReport()
    assignments = []
    wanted = set()
    for number, stage in ((1, stage1), (2, stage2)):
        if stage is None:
            wanted |= {name for name in variables if name.startswith(f"stage{number}/")}
            continue
        for name, variable, optional in original_names(number, stage):
            wanted.add(name)
            if number not in stages:
                continue
            if name not in variables:
                (report.debias_missing if optional else report.missing).append(name)
            elif np.shape(variables[name]) != tuple(variable.shape):
                shapes = f"{np.shape(variables[name])} instead of {tuple(variable.shape)}"
                report.misshapen.append(f"{name} ({shapes})")
            else:
                assignments.append((variable, variables[name]))
    # The variance's step always equals the mean's, and our layer stores only one of them.
    wanted |= {name.replace("/mean/local_step", "/variance/local_step") for name in wanted}
    report.left_over = sorted(
        name for name in variables if name not in wanted and not OPTIMIZER.search(name)
    )
    if not (report.missing or report.misshapen or report.left_over):
        for variable, value in assignments:
            variable.assign(value)
        report.assigned = len(assignments)
        if report.debias_missing:
            _settle(stage1)
    return report


def untrained_stages(variables: dict[str, np.ndarray]) -> list[int]:
    """Return the stages whose weights in a checkpoint are still the initial values.

    The original programs write both stages to every file, even before the second is trained. The
    moments that Adam stores for each weight are all 0 until its first step.

    Args:
        variables: The result of `read_variables`.

    Returns:
        A list with 1, 2 or both; empty if there are none or the optimizer's variables are
        missing.

    Example:
        ```python
        untrained_stages(read_variables("model/stage1"))   # [2]
        ```
    """
    untrained = []
    for number in (1, 2):
        moments = [
            value
            for name, value in variables.items()
            if name.startswith(f"stage{number}/") and MOMENTS.search(name)
        ]
        if moments and not any(np.any(value) for value in moments):
            untrained.append(number)
    return untrained


def _settle(stage: keras.Model) -> None:
    """Continue moving averages without debias variables as ordinary ones."""
    for network in (stage.encoder, stage.decoder):
        for layer in network.layers:
            if hasattr(layer, "biased_mean"):
                layer.biased_mean.assign(layer.moving_mean)
                layer.biased_variance.assign(layer.moving_variance)
                layer.step.assign(MANY_STEPS)
