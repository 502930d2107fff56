"""A random curve and its moving average: smoothing keeps the mean and reduces the variance."""

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import colors
from balancing_vae.figures.style import style
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss

# What the paper states of its own curve, without saying how that was drawn.
PUBLISHED_SMOOTHING = {"mse": 0.546, "variance_loss": 2.648}


def random_curves(count: int, length: int = 1000, seed: int = 0) -> np.ndarray:
    """Draw random walks: each step a standard normal draw.

    Args:
        count: Number of curves, at least 1.
        length: Points per curve, at least 1.
        seed: Seed of the steps.

    Returns:
        Float64 [count, length].

    Example:
        ```python
        curve = random_curves(1)[0]
        ```
    """
    return np.random.default_rng(seed).standard_normal((count, length)).cumsum(axis=1)


def moving_average(curves: np.ndarray, window: int) -> np.ndarray:
    """Return the mean of each point and its neighbours, for points that have all neighbours.

    Args:
        curves: Float [count, length].
        window: Points averaged, odd, at most `length`.

    Returns:
        Float64 [count, length - window + 1]: point i belongs to point i + window // 2 of the curve.

    Raises:
        ValueError: The window is even, or longer than the curves.

    Example:
        ```python
        moving_average(np.array([[0.0, 3.0, 0.0, 3.0]]), 3)   # [[1.0, 2.0]]
        ```
    """
    if window % 2 == 0 or not 1 <= window <= curves.shape[1]:
        raise InputError(f"window must be odd, from 1 to {curves.shape[1]}; got {window}.")
    sums = np.cumsum(np.pad(curves, ((0, 0), (1, 0))), axis=1)
    return (sums[:, window:] - sums[:, :-window]) / window


def smoothing(curves: np.ndarray, windows: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the mse and variance loss of moving averages, for each window and each curve.

    For a long random walk the expected mse is (w^2 - 1) / (12 w), and the expected variance
    loss is twice that. For large windows, both grow linearly. A smoother curve loses more
    variance for the same mse: if the average multiplies a wave by g, the variance loss is
    (1 + g) / (1 - g) times the mse.

    Args:
        curves: Float [count, length].
        windows: Odd windows.

    Returns:
        `window`, int [W]; `mse` and `variance_loss`, float64 [W, count]; `expected_mse` and
        `expected_variance_loss` of random walks, float64 [W].

    Raises:
        ValueError: A window is even, or longer than the curves.

    Example:
        ```python
        smoothing(random_curves(100), (3, 5, 7))["mse"].mean(axis=1)
        ```
    """
    errors, losses = [], []
    for window in windows:
        smooth = moving_average(curves, window)
        inner = curves[:, window // 2 : curves.shape[1] - window // 2]
        errors.append([mse(x, x_hat) for x, x_hat in zip(inner, smooth, strict=True)])
        losses.append([variance_loss(x, x_hat) for x, x_hat in zip(inner, smooth, strict=True)])
    w = np.array(windows)
    return {
        "window": w,
        "mse": np.array(errors),
        "variance_loss": np.array(losses),
        "expected_mse": (w**2 - 1) / (12 * w),
        "expected_variance_loss": (w**2 - 1) / (6 * w),
    }


def draw_smoothing(curve: np.ndarray, window: int, losses: dict[str, np.ndarray]) -> Figure:
    """Draw a curve with its moving average, and the growth of both losses with the window.

    Args:
        curve: Float [length].
        window: Odd window of the moving average that is shown.
        losses: What `smoothing` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(10, 3.4))
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        smooth = moving_average(curve[None], window)[0]
        inner = slice(window // 2, len(curve) - window // 2)
        left.plot(curve, color="0.6", linewidth=0.8, label="random walk")
        left.plot(np.arange(len(curve))[inner], smooth, label=f"mean of {window} points")
        left.set_xlabel("point")
        left.set_ylabel("value")
        left.set_title(
            f"mse {mse(curve[inner], smooth):.3f}, "
            f"variance loss {variance_loss(curve[inner], smooth):.3f}"
        )
        left.legend()
        for name, color in zip(("mse", "variance_loss"), colors(), strict=False):
            middle, deviation = losses[name].mean(axis=1), losses[name].std(axis=1)
            title = name.replace("_", " ")
            right.plot(losses["window"], middle, "o", color=color, label=title)
            right.fill_between(
                losses["window"], middle - deviation, middle + deviation, color=color, alpha=0.2
            )
            right.plot(losses["window"], losses[f"expected_{name}"], "--", color=color)
        right.set_xticks(losses["window"])
        right.set_xlabel("window (points)")
        right.set_ylabel("value squared")
        right.set_title(f"{losses['mse'].shape[1]} walks (dashed: expected)")
        right.legend(loc="upper left")
    return figure
