"""BalancingVAE: both stages and the evaluation, start to finish.

The folder has config.json, golden.npz and the checkpoints init, stage1 and stage2, as TF1
files or as .npz.
"""

import json
from pathlib import Path

import numpy as np

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae import moments
from balancing_vae.checks import as_float
from balancing_vae.config import original_kl_weight
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from balancing_vae.storage.checkpoint import read_variables
from balancing_vae.storage.original import assign_variables
from parity.rows import Row
from parity.rows import difference

SINGLE_PASS = 1e-4
FIRST_LOSSES = 1e-3
GAMMA = 1e-2
MOVING_STATISTICS = 5e-1
JUDGED_STEPS = 50


def make_pipeline(folder: Path, checkpoint: str, stages=(1, 2)):
    """Return a pipeline of the folder's sizes with a checkpoint's weights."""
    sizes = json.loads((folder / "config.json").read_text())
    network = (
        "base_dim",
        "num_scale",
        "block_per_scale",
        "depth_per_block",
        "kernel_size",
        "fc_dim",
    )
    image_shape = (sizes["side"], sizes["side"], sizes["channels"])
    config = Config(
        image_shape=image_shape,
        latent_dim=sizes["latent_dim"],
        network={"name": "resnet", **{name: sizes[name] for name in network}},
        second_dim=sizes["second_dim"],
        second_depth=sizes["second_depth"],
        batch_size=sizes["batch_size"],
        kl_weight=original_kl_weight(image_shape, sizes["latent_dim"]),
    )
    vae = TwoStageVAE(config)
    prefix = folder / checkpoint
    if not prefix.with_suffix(".index").is_file():
        prefix = prefix.with_suffix(".npz")
    assign_variables(read_variables(prefix), vae.stage1, vae.stage2, stages).check()
    return vae


def train(stage, inputs, rates) -> dict[str, np.ndarray]:
    """Run one step on each of `inputs`; return loss, mse and the gamma each step used."""
    rows = {"loss": [], "batch_mse": [], "gamma_used": []}
    for batch, rate in zip(inputs, rates, strict=True):
        rows["gamma_used"].append(float(stage.balancing.gamma))
        stage.optimizer.learning_rate.assign(rate)
        stage.reset_metrics()
        logs = stage.train_on_batch(batch, return_dict=True)
        rows["loss"].append(float(logs["loss"]))
        rows["batch_mse"].append(float(logs["mse"]))
    rows["final_mse_estimate"] = [float(stage.balancing.running_mse)]
    return {name: np.array(values) for name, values in rows.items()}


def compare_training(name: str, found: dict, golden) -> list[Row]:
    """Return the rows of one stage's training."""
    first, rest = slice(0, JUDGED_STEPS), slice(JUDGED_STEPS, None)
    rows = []
    for quantity in ("loss", "batch_mse"):
        ours, theirs = found[quantity], golden[f"{name}/{quantity}"]
        what = f"{name}/{quantity}"
        rows.append(
            Row(f"{what} 1..{JUDGED_STEPS}", difference(ours[first], theirs[first]), FIRST_LOSSES)
        )
        if len(ours) > JUDGED_STEPS:
            rows.append(
                Row(f"{what} {JUDGED_STEPS + 1}..", difference(ours[rest], theirs[rest]), None)
            )
    for quantity in ("gamma_used", "final_mse_estimate"):
        theirs = np.ravel(golden[f"{name}/{quantity}"])
        relative = float(np.max(np.abs(found[quantity] / theirs - 1)))
        rows.append(Row(f"{name}/{quantity}", relative, GAMMA))
    return rows


def check_stage1(folder: Path, golden) -> list[Row]:
    """Train stage 1 from `init` on the recorded batches and noise."""
    vae = make_pipeline(folder, "init")
    batches = golden["x_train"][golden["stage1/batch_indices"]]
    found = train(
        vae.stage1, zip(batches, golden["stage1/noise_z"], strict=True), golden["stage1/lr"]
    )
    return [*compare_training("stage1", found, golden), compare_statistics(folder, vae.stage1)]


def compare_statistics(folder: Path, stage) -> Row:
    """Compare the moving statistics after training with those of the checkpoint `stage1`.

    They wander with the weights, by 0.07 to 0.11 in tests/golden. But averages that are not
    zero-debiased are off by 0.97, and no other quantity shows it: the rest starts from
    recorded statistics.
    """
    original = make_pipeline(folder, "stage1").stage1
    ours, theirs = (
        np.concatenate([np.ravel(w) for w in model.non_trainable_weights if "moving" in w.name])
        for model in (stage, original)
    )
    relative = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    return Row("stage1/moving statistics", relative, MOVING_STATISTICS)


def check_posterior(folder: Path, golden) -> list[Row]:
    """Encode the training images with the weights after stage 1."""
    mu, sigma = make_pipeline(folder, "stage1").encode(golden["x_train"])
    return [
        Row("stage1/train_mu", difference(mu, golden["stage1/train_mu"]), SINGLE_PASS),
        Row("stage1/train_sd", difference(sigma, golden["stage1/train_sd"]), SINGLE_PASS),
    ]


def check_stage2(folder: Path, golden) -> list[Row]:
    """Train stage 2 from `stage1` on the recorded posterior, batches and noise."""
    vae = make_pipeline(folder, "stage1")
    rows = golden["stage2/batch_indices"]
    inputs = zip(
        golden["stage1/train_mu"][rows],
        golden["stage1/train_sd"][rows],
        golden["stage2/noise_z"],
        golden["stage2/noise_u"],
        strict=True,
    )
    found = train(vae.stage2, inputs, golden["stage2/lr"])
    return compare_training("stage2", found, golden)


def check_evaluation(folder: Path, golden) -> list[Row]:
    """Evaluate the weights after stage 2 on the test images, with the recorded noise."""
    vae = make_pipeline(folder, "stage2")
    x = golden["x_test"]
    count, latents = len(x), vae.config.latent_dim
    noise_z = golden["eval/reconstruct_noise_z"].reshape(-1, latents)[:count]
    noise_u = golden["eval/reconstruct2_noise_u"].reshape(-1, latents)[:count]

    mu, sigma = vae.encode(x)
    z_hat = vae.reconstruct_latents(mu, noise=noise_u)
    x_hat = vae.reconstruct(x, noise=noise_z)
    vae.latent_normalization = LatentNormalization.fit(mu, sigma, z_hat)
    vae.image_normalization = ImageNormalization.fit(as_float(x))
    normalized = vae.image_normalization.apply(x_hat, generated=False)
    found = {
        "z_mean": mu,
        "z_logsd": np.log(sigma),
        "reconstruction": x_hat,
        "z_reconstruction": z_hat,
        "variance_law_reference": moments.variance_law(mu, sigma, "reference").mean(),
        "mse2": moments.mse(mu, z_hat),
        "variance_loss2": moments.variance_loss(mu, z_hat),
        "adjust2": vae.latent_normalization.target,
        "adjust2_applies": vae.latent_normalization.gate_open,
        "inactive_reference": moments.inactive_latents(sigma).sum(),
        "image_rescale": vae.image_normalization.scale(x_hat),
        "reconstruction_normalized": normalized,
        "mse": moments.mse(as_float(x), x_hat),
        "mse_normalized": moments.mse(as_float(x), normalized),
    }
    # The recorded samples are rescaled whatever the gate says.
    vae.latent_normalization = LatentNormalization(
        "reference", vae.latent_normalization.target, True
    )
    for stage in (1, 2):
        for normalize in (False, True):
            key = f"gen{stage}/{'normalized' if normalize else 'plain'}"
            n = len(golden[f"eval/{key}/z"])
            noise = golden[f"eval/gen{stage}/normal_draws"].astype(np.float32)
            drawn_from = {"stage": stage, "normalize": normalize, "noise": noise}
            found[f"{key}/images"] = vae.generate(n, **drawn_from)
            found[f"{key}/z"] = vae.sample_latents(n, **drawn_from)
    return [
        Row(f"eval/{name}", difference(value, golden[f"eval/{name}"]), SINGLE_PASS)
        for name, value in found.items()
    ]


def check(folder: Path) -> list[Row]:
    """Compare every quantity of a folder."""
    with np.load(folder / "golden.npz", allow_pickle=False) as file:
        golden = {name: file[name] for name in file.files}
    parts = (check_stage1, check_posterior, check_stage2, check_evaluation)
    return [row for part in parts for row in part(folder, golden)]
