"""From the original programs' variables to our networks: sizes by shape, weights by name."""

import re
from dataclasses import dataclass
from dataclasses import field

import keras
import numpy as np

from balancing_vae.storage.checkpoint import without_automatic_numbers

# Our names of a layer's variables, and the original's behind the layer's scope.
# `{scope}` repeats the scope: TensorFlow 1 does so for the variables of zero-debiasing.
SUFFIXES = {
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "biased_mean": "{scope}/mean/biased",
    "biased_variance": "{scope}/variance/biased",
    "step": "{scope}/mean/local_step",
}
DEBIAS = ("biased_mean", "biased_variance", "step")
# After so many steps a zero-debiased average is an ordinary one.
MANY_STEPS = 1e6
OPTIMIZER = re.compile(r"(/Adam(_\d+)?|^beta[12]_power(_\d+)?|^global_step)$")


@dataclass
class ImportReport:
    """What an import found.

    Attributes:
        assigned: Number of variables that were taken over.
        missing: Variables that the networks need and the checkpoint lacks.
        left_over: Variables of the checkpoint that nothing took, the optimizer's left out.
        misshapen: Variables of another shape than the networks', with both shapes.
        debias_missing: Debias variables of batch normalisations that the checkpoint lacks;
            the moving averages count as settled then.
    """

    assigned: int = 0
    missing: list[str] = field(default_factory=list)
    left_over: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    debias_missing: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise if anything is missing, left over or misshapen.

        Raises:
            ValueError: Names all of it.
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
            raise ValueError(f"The checkpoint does not fit the networks. {lists}.")


def infer_sizes(variables: dict[str, np.ndarray]) -> dict:
    """Read the network's kind and sizes from the names and shapes in a checkpoint.

    Args:
        variables: What `read_variables` returned.

    Returns:
        Fields of `Config`: image_shape, latent_dim, network, second_dim, second_depth,
        balancing.

    Raises:
        ValueError: These are no variables of BalancingVAE or TwoStageVAE.

    Example:
        ```python
        config = Config(**infer_sizes(read_variables("model/stage2")))
        ```
    """
    shapes = {n: np.shape(v) for n, v in without_automatic_numbers(variables).items()}
    try:
        latent_dim, second_dim = shapes["stage2/encoder/fc0/kernel"]
        sizes = _resnet_sizes(shapes)
    except KeyError as error:
        raise ValueError(
            f"This is no checkpoint of BalancingVAE or TwoStageVAE: it has no variable {error}."
        ) from None
    learned = "stage1/decoder/loggamma_x" in shapes
    return {
        **sizes,
        "latent_dim": latent_dim,
        "second_dim": second_dim,
        "second_depth": _count(shapes, r"stage2/encoder/fc(\d+)/kernel"),
        "balancing": {"name": "learned" if learned else "computed"},
        **({"kl_weight": 1.0} if learned else {}),
    }


def assign_variables(
    variables: dict[str, np.ndarray],
    stage1: keras.Model,
    stage2: keras.Model,
    stages: tuple[int, ...] = (1, 2),
) -> ImportReport:
    """Copy a checkpoint's weights and moving statistics into two stages.

    Nothing is assigned unless everything fits.

    Args:
        variables: What `read_variables` returned.
        stage1: The first stage, of the checkpoint's sizes.
        stage2: The second stage, likewise.
        stages: Which stages are assigned.

    Returns:
        What was found; `check()` raises where it does not fit.

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
        for name, variable, optional in _original_names(number, stage):
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
    # The variance's step is the mean's; it has no place of its own in our layer.
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


def _resnet_sizes(shapes: dict[str, tuple]) -> dict:
    kernel_size, _, channels, base_dim = shapes["stage1/encoder/conv0/kernel"]
    doublings = _count(shapes, r"stage1/decoder/up(\d+)/conv2d_transpose#0/kernel")
    side = 2 ** (doublings + 1)
    return {
        "image_shape": (side, side, channels),
        "network": {
            "name": "resnet",
            "base_dim": base_dim,
            "num_scale": _count(shapes, r"stage1/encoder/scale(\d+)/block0/layer0/kernel"),
            "block_per_scale": _count(shapes, r"stage1/encoder/scale0/block(\d+)/layer0/kernel"),
            "depth_per_block": _count(shapes, r"stage1/encoder/scale0/block0/layer(\d+)/kernel"),
            "kernel_size": kernel_size,
            "fc_dim": shapes["stage1/encoder/fc/block0/layer0/kernel"][1],
        },
    }


def _count(shapes: dict[str, tuple], pattern: str) -> int:
    return sum(1 for name in shapes if re.fullmatch(pattern, name))


def _original_names(number: int, stage: keras.Model):
    """Yield the original's name of each of a stage's variables, and whether it may lack."""
    for part, network in (("encoder", stage.encoder), ("decoder", stage.decoder)):
        for layer in network.layers:
            for variable in layer.weights:
                scope = f"stage{number}/{part}/{_scope(number, layer.name)}"
                suffix = SUFFIXES[variable.name].format(scope=scope)
                yield f"{scope}/{suffix}", variable, variable.name in DEBIAS
    log_gamma = getattr(stage.balancing, "log_gamma", None)
    if log_gamma is not None:
        yield f"stage{number}/decoder/loggamma_{'xz'[number - 1]}", log_gamma, False


def _scope(number: int, layer: str) -> str:
    """Return the original's scope of a layer, automatic numbers counted from 0."""
    if number == 2:
        return {"mu": "mu_u", "log_sigma": "logsd_u", "z": "z_hat"}.get(layer, layer)
    heads = {"mu": "dense#0", "log_sigma": "dense#1", "image": "conv2d#0"}
    if layer in heads:
        return heads[layer]
    if re.fullmatch(r"downsample\d+", layer):
        return f"{layer}/conv2d#0"
    if re.fullmatch(r"up\d+", layer):
        return f"{layer}/conv2d_transpose#0"
    return re.sub(r"(bn\d+)$", r"\1_w", layer).replace("_", "/").replace("/w", "_w")


def _settle(stage: keras.Model) -> None:
    """Make moving averages without debias variables go on as ordinary ones."""
    for network in (stage.encoder, stage.decoder):
        for layer in network.layers:
            if hasattr(layer, "biased_mean"):
                layer.biased_mean.assign(layer.moving_mean)
                layer.biased_variance.assign(layer.moving_variance)
                layer.step.assign(MANY_STEPS)
