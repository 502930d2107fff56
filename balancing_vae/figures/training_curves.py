"""Training curves of both stages: loss, kl, mse and gamma over the epochs."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from balancing_vae.figures.style import Figure

# The loss may be negative, because a density may exceed 1. The others are positive.
CURVES = {"loss": "linear", "kl": "linear", "mse": "log", "gamma": "log"}


def training_curves(history: list[dict]) -> dict[int, dict[str, np.ndarray]]:
    """Return the curves of each stage, training and validation.

    Args:
        history: `TwoStageVAE.history`.

    Returns:
        A dict of arrays by stage: `epoch`, `loss`, `kl`, `mse`, `gamma` and, if there was
        validation, `val_loss`, `val_kl`, `val_mse`.

    Example:
        ```python
        draw_training_curves(training_curves(vae.history)).savefig("curves.png")
        ```
    """
    curves = {}
    for stage in sorted({row["stage"] for row in history}):
        rows = [row for row in history if row["stage"] == stage]
        names = ["epoch", *CURVES, *(f"val_{name}" for name in CURVES)]
        curves[stage] = {
            name: np.array([row.get(name, np.nan) for row in rows])
            for name in names
            if any(name in row for row in rows)
        }
    return curves


def draw_training_curves(curves: dict[int, dict[str, np.ndarray]]) -> "Figure":
    """Draw one row of panels for each stage.

    Args:
        curves: The result of `training_curves`.

    Returns:
        The figure.
    """
    from balancing_vae.figures.style import Figure
    from balancing_vae.figures.style import style

    with style():
        figure = Figure(figsize=(11, 2.6 * len(curves)))
        axes = np.atleast_2d(figure.subplots(len(curves), len(CURVES)))
        for row, (stage, values) in zip(axes, curves.items(), strict=True):
            for axis, (name, scale) in zip(row, CURVES.items(), strict=True):
                axis.plot(values["epoch"], values[name], label="training")
                if f"val_{name}" in values:
                    axis.plot(values["epoch"], values[f"val_{name}"], label="validation")
                    axis.legend()
                axis.set_yscale(scale)
                axis.set_title(f"stage {stage}: {name}")
                axis.set_xlabel("epoch")
    return figure
