"""Dense networks that overfit: the exception to variance loss = mse that the paper names."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.checks import as_float
from balancing_vae.config import original_kl_weight
from balancing_vae.experiments.figure4 import reconstruct
from balancing_vae.experiments.resumable import measure_each
from balancing_vae.experiments.resumable import sha256_of
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import colors
from balancing_vae.figures.style import style
from balancing_vae.models.vae import VAE
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss
from balancing_vae.networks import build_networks
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.optimizer import Adam

BATCH_SIZE = 50
LEARNING_RATE = 1e-3
LATENT_DIM = 32
# A network memorises fewer images sooner.
NETWORKS = (
    {"images": 200, "width": 512, "depth": 2},
    {"images": 500, "width": 512, "depth": 2},
    {"images": 1000, "width": 512, "depth": 2},
    {"images": 1000, "width": 512, "depth": 4},
)
STEPS = (100, 300, 1000, 3000)
TEST_IMAGES = 1000


def overfit(
    x_train: np.ndarray,
    x_test: np.ndarray,
    path: str | Path,
    networks: Sequence[dict] = NETWORKS,
    steps: Sequence[int] = STEPS,
    seed: int = 0,
) -> list[dict]:
    """Train dense networks on few images for a long time, and measure test images in between.

    Each network is a first stage with computed gamma and 32 latents, trained by Adam at
    1e-3. A network that has memorised its training images returns similar images for test
    images, too. These vary as much as the data, although they are wrong.

    Args:
        x_train: Training images, uint8 [N, D, D, C]; the first ones are used.
        x_test: Test images, uint8 [M, D, D, C]; at most 1,000 are measured.
        path: A `.json` file that keeps each finished network's rows; these networks are not
            trained again.
        networks: Dicts of `images` (number of training images, at least 50), `width` (units per
            hidden layer) and `depth` (hidden layers of the encoder and of the decoder).
        steps: Numbers of training steps after which to measure, ascending.
        seed: Seed of the weights, the order of the images and the noise.

    Returns:
        One row for each network: images, width, depth, steps, seed, data_sha256; and four lists
        with one value for each number of steps: mse, variance_loss, train_mse,
        train_variance_loss.

    Example:
        ```python
        rows = overfit(x_train, x_test, "runs/overfit/rows.json", steps=(10, 20))
        draw_overfitting(rows).savefig("overfitting.png")
        ```
    """
    x_test = x_test[:TEST_IMAGES]
    cases = [
        {
            **network,
            "steps": list(steps),
            "seed": seed,
            "data_sha256": sha256_of(x_train[: network["images"]], x_test),
        }
        for network in networks
    ]

    def measure(case: dict) -> dict:
        return train_and_measure(case, x_train[: case["images"]], x_test)

    return measure_each(path, cases, measure, "overfit")


def compare_overfitting(rows: list[dict]) -> list[dict]:
    """Return a line for each network and number of steps.

    Args:
        rows: What `overfit` returned.

    Returns:
        The networks' sizes, the steps, training mse, mse, variance loss, and variance loss / mse.

    Example:
        ```python
        Table.of(compare_overfitting(rows))
        ```
    """
    lines = []
    for row in rows:
        sizes = {name: row[name] for name in ("images", "width", "depth")}
        curves = (row[name] for name in ("steps", "train_mse", "mse", "variance_loss"))
        for steps, train_mse, error, loss in zip(*curves, strict=True):
            line = {"steps": steps, "training mse": train_mse, "mse": error, "variance loss": loss}
            lines.append(sizes | line | {"variance loss / mse": loss / error})
    return lines


def draw_overfitting(rows: list[dict]) -> Figure:
    """Draw the variance loss of test images, divided by their mse, over the training.

    Args:
        rows: What `overfit` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(10, 3.8))
        left, right = figure.subplots(1, 2)
        for row, color in zip(rows, colors(), strict=False):
            label = f"{row['images']:,} images, {row['depth']} x {row['width']}"
            share = np.array(row["variance_loss"]) / np.array(row["mse"])
            left.plot(row["steps"], share, "o-", color=color, label=label)
            right.plot(row["steps"], row["mse"], "o-", color=color)
            right.plot(row["steps"], row["train_mse"], "o--", color=color)
        for axis in (left, right):
            axis.set_xscale("log")
            axis.set_xlabel("training steps")
        left.axhline(1, color="0.6", linestyle=":")
        left.axhline(0, color="0.6", linestyle=":")
        left.set_title("variance loss / mse, test images")
        left.legend()
        right.set_yscale("log")
        right.set_title("mse of test (solid) and training images (dashed)")
    return figure


def train_and_measure(case: dict, x_train: np.ndarray, x_test: np.ndarray) -> dict:
    """Train the case's network; return its errors and variance losses at all steps."""
    seed = case["seed"]
    # Free the previous model's memory before building the next one.
    keras.backend.clear_session(free_memory=True)
    network = {"name": "dense", "width": case["width"], "depth": case["depth"]}
    with seeded_initializers(seed):
        vae = VAE(
            *build_networks(network, x_train.shape[1:], LATENT_DIM),
            kl_weight=original_kl_weight(x_train.shape[1:], LATENT_DIM),
            seed=seed,
        )
    vae.compile(Adam(LEARNING_RATE), jit_compile=False)
    batches = EpochBatches(x_train, BATCH_SIZE, seed)
    curves: dict[str, list[float]] = {
        name: [] for name in ("mse", "variance_loss", "train_mse", "train_variance_loss")
    }
    epochs = 0
    for steps in case["steps"]:
        until = -(-steps // len(batches))
        follow = [batches.follow_epochs()]
        vae.fit(
            batches, initial_epoch=epochs, epochs=until, shuffle=False, verbose=0, callbacks=follow
        )
        epochs = until
        for name, x in (("", x_test), ("train_", x_train)):
            x_hat = reconstruct(vae, x, seed)
            curves[f"{name}mse"].append(mse(as_float(x), x_hat))
            curves[f"{name}variance_loss"].append(variance_loss(as_float(x), x_hat))
    return curves
