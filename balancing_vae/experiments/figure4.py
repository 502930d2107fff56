"""Figure 4: mse against variance loss for many trained networks, reconstructed and generated."""

import time
from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend.batches import map_batches
from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.checks import as_float
from balancing_vae.config import original_kl_weight
from balancing_vae.experiments.figure4_networks import KINDS
from balancing_vae.experiments.figure4_networks import build
from balancing_vae.experiments.figure4_networks import fig4_networks
from balancing_vae.experiments.resumable import measure_each
from balancing_vae.experiments.resumable import sha256_of
from balancing_vae.experiments.rows import grouped
from balancing_vae.experiments.within_images import variance_loss_within
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import colors
from balancing_vae.figures.style import style
from balancing_vae.models.vae import VAE
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.optimizer import Adam
from balancing_vae.training.sources import drawn_images

BATCH_SIZE = 50
LEARNING_RATE = 1e-3
# Images of each split. With these, two cores train a network in about a minute.
TRAINING_IMAGES = 10_000
TEST_IMAGES = 2_000
STEPS = {"full": 2000, "smoke": 1000}
MARKERS = dict(zip(KINDS, "osD^", strict=True))
# Rows of format 1 lack the losses of generated images and those within images.
ROW_FORMAT = 2
LOSSES = {
    "variance_loss": "reconstructed, over the data",
    "generated_variance_loss": "generated, over the data",
    "variance_loss_within": "reconstructed, within each image",
}


def fig4(
    images: dict[str, tuple[np.ndarray, np.ndarray]],
    path: str | Path,
    smoke: bool = False,
    seed: int = 0,
) -> list[dict]:
    """Train networks of four kinds and measure the variance that their images lose.

    Each network is a first stage with computed gamma. Adam trains it at 1e-3 on at most 10,000
    images, in batches of 50. The test images are reconstructed from a draw from their
    posterior, as in the original program. As many images are generated from the prior.

    Args:
        images: Training and test images, uint8 [N, D, D, C], by the name of their dataset.
        path: A `.json` file that keeps each finished network's row; these networks are not
            trained again.
        smoke: Whether to train one or two networks of each kind for 1,000 steps, instead of
            all of them for 2,000.
        seed: Seed of the weights, the order of the images and the noise.

    Returns:
        One row for each network: dataset, data_sha256, kind, sizes, latent_dim, steps, seed; mse;
        three losses of variance: `variance_loss` (of reconstructions),
        `generated_variance_loss` and `variance_loss_within` (of reconstructions, variances over
        the pixels of each image); train_mse, train_variance_loss, parameters, seconds.

    Example:
        ```python
        digits = tuple(datasets.load("digits", split) for split in ("train", "test"))
        rows = fig4({"digits": digits}, "runs/fig4/rows.json")
        ```
    """
    images = {
        dataset: (drawn_images(x_train, TRAINING_IMAGES), drawn_images(x_test, TEST_IMAGES))
        for dataset, (x_train, x_test) in images.items()
    }
    cases = []
    for dataset, (x_train, x_test) in images.items():
        networks = fig4_networks(x_train.shape[1:])
        if smoke:
            by_kind = [[n for n in networks if n["kind"] == kind] for kind in KINDS]
            networks = [network for own in by_kind for network in own[1::3]]
        budget = {"steps": STEPS["smoke" if smoke else "full"], "seed": seed, "format": ROW_FORMAT}
        about = {"dataset": dataset, "data_sha256": sha256_of(x_train, x_test)}
        cases += [{**about, **network, **budget} for network in networks]

    def measure(case: dict) -> dict:
        return train_and_measure(case, *images[case["dataset"]])

    return measure_each(path, cases, measure, "fig4")


def slope_and_correlation(rows: list[dict], loss: str = "variance_loss") -> tuple[float, float]:
    """Return the least-squares slope of a loss of variance over mse, and their correlation.

    Args:
        rows: At least two rows of `fig4`.
        loss: Which loss: "variance_loss", "generated_variance_loss" or
            "variance_loss_within".

    Returns:
        The slope, 1 on the diagonal, and Pearson's correlation.

    Example:
        ```python
        slope, correlation = slope_and_correlation(rows)
        ```
    """
    points = np.array([(row["mse"], row[loss]) for row in rows])
    slope, _ = np.polyfit(points[:, 0], points[:, 1], 1)
    return float(slope), float(np.corrcoef(points.T)[0, 1])


def draw_fig4(rows: list[dict], loss: str = "variance_loss") -> Figure:
    """Draw one point for each network, and the diagonal; the title has slope and correlation.

    Args:
        rows: What `fig4` returned.
        loss: Which loss of variance, as for `slope_and_correlation`.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(6.4, 5))
        axis = figure.subplots()
        _scatter(axis, rows, loss)
        axis.set_xlabel("mse of test reconstructions (intensity squared)")
        axis.set_ylabel("variance loss (intensity squared)")
        axis.set_title(_title(rows, loss))
        axis.legend()
    return figure


def draw_fig4_losses(rows: list[dict]) -> Figure:
    """Draw figure 4 three times: reconstructed, generated, and within each image.

    Args:
        rows: What `fig4` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(13, 4.2))
        axes = figure.subplots(1, len(LOSSES), sharex=True, sharey=True)
        for axis, (loss, title) in zip(axes, LOSSES.items(), strict=True):
            _scatter(axis, rows, loss)
            axis.set_xlabel("mse of test reconstructions")
            axis.set_title(f"{title}\n{_title(rows, loss)}")
        axes[0].set_ylabel("variance loss (intensity squared)")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _scatter(axis, rows: list[dict], loss: str) -> None:
    """Draw a colour for each dataset, a marker for each kind of network, and the diagonal."""
    color = dict(zip(grouped(rows, "dataset"), colors(), strict=False))
    for (dataset, kind), points in grouped(rows, "dataset", "kind").items():
        axis.scatter(
            [row["mse"] for row in points],
            [row[loss] for row in points],
            marker=MARKERS[kind],
            s=28,
            color=color[dataset],
            alpha=0.8,
            label=f"{dataset}, {kind}",
        )
    end = 1.05 * max(max(row["mse"], row[loss]) for row in rows)
    axis.plot([0, end], [0, end], color="0.6", linestyle="--", label="variance loss = mse")


def _title(rows: list[dict], loss: str) -> str:
    slope, correlation = slope_and_correlation(rows, loss)
    return f"{len(rows)} networks: slope {slope:.2f}, correlation {correlation:.3f}"


def train_and_measure(case: dict, x_train: np.ndarray, x_test: np.ndarray) -> dict:
    """Train the case's network; return mse and variance loss on the test images."""
    start = time.monotonic()
    # Free the previous model's memory before building the next one.
    keras.backend.clear_session(free_memory=True)
    with seeded_initializers(case["seed"]):
        vae = VAE(
            *build(case["kind"], case["sizes"], case["latent_dim"], x_train.shape[1:]),
            kl_weight=original_kl_weight(x_train.shape[1:], case["latent_dim"]),
            seed=case["seed"],
        )
    # Compiling would take longer than this short training.
    vae.compile(Adam(LEARNING_RATE), jit_compile=False)
    batches = EpochBatches(x_train, BATCH_SIZE, case["seed"])
    epochs = -(-case["steps"] // len(batches))
    vae.fit(
        batches,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[batches.follow_epochs()],
    )
    test, train = as_float(x_test), as_float(x_train[: len(x_test)])
    test_hat, train_hat = (reconstruct(vae, x, case["seed"]) for x in (test, train))
    generated = _generate(vae, len(test), case["seed"])
    return {
        "mse": mse(test, test_hat),
        "variance_loss": variance_loss(test, test_hat),
        "generated_variance_loss": variance_loss(test, generated),
        "variance_loss_within": variance_loss_within(test, test_hat),
        "train_mse": mse(train, train_hat),
        "train_variance_loss": variance_loss(train, train_hat),
        "parameters": vae.count_params(),
        "seconds": round(time.monotonic() - start, 1),
    }


def reconstruct(vae: VAE, x: np.ndarray, seed: int) -> np.ndarray:
    """Reconstruct images from a draw of their posterior, batch by batch.

    Args:
        vae: A VAE of images.
        x: Images, uint8 or float in [0, 1], [N, D, D, C].
        seed: Seed of the draws.

    Returns:
        Float32 [N, D, D, C] in [0, 1].

    Example:
        ```python
        x_hat = reconstruct(vae.stage1, x_test, seed=0)
        ```
    """
    noise = np.random.default_rng(seed).standard_normal((len(x), vae.latent_dim), np.float32)
    return map_batches(
        lambda *batch: vae.predict_on_batch(batch)["reconstruction"], BATCH_SIZE, x, noise
    )


def _generate(vae: VAE, count: int, seed: int) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((count, vae.latent_dim), np.float32)
    return map_batches(vae.decoder.predict_on_batch, BATCH_SIZE, z)
