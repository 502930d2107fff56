"""The original programs' names for our networks' variables."""

import re
from collections.abc import Iterator

import keras

from balancing_vae.errors import InputError

# For each network, the layers whose scope in the original differs from their name: a pattern for
# the layer's name, and the scope. `#0` stands for the first automatic number within its scope.
SCOPES = {
    "resnet": {
        r"mu": "dense#0",
        r"log_sigma": "dense#1",
        r"image": "conv2d#0",
        r"(downsample\d+)": r"\1/conv2d#0",
        r"(up\d+)": r"\1/conv2d_transpose#0",
        r"(scale\d+)_(block\d+)_(bn\d+)": r"\1/\2/\3_w",
        r"(scale\d+|fc)_(block\d+)_(layer\d+|shortcut)": r"\1/\2/\3",
    },
    "infogan": {r"(bn\d)": r"\1_w"},
    "wae": {
        r"conv(\d)": r"conv2d#\1",
        r"(bn\d)": r"\1_w",
        r"mu": "dense#0",
        r"log_sigma": "dense#1",
        r"fc0": "dense#0",
        r"up(\d)": r"conv2d_transpose#\1",
        r"image": "conv2d_transpose#3",
    },
    "latent": {r"mu": "mu_u", r"log_sigma": "logsd_u", r"z": "z_hat"},
}

# Our names of a layer's variables, and the original's names after the layer's scope. `{scope}`
# repeats the scope, as TensorFlow 1 does for the variables of zero-debiasing.
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
# The convolutions and dense layers of Infogan name their variables differently.
INFOGAN_CONV = {"kernel": "w", "bias": "biases", "u": "{scope}/w0/u_var"}
INFOGAN_DENSE = {"kernel": "Matrix", "bias": "bias", "u": "{scope}/Matrix0/u_var"}
# A checkpoint may lack these.
DEBIAS = ("biased_mean", "biased_variance", "step")


def original_names(number: int, stage: keras.Model) -> Iterator[tuple[str, keras.Variable, bool]]:
    """Yield each variable of a stage with its name in the original program.

    Args:
        number: 1 or 2.
        stage: A `VAE` whose encoder and decoder are networks of `balancing_vae.networks`.

    Yields:
        The name, with automatic numbers counted from 0 within their scope (`dense#0`); our
        variable; and whether a checkpoint may lack it.

    Raises:
        ValueError: The networks are not among the original's.
    """
    for part, network in (("encoder", stage.encoder), ("decoder", stage.decoder)):
        kind = network.name.removesuffix(f"_{part}")
        if kind not in SCOPES:
            raise InputError(
                f"The original programs have no network like {network.name!r}; import into "
                f"one of {sorted(SCOPES)}."
            )
        for layer in network.layers:
            scope = f"stage{number}/{part}/{_scope(kind, layer.name)}"
            suffixes = SUFFIXES
            if kind == "infogan":
                own = INFOGAN_CONV if layer.name.startswith("conv") else INFOGAN_DENSE
                suffixes = {**SUFFIXES, **own}
            for variable in layer.weights:
                suffix = suffixes[variable.name].format(scope=scope)
                yield f"{scope}/{suffix}", variable, variable.name in DEBIAS
    log_gamma = getattr(stage.balancing, "log_gamma", None)
    if log_gamma is not None:
        yield f"stage{number}/decoder/loggamma_{'xz'[number - 1]}", log_gamma, False


def _scope(kind: str, layer: str) -> str:
    for pattern, scope in SCOPES[kind].items():
        if match := re.fullmatch(pattern, layer):
            return match.expand(scope)
    return layer
