"""All balancing strategies with one network: speed and accuracy."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend.epoch_timer import EpochTimer
from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.balancing import build_strategy
from balancing_vae.evaluation.measurement import mean_and_deviation
from balancing_vae.experiments.resumable import measure_each
from balancing_vae.experiments.resumable import sha256_of
from balancing_vae.experiments.rows import grouped
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.models.objectives import HALF_LOG_TWO_PI
from balancing_vae.models.vae import VAE
from balancing_vae.moments import inactive_latents
from balancing_vae.networks import build_networks
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.batches import FileOrderBatches
from balancing_vae.training.optimizer import Adam
from balancing_vae.training.posterior import encode

# At gamma 1, a KL weight of 0.01 gives the balance of gamma 0.1. Steps are half of the digits'
# 2,500.
COMPARED: dict[str, dict] = {
    "computed": {"name": "computed"},
    "optimal": {"name": "optimal"},
    "optimal per image": {"name": "optimal", "per_image": True},
    "learned": {"name": "learned"},
    "learned x 30": {"name": "learned", "lr_factor": 30.0},
    "GECO 0.1": {"name": "geco", "kappa": 0.1},
    "fixed 1": {"name": "fixed", "gamma": 1.0},
    "fixed 0.3": {"name": "fixed", "gamma": 0.3},
    "fixed 0.1": {"name": "fixed", "gamma": 0.1},
    "warm-up": {"name": "warm_up", "beta": 0.01, "steps": 1250},
    "cyclical": {"name": "cyclical", "beta": 0.01, "steps": 1250},
    "capacity 25": {"name": "capacity", "capacity": 25.0, "beta": 1.0, "steps": 1250},
}
NETWORK = {"name": "conv", "base_dim": 32, "num_scale": 2}
LATENT_DIM = 16
BATCH_SIZE = 50
LEARNING_RATE = 1e-3
PANELS = {"val_mse": "mse", "val_kl": "KL (nats)", "gamma": "gamma", "val_bound": "bound (nats)"}


def measure_balancings(
    x_train: np.ndarray,
    x_test: np.ndarray,
    path: str | Path,
    epochs: int = 100,
    trainings: int = 3,
    names: Sequence[str] | None = None,
) -> list[dict]:
    """Train one convolutional network with each balancing, on the same images and seeds.

    Losses with different gammas cannot be compared, but `val_bound` can. It is the loss on the
    test images with the gamma that fits their mse best,
    `pixels * (1/2 + log sqrt(mse) + 0.91893) + KL`. This is the tightest bound on -log p(x) that
    these networks give with one gamma. KL therefore has the weight 1 in training, too, unless
    the strategy sets another.

    Args:
        x_train: Training images, uint8 [N, D, D, C], their side divisible by 4.
        x_test: Test images of the same kind.
        path: A `.json` file that keeps each finished training.
        epochs: Epochs of each training, batches of 50, Adam at 1e-3.
        trainings: Number of trainings of each, with the seeds 0, 1, ... of weights, order, noise.
        names: Names in `COMPARED` (default: all).

    Returns:
        One row for each training: balancing, seed, epochs, images (number of training images),
        data_sha256, seconds_per_step, active (number of active latents on the test images after
        training), and `curves`: one value for each epoch of kl, mse, gamma, beta, val_mse,
        val_kl and val_bound.

    Example:
        ```python
        rows = measure_balancings(x_train, x_test, "runs/balancing/rows.json")
        print(Table.of(compare_balancings(rows)))
        ```
    """
    about = {"epochs": epochs, "images": len(x_train), "data_sha256": sha256_of(x_train, x_test)}
    cases = [
        {"balancing": name, "seed": seed, **about}
        for seed in range(trainings)
        for name in names or COMPARED
    ]
    return measure_each(
        path, cases, lambda case: train_and_measure(case, x_train, x_test), "balancing"
    )


def compare_balancings(rows: list[dict]) -> list[dict]:
    """Return one line for each balancing, with means over trainings.

    Args:
        rows: What `measure_balancings` returned.

    Returns:
        Dicts of balancing; mse, KL, active latents, bound (nats) and its deviation over trainings,
        all on the test images after the last epoch; beta, the effective weight of KL; beta / mse
        of the last training epoch, which is 1 if the balance is the one that the model itself
        implies; the first epoch with a bound within 1 nat of the best bound of computed gamma
        (None: never); milliseconds per step.

    Example:
        ```python
        compare_balancings(rows)[0]["bound"]
        ```
    """
    goal = (
        np.mean([min(r["curves"]["val_bound"]) for r in rows if r["balancing"] == "computed"]) + 1
    )
    lines = []
    for name, own in grouped(rows, "balancing").items():
        last = {key: np.array([row["curves"][key][-1] for row in own]) for key in own[0]["curves"]}
        found = [_first_below(row["curves"]["val_bound"], goal) for row in own]
        bound, deviation = mean_and_deviation(last["val_bound"].tolist())
        reached = [epoch for epoch in found if epoch is not None]
        lines.append(
            {
                "balancing": name,
                "trainings": len(own),
                "mse": float(last["val_mse"].mean()),
                "KL": float(last["val_kl"].mean()),
                "active latents": float(np.mean([row["active"] for row in own])),
                "bound": bound,
                "± over trainings": deviation,
                "beta": float(last["beta"].mean()),
                "beta/mse": float((last["beta"] / last["mse"]).mean()),
                "epochs to the goal": float(np.mean(reached)) if len(reached) == len(own) else None,
                "ms a step": float(1000 * np.mean([row["seconds_per_step"] for row in own])),
            }
        )
    return lines


def draw_balancing(rows: list[dict]) -> Figure:
    """Draw mse, KL, gamma and bound over training: a line for each balancing, a band for its range.

    Args:
        rows: What `measure_balancings` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(11, 5.6))
        axes = figure.subplots(2, 2)
        for axis, (key, label) in zip(axes.flat, PANELS.items(), strict=True):
            for name, own in grouped(rows, "balancing").items():
                curves = np.array([row["curves"][key] for row in own])
                epochs = np.arange(1, curves.shape[1] + 1)
                (line,) = axis.plot(epochs, curves.mean(axis=0), label=name)
                axis.fill_between(
                    epochs,
                    curves.min(axis=0),
                    curves.max(axis=0),
                    color=line.get_color(),
                    alpha=0.2,
                )
            axis.set_xlabel("epoch")
            axis.set_ylabel(label)
            if key in ("val_mse", "gamma"):
                axis.set_yscale("log")
        names = axes[0, 0].get_legend_handles_labels()
        figure.legend(*names, loc="outside right upper")
        figure.suptitle(
            "test images; gamma: training. Lines: means over trainings, bands: their range"
        )
    return figure


def train_and_measure(case: dict, x_train: np.ndarray, x_test: np.ndarray) -> dict:
    """Train the case's balancing; return its curves, active latents and time."""
    keras.backend.clear_session(free_memory=True)
    with seeded_initializers(case["seed"]):
        networks = build_networks(NETWORK, x_train.shape[1:], LATENT_DIM)
        vae = VAE(*networks, build_strategy(**COMPARED[case["balancing"]]), seed=case["seed"])
    vae.compile(Adam(LEARNING_RATE), jit_compile=False)
    batches = EpochBatches(x_train, BATCH_SIZE, case["seed"])
    timer = EpochTimer()
    logs = vae.fit(
        batches,
        validation_data=FileOrderBatches(x_test, BATCH_SIZE),
        epochs=case["epochs"],
        shuffle=False,
        verbose=0,
        callbacks=[batches.follow_epochs(), timer],
    ).history
    error, kl = np.array(logs["val_mse"]), np.array(logs["val_kl"])
    pixels = np.prod(x_test.shape[1:])
    bound = pixels * (0.5 + np.log(error) / 2 + HALF_LOG_TWO_PI) + kl
    _, sigma = encode(vae, x_test, BATCH_SIZE)
    names = ("kl", "mse", "gamma", "beta", "val_mse", "val_kl")
    curves = {name: [float(value) for value in logs[name]] for name in names}
    return {
        "curves": curves | {"val_bound": bound.tolist()},
        "active": int((~inactive_latents(sigma)).sum()),
        "seconds_per_step": timer.steps[0],
    }


def _first_below(values: list[float], goal: float) -> int | None:
    return next((i + 1 for i, value in enumerate(values) if value <= goal), None)
