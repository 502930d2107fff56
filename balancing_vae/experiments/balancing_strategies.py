"""Computed, learned and fixed gamma on one network: which is faster, which more accurate?"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.balancing import build_strategy
from balancing_vae.config import original_kl_weight
from balancing_vae.experiments.epoch_timer import EpochTimer
from balancing_vae.experiments.resumable import measure_each
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.models.objectives import HALF_LOG_TWO_PI
from balancing_vae.models.vae import VAE
from balancing_vae.networks import build_networks
from balancing_vae.training.batches import EpochBatches
from balancing_vae.training.batches import FileOrderBatches
from balancing_vae.training.optimizer import Adam

COMPARED: dict[str, dict] = {
    "computed": {"name": "computed"},
    "learned": {"name": "learned"},
    "fixed 1": {"name": "fixed", "gamma": 1.0},
    "fixed 0.3": {"name": "fixed", "gamma": 0.3},
    "fixed 0.1": {"name": "fixed", "gamma": 0.1},
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
    seeds: Sequence[int] = (0, 1, 2),
) -> list[dict]:
    """Train one convolutional network with each balancing, on the same images and seeds.

    Losses with different gammas cannot be compared; `val_bound` can: it is the loss on the
    test images with the gamma that fits their mse best,
    `pixels * (1/2 + log sqrt(mse) + 0.91893) + k KL`, the tightest bound on -log p(x)
    that these networks give.

    Args:
        x_train: Training images, uint8 [N, D, D, C], their side divisible by 4.
        x_test: Test images of the same kind.
        path: A `.json` file that keeps each finished training.
        epochs: Epochs of each training, batches of 50, Adam at 1e-3.
        seeds: Of weights, order and noise; one training each.

    Returns:
        A row a training: balancing, seed, epochs, seconds_per_step, and `curves`: lists by
        epoch of kl, mse, gamma, val_mse, val_kl, val_bound.

    Example:
        ```python
        rows = measure_balancings(x_train, x_test, "runs/balancing/rows.json")
        print(Table.of(compare_balancings(rows)))
        ```
    """
    cases = [
        {"balancing": name, "seed": seed, "epochs": epochs} for name in COMPARED for seed in seeds
    ]
    return measure_each(path, cases, lambda case: _train(case, x_train, x_test), "balancing")


def compare_balancings(rows: list[dict]) -> list[dict]:
    """Return one line a balancing, the mean over seeds.

    Args:
        rows: What `measure_balancings` returned.

    Returns:
        Dicts of balancing; mse, KL, bound (nats) and its deviation over seeds on the test
        images after the last epoch; gamma; gamma^2 / mse of the last training epoch, 1
        where the balance is the one that the model itself implies; the first epoch with
        a bound within 1 nat of the best one that computed gamma reached (None: never);
        milliseconds a step.

    Example:
        ```python
        compare_balancings(rows)[0]["bound"]
        ```
    """
    goal = (
        np.mean([min(r["curves"]["val_bound"]) for r in rows if r["balancing"] == "computed"]) + 1
    )
    lines = []
    for name in dict.fromkeys(row["balancing"] for row in rows):
        own = [row for row in rows if row["balancing"] == name]
        last = {key: np.array([row["curves"][key][-1] for row in own]) for key in own[0]["curves"]}
        found = [_first_below(row["curves"]["val_bound"], goal) for row in own]
        reached = [epoch for epoch in found if epoch is not None]
        lines.append(
            {
                "balancing": name,
                "seeds": len(own),
                "mse": float(last["val_mse"].mean()),
                "KL": float(last["val_kl"].mean()),
                "bound": float(last["val_bound"].mean()),
                "± over seeds": float(last["val_bound"].std(ddof=1)) if len(own) > 1 else None,
                "gamma": float(last["gamma"].mean()),
                "gamma²/mse": float((last["gamma"] ** 2 / last["mse"]).mean()),
                "epochs to the goal": float(np.mean(reached)) if len(reached) == len(own) else None,
                "ms a step": float(1000 * np.mean([row["seconds_per_step"] for row in own])),
            }
        )
    return lines


def draw_balancing(rows: list[dict]) -> Figure:
    """Draw mse, KL, gamma and bound over training, a line a balancing, its seeds as a band.

    Args:
        rows: What `measure_balancings` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(11, 5.6))
        axes = figure.subplots(2, 2)
        for axis, (key, label) in zip(axes.flat, PANELS.items(), strict=True):
            for name in dict.fromkeys(row["balancing"] for row in rows):
                curves = np.array([r["curves"][key] for r in rows if r["balancing"] == name])
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
        figure.suptitle("test images; gamma: training. Lines: mean over seeds, bands: their range")
    return figure


def _train(case: dict, x_train: np.ndarray, x_test: np.ndarray) -> dict:
    keras.backend.clear_session(free_memory=True)
    with seeded_initializers(case["seed"]):
        vae = VAE(
            *build_networks(NETWORK, x_train.shape[1:], LATENT_DIM),
            build_strategy(**COMPARED[case["balancing"]]),
            original_kl_weight(x_train.shape[1:], LATENT_DIM),
            seed=case["seed"],
        )
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
    bound = pixels * (0.5 + np.log(error) / 2 + HALF_LOG_TWO_PI) + vae.kl_weight * kl
    names = ("kl", "mse", "gamma", "val_mse", "val_kl")
    curves = {name: [float(value) for value in logs[name]] for name in names}
    return {
        "curves": curves | {"val_bound": bound.tolist()},
        "seconds_per_step": timer.steps[0],
    }


def _first_below(values: list[float], goal: float) -> int | None:
    return next((i + 1 for i, value in enumerate(values) if value <= goal), None)
