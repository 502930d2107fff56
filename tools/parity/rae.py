"""RAE of Ghosh et al.: single passes, the first gradient and the first steps of each network.

The folder has NAME.json and NAME.npz for each network, with the starting weights. Deviations
are relative to an array's largest value.
"""

from pathlib import Path

import keras
import numpy as np

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from parity.rows import Row
from parity.rows import check_networks
from parity.rows import difference
from parity.rows import relative

SINGLE_PASS = 1e-5
FIRST_LOSS = 5e-6
GRADIENT = 2e-4
FIRST_MEANS = 1e-6
FIRST_VARIANCES = 1e-6
KERNEL_UPDATE = 2e-3
# Bounds for the losses of steps 2 to 4, and of step 5.
LATER_LOSSES, LAST_LOSS = 2e-5, 1e-4
LAST_MEANS = 4e-4
LAST_VARIANCES = 5e-6
LAST_VECTORS = 5e-3
LAST_LATENTS = 3e-3
LAST_IMAGES = 5e-4
# Large, so that the rounding of the weights is small compared with their update. A power of 2, so
# that multiplying by it does not round.
GRADIENT_RATE = 1024.0


def make_pipeline(description: dict, golden: dict) -> TwoStageVAE:
    """Return a pipeline with a description's sizes and the recorded starting weights."""
    arguments, loss = description["arguments"], description["loss"]
    config = Config(
        image_shape=tuple(arguments["input_shape"]),
        latent_dim=arguments["bottleneck_size"],
        network={
            "name": "rae",
            "base_dim": arguments["num_filter"],
            "kernel_size": description["kernel_size"],
            "symmetric_input": description["input_scaled_to_minus_1_1"],
            "spectral_norm": loss["spectral_norm"],
        },
        model={
            "name": "rae",
            "latent_weight": loss["latent_weight"],
            "decoder_weight": loss["decoder_weight"],
            "regularize_dense": loss["regularize_dense"],
        },
        batch_size=description["batch_size"],
        lr=description["optimizer"]["lr"],
        adam_epsilon=description["optimizer"]["epsilon"],
        samplers=("gaussian", "mixture"),
    )
    vae = TwoStageVAE(config)
    for name, variable in variables(vae.stage1).items():
        variable.assign(golden[f"init/{name}"])
    return vae


def variables(stage) -> dict:
    """Return a stage's variables by their recorded names: `PART/NN_LAYER_WEIGHT`."""
    found = {}
    for part in ("encoder", "decoder"):
        ordered = [v for layer in getattr(stage, part).layers for v in layer_variables(layer)]
        found |= {f"{part}/{i:02}_{name}": variable for i, (name, variable) in enumerate(ordered)}
    return found


def layer_variables(layer) -> list[tuple]:
    """Return a layer's variables in the order of Keras 2, with the ends of their recorded names."""
    kinds = {
        keras.layers.Conv2DTranspose: ("conv2d_transpose", ("kernel", "bias", "u")),
        keras.layers.Conv2D: ("conv2d", ("kernel", "bias", "u")),
        keras.layers.Dense: ("dense", ("kernel", "bias", "u")),
    }
    statistics = ("gamma", "beta", "moving_mean", "moving_variance")
    default = ("batch_normalization", statistics)
    name, weights = next((v for kind, v in kinds.items() if isinstance(layer, kind)), default)
    return [(f"{name}_{w}", getattr(layer, w)) for w in weights if hasattr(layer, w)]


def values(stage) -> dict[str, np.ndarray]:
    """Return the values of a stage's variables."""
    return {
        name: np.array(keras.ops.convert_to_numpy(variable.value))
        for name, variable in variables(stage).items()
    }


def worst(found: dict, golden: dict, prefix: str, ending: str) -> float:
    """Return the largest difference among arrays of one kind, relative to each array's maximum."""
    names = [
        name.removeprefix(prefix)
        for name in golden
        if name.startswith(prefix) and name.endswith(ending)
    ]
    return max(difference(found[name], golden[prefix + name], 0) for name in names)


def compare_pass(name: str, stage, golden: dict, recorded: str, bounds: tuple) -> list[Row]:
    """Encode the last batch and decode recorded latents; both update spectral norm's `u` once."""
    z = keras.ops.convert_to_numpy(stage.encoder(golden["x"][-1], training=False))
    x_hat = keras.ops.convert_to_numpy(stage.decoder(golden[f"{name}/z"], training=False))[:2]
    latents, images, vectors = bounds
    rows = [
        Row(f"{recorded}/z", difference(z, golden[f"{recorded}/z"], 0), latents),
        Row(f"{name}/x_hat", difference(x_hat, golden[f"{name}/x_hat"], 0), images),
    ]
    if any(key.startswith(f"{name}/u/") for key in golden):
        u = worst(values(stage), golden, f"{name}/u/", "_u")
        rows.append(Row(f"{name}/u", u, vectors))
    return rows


def check_inference(description: dict, golden: dict) -> list[Row]:
    """Encode and decode with the starting weights."""
    stage = make_pipeline(description, golden).stage1
    return compare_pass("infer", stage, golden, "infer", (SINGLE_PASS,) * 3)


def check_gradient(description: dict, golden: dict) -> list[Row]:
    """Compare the first step's gradient, measured by one step of gradient descent."""
    stage = make_pipeline(description, golden).stage1
    stage.compile(keras.optimizers.SGD(GRADIENT_RATE))
    before = values(stage)
    stage.train_on_batch(golden["x"][0])
    gradient = {
        name: (before[name].astype(np.float64) - value) / GRADIENT_RATE
        for name, value in values(stage).items()
    }
    # Batch normalisation cancels these biases, so their gradient is rounding noise.
    judged = {
        name: value
        for name, value in golden.items()
        if name.removeprefix("step1/gradient/") not in description["noise_gradients"]
    }
    return [Row("step1/gradient", worst(gradient, judged, "step1/gradient/", ""), GRADIENT)]


def check_training(description: dict, golden: dict) -> list[Row]:
    """Train on the recorded batches, with Adam's counter one ahead, as in the recorded runs."""
    stage = make_pipeline(description, golden).stage1
    # By chance, Keras 2.3.1 reads the counter either before or after it is incremented.
    stage.optimizer.iterations.assign(1)
    logs, states = [], [values(stage)]
    for batch in golden["x"]:
        stage.reset_metrics()
        logs.append(stage.train_on_batch(batch, return_dict=True))
        states.append(values(stage))
    loss, mse = (np.array([float(row[name]) for row in logs]) for name in ("loss", "mse"))
    before, first, last = states[0], states[1], states[-1]
    recorded = golden["train/loss"]
    rows = [
        Row("train/loss 1", difference(loss[:1], recorded[:1], 0), FIRST_LOSS),
        Row("train/mse 1", difference(mse[:1], golden["train/mse"][:1], 0), FIRST_LOSS),
        Row("train/loss 2..4", relative(loss[1:4], recorded[1:4]), LATER_LOSSES),
        Row("train/loss 5", relative(loss[4:], recorded[4:]), LAST_LOSS),
        Row("step1/kernels", kernel_update(before, first, golden), KERNEL_UPDATE),
        Row("step1/moving means", worst(first, golden, "step1/weights/", "mean"), FIRST_MEANS),
        Row(
            "tf2/step1/moving variances",
            worst(first, golden, "tf2/step1/state/", "variance"),
            FIRST_VARIANCES,
        ),
        Row("final/moving means", worst(last, golden, "final/state/", "mean"), LAST_MEANS),
        Row(
            "tf2/final/moving variances",
            worst(last, golden, "tf2/final/state/", "variance"),
            LAST_VARIANCES,
        ),
    ]
    if description["loss"]["spectral_norm"]:
        rows += [
            Row("step1/u", worst(first, golden, "step1/weights/", "_u"), SINGLE_PASS),
            Row("final/state/u", worst(last, golden, "final/state/", "_u"), LAST_VECTORS),
        ]
    bounds = (LAST_LATENTS, LAST_IMAGES, LAST_VECTORS)
    return rows + compare_pass("final", stage, golden, "tf2/final", bounds)


def kernel_update(before: dict, after: dict, golden: dict) -> float:
    """Return the largest relative error, by norm, among the kernels' first updates."""
    found = []
    for name, start in before.items():
        if name.endswith("_kernel"):
            theirs = golden[f"step1/weights/{name}"].astype(np.float64) - start
            ours = after[name].astype(np.float64) - start
            found.append(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    return float(max(found))


def check(folder: Path) -> list[Row]:
    """Compare every quantity of every network of a folder."""
    return check_networks(folder, (check_inference, check_gradient, check_training))
