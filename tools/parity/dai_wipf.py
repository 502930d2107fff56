"""TwoStageVAE of Dai and Wipf: single passes and the first training steps of each network.

The folder has NAME.json and NAME.npz for each network. Starting weights are not stored:
each variable is drawn from a generator that is seeded with its name.
"""

import zlib
from pathlib import Path

import keras
import numpy as np

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.storage.original import assign_variables
from balancing_vae.storage.original import infer_sizes
from parity.rows import Row
from parity.rows import check_networks
from parity.rows import difference

SINGLE_PASS = 1e-5
# Bounds for images after the training passes, on JAX and PyTorch. The recorded images themselves
# differ from a computation in float64 by 5e-6 to 8e-6 (Infogan, Wae), because convolutions and
# matrix products are rounded. Other kernels round as much, but in other directions
# (docs/faithfulness.md).
FROZEN_IMAGES = {"Infogan": 2e-5, "Resnet": 1e-5, "Wae": 2e-5}
FIRST_LOSS = 1e-6
SECOND_LOSS = 5e-5
# Adam turns rounding noise in Infogan's near-zero gradients into full steps.
LATER_LOSSES = {"Infogan": 1e-2, "Resnet": 1e-5, "Wae": 1e-5}
LATENT_LOSS = 1e-6
LOG_GAMMA = 1e-3


def starting_value(name: str, shape: tuple[int, ...], rule: str) -> np.ndarray:
    """Return a variable's starting value.

    Args:
        name: The variable's name, which seeds its generator.
        shape: Its shape.
        rule: "zeros" for zeros, "rule" for values that depend on the last part of the name.

    Returns:
        Float32 of that shape.
    """
    if rule == "zeros":
        return np.zeros(shape, np.float32)
    r = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    match name.rpartition("/")[2]:
        case "gamma":
            value = 1 + 0.1 * r
        case "variance":
            value = 1 + 0.1 * np.abs(r)
        case "mean" | "beta" | "bias" | "biases":
            value = 0.1 * r
        case "u_var":
            value = r
        case "loggamma_x" | "loggamma_z":
            value = np.zeros(shape)
        case _:
            value = r / np.sqrt(np.prod(shape[:-1]))
    return np.asarray(value, np.float32)


def make_pipeline(description: dict) -> TwoStageVAE:
    """Return a pipeline with the starting weights; its sizes follow from their shapes."""
    variables = {
        name: starting_value(name, tuple(shape), rule)
        for name, shape, rule in description["variables"]
    }
    config = Config(
        **infer_sizes(variables),
        likelihood="bernoulli" if description["cross_entropy_loss"] else "gaussian",
        batch_size=description["batch_size"],
    )
    vae = TwoStageVAE(config)
    assign_variables(variables, vae.stage1, vae.stage2).check()
    return vae


def train(stage, inputs, rate: float) -> dict[str, np.ndarray]:
    """Run one step on each of `inputs`; return losses, and log gamma after each step."""
    rows = {"loss": [], "kl": [], "gen": [], "loggamma": []}
    stage.optimizer.learning_rate.assign(rate)
    for batch in inputs:
        stage.reset_metrics()
        logs = stage.train_on_batch(batch, return_dict=True)
        rows["loss"].append(float(logs["loss"]))
        rows["kl"].append(float(logs["kl"]))
        rows["gen"].append(float(logs["reconstruction"]))
        rows["loggamma"].append(float(stage.balancing.log_gamma))
    return {name: np.array(values) for name, values in rows.items()}


def compare_pass(
    name: str, vae: TwoStageVAE, golden: dict, allowed_images: float = SINGLE_PASS
) -> list[Row]:
    """Encode, sample and decode the first batch; this updates spectral norm's `u` once."""
    mu, sigma = vae.encode(golden["x"][0])
    x_hat = vae.decode(mu + sigma * golden[f"{name}/noise_z"])
    return [
        Row(f"{name}/{quantity}", difference(found, golden[f"{name}/{quantity}"], 0), allowed)
        for quantity, found, allowed in (
            ("mu", mu, SINGLE_PASS),
            ("sd", sigma, SINGLE_PASS),
            ("x_hat", x_hat, allowed_images),
        )
    ]


def check_training(description: dict, golden: dict) -> list[Row]:
    """Infer once, then train both stages on the recorded batches, latents and noise."""
    vae = make_pipeline(description)
    rows = compare_pass("infer", vae, golden)
    inputs = zip(golden["x"], golden["train/noise_z"], strict=True)
    found = train(vae.stage1, inputs, golden["train/lr"])
    for steps, span, allowed in (
        ("1", slice(0, 1), FIRST_LOSS),
        ("2", slice(1, 2), SECOND_LOSS),
        ("3..", slice(2, None), LATER_LOSSES[description["network"]]),
    ):
        for quantity, limit in (("loss", allowed), ("kl", None), ("gen", None)):
            ours, theirs = found[quantity][span], golden[f"train/{quantity}"][span]
            if len(theirs):
                rows.append(Row(f"train/{quantity} {steps}", difference(ours, theirs, 0), limit))
    rows.append(compare_log_gamma("train", found, golden))

    # With sigma 0, draws from the posterior are the recorded latents themselves.
    zeros = np.zeros_like(golden["stage2/z"])
    inputs = zip(golden["stage2/z"], zeros, zeros, golden["stage2/noise_u"], strict=True)
    found = train(vae.stage2, inputs, golden["train/lr"])
    loss = difference(found["loss"], golden["stage2/loss"], 0)
    return [
        *rows,
        Row("stage2/loss", loss, LATENT_LOSS),
        compare_log_gamma("stage2", found, golden),
    ]


def check_frozen(description: dict, golden: dict) -> list[Row]:
    """Infer once, train at a rate of 0, infer again: only statistics and `u` have changed."""
    vae = make_pipeline(description)
    vae.encode(golden["x"][0])
    train(vae.stage1, zip(golden["x"], golden["train/noise_z"], strict=True), 0.0)
    if keras.backend.backend() == "tensorflow":
        return compare_pass("frozen", vae, golden)
    return compare_pass("frozen", vae, golden, FROZEN_IMAGES[description["network"]])


def compare_log_gamma(name: str, found: dict, golden: dict) -> Row:
    """Compare log gamma after each step.

    The difference is relative to the largest recorded value, or to the learning rate if that is
    larger: Adam's first step moves log gamma by the whole learning rate.
    """
    theirs = golden[f"{name}/loggamma"]
    found = difference(found["loggamma"], theirs, float(golden["train/lr"]))
    return Row(f"{name}/loggamma", found, LOG_GAMMA)


def check(folder: Path) -> list[Row]:
    """Compare every quantity of every network of a folder."""
    return check_networks(folder, (check_training, check_frozen))
